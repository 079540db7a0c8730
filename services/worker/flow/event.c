#include "services/worker/flow/event_parts.h"

#include <string.h>

/* --- limits --- */

#define UNIX_MS_MOST (INT64_C(1) << 53)
#define SIZE_MOST    (INT64_C(1) << 53)

static bool is_time(int64_t unix_ms)
{
    return unix_ms >= 0 && unix_ms <= UNIX_MS_MOST;
}

bool event_is_text(struct fb_text text, size_t least, size_t most)
{
    return text.size >= least && text.size <= most &&
           fb_utf8_check(text.data, text.size) == text.size &&
           (text.size == 0 || memchr(text.data, '\0', text.size) == NULL);
}

static bool are_texts(struct event_texts texts, size_t count_most, size_t bytes_most)
{
    if (texts.count > count_most) {
        return false;
    }
    for (size_t i = 0; i < texts.count; i++) {
        if (!event_is_text(texts.items[i], 1, bytes_most)) {
            return false;
        }
    }
    return true;
}

static struct fb_status refuse(const char *why)
{
    return fb_fail(FB_INVALID_ARGUMENT, why);
}

static const char title_why[] = "title: 1 to 512 bytes of UTF-8; put the rest into body";
static const char body_why[] = "body: at most 64 KiB of UTF-8; name a file instead";
static const char accept_why[] = "accept: at most 16 KiB of UTF-8";
static const char weight_why[] = "weight: 1 to 10";
static const char priority_why[] = "priority: 0 (first) to 4";
static const char defer_why[] = "defer_until: a unix time in milliseconds, or 0";
static const char evidence_why[] = "evidence: at most 64, each with a ref of 1 to 1,024 bytes of "
                                   "UTF-8 and, if any, a SHA-256 of 32";
static const char note_why[] = "note: at most 16 KiB of UTF-8; name a file instead";

static bool is_evidence(struct event_evidence_list evidence)
{
    if (evidence.count > EVENT_EVIDENCE) {
        return false;
    }
    for (size_t i = 0; i < evidence.count; i++) {
        const struct event_evidence *item = &evidence.items[i];

        if ((unsigned)item->kind >= EVENT_EVIDENCE_KINDS ||
            !event_is_text(item->ref, 1, EVENT_EVIDENCE_BYTES) ||
            !event_is_text(item->host, 0, EVENT_HOST_BYTES) || item->size < 0 ||
            item->size > SIZE_MOST ||
            (item->sha256.size != 0 && item->sha256.size != EVENT_SHA256_BYTES)) {
            return false;
        }
    }
    return true;
}

struct fb_status event_check_planned_task(const struct event_planned_task *task)
{
    if (!event_is_text(task->title, 1, EVENT_TITLE_BYTES)) {
        return refuse(title_why);
    }
    if (!event_is_text(task->key, 0, EVENT_KEY_BYTES)) {
        return refuse("key: at most 128 bytes of UTF-8");
    }
    if (!event_is_text(task->body, 0, EVENT_BODY_BYTES)) {
        return refuse(body_why);
    }
    if (!event_is_text(task->accept, 0, EVENT_ACCEPT_BYTES)) {
        return refuse(accept_why);
    }
    if (task->weight < 1 || task->weight > EVENT_WEIGHT_MOST) {
        return refuse(weight_why);
    }
    if (task->priority > EVENT_PRIORITY_MOST) {
        return refuse(priority_why);
    }
    if (task->phase >= EVENT_PHASES) {
        return refuse("phase: there is no such phase");
    }
    if (!are_texts(task->needs, EVENT_CAPS, EVENT_CAP_BYTES)) {
        return refuse("needs: at most 64 words of 1 to 64 bytes");
    }
    if (!is_time(task->defer_until_unix_ms)) {
        return refuse(defer_why);
    }
    return fb_ok;
}

struct fb_status event_check_links(const struct event_link *links, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (links[i].kind < EVENT_LINK_AFTER || links[i].kind >= EVENT_LINK_KINDS) {
            return refuse("links: there is no such kind");
        }
        if (links[i].task == 0 || links[i].on == 0) {
            return refuse("links: tasks are numbered from 1");
        }
    }
    return fb_ok;
}

static struct fb_status check_planned(const struct event *event)
{
    if (event->planned.first_task == 0) {
        return refuse("first_task: tasks are numbered from 1");
    }
    if (event->planned.task_count == 0) {
        return refuse("tasks: at least one");
    }
    if (!event_is_text(event->planned.plan_key, 0, EVENT_KEY_BYTES)) {
        return refuse("plan_key: at most 128 bytes of UTF-8");
    }
    for (size_t i = 0; i < event->planned.task_count; i++) {
        const struct fb_status status = event_check_planned_task(&event->planned.tasks[i]);

        if (!fb_is_ok(status)) {
            return status;
        }
    }
    return event_check_links(event->planned.links, event->planned.link_count);
}

static struct fb_status check_edited(const struct event *event)
{
    const uint32_t fields = event->edited.fields;

    if (fields == 0 || (fields & ~(uint32_t)EVENT_FIELDS) != 0) {
        return refuse("fields: at least one, and only such as there are");
    }
    if ((fields & EVENT_FIELD_TITLE) != 0 &&
        !event_is_text(event->edited.title, 1, EVENT_TITLE_BYTES)) {
        return refuse(title_why);
    }
    if ((fields & EVENT_FIELD_BODY) != 0 &&
        !event_is_text(event->edited.body, 0, EVENT_BODY_BYTES)) {
        return refuse(body_why);
    }
    if ((fields & EVENT_FIELD_ACCEPT) != 0 &&
        !event_is_text(event->edited.accept, 0, EVENT_ACCEPT_BYTES)) {
        return refuse(accept_why);
    }
    if ((fields & EVENT_FIELD_WEIGHT) != 0 &&
        (event->edited.weight < 1 || event->edited.weight > EVENT_WEIGHT_MOST)) {
        return refuse(weight_why);
    }
    if ((fields & EVENT_FIELD_PRIORITY) != 0 && event->edited.priority > EVENT_PRIORITY_MOST) {
        return refuse(priority_why);
    }
    if ((fields & EVENT_FIELD_DEFER) != 0 && !is_time(event->edited.defer_until_unix_ms)) {
        return refuse(defer_why);
    }
    return fb_ok;
}

static struct fb_status check_requeued(const struct event *event)
{
    if (event->requeued.cause < EVENT_HANDED_BACK || event->requeued.cause >= EVENT_CAUSES) {
        return refuse("cause: there is no such cause");
    }
    if (!event_is_text(event->requeued.reason, event->requeued.cause == EVENT_REOPENED,
                       EVENT_REASON_BYTES)) {
        return refuse("reason: at most 1,024 bytes of UTF-8, and needed to reopen");
    }
    return is_time(event->requeued.defer_until_unix_ms) ? fb_ok : refuse(defer_why);
}

static struct fb_status check_finished(const struct event *event)
{
    if (event->finished.outcome < EVENT_COMPLETED || event->finished.outcome >= EVENT_OUTCOMES) {
        return refuse("outcome: there is no such outcome");
    }
    if (!event_is_text(event->finished.summary, 0, EVENT_SUMMARY_BYTES)) {
        return refuse("summary: at most 4 KiB of UTF-8");
    }
    if (!is_evidence(event->finished.evidence)) {
        return refuse(evidence_why);
    }
    return fb_ok;
}

static struct fb_status check_opened(const struct event *event)
{
    const int64_t lease_ms = event->opened.lease_ms;

    if (!event_is_text(event->opened.name, 1, EVENT_NAME_BYTES)) {
        return refuse("name: 1 to 256 bytes of UTF-8");
    }
    if (lease_ms != 0 && (lease_ms < EVENT_LEASE_LEAST_MS || lease_ms > EVENT_LEASE_MOST_MS)) {
        return refuse("lease_ms: 0, or 1,000 to 14,400,000");
    }
    if (event->opened.share > EVENT_SHARE_MOST) {
        return refuse("share: 1 to 1,000, or 0 for 1");
    }
    return fb_ok;
}

static struct fb_status check_kind(const struct event *event)
{
    switch (event->kind) {
    case EVENT_OPENED:
        return check_opened(event);
    case EVENT_SEEN:
        return are_texts(event->seen.caps, EVENT_CAPS, EVENT_CAP_BYTES)
                   ? fb_ok
                   : refuse("caps: at most 64 words of 1 to 64 bytes");
    case EVENT_PLANNED:
        return check_planned(event);
    case EVENT_LINKED:
        return event_check_links(event->linked.links, event->linked.link_count);
    case EVENT_CLAIMED:
        return event->claimed.lasts_ms > 0 && event->claimed.lasts_ms <= INT64_C(86400000)
                   ? fb_ok
                   : refuse("lasts_ms: up to a day");
    case EVENT_NOTED:
        if (!event_is_text(event->noted.note, 0, EVENT_NOTE_BYTES)) {
            return refuse(note_why);
        }
        if (event->noted.percent > 100) {
            return refuse("percent: 0 to 100");
        }
        return is_evidence(event->noted.evidence) ? fb_ok : refuse(evidence_why);
    case EVENT_BLOCKED:
        return event_is_text(event->blocked.gate, event->blocked.blocker == 0, EVENT_REASON_BYTES)
                   ? fb_ok
                   : refuse("blocker: a task, or a text of at most 1,024 bytes");
    case EVENT_REQUEUED:
        return check_requeued(event);
    case EVENT_FINISHED:
        return check_finished(event);
    case EVENT_EDITED:
        return check_edited(event);
    case EVENT_UNATTACHED:
        if (!event_is_text(event->unattached.note, 0, EVENT_NOTE_BYTES)) {
            return refuse(note_why);
        }
        return is_evidence(event->unattached.evidence) ? fb_ok : refuse(evidence_why);
    case EVENT_VERIFIED:
    case EVENT_MUTED:
        return event_check_watch(event);
    case EVENT_DOCUMENT:
    case EVENT_IMPORTED:
    case EVENT_COMPACTED:
    case EVENT_EXPANDED:
    case EVENT_MERGED:
    case EVENT_CONFLICT:
        return event_check_exchange(event);
    case EVENT_RESTED:
    case EVENT_UNKNOWN:
        return fb_ok;
    }
    return refuse("kind: there is no such kind");
}

struct fb_status event_check(const struct event *event)
{
    if (!is_time(event->unix_ms)) {
        return refuse("unix_ms: a unix time in milliseconds");
    }
    if (!event_is_text(event->actor, 0, EVENT_ACTOR_BYTES)) {
        return refuse("agent: at most 128 bytes of UTF-8");
    }
    if (!event_is_text(event->request_id, 0, EVENT_REQUEST_BYTES)) {
        return refuse("request_id: at most 128 bytes of UTF-8");
    }
    if (!event_is_text(event->origin, 0, EVENT_ORIGIN_BYTES)) {
        return refuse("origin: at most 128 bytes of UTF-8");
    }
    if ((unsigned)event->command >= EVENT_COMMANDS) {
        return refuse("command: there is no such command");
    }
    return check_kind(event);
}

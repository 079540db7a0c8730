#include "services/worker/flow/deciding.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NAMED_MOST = 8 /* tasks that a refusal names */ };

const char *refusal_name(enum refusal_kind kind)
{
    static const char *const names[REFUSAL_KINDS] = {
        [REFUSAL_NONE] = "",
        [REFUSAL_INVALID] = "invalid",
        [REFUSAL_CONFLICT] = "conflict",
        [REFUSAL_CYCLE] = "cycle",
        [REFUSAL_NOT_READY] = "not_ready",
        [REFUSAL_WIP_LIMIT] = "wip_limit",
        [REFUSAL_NEEDS_CAPS] = "needs_caps",
        [REFUSAL_STALE_REV] = "stale_rev",
        [REFUSAL_DUPLICATE_KEY] = "duplicate_key",
        [REFUSAL_NO_SUCH] = "no_such",
        [REFUSAL_BUDGET] = "budget",
    };

    assert(kind < REFUSAL_KINDS);
    return names[kind];
}

/* --- refusing --- */

bool refusal_set(struct decision *d, enum refusal_kind kind, uint32_t task, uint32_t other,
                 const char *format, ...)
{
    char words[1024];
    va_list arguments;
    char *why;

    va_start(arguments, format);
    vsnprintf(words, sizeof(words), format, arguments);
    va_end(arguments);
    why = fb_arena_copy(d->arena, words, strlen(words));
    d->refusal = (struct refusal){
        .kind = kind,
        .why = why == NULL ? "no memory to say why" : why,
        .task = task,
        .other = other,
    };
    return false;
}

bool refusal_no_such(struct decision *d, uint32_t task)
{
    return refusal_set(d, REFUSAL_NO_SUCH, task, 0,
                       "there is no task %u; flow_find lists those there are", task);
}

/* A task by its number, or one of a plan by its place there. Returns how much it took. */
static size_t name_task(const struct session *s, uint32_t task, char *at, size_t room)
{
    const bool planned = task > s->task_count;
    const int size = snprintf(at, room, planned ? "tasks[%u]" : "#%u",
                              planned ? task - s->task_count - 1 : task);

    return size < 0 || (size_t)size >= room ? 0 : (size_t)size;
}

bool refusal_cycle(struct decision *d)
{
    const struct session *s = d->session;
    const bool cut = s->cycle_count == SESSION_CYCLE_NAMED;
    char path[512] = "";
    size_t used = 0;

    for (uint32_t i = 0; i < s->cycle_count; i++) {
        used += name_task(s, s->cycle[i], path + used, sizeof(path) - used);
        used += (size_t)snprintf(path + used, sizeof(path) - used, " -> ");
    }
    if (cut) {
        used += (size_t)snprintf(path + used, sizeof(path) - used, "... -> ");
    }
    (void)name_task(s, s->cycle[0], path + used, sizeof(path) - used);
    return refusal_set(d, REFUSAL_CYCLE, s->cycle[0] > s->task_count ? 0 : s->cycle[0], 0,
                       "%s: %s; leave out one of the links",
                       s->cycle_count == 1 ? "this task would wait for itself"
                                           : "these tasks would wait for each other",
                       path);
}

bool refusal_held(struct decision *d, uint32_t number)
{
    const struct task *task = &d->session->tasks[number];
    const struct fb_text holder = d->session->agent_names.texts[task->lease.agent];
    const uint64_t fence = task->lease.fence;

    (void)refusal_set(d, REFUSAL_CONFLICT, number, 0,
                      "task %u is held by %s with fence %llu; take another with flow_next", number,
                      holder.data, (unsigned long long)fence);
    d->refusal.holder = holder;
    d->refusal.fence = fence;
    return false;
}

/* Who holds it said another fence: it was claimed anew, or the number was mistaken. */
static bool refuse_fence(struct decision *d, uint32_t number, uint64_t given)
{
    const struct task *task = &d->session->tasks[number];
    const uint64_t fence = task->lease.fence;

    (void)refusal_set(d, REFUSAL_CONFLICT, number, 0,
                      "task %u is yours, but with fence %llu, not %llu; call again with that fence",
                      number, (unsigned long long)fence, (unsigned long long)given);
    d->refusal.holder = d->session->agent_names.texts[task->lease.agent];
    d->refusal.fence = fence;
    return false;
}

bool refusal_stale(struct decision *d, struct fb_text agent, uint32_t number, uint64_t fence,
                   struct fb_text note, struct event_evidence_list evidence)
{
    const struct event kept = {
        .kind = EVENT_UNATTACHED,
        .actor = agent,
        .task = number,
        .unattached = {.fence = fence, .note = note, .evidence = evidence},
    };
    const struct lease *lease = &d->session->tasks[number].lease;

    if ((note.size != 0 || evidence.count != 0) &&
        !deciding_emit_for(d, (struct fb_text){.size = 0}, kept)) {
        return false;
    }
    if (lease->fence != 0) {
        return fb_text_equal(d->session->agent_names.texts[lease->agent], agent)
                   ? refuse_fence(d, number, fence)
                   : refusal_held(d, number);
    }
    return refusal_set(
        d, REFUSAL_CONFLICT, number, 0,
        "task %u is %s and no longer yours; what you said is kept; claim it anew with "
        "flow_next",
        number, task_state_name(d->session->tasks[number].state));
}

bool refusal_wip(struct decision *d, uint32_t agent)
{
    uint32_t held[NAMED_MOST];
    const size_t count = schedule_active(d->session->schedule, agent, held, NAMED_MOST);
    char named[NAMED_MOST * 12 + 8];
    size_t used = 0;

    named[0] = '\0';
    for (size_t i = 0; i < count && i < NAMED_MOST; i++) {
        used += (size_t)snprintf(named + used, sizeof(named) - used, "%s%u", i == 0 ? "" : ", ",
                                 held[i]);
    }
    return refusal_set(d, REFUSAL_WIP_LIMIT, 0, count == 0 ? 0 : held[0],
                       agent == GRAPH_NONE
                           ? "the session is full: tasks %s%s are active; finish or "
                             "wait"
                           : "you hold as many tasks as you may: %s%s; finish one or "
                             "hand it back with flow_pulse",
                       named, count > NAMED_MOST ? ", ..." : "");
}

bool refusal_caps(struct decision *d, uint32_t task, uint64_t missing)
{
    uint32_t cap = 0;

    while (cap + 1 < d->session->caps.count && (missing >> cap & 1) == 0) {
        cap++;
    }
    return refusal_set(
        d, REFUSAL_NEEDS_CAPS, task, 0,
        "task %u needs \"%s\", which you did not declare; open the session with it, or "
        "take another",
        task, d->session->caps.texts[cap].data);
}

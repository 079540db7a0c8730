#include "services/worker/sessions/unsaid.h"

#include <stdlib.h>
#include <string.h>

#include "services/worker/flow/alarms.h"

enum { DUE_LINE = 1, DUE_TEXTS = 2 };

enum { AGENT_SILENT_MS = 30 * 60 * 1000 /* an agent heard since counts as there */ };

/* --- noting --- */

static uint8_t state_of(const struct session *session, uint32_t number)
{
    return schedule_is_ready(session->schedule, number) ? UNSAID_READY
                                                        : (uint8_t)session->tasks[number].state;
}

/* A longer copy, of which what is new is `fill`; NULL when memory is exhausted. */
static uint8_t *longer(const uint8_t *bytes, uint32_t size, uint32_t room, int fill)
{
    uint8_t *copy = malloc(room);

    if (copy != NULL) {
        memset(copy, fill, room);
        if (size != 0) {
            memcpy(copy, bytes, size);
        }
    }
    return copy;
}

static bool know(struct unsaid *unsaid, uint32_t task_count)
{
    uint32_t known = unsaid->known == 0 ? 64 : unsaid->known;
    uint8_t *said;
    uint8_t *due;

    if (task_count < unsaid->known) {
        return true;
    }
    while (known <= task_count) {
        known *= 2;
    }
    said = longer(unsaid->said, unsaid->known, known, UINT8_MAX);
    due = longer(unsaid->due, unsaid->known, known, 0);
    if (said == NULL || due == NULL) {
        free(said);
        free(due);
        unsaid->failed = true;
        return false;
    }
    free(unsaid->said);
    free(unsaid->due);
    unsaid->said = said;
    unsaid->due = due;
    unsaid->known = known;
    return true;
}

static void add(struct unsaid *unsaid, uint32_t task, uint8_t due)
{
    if (unsaid->due[task] == 0) {
        if (unsaid->first + unsaid->count == unsaid->room && unsaid->first > unsaid->room / 2) {
            memmove(unsaid->tasks, unsaid->tasks + unsaid->first,
                    unsaid->count * sizeof(*unsaid->tasks));
            unsaid->first = 0;
        }
        if (unsaid->first + unsaid->count == unsaid->room) {
            const uint32_t room = unsaid->room == 0 ? 64 : 2 * unsaid->room;
            uint32_t *tasks = realloc(unsaid->tasks, room * sizeof(*tasks));

            if (tasks == NULL) {
                unsaid->failed = true;
                return;
            }
            unsaid->tasks = tasks;
            unsaid->room = room;
        }
        unsaid->tasks[unsaid->first + unsaid->count++] = task;
        unsaid->fresh++;
    }
    unsaid->due[task] |= due;
}

static void look_at(struct unsaid *unsaid, const struct session *session, uint32_t task)
{
    if (!unsaid->failed && unsaid->said[task] != state_of(session, task)) {
        unsaid->said[task] = state_of(session, task);
        add(unsaid, task, DUE_LINE);
    }
}

/*
 * An event is about the task. What waits for it may be ready now, or blocked; nothing further is, as
 * every other change of a state has an event of its own.
 */
static void spread(struct unsaid *unsaid, const struct session *session, uint32_t task, uint8_t due)
{
    const struct graph *graph = session->graph;

    if (unsaid->failed) {
        return;
    }
    add(unsaid, task, due);
    unsaid->said[task] = state_of(session, task);
    for (uint32_t edge = graph_first_out(graph, task); edge != GRAPH_NONE;
         edge = graph_next_out(graph, edge)) {
        look_at(unsaid, session, graph_edge_at(graph, edge).after);
    }
}

static void look_at_links(struct unsaid *unsaid, const struct session *session,
                          const struct event_link *links, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        look_at(unsaid, session, links[i].task);
        look_at(unsaid, session, links[i].on);
        if (links[i].kind == EVENT_LINK_PARENT && !unsaid->failed) {
            add(unsaid, links[i].task, DUE_LINE);
        }
    }
}

static void look_at_new(struct unsaid *unsaid, const struct session *session, uint32_t first,
                        size_t count)
{
    for (size_t i = 0; i < count && !unsaid->failed; i++) {
        const uint32_t task = first + (uint32_t)i;

        add(unsaid, task, DUE_LINE | DUE_TEXTS);
        unsaid->said[task] = state_of(session, task);
    }
}

void unsaid_note(struct unsaid *unsaid, const struct session *session, const struct event *events,
                 size_t count)
{
    if (unsaid->failed || !know(unsaid, session->task_count)) {
        return;
    }
    for (size_t i = 0; i < count && !unsaid->failed; i++) {
        const struct event *event = &events[i];

        switch (event->kind) {
        case EVENT_PLANNED:
            look_at_new(unsaid, session, event->planned.first_task, event->planned.task_count);
            look_at_links(unsaid, session, event->planned.links, event->planned.link_count);
            break;
        case EVENT_IMPORTED:
            look_at_new(unsaid, session, event->imported.first_task, event->imported.task_count);
            look_at_links(unsaid, session, event->imported.links, event->imported.link_count);
            break;
        case EVENT_LINKED:
            look_at_links(unsaid, session, event->linked.links, event->linked.link_count);
            break;
        case EVENT_NOTED:
        case EVENT_FINISHED:
        case EVENT_EDITED:
        case EVENT_BLOCKED:
            spread(unsaid, session, event->task, DUE_LINE | DUE_TEXTS);
            break;
        default:
            if (event->task != 0 && event->task <= session->task_count) {
                spread(unsaid, session, event->task, DUE_LINE);
            }
            break;
        }
    }
}

void unsaid_begin(struct unsaid *unsaid, const struct session *session, int64_t sequence)
{
    unsaid_finish(unsaid);
    if (!know(unsaid, session->task_count)) {
        return;
    }
    unsaid->sequence = sequence;
    for (uint32_t task = 1; task <= session->task_count && !unsaid->failed; task++) {
        unsaid->said[task] = state_of(session, task);
        if (sequence < (int64_t)session->events) {
            add(unsaid, task, DUE_LINE | DUE_TEXTS);
        }
    }
}

void unsaid_finish(struct unsaid *unsaid)
{
    free(unsaid->tasks);
    free(unsaid->said);
    free(unsaid->due);
    memset(unsaid, 0, sizeof(*unsaid));
}

bool unsaid_are_due(const struct unsaid *unsaid, int64_t sequence)
{
    return !unsaid->failed && (unsaid->count != 0 || unsaid->sequence < sequence);
}

/* --- saying --- */

static const char *or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

/* Whoever holds it; names that no query can ask for are left out. */
static const char *agent_of(const struct session *session, const struct task *task)
{
    struct fb_text name;

    if (task->lease.fence == 0) {
        return "";
    }
    name = session->agent_names.texts[task->lease.agent];
    for (size_t i = 0; i < name.size; i++) {
        if ((unsigned char)name.data[i] < ' ' || name.data[i] == 0x7f) {
            return "";
        }
    }
    return name.data;
}

/* Body, accept, note and summary, one below the other, cut between two characters. */
static const char *body_of(const struct task *task, struct fb_arena *arena)
{
    const char *const parts[] = {task->summary, task->note, task->body, task->accept, task->gate};
    char *body;
    size_t size = 0;
    size_t at = 0;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        size += parts[i] == NULL ? 0 : strlen(parts[i]) + 1;
    }
    body = fb_arena_alloc(arena, size + 1);
    if (body == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i] != NULL) {
            memcpy(body + at, parts[i], strlen(parts[i]));
            at += strlen(parts[i]);
            body[at++] = '\n';
        }
    }
    if (at > UNSAID_BODY_BYTES) {
        at = UNSAID_BODY_BYTES;
        while (at > 0 && ((unsigned char)body[at] & 0xc0) == 0x80) {
            at--;
        }
    }
    body[at] = '\0';
    return body;
}

static Flowbalancer__V1__TaskLine *task_line(const struct session *session, uint32_t number,
                                             uint8_t due, struct fb_arena *arena)
{
    const struct task *task = &session->tasks[number];
    Flowbalancer__V1__TaskLine *line = fb_arena_alloc(arena, sizeof(*line));

    if (line == NULL) {
        return NULL;
    }
    flowbalancer__v1__task_line__init(line);
    line->number = number;
    line->state = state_of(session, number);
    line->weight = task->weight;
    line->priority = task->priority;
    line->percent = task->percent;
    line->parent = task->parent;
    line->agent = (char *)(uintptr_t)agent_of(session, task);
    line->updated_unix_ms = session->last_ms;
    if ((due & DUE_TEXTS) != 0) {
        line->texts = fb_arena_alloc(arena, sizeof(*line->texts));
        if (line->texts == NULL) {
            return NULL;
        }
        flowbalancer__v1__task_texts__init(line->texts);
        line->texts->key = (char *)(uintptr_t)or_empty(task->key);
        line->texts->title = (char *)(uintptr_t)or_empty(task->title);
        line->texts->body = (char *)(uintptr_t)body_of(task, arena);
        if (line->texts->body == NULL) {
            return NULL;
        }
    }
    return line;
}

static uint32_t agents_there(const struct session *session)
{
    uint32_t there = 0;

    for (uint32_t i = 0; i < session->agent_names.count; i++) {
        there += session->agents[i].held != 0 ||
                 session->last_ms - session->agents[i].heard_ms < AGENT_SILENT_MS;
    }
    return there;
}

static void look_at_alarms(struct unsaid *unsaid, const struct session *session)
{
    struct alarm alarms[UNSAID_ALARMS_MOST];
    size_t count;

    if (unsaid->alarms_ms != 0 && session->last_ms - unsaid->alarms_ms < UNSAID_ALARMS_MS) {
        return;
    }
    count = session_alarms(session, session->last_ms, alarms, UNSAID_ALARMS_MOST);
    unsaid->alarms_ms = session->last_ms;
    unsaid->alarm_count = 0;
    for (size_t i = 0; i < count && i < UNSAID_ALARMS_MOST; i++) {
        Flowbalancer__V1__SessionAlarm *alarm = &unsaid->alarms[unsaid->alarm_count];

        if (alarms[i].muted_until_ms > session->last_ms) {
            continue;
        }
        flowbalancer__v1__session_alarm__init(alarm);
        alarm->kind = (uint32_t)alarms[i].kind;
        alarm->task = alarms[i].task;
        alarm->since_unix_ms = alarms[i].since_ms;
        unsaid->alarm_count++;
    }
}

static Flowbalancer__V1__SessionLine *session_line(struct unsaid *unsaid,
                                                   const struct session *session,
                                                   struct fb_arena *arena)
{
    Flowbalancer__V1__SessionLine *line = fb_arena_alloc(arena, sizeof(*line));
    uint32_t *counts = fb_arena_alloc(arena, sizeof(session->in_state));
    Flowbalancer__V1__SessionAlarm **alarms =
        fb_arena_alloc(arena, UNSAID_ALARMS_MOST * sizeof(Flowbalancer__V1__SessionAlarm *));

    if (line == NULL || counts == NULL || alarms == NULL) {
        return NULL;
    }
    look_at_alarms(unsaid, session);
    for (size_t i = 0; i < unsaid->alarm_count; i++) {
        alarms[i] = &unsaid->alarms[i];
    }
    flowbalancer__v1__session_line__init(line);
    memcpy(counts, session->in_state, sizeof(session->in_state));
    line->flow_state = (uint32_t)session_flow_state(session, session->last_ms);
    line->progress_permille = session->leaf_weight == 0
                                  ? 0
                                  : (uint32_t)(session->leaf_progress * 10 / session->leaf_weight);
    line->momentum_permille =
        (uint32_t)(1000 * momentum_at(&session->momentum, session->awake_ms) + 0.5);
    line->tasks_by_state = counts;
    line->n_tasks_by_state = TASK_STATES;
    line->ready = schedule_ready_count(session->schedule);
    line->agents = agents_there(session);
    line->alarms = alarms;
    line->n_alarms = unsaid->alarm_count;
    line->as_of_unix_ms = session->last_ms;
    return line;
}

/* The first `taken` from `from` on are said. */
static void drop(struct unsaid *unsaid, uint32_t from, uint32_t taken, int64_t sequence)
{
    const uint32_t behind = unsaid->first + unsaid->count - from - taken;

    for (uint32_t i = 0; i < taken; i++) {
        unsaid->due[unsaid->tasks[from + i]] = 0;
    }
    if (from == unsaid->first) {
        unsaid->first += taken;
    } else {
        memmove(unsaid->tasks + from, unsaid->tasks + from + taken,
                behind * sizeof(*unsaid->tasks));
    }
    unsaid->count -= taken;
    unsaid->fresh = 0;
    if (unsaid->count == 0) {
        unsaid->first = 0;
        unsaid->sequence = sequence;
    }
}

Flowbalancer__V1__Projection *unsaid_take(struct unsaid *unsaid, const struct session *session,
                                          int64_t sequence, bool fresh, uint32_t most,
                                          struct fb_arena *arena)
{
    const uint32_t there = fresh ? unsaid->fresh : unsaid->count;
    const uint32_t count = there < most ? there : most;
    const uint32_t from = fresh ? unsaid->first + unsaid->count - there : unsaid->first;
    const size_t before = arena->used_bytes;
    Flowbalancer__V1__Projection *projection = fb_arena_alloc(arena, sizeof(*projection));
    uint32_t taken = 0;

    if (projection == NULL || unsaid->failed) {
        return NULL;
    }
    flowbalancer__v1__projection__init(projection);
    projection->line = session_line(unsaid, session, arena);
    projection->tasks = fb_arena_alloc(arena, (count + 1) * sizeof(*projection->tasks));
    if (projection->line == NULL || projection->tasks == NULL) {
        return NULL;
    }
    while (taken < count && arena->used_bytes - before < UNSAID_BYTES_MOST) {
        const uint32_t task = unsaid->tasks[from + taken];

        projection->tasks[taken] = task_line(session, task, unsaid->due[task], arena);
        if (projection->tasks[taken] == NULL) {
            return NULL;
        }
        taken++;
    }
    drop(unsaid, from, taken, sequence);
    projection->n_tasks = taken;
    projection->sequence = unsaid->sequence;
    return projection;
}

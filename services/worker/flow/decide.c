#include "services/worker/flow/decide.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    CHUNK_BYTES = 700 << 10, /* of a plan in one event, as estimated */
    CHUNK_LINKS = 20000,
    TASK_BYTES = 96, /* of a planned task beside its texts */
    LINK_BYTES = 16,
    NAMED_MOST = 8, /* tasks that a refusal names */
    RETRY_MS = 30000,
    WORKER_SILENT_MS = 30 * 60 * 1000, /* an agent heard since counts as at work */
    RENEWED_MS = 60 * 1000,            /* a refused call within it of another says nothing new */
};

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

__attribute__((format(printf, 5, 6))) static bool refuse(struct decision *d, enum refusal_kind kind,
                                                         uint32_t task, uint32_t other,
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

static bool refuse_no_such(struct decision *d, uint32_t task)
{
    return refuse(d, REFUSAL_NO_SUCH, task, 0,
                  "there is no task %u; flow_find lists those there are", task);
}

/* "3 -> 5 -> 3", as far as it fits. */
static bool refuse_cycle(struct decision *d)
{
    const struct session *s = d->session;
    char path[256];
    size_t used = 0;

    for (uint32_t i = 0; i < s->cycle_count && used < sizeof(path) - 24; i++) {
        used += (size_t)snprintf(path + used, sizeof(path) - used, "%u -> ", s->cycle[i]);
    }
    snprintf(path + used, sizeof(path) - used, "%s",
             s->cycle_count == SESSION_CYCLE_NAMED ? "..." : "");
    return refuse(d, REFUSAL_CYCLE, s->cycle[0], 0,
                  "these tasks would wait for each other: %s%u; leave out one of the links", path,
                  s->cycle[0]);
}

/* --- events: folded as they are decided --- */

static bool emit(struct decision *d, struct event event)
{
    struct fb_status status;

    event.unix_ms = d->now_ms;
    if (d->event_count == d->event_room) {
        const size_t room = d->event_room == 0 ? 4 : 2 * d->event_room;
        struct event *events = fb_arena_zalloc(d->arena, room, sizeof(*events));

        if (events == NULL) {
            return refuse(d, REFUSAL_BUDGET, 0, 0, "no memory; try a smaller command");
        }
        if (d->event_count != 0) {
            memcpy(events, d->events, d->event_count * sizeof(*events));
        }
        d->events = events;
        d->event_room = room;
    }
    status = session_fold(d->session, &event);
    if (fb_is_ok(status)) {
        d->events[d->event_count++] = event;
        return true;
    }
    if (status.code == FB_FAILED_PRECONDITION && d->session->cycle_count != 0) {
        return refuse_cycle(d);
    }
    return refuse(d,
                  status.code == FB_RESOURCE_EXHAUSTED ? REFUSAL_BUDGET
                  : status.code == FB_INVALID_ARGUMENT ? REFUSAL_INVALID
                                                       : REFUSAL_CONFLICT,
                  event.task, 0, "%s", status.why);
}

/* Whether the fields are within their limits, whatever the session. */
static bool is_valid(struct decision *d, struct event event)
{
    struct fb_status status;

    event.unix_ms = d->now_ms;
    status = event_check(&event);
    return fb_is_ok(status) || refuse(d, REFUSAL_INVALID, event.task, 0, "%s", status.why);
}

static bool begin(struct decision *d, struct fb_text agent)
{
    d->refusal = (struct refusal){.kind = REFUSAL_NONE, .why = ""};
    d->task = 0;
    d->fence = 0;
    if (d->now_ms < d->session->last_ms) {
        d->now_ms = d->session->last_ms;
    }
    if (agent.size == 0) {
        return refuse(d, REFUSAL_INVALID, 0, 0, "agent: say who you are");
    }
    return true;
}

/* Also looks up the task, which must be there. */
static bool begin_about(struct decision *d, struct fb_text agent, uint32_t task)
{
    if (!begin(d, agent)) {
        return false;
    }
    return session_task(d->session, task) != NULL || refuse_no_such(d, task);
}

/* --- leases --- */

static int64_t heard_ms(const struct session *s, const struct task *task)
{
    return s->agents[task->lease.agent].heard_ms;
}

static bool give_back(struct decision *d, uint32_t task)
{
    return emit(d, (struct event){
                       .kind = EVENT_REQUEUED, .task = task, .requeued = {.cause = EVENT_EXPIRED}});
}

static bool expire(struct decision *d)
{
    const struct session *s = d->session;
    const uint32_t most = s->in_state[TASK_ACTIVE];
    uint32_t *active = fb_arena_alloc(d->arena, (most + 1) * sizeof(*active));

    if (active == NULL) {
        return refuse(d, REFUSAL_BUDGET, 0, 0, "no memory to look at the leases");
    }
    schedule_active(s->schedule, GRAPH_NONE, active, most);
    for (uint32_t i = 0; i < most; i++) {
        const struct task *task = &s->tasks[active[i]];

        if (lease_phase(&task->lease, heard_ms(s, task), d->now_ms) == LEASE_EXPIRED &&
            !give_back(d, active[i])) {
            return false;
        }
    }
    return true;
}

bool decide_expire(struct decision *d)
{
    return begin(d, FB_TEXT("engine")) && expire(d);
}

/* A refused call, too, renews the leases of its agent. */
static bool heard(struct decision *d, struct fb_text name, bool done)
{
    const struct session *s = d->session;
    const uint32_t agent = session_agent_of(s, name);
    const struct refusal refusal = d->refusal;

    if (done || agent == NAMES_NONE || s->agents[agent].held == 0 ||
        d->now_ms - s->agents[agent].heard_ms < RENEWED_MS) {
        return done;
    }
    (void)emit(d, (struct event){.kind = EVENT_SEEN, .actor = name});
    d->refusal = refusal;
    return false;
}

static bool refuse_held(struct decision *d, uint32_t number)
{
    const struct task *task = &d->session->tasks[number];
    const struct fb_text holder = d->session->agent_names.texts[task->lease.agent];
    const uint64_t fence = task->lease.fence;

    (void)refuse(d, REFUSAL_CONFLICT, number, 0,
                 "task %u is held by %s with fence %llu; take another with flow_next", number,
                 holder.data, (unsigned long long)fence);
    d->refusal.holder = holder;
    d->refusal.fence = fence;
    return false;
}

/* Keeps what an agent says of a task that is not its own, and refuses. */
static bool refuse_stale(struct decision *d, struct fb_text agent, uint32_t number, uint64_t fence,
                         struct fb_text note, struct event_texts evidence)
{
    const struct event kept = {
        .kind = EVENT_UNATTACHED,
        .actor = agent,
        .task = number,
        .unattached = {.fence = fence, .note = note, .evidence = evidence},
    };

    if ((note.size != 0 || evidence.count != 0) && !emit(d, kept)) {
        return false;
    }
    if (d->session->tasks[number].lease.fence != 0) {
        return refuse_held(d, number);
    }
    return refuse(d, REFUSAL_CONFLICT, number, 0,
                  "task %u is %s and no longer yours; what you said is kept; claim it anew with "
                  "flow_next",
                  number, task_state_name(d->session->tasks[number].state));
}

static bool holds(const struct session *s, struct fb_text agent, const struct task *task,
                  uint64_t fence)
{
    return task->lease.fence != 0 && task->lease.agent == session_agent_of(s, agent) &&
           (fence == 0 || fence == task->lease.fence);
}

/* --- open --- */

bool decide_open(struct decision *d, const struct open_command *command)
{
    const struct event opened = {
        .kind = EVENT_OPENED, .actor = command->agent, .opened = {.name = command->name}};
    const struct event seen = {
        .kind = EVENT_SEEN,
        .actor = command->agent,
        .seen = {.caps = command->caps, .held_most = command->held_most, .declares = true},
    };

    if (!begin(d, command->agent) || !is_valid(d, opened) || !is_valid(d, seen)) {
        return false;
    }
    if (d->session->name == NULL && !emit(d, opened)) {
        return false;
    }
    return emit(d, seen);
}

/* --- plan --- */

/* What a link of a plan names, as a number; 0 when there is no such thing. */
static uint32_t link_target(const struct session *s, const struct names *keys,
                            const uint32_t *key_items, size_t count, const struct plan_link *link)
{
    uint32_t number;

    if (link->item != 0) {
        return link->item <= count ? s->task_count + link->item : 0;
    }
    if (link->task != 0) {
        return link->task <= s->task_count ? link->task : 0;
    }
    number = names_find(keys, link->key);
    if (number != NAMES_NONE) {
        return s->task_count + key_items[number];
    }
    return session_task_of_key(s, link->key);
}

struct planned {
    struct event_planned_task *tasks;
    struct event_link *links;
    size_t link_count;
    size_t bytes; /* as estimated */
};

static size_t bytes_of(const struct event_planned_task *task)
{
    size_t bytes =
        TASK_BYTES + task->title.size + task->key.size + task->body.size + task->accept.size;

    for (size_t i = 0; i < task->needs.count; i++) {
        bytes += task->needs.items[i].size + 2;
    }
    return bytes;
}

/* Numbers for what the plan calls by key; refuses keys that are taken. */
static bool resolve_keys(struct decision *d, const struct plan_command *command, struct names *keys,
                         uint32_t *key_items)
{
    for (uint32_t i = 0; i < command->count; i++) {
        const struct fb_text key = command->items[i].task.key;
        const uint32_t taken = session_task_of_key(d->session, key);
        const uint32_t known = keys->count;
        uint32_t number;

        if (key.size == 0) {
            continue;
        }
        if (taken != 0) {
            return refuse(d, REFUSAL_DUPLICATE_KEY, 0, taken,
                          "tasks[%u].key \"%.*s\" is task %u already; leave it out of the plan or "
                          "choose another key",
                          i, (int)key.size, key.data, taken);
        }
        number = names_add(keys, key);
        if (number == NAMES_NONE) {
            return refuse(d, REFUSAL_BUDGET, 0, 0, "no memory; plan in smaller parts");
        }
        if (number < known) {
            return refuse(d, REFUSAL_DUPLICATE_KEY, 0, 0,
                          "tasks[%u].key \"%.*s\" is that of tasks[%u]; choose another", i,
                          (int)key.size, key.data, key_items[number] - 1);
        }
        key_items[number] = i + 1;
    }
    return true;
}

static bool resolve_links(struct decision *d, const struct plan_command *command,
                          const struct names *keys, const uint32_t *key_items,
                          struct planned *planned)
{
    const struct session *s = d->session;

    for (uint32_t i = 0; i < command->count; i++) {
        for (size_t j = 0; j < command->items[i].link_count; j++) {
            const struct plan_link *link = &command->items[i].links[j];
            const uint32_t on = link_target(s, keys, key_items, command->count, link);

            if (on == 0) {
                return refuse(d, REFUSAL_NO_SUCH, link->task, 0,
                              "tasks[%u] hangs on what there is not: \"%.*s\" %u", i,
                              (int)link->key.size, link->key.size == 0 ? "" : link->key.data,
                              link->task != 0 ? link->task : link->item);
            }
            planned->links[planned->link_count++] =
                (struct event_link){.task = s->task_count + i + 1, .on = on, .kind = link->kind};
        }
    }
    return true;
}

/* Each task alone, so that a refusal can name it. */
static bool check_items(struct decision *d, struct planned *planned, size_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct event event = {
            .kind = EVENT_PLANNED,
            .unix_ms = d->now_ms,
            .planned = {.first_task = 1, .tasks = &planned->tasks[i], .task_count = 1},
        };
        const struct fb_status status = event_check(&event);

        if (!fb_is_ok(status)) {
            return refuse(d, REFUSAL_INVALID, 0, 0, "tasks[%u].%s", i, status.why);
        }
        planned->bytes += bytes_of(&planned->tasks[i]);
    }
    return true;
}

/* A plan too large for one event: its tasks part by part, then its links. */
static bool emit_parts(struct decision *d, struct fb_text agent, const struct planned *planned,
                       size_t count)
{
    size_t from = 0;

    while (from < count) {
        size_t bytes = 0;
        size_t end = from;
        struct event event = {.kind = EVENT_PLANNED, .actor = agent};

        while (end < count &&
               (end == from || bytes + bytes_of(&planned->tasks[end]) <= CHUNK_BYTES)) {
            bytes += bytes_of(&planned->tasks[end++]);
        }
        event.planned.first_task = d->session->task_count + 1;
        event.planned.tasks = planned->tasks + from;
        event.planned.task_count = end - from;
        if (!emit(d, event)) {
            return false;
        }
        from = end;
    }
    for (from = 0; from < planned->link_count; from += CHUNK_LINKS) {
        const size_t left = planned->link_count - from;
        const struct event event = {
            .kind = EVENT_LINKED,
            .actor = agent,
            .linked = {.links = planned->links + from,
                       .link_count = left < CHUNK_LINKS ? left : CHUNK_LINKS},
        };

        if (!emit(d, event)) {
            return false;
        }
    }
    return true;
}

static bool emit_plan(struct decision *d, struct fb_text agent, const struct planned *planned,
                      size_t count)
{
    const struct event whole = {
        .kind = EVENT_PLANNED,
        .unix_ms = d->now_ms,
        .actor = agent,
        .planned = {.first_task = d->session->task_count + 1,
                    .tasks = planned->tasks,
                    .task_count = count,
                    .links = planned->links,
                    .link_count = planned->link_count},
    };
    struct fb_status status;

    if (planned->bytes <= CHUNK_BYTES) {
        return emit(d, whole);
    }
    status = session_try_plan(d->session, &whole);
    if (!fb_is_ok(status)) {
        return status.code == FB_FAILED_PRECONDITION && d->session->cycle_count != 0
                   ? refuse_cycle(d)
                   : refuse(d,
                            status.code == FB_RESOURCE_EXHAUSTED ? REFUSAL_BUDGET : REFUSAL_INVALID,
                            0, 0, "%s", status.why);
    }
    return emit_parts(d, agent, planned, count);
}

static bool plan(struct decision *d, const struct plan_command *command)
{
    struct names keys = {.count = 0};
    struct planned planned = {.bytes = 0};
    uint32_t *key_items;
    size_t links = 0;
    uint32_t first;
    bool done;

    if (!begin(d, command->agent)) {
        return false;
    }
    if (command->count == 0) {
        return refuse(d, REFUSAL_INVALID, 0, 0, "tasks: at least one");
    }
    if (command->count > SESSION_TASKS_MOST - d->session->task_count) {
        return refuse(d, REFUSAL_BUDGET, 0, 0,
                      "a session holds at most %d tasks and has %u; open another session",
                      SESSION_TASKS_MOST, d->session->task_count);
    }
    for (size_t i = 0; i < command->count; i++) {
        links += command->items[i].link_count;
    }
    planned.tasks = fb_arena_alloc(d->arena, command->count * sizeof(*planned.tasks));
    planned.links = fb_arena_alloc(d->arena, (links + 1) * sizeof(*planned.links));
    key_items = fb_arena_alloc(d->arena, command->count * sizeof(*key_items));
    if (planned.tasks == NULL || planned.links == NULL || key_items == NULL) {
        return refuse(d, REFUSAL_BUDGET, 0, 0, "no memory; plan in smaller parts");
    }
    for (size_t i = 0; i < command->count; i++) {
        planned.tasks[i] = command->items[i].task;
    }
    first = d->session->task_count + 1;
    done = check_items(d, &planned, command->count) && resolve_keys(d, command, &keys, key_items) &&
           resolve_links(d, command, &keys, key_items, &planned);
    names_finish(&keys);
    planned.bytes += LINK_BYTES * planned.link_count;
    if (!done || !emit_plan(d, command->agent, &planned, command->count)) {
        return false;
    }
    d->task = first;
    return true;
}

bool decide_plan(struct decision *d, const struct plan_command *command)
{
    return heard(d, command->agent, plan(d, command));
}

/* --- next --- */

static bool claim(struct decision *d, struct fb_text agent, uint32_t task, bool implicit)
{
    const uint64_t fence = d->session->fence + 1;

    if (!emit(d, (struct event){.kind = EVENT_CLAIMED,
                                .actor = agent,
                                .task = task,
                                .claimed = {.fence = fence,
                                            .lasts_ms = lease_lasts_ms(&d->session->holds),
                                            .implicit = implicit}})) {
        return false;
    }
    d->task = task;
    d->fence = fence;
    return true;
}

/* Names what fills the agent's places, or the session's for GRAPH_NONE. */
static bool refuse_wip(struct decision *d, uint32_t agent)
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
    return refuse(d, REFUSAL_WIP_LIMIT, 0, count == 0 ? 0 : held[0],
                  agent == GRAPH_NONE ? "the session is full: tasks %s%s are active; finish or "
                                        "wait"
                                      : "you hold as many tasks as you may: %s%s; finish one or "
                                        "hand it back with flow_pulse",
                  named, count > NAMED_MOST ? ", ..." : "");
}

static bool refuse_caps(struct decision *d, uint32_t task, uint64_t missing)
{
    uint32_t cap = 0;

    while (cap + 1 < d->session->caps.count && (missing >> cap & 1) == 0) {
        cap++;
    }
    return refuse(d, REFUSAL_NEEDS_CAPS, task, 0,
                  "task %u needs \"%s\", which you did not declare; open the session with it, or "
                  "take another",
                  task, d->session->caps.texts[cap].data);
}

/* Why a task that was named cannot be claimed now; true if it can. */
static bool may_claim(struct decision *d, uint32_t number)
{
    const struct session *s = d->session;
    const struct task *task = &s->tasks[number];

    if (task_has_ended(task->state)) {
        return refuse(d, REFUSAL_NOT_READY, number, 0,
                      "task %u is %s; flow_edit reopens what has completed and retries what has "
                      "failed",
                      number, task_state_name(task->state));
    }
    if (task->state == TASK_BLOCKED && task->blocker == 0) {
        return refuse(d, REFUSAL_NOT_READY, number, 0,
                      "task %u waits for an answer: %.200s; flow_edit unblocks it", number,
                      task->gate);
    }
    if (task->state == TASK_BLOCKED) {
        return refuse(d, REFUSAL_NOT_READY, number, task->blocker,
                      "task %u is blocked by task %u, which is %s; do that one first, or drop the "
                      "link with flow_edit",
                      number, task->blocker, task_state_name(s->tasks[task->blocker].state));
    }
    if (task->state == TASK_QUEUED && task->unmet != 0) {
        const uint32_t other = session_holds_up(s, number);

        return refuse(d, REFUSAL_NOT_READY, number, other,
                      "task %u waits for task %u, which is %s (%u in all); do that one first",
                      number, other, task_state_name(s->tasks[other].state), task->unmet);
    }
    if (task->state == TASK_QUEUED && task->defer_until_ms > d->now_ms) {
        return refuse(d, REFUSAL_NOT_READY, number, 0,
                      "task %u is deferred for another %lld s; take another with flow_next", number,
                      (long long)((task->defer_until_ms - d->now_ms + 999) / 1000));
    }
    return true;
}

/* Whether agent and session have room for one more task of this weight. */
static bool has_room(struct decision *d, uint32_t agent, const struct task *task)
{
    const struct session *s = d->session;

    if (s->agents[agent].held >= s->agents[agent].held_most) {
        return refuse_wip(d, agent);
    }
    if (task != NULL && (s->in_state[TASK_ACTIVE] >= s->active_most ||
                         (s->in_state[TASK_ACTIVE] != 0 &&
                          schedule_load(s->schedule) + task->weight > s->load_most))) {
        return refuse_wip(d, GRAPH_NONE);
    }
    return true;
}

static uint32_t workers_alive(const struct session *s, int64_t now_ms)
{
    uint32_t alive = 0;

    for (uint32_t i = 0; i < s->agent_names.count; i++) {
        alive += s->agents[i].held != 0 || now_ms - s->agents[i].heard_ms < WORKER_SILENT_MS;
    }
    return alive;
}

/* The one place that chooses. 0: refused. */
static uint32_t choose(struct decision *d, uint32_t agent)
{
    const struct session *s = d->session;
    struct schedule_choice choice;

    session_settle(d->session, d->now_ms);
    choice = schedule_pick(s->schedule,
                           (struct schedule_agent){.agent = agent, .caps = s->agents[agent].caps},
                           workers_alive(s, d->now_ms), session_awake_ms(s, d->now_ms));
    switch (choice.answer) {
    case SCHEDULE_CRITICAL:
    case SCHEDULE_INDEX:
    case SCHEDULE_STARVED:
        return choice.task;
    case SCHEDULE_NOTHING_READY:
        (void)refuse(d, REFUSAL_NOT_READY, 0, 0,
                     "nothing is ready: %u active, %u blocked, %u queued; wait with wait_s, or "
                     "plan",
                     s->in_state[TASK_ACTIVE], s->in_state[TASK_BLOCKED], s->in_state[TASK_QUEUED]);
        return 0;
    case SCHEDULE_NEEDS_CAPS:
        (void)refuse(d, REFUSAL_NEEDS_CAPS, 0, 0,
                     "what is ready needs what you did not declare; open the session with more "
                     "caps, or wait");
        return 0;
    case SCHEDULE_AGENT_FULL:
        (void)refuse_wip(d, agent);
        return 0;
    case SCHEDULE_SESSION_FULL:
        (void)refuse_wip(d, GRAPH_NONE);
        return 0;
    }
    return 0;
}

/* The number of the agent, who may be new. */
static bool introduce(struct decision *d, struct fb_text name, uint32_t *agent)
{
    *agent = session_agent_of(d->session, name);
    if (*agent == NAMES_NONE) {
        if (!emit(d, (struct event){.kind = EVENT_SEEN, .actor = name})) {
            return false;
        }
        *agent = session_agent_of(d->session, name);
    }
    return true;
}

static bool claim_named(struct decision *d, const struct next_command *command, uint32_t agent)
{
    const struct session *s = d->session;
    const struct task *task = &s->tasks[command->task];
    uint64_t missing;

    if (holds(s, command->agent, task, 0)) {
        d->task = command->task;
        d->fence = task->lease.fence;
        return emit(d, (struct event){.kind = EVENT_SEEN, .actor = command->agent});
    }
    if (task->state == TASK_ACTIVE &&
        lease_phase(&task->lease, heard_ms(s, task), d->now_ms) == LEASE_LIVE) {
        return refuse_held(d, command->task);
    }
    missing = task->needs & ~s->agents[agent].caps;
    if (missing != 0) {
        return refuse_caps(d, command->task, missing);
    }
    if (!has_room(d, agent, NULL)) {
        return false;
    }
    if (task->state == TASK_ACTIVE && !give_back(d, command->task)) {
        return false;
    }
    return may_claim(d, command->task) && has_room(d, agent, &s->tasks[command->task]) &&
           claim(d, command->agent, command->task, false);
}

static bool next(struct decision *d, const struct next_command *command)
{
    uint32_t agent;
    uint32_t task;

    if (!begin(d, command->agent)) {
        return false;
    }
    if (command->task != 0 && session_task(d->session, command->task) == NULL) {
        return refuse_no_such(d, command->task);
    }
    if (!introduce(d, command->agent, &agent)) {
        return false;
    }
    if (command->task != 0) {
        return claim_named(d, command, agent);
    }
    if (!expire(d) || !has_room(d, agent, NULL)) {
        return false;
    }
    task = choose(d, agent);
    return task != 0 && claim(d, command->agent, task, false);
}

bool decide_next(struct decision *d, const struct next_command *command)
{
    return heard(d, command->agent, next(d, command));
}

/* --- pulse --- */

static bool check_blocker(struct decision *d, const struct pulse_command *command)
{
    const struct task *blocker = session_task(d->session, command->blocker);

    if (command->blocker == 0) {
        return true;
    }
    if (blocker == NULL) {
        return refuse_no_such(d, command->blocker);
    }
    if (command->blocker == command->task) {
        return refuse(d, REFUSAL_CYCLE, command->task, command->task,
                      "task %u cannot wait for itself", command->task);
    }
    if (task_has_ended(blocker->state)) {
        return refuse(d, REFUSAL_NOT_READY, command->task, command->blocker,
                      "task %u is %s and holds up nothing; say what you wait for as a text",
                      command->blocker, task_state_name(blocker->state));
    }
    return true;
}

/* What a pulse does beside its note. */
static struct event state_event(const struct pulse_command *command)
{
    struct event event = {.actor = command->agent, .task = command->task};

    switch (command->state) {
    case PULSE_ACTIVE:
        event.kind = EVENT_SEEN;
        event.task = 0;
        break;
    case PULSE_RESTING:
        event.kind = EVENT_RESTED;
        break;
    case PULSE_BLOCKED:
        event.kind = EVENT_BLOCKED;
        event.blocked.blocker = command->blocker;
        event.blocked.gate = command->gate;
        break;
    case PULSE_HAND_BACK:
        event.kind = EVENT_REQUEUED;
        event.requeued.cause = EVENT_HANDED_BACK;
        break;
    }
    return event;
}

static bool pulse(struct decision *d, const struct pulse_command *command)
{
    const struct event noted = {
        .kind = EVENT_NOTED,
        .actor = command->agent,
        .task = command->task,
        .noted = {.note = command->note,
                  .evidence = command->evidence,
                  .percent = command->percent},
    };
    const struct event_link link = {
        .task = command->task, .on = command->blocker, .kind = EVENT_LINK_AFTER};
    const bool says =
        command->note.size != 0 || command->evidence.count != 0 || command->percent != 0;
    const struct event change = state_event(command);

    if (!begin_about(d, command->agent, command->task) || !is_valid(d, noted) ||
        !is_valid(d, change)) {
        return false;
    }
    if (!holds(d->session, command->agent, &d->session->tasks[command->task], command->fence)) {
        return refuse_stale(d, command->agent, command->task, command->fence, command->note,
                            command->evidence);
    }
    if (command->state == PULSE_BLOCKED && command->blocker != 0) {
        struct event_link *kept = fb_arena_alloc(d->arena, sizeof(*kept));

        if (!check_blocker(d, command)) {
            return false;
        }
        if (kept == NULL) {
            return refuse(d, REFUSAL_BUDGET, command->task, 0, "no memory; try again");
        }
        *kept = link;
        if (!graph_has_edge(d->session->graph, session_edge_of(&link)) &&
            !emit(d, (struct event){.kind = EVENT_LINKED,
                                    .actor = command->agent,
                                    .linked = {.links = kept, .link_count = 1}})) {
            return false;
        }
    }
    if (says && !emit(d, noted)) {
        return false;
    }
    return (says && command->state == PULSE_ACTIVE) || emit(d, change);
}

bool decide_pulse(struct decision *d, const struct pulse_command *command)
{
    return heard(d, command->agent, pulse(d, command));
}

/* --- done --- */

static bool finish(struct decision *d, const struct done_command *command)
{
    const struct session *s = d->session;
    const struct task *task = &s->tasks[command->task];
    struct event event = {
        .kind = EVENT_FINISHED,
        .actor = command->agent,
        .task = command->task,
        .finished = {.outcome = command->failed ? EVENT_FAILED : EVENT_COMPLETED,
                     .summary = command->summary,
                     .evidence = command->evidence},
    };

    if (!is_valid(d, event)) {
        return false;
    }
    if (command->fence != 0 || task->state == TASK_ACTIVE || task_has_ended(task->state)) {
        if (!holds(s, command->agent, task, command->fence)) {
            return refuse_stale(d, command->agent, command->task, command->fence, command->summary,
                                command->evidence);
        }
    }
    if (!command->failed && task->accept != NULL && command->summary.size == 0 &&
        command->evidence.count == 0) {
        return refuse(d, REFUSAL_INVALID, command->task, 0,
                      "summary, evidence: task %u says what has to be true at the end; name what "
                      "shows it",
                      command->task);
    }
    if (task->state != TASK_ACTIVE &&
        (!may_claim(d, command->task) || !claim(d, command->agent, command->task, true))) {
        return false;
    }
    event.finished.fence = s->tasks[command->task].lease.fence;
    return emit(d, event);
}

static bool done(struct decision *d, const struct done_command *command)
{
    uint32_t agent;
    uint32_t task = 0;

    if (!begin_about(d, command->agent, command->task) || !finish(d, command)) {
        return false;
    }
    d->task = 0;
    d->fence = 0;
    if (!command->next) {
        return true;
    }
    agent = session_agent_of(d->session, command->agent);
    if (!expire(d)) {
        return false;
    }
    if (has_room(d, agent, NULL)) {
        task = choose(d, agent);
    }
    d->refusal = (struct refusal){.kind = REFUSAL_NONE, .why = ""};
    return task == 0 || claim(d, command->agent, task, false);
}

bool decide_done(struct decision *d, const struct done_command *command)
{
    return heard(d, command->agent, done(d, command));
}

/* --- edit --- */

/* 2^k times half a minute, a fifth more or less by task and attempt. */
static int64_t retry_at_ms(uint32_t number, const struct task *task, int64_t now_ms)
{
    const int64_t wait_ms = (int64_t)RETRY_MS << task->attempt;
    const int64_t spread = (int64_t)(fb_hash_mix(number, task->attempt) % 401) - 200;

    return now_ms + wait_ms + wait_ms * spread / 1000;
}

static bool edit_state(struct decision *d, const struct edit_command *command, enum task_state from,
                       struct event event)
{
    const struct task *task = &d->session->tasks[command->task];

    if (task->state != from) {
        return refuse(d, REFUSAL_CONFLICT, command->task, 0, "task %u is %s, not %s", command->task,
                      task_state_name(task->state), task_state_name(from));
    }
    event.kind = EVENT_REQUEUED;
    event.requeued.reason = command->reason;
    return is_valid(d, event) && emit(d, event);
}

static bool edit_links(struct decision *d, const struct edit_command *command, struct event event)
{
    struct event_link *links = fb_arena_alloc(d->arena, (command->link_count + 1) * sizeof(*links));

    if (links == NULL || command->link_count > CHUNK_LINKS) {
        return refuse(d, REFUSAL_BUDGET, command->task, 0, "links: at most %d at once",
                      CHUNK_LINKS);
    }
    for (size_t i = 0; i < command->link_count; i++) {
        links[i] = command->links[i];
        links[i].task = command->task;
        if (session_task(d->session, links[i].on) == NULL) {
            return refuse_no_such(d, links[i].on);
        }
    }
    event.kind = EVENT_LINKED;
    event.task = 0;
    event.linked.links = links;
    event.linked.link_count = command->link_count;
    return is_valid(d, event) && emit(d, event);
}

static bool edit(struct decision *d, const struct edit_command *command)
{
    const struct task *task;
    struct event event = {.actor = command->agent, .task = command->task};

    if (!begin_about(d, command->agent, command->task)) {
        return false;
    }
    task = &d->session->tasks[command->task];
    if (command->if_rev != 0 && command->if_rev != task->rev) {
        (void)refuse(d, REFUSAL_STALE_REV, command->task, 0,
                     "task %u is at rev %u, not %u; read it again, then repeat the edit",
                     command->task, task->rev, command->if_rev);
        d->refusal.fence = task->rev;
        return false;
    }
    switch (command->action) {
    case EDIT_FIELDS:
        event.kind = EVENT_EDITED;
        event.edited = command->fields.edited;
        return is_valid(d, event) && emit(d, event);
    case EDIT_LINKS:
        return edit_links(d, command, event);
    case EDIT_CANCEL:
        if (task_has_ended(task->state)) {
            return refuse(d, REFUSAL_CONFLICT, command->task, 0, "task %u has ended as %s",
                          command->task, task_state_name(task->state));
        }
        event.kind = EVENT_FINISHED;
        event.finished.outcome = EVENT_CANCELLED;
        event.finished.summary = command->reason;
        return is_valid(d, event) && emit(d, event);
    case EDIT_RETRY:
        if (task->state == TASK_FAILED && task->attempt >= TASK_ATTEMPTS_MOST) {
            return refuse(d, REFUSAL_BUDGET, command->task, 0,
                          "task %u was tried %u times; plan another way to do it", command->task,
                          task->attempt);
        }
        event.requeued.cause = EVENT_RETRIED;
        event.requeued.defer_until_unix_ms = retry_at_ms(command->task, task, d->now_ms);
        return edit_state(d, command, TASK_FAILED, event);
    case EDIT_REOPEN:
        event.requeued.cause = EVENT_REOPENED;
        return edit_state(d, command, TASK_COMPLETED, event);
    case EDIT_UNBLOCK:
        event.requeued.cause = EVENT_UNBLOCKED;
        return edit_state(d, command, TASK_BLOCKED, event);
    }
    return refuse(d, REFUSAL_INVALID, command->task, 0, "action: there is no such action");
}

bool decide_edit(struct decision *d, const struct edit_command *command)
{
    return heard(d, command->agent, edit(d, command));
}

#include "services/worker/flow/deciding.h"

#include <assert.h>

enum {
    CHUNK_BYTES = 700 << 10, /* of a plan in one event, as estimated */
    TASK_BYTES = 40,         /* of a planned task beside its texts, at most */
    LINK_BYTES = 16,
};

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
    struct fb_text plan_key;
    uint32_t first;
    uint32_t items;
    struct event_planned_task *tasks; /* the items, then the parts of their chains */
    size_t task_count;
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
            return refusal_set(
                d, REFUSAL_DUPLICATE_KEY, 0, taken,
                "tasks[%u].key \"%.*s\" is task %u already; leave it out of the plan or "
                "choose another key",
                i, (int)key.size, key.data, taken);
        }
        number = names_add(keys, key);
        if (number == NAMES_NONE) {
            return refusal_set(d, REFUSAL_BUDGET, 0, 0, "no memory; plan in smaller parts");
        }
        if (number < known) {
            return refusal_set(d, REFUSAL_DUPLICATE_KEY, 0, 0,
                               "tasks[%u].key \"%.*s\" is that of tasks[%u]; choose another", i,
                               (int)key.size, key.data, key_items[number] - 1);
        }
        key_items[number] = i + 1;
    }
    return true;
}

static bool refuse_link(struct decision *d, uint32_t item, const struct plan_link *link)
{
    if (link->key.size != 0) {
        return refusal_set(d, REFUSAL_NO_SUCH, 0, 0,
                           "tasks[%u] names \"%.*s\", which is no task's key; plan that task, too, "
                           "or take one that flow_find lists",
                           item, (int)link->key.size, link->key.data);
    }
    return refusal_set(d, REFUSAL_NO_SUCH, link->task, 0,
                       link->task != 0
                           ? "tasks[%u] names task %u, which there is not; flow_find lists those "
                             "there are"
                           : "tasks[%u] names the plan's task %u, which there is not; leave it out",
                       item, link->task != 0 ? link->task : link->item);
}

static bool resolve_links(struct decision *d, const struct plan_command *command,
                          const struct names *keys, const uint32_t *key_items,
                          struct planned *planned)
{
    const struct session *s = d->session;

    for (uint32_t i = 0; i < command->count; i++) {
        uint32_t parents = 0;

        for (size_t j = 0; j < command->items[i].link_count; j++) {
            const struct plan_link *link = &command->items[i].links[j];
            const uint32_t on = link_target(s, keys, key_items, command->count, link);

            if (on == 0) {
                return refuse_link(d, i, link);
            }
            parents += link->kind == EVENT_LINK_PARENT;
            if (parents > 1) {
                return refusal_set(d, REFUSAL_INVALID, 0, on,
                                   "tasks[%u].links: a task has one parent; leave the others out",
                                   i);
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
            return refusal_set(d, REFUSAL_INVALID, 0, 0, "tasks[%u].%s", i, status.why);
        }
        planned->bytes += bytes_of(&planned->tasks[i]);
    }
    return true;
}

/* A plan too large for one event: its tasks part by part, then its links. */
static bool emit_parts(struct decision *d, struct fb_text agent, const struct planned *planned)
{
    size_t from = 0;

    while (from < planned->task_count) {
        size_t bytes = 0;
        size_t end = from;
        struct event event = {.kind = EVENT_PLANNED, .actor = agent};

        while (end < planned->task_count &&
               (end == from || bytes + bytes_of(&planned->tasks[end]) <= CHUNK_BYTES)) {
            bytes += bytes_of(&planned->tasks[end++]);
        }
        event.planned.first_task = d->session->task_count + 1;
        event.planned.tasks = planned->tasks + from;
        event.planned.task_count = end - from;
        if (from == 0) {
            event.planned.plan_key = planned->plan_key;
            event.planned.items = planned->items;
        }
        if (!deciding_emit(d, event)) {
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

        if (!deciding_emit(d, event)) {
            return false;
        }
    }
    return true;
}

static bool emit_plan(struct decision *d, struct fb_text agent, const struct planned *planned)
{
    const struct event whole = {
        .kind = EVENT_PLANNED,
        .unix_ms = d->now_ms,
        .actor = agent,
        .planned = {.first_task = planned->first,
                    .tasks = planned->tasks,
                    .task_count = planned->task_count,
                    .links = planned->links,
                    .link_count = planned->link_count,
                    .plan_key = planned->plan_key,
                    .items = planned->items},
    };
    struct fb_status status;

    if (planned->bytes <= CHUNK_BYTES) {
        return deciding_is_valid(d, whole) && deciding_emit(d, whole);
    }
    status = session_try_plan(d->session, &whole);
    if (!fb_is_ok(status)) {
        return status.code == FB_FAILED_PRECONDITION && d->session->cycle_count != 0
                   ? refusal_cycle(d)
                   : refusal_set(
                         d, status.code == FB_RESOURCE_EXHAUSTED ? REFUSAL_BUDGET : REFUSAL_INVALID,
                         0, 0, "%s", status.why);
    }
    return emit_parts(d, agent, planned);
}

/* What the plan takes before it is resolved: its tasks and links, those of chains too. */
static bool make_room(struct decision *d, const struct plan_command *command,
                      struct planned *planned)
{
    size_t links = 0;
    size_t chains = 0;

    for (size_t i = 0; i < command->count; i++) {
        links += command->items[i].link_count * (command->items[i].chain ? 2 : 1);
        chains += command->items[i].chain;
    }
    planned->task_count = command->count;
    if (command->count + CHAIN_PHASES * chains > SESSION_TASKS_MOST - d->session->task_count) {
        return refusal_set(d, REFUSAL_BUDGET, 0, 0,
                           "a session holds at most %d tasks and has %u; open another session",
                           SESSION_TASKS_MOST, d->session->task_count);
    }
    if (!deciding_chains_fit(d, (uint32_t)chains, command->chains_most)) {
        return false;
    }
    planned->tasks = fb_arena_alloc(d->arena, (command->count + CHAIN_PHASES * chains) *
                                                  sizeof(*planned->tasks));
    planned->links =
        fb_arena_alloc(d->arena, (links + CHAIN_LINKS * chains + 1) * sizeof(*planned->links));
    return (planned->tasks != NULL && planned->links != NULL) ||
           refusal_set(d, REFUSAL_BUDGET, 0, 0, "no memory; plan in smaller parts");
}

/* Behind the items, the parts of their chains; the first of them waits for what the item waits for. */
static bool add_chains(struct decision *d, const struct plan_command *command,
                       struct planned *planned)
{
    const uint32_t first = d->session->task_count + 1;
    size_t at = 0; /* of the item's links, which stand in the order of the items */

    for (uint32_t i = 0; i < command->count; i++) {
        const uint32_t part = first + (uint32_t)planned->task_count;
        const size_t end = at + command->items[i].link_count;

        if (!command->items[i].chain) {
            at = end;
            continue;
        }
        if (!deciding_chain_tasks(d, first + i, &planned->tasks[i],
                                  &planned->tasks[planned->task_count])) {
            return false;
        }
        planned->link_count +=
            deciding_chain_links(first + i, part, &planned->links[planned->link_count]);
        for (; at < end; at++) {
            if (planned->links[at].kind <= EVENT_LINK_ON_FAIL) {
                planned->links[planned->link_count] = planned->links[at];
                planned->links[planned->link_count++].task = part;
            }
        }
        for (uint32_t j = 0; j < CHAIN_PHASES; j++) {
            planned->bytes += bytes_of(&planned->tasks[planned->task_count++]);
        }
    }
    return true;
}

/* All that the plan says, in numbers. */
static bool resolve(struct decision *d, const struct plan_command *command, struct planned *planned)
{
    struct names keys = {.count = 0};
    uint32_t *key_items = fb_arena_alloc(d->arena, command->count * sizeof(*key_items));
    bool done;

    if (key_items == NULL) {
        return refusal_set(d, REFUSAL_BUDGET, 0, 0, "no memory; plan in smaller parts");
    }
    assert(planned->tasks != NULL);
    for (size_t i = 0; i < command->count; i++) {
        planned->tasks[i] = command->items[i].task;
    }
    done = check_items(d, planned, command->count) && resolve_keys(d, command, &keys, key_items) &&
           resolve_links(d, command, &keys, key_items, planned) && add_chains(d, command, planned);
    names_finish(&keys);
    planned->bytes += LINK_BYTES * planned->link_count;
    return done;
}

static bool plan(struct decision *d, const struct plan_command *command)
{
    const struct session_plan *known = session_plan_of(d->session, command->plan_key);
    struct planned planned = {.plan_key = command->plan_key};

    if (command->plan_key.size != 0 && known != NULL) {
        d->repeated = true;
        d->task = known->first;
        d->task_count = known->items;
        return true;
    }
    if (command->count == 0) {
        return refusal_set(d, REFUSAL_INVALID, 0, 0, "tasks: at least one");
    }
    if (command->plan_key.size != 0 && d->session->plan_keys.count == SESSION_PLANS_MOST) {
        return refusal_set(d, REFUSAL_BUDGET, 0, 0,
                           "plan_key: a session knows at most %d plans by key; plan without one",
                           SESSION_PLANS_MOST);
    }
    planned.first = d->session->task_count + 1;
    planned.items = (uint32_t)command->count;
    if (!make_room(d, command, &planned) || !resolve(d, command, &planned)) {
        return false;
    }
    if (planned.bytes > PLAN_BYTES_MOST) {
        return refusal_set(d, REFUSAL_BUDGET, 0, 0,
                           "a plan takes at most %d MiB, and this one %zu; plan it in parts",
                           PLAN_BYTES_MOST >> 20, (planned.bytes >> 20) + 1);
    }
    if (!emit_plan(d, command->agent, &planned)) {
        return false;
    }
    d->task = planned.first;
    d->task_count = planned.items;
    return true;
}

bool decide_plan(struct decision *d, const struct plan_command *command)
{
    if (!deciding_begin(d, command->agent, EVENT_COMMAND_PLAN)) {
        return d->repeated;
    }
    return deciding_end(d, command->agent, 0, plan(d, command));
}

#include "services/worker/flow/deciding.h"

enum {
    CHUNK_BYTES = 700 << 10, /* of a plan in one event, as estimated */
    TASK_BYTES = 96,         /* of a planned task beside its texts */
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
                return refusal_set(d, REFUSAL_NO_SUCH, link->task, 0,
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
            return refusal_set(d, REFUSAL_INVALID, 0, 0, "tasks[%u].%s", i, status.why);
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
        return deciding_emit(d, whole);
    }
    status = session_try_plan(d->session, &whole);
    if (!fb_is_ok(status)) {
        return status.code == FB_FAILED_PRECONDITION && d->session->cycle_count != 0
                   ? refusal_cycle(d)
                   : refusal_set(
                         d, status.code == FB_RESOURCE_EXHAUSTED ? REFUSAL_BUDGET : REFUSAL_INVALID,
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

    if (!deciding_begin(d, command->agent)) {
        return false;
    }
    if (command->count == 0) {
        return refusal_set(d, REFUSAL_INVALID, 0, 0, "tasks: at least one");
    }
    if (command->count > SESSION_TASKS_MOST - d->session->task_count) {
        return refusal_set(d, REFUSAL_BUDGET, 0, 0,
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
        return refusal_set(d, REFUSAL_BUDGET, 0, 0, "no memory; plan in smaller parts");
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
    return deciding_heard(d, command->agent, plan(d, command));
}

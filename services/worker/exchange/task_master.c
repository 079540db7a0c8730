#include "services/worker/exchange/task_master.h"

#include <string.h>

#include "runtime/json/scan.h"
#include "services/worker/exchange/foreign.h"
#include "services/worker/flow/names.h"

static const struct foreign_state states[] = {
    {.word = "pending", .state = TASK_QUEUED},
    {.word = "todo", .state = TASK_QUEUED},
    {.word = "in-progress",
     .state = TASK_QUEUED,
     .note = "It was in progress when it was imported; whoever takes it goes on with it."},
    {.word = "done", .state = TASK_COMPLETED},
    {.word = "completed", .state = TASK_COMPLETED},
    {.word = "deferred", .state = TASK_RESTING},
    {.word = "cancelled", .state = TASK_CANCELLED},
    {.word = "canceled", .state = TASK_CANCELLED},
    {.word = "review", .state = TASK_BLOCKED, .gate = "It waits for a review."},
    {.word = "blocked", .state = TASK_BLOCKED, .gate = "It was blocked when it was imported."},
    {.word = NULL},
};

struct members {
    struct fb_text id;
    struct fb_text title;
    struct fb_text description;
    struct fb_text details;
    struct fb_text test_strategy;
    struct fb_text status;
    struct fb_text priority;
    struct fb_text complexity;
    struct fb_text dependencies;
    struct fb_text subtasks;
};

static const struct foreign_member members[] = {
    {"id", offsetof(struct members, id)},
    {"title", offsetof(struct members, title)},
    {"description", offsetof(struct members, description)},
    {"details", offsetof(struct members, details)},
    {"testStrategy", offsetof(struct members, test_strategy)},
    {"status", offsetof(struct members, status)},
    {"priority", offsetof(struct members, priority)},
    {"complexity", offsetof(struct members, complexity)},
    {"dependencies", offsetof(struct members, dependencies)},
    {"subtasks", offsetof(struct members, subtasks)},
};

/* A list of tasks on one level. */
struct level {
    struct outline *outline;
    struct fb_text tag;
    const struct level *above; /* NULL: the tag's own tasks */
    const char *where;         /* "$.master.tasks" */
    struct fb_text parent;     /* id without the tag; empty at the top */
    uint32_t parent_index;     /* in the outline */
    struct names ids;          /* of the tasks in the list, as they stand there */
    unsigned depth;
};

static struct fb_status exhausted(void)
{
    return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the import");
}

/* `<parent>.<id>`, or the id alone at the top, or where the id says its parent itself. */
static struct fb_text local_id(const struct level *level, struct fb_text id)
{
    const size_t parent = level->parent.size;
    char *joined;

    if (parent == 0 || (id.size > parent + 1 && id.data[parent] == '.' &&
                        memcmp(id.data, level->parent.data, parent) == 0)) {
        return id;
    }
    joined = fb_arena_alloc(level->outline->arena, parent + 1 + id.size);
    if (joined == NULL) {
        return (struct fb_text){.size = 0};
    }
    memcpy(joined, level->parent.data, parent);
    joined[parent] = '.';
    memcpy(joined + parent + 1, id.data, id.size);
    return (struct fb_text){.data = joined, .size = parent + 1 + id.size};
}

/* With the tag before it. */
static struct fb_status global_id(const struct level *level, const char *where,
                                  struct fb_text local, struct fb_text *id)
{
    const size_t size = level->tag.size + 1 + local.size;
    char *joined;

    if (local.size == 0) {
        return exhausted();
    }
    if (size > EVENT_KEY_BYTES) {
        return fb_arena_fail(level->outline->arena, FB_INVALID_ARGUMENT,
                             "%s: tag and id together are longer than %d bytes; shorten them",
                             where, EVENT_KEY_BYTES);
    }
    joined = fb_arena_alloc(level->outline->arena, size);
    if (joined == NULL) {
        return exhausted();
    }
    memcpy(joined, level->tag.data, level->tag.size);
    joined[level->tag.size] = ':';
    memcpy(joined + level->tag.size + 1, local.data, local.size);
    *id = (struct fb_text){.data = joined, .size = size};
    return fb_ok;
}

static struct fb_status read_links(const struct level *level, const char *where,
                                   struct fb_text dependencies, uint32_t task)
{
    const enum fb_json_kind kind = fb_json_kind_of(dependencies);
    struct fb_json_walk walk = fb_json_walk(dependencies);
    struct fb_status status = fb_ok;

    if (kind != FB_JSON_ARRAY && kind != FB_JSON_NONE && kind != FB_JSON_NULL) {
        return fb_arena_fail(level->outline->arena, FB_INVALID_ARGUMENT,
                             "%s.dependencies: expected a list of the ids of tasks", where);
    }
    for (uint32_t i = 0; kind == FB_JSON_ARRAY && fb_is_ok(status) && fb_json_next(&walk); i++) {
        struct outline_link link = {
            .task = task, .kind = EVENT_LINK_AFTER, .field = "dependencies", .element = i};
        const char *place =
            fb_arena_printf(level->outline->arena, "%s.dependencies[%u]", where, (unsigned)i);
        struct fb_text id;

        place = place == NULL ? where : place;
        status = foreign_id(level->outline, place, walk.value, EVENT_KEY_BYTES, &id);
        if (fb_is_ok(status)) {
            status = global_id(level, place,
                               names_find(&level->ids, id) == NAMES_NONE ? id : local_id(level, id),
                               &link.id);
        }
        if (fb_is_ok(status)) {
            status = outline_add_link(level->outline, &link);
        }
    }
    return status;
}

static struct fb_status read_level(struct level *level, struct fb_text tasks);

static struct fb_status read_task(const struct level *level, struct fb_text value, uint32_t index)
{
    struct outline *outline = level->outline;
    const uint32_t number = outline->task_count;
    struct outline_task task = {
        .where = fb_arena_printf(outline->arena, "%s[%u]", level->where, (unsigned)index)};
    struct members m = {.id = {.size = 0}};
    struct fb_text body[2];
    struct fb_text local;
    struct fb_status status;

    if (task.where == NULL) {
        return exhausted();
    }
    if (fb_json_kind_of(value) != FB_JSON_OBJECT) {
        return fb_arena_fail(outline->arena, FB_INVALID_ARGUMENT,
                             "%s: expected an object with id, title and status", task.where);
    }
    foreign_pick(value, members, sizeof(members) / sizeof(members[0]), &m);
    status = foreign_id(outline, fb_arena_printf(outline->arena, "%s.id", task.where), m.id,
                        EVENT_KEY_BYTES, &local);
    if (fb_is_ok(status)) {
        local = local_id(level, local);
        status = global_id(level, task.where, local, &task.id);
    }
    if (fb_is_ok(status)) {
        status = foreign_text(outline, m.title, &task.title);
    }
    if (fb_is_ok(status)) {
        status = foreign_text(outline, m.description, &body[0]);
    }
    if (fb_is_ok(status)) {
        status = foreign_text(outline, m.details, &body[1]);
    }
    if (fb_is_ok(status)) {
        status = foreign_join(outline, body, 2, &task.body);
    }
    if (fb_is_ok(status)) {
        status = foreign_text(outline, m.test_strategy, &task.accept);
    }
    if (fb_is_ok(status)) {
        status = foreign_state(outline, states, m.status, &task);
    }
    if (!fb_is_ok(status)) {
        return status;
    }
    task.weight = foreign_weight(outline, task.where, "complexity", m.complexity);
    task.priority = foreign_priority(outline, task.where, m.priority);
    status = outline_add_task(outline, &task);
    if (fb_is_ok(status) && level->above != NULL) {
        status = outline_add_link(
            outline, &(struct outline_link){.task = number,
                                            .id = outline->tasks[level->parent_index].id,
                                            .kind = EVENT_LINK_PARENT,
                                            .field = "id",
                                            .element = OUTLINE_NONE});
    }
    if (fb_is_ok(status)) {
        status = read_links(level, task.where, m.dependencies, number);
    }
    if (fb_is_ok(status) && fb_json_kind_of(m.subtasks) == FB_JSON_ARRAY) {
        struct level below = {
            .outline = outline,
            .tag = level->tag,
            .above = level,
            .where = fb_arena_printf(outline->arena, "%s.subtasks", task.where),
            .parent = local,
            .parent_index = number,
            .depth = level->depth + 1,
        };

        status = below.where == NULL ? exhausted() : read_level(&below, m.subtasks);
    }
    return status;
}

static struct fb_status note_ids(struct level *level, struct fb_text tasks)
{
    static const struct foreign_member id_alone[] = {{"id", 0}};
    struct fb_json_walk walk = fb_json_walk(tasks);

    while (fb_json_next(&walk)) {
        struct fb_text slice = {.size = 0};
        struct fb_text id;
        struct fb_status status;

        foreign_pick(walk.value, id_alone, 1, &slice);
        status = foreign_text(level->outline, slice, &id);
        if (!fb_is_ok(status)) {
            return status;
        }
        if (names_add(&level->ids, id) == NAMES_NONE) {
            return exhausted();
        }
    }
    return fb_ok;
}

static struct fb_status read_level(struct level *level, struct fb_text tasks)
{
    struct fb_json_walk walk = fb_json_walk(tasks);
    struct fb_status status = fb_ok;

    if (level->depth > TASK_MASTER_DEPTH) {
        return fb_arena_fail(level->outline->arena, FB_INVALID_ARGUMENT,
                             "%s: subtasks lie at most %d deep; make them tasks", level->where,
                             TASK_MASTER_DEPTH);
    }
    status = note_ids(level, tasks);
    for (uint32_t i = 0; fb_is_ok(status) && fb_json_next(&walk); i++) {
        status = read_task(level, walk.value, i);
    }
    names_finish(&level->ids);
    return status;
}

/* Whether the value of a tag holds tasks. */
static bool is_tag(struct fb_text value, struct fb_text *tasks)
{
    return fb_json_find(value, "tasks", tasks) && fb_json_kind_of(*tasks) == FB_JSON_ARRAY;
}

bool task_master_is(struct fb_text document)
{
    struct fb_json_walk walk = fb_json_walk(document);
    struct fb_text tasks;

    if (fb_json_kind_of(document) != FB_JSON_OBJECT) {
        return false;
    }
    if (is_tag(document, &tasks)) {
        return true;
    }
    while (fb_json_next(&walk)) {
        if (is_tag(walk.value, &tasks)) {
            return true;
        }
    }
    return false;
}

static struct fb_status read_tag(struct outline *outline, struct fb_text tag, const char *where,
                                 struct fb_text tasks)
{
    struct level level = {.outline = outline, .tag = tag, .where = where};

    return where == NULL ? exhausted() : read_level(&level, tasks);
}

struct fb_status task_master_read(struct fb_text document, struct outline *outline)
{
    struct fb_json_walk walk = fb_json_walk(document);
    struct fb_status status = fb_ok;
    struct fb_text tasks;
    bool any = false;

    if (is_tag(document, &tasks)) {
        return read_tag(outline, FB_TEXT("master"), "$.tasks", tasks);
    }
    while (fb_is_ok(status) && fb_json_next(&walk)) {
        struct fb_text tag;

        if (!is_tag(walk.value, &tasks)) {
            continue;
        }
        any = true;
        status = foreign_text(outline, walk.key, &tag);
        if (fb_is_ok(status)) {
            const size_t named = tag.size < EVENT_KEY_BYTES ? tag.size : EVENT_KEY_BYTES;

            status = read_tag(outline, tag,
                              fb_arena_printf(outline->arena, "$.%.*s.tasks", (int)named, tag.data),
                              tasks);
        }
    }
    if (fb_is_ok(status) && !any) {
        return fb_fail(FB_INVALID_ARGUMENT,
                       "$.tasks: expected a list of tasks, or tags such as $.master.tasks");
    }
    return status;
}

#include "services/worker/exchange/beads.h"

#include <stdlib.h>

#include "runtime/json/scan.h"
#include "services/worker/exchange/foreign.h"
#include "services/worker/flow/names.h"

static const struct foreign_state states[] = {
    {.word = "open", .state = TASK_QUEUED},
    {.word = "in-progress",
     .state = TASK_QUEUED,
     .note = "It was in progress when it was imported; whoever takes it goes on with it."},
    {.word = "hooked",
     .state = TASK_QUEUED,
     .note = "It was claimed when it was imported; whoever takes it goes on with it."},
    {.word = "blocked", .state = TASK_BLOCKED, .gate = "It was blocked when it was imported."},
    {.word = "deferred", .state = TASK_RESTING},
    {.word = "pinned", .state = TASK_RESTING},
    {.word = "closed", .state = TASK_COMPLETED},
    {.word = "tombstone", .state = TASK_CANCELLED},
    {.word = NULL},
};

struct members {
    struct fb_text id;
    struct fb_text title;
    struct fb_text description;
    struct fb_text design;
    struct fb_text accept;
    struct fb_text notes;
    struct fb_text status;
    struct fb_text priority;
    struct fb_text close_reason;
    struct fb_text dependencies;
};

static const struct foreign_member members[] = {
    {"id", offsetof(struct members, id)},
    {"title", offsetof(struct members, title)},
    {"description", offsetof(struct members, description)},
    {"design", offsetof(struct members, design)},
    {"acceptance_criteria", offsetof(struct members, accept)},
    {"notes", offsetof(struct members, notes)},
    {"status", offsetof(struct members, status)},
    {"priority", offsetof(struct members, priority)},
    {"close_reason", offsetof(struct members, close_reason)},
    {"dependencies", offsetof(struct members, dependencies)},
};

struct dependency {
    struct fb_text on;
    struct fb_text type;
};

static const struct foreign_member dependency_members[] = {
    {"depends_on_id", offsetof(struct dependency, on)},
    {"type", offsetof(struct dependency, type)},
};

static const struct {
    const char *word;
    enum event_link_kind kind;
} types[] = {
    {"blocks", EVENT_LINK_AFTER},         {"parent-child", EVENT_LINK_PARENT},
    {"waits-for", EVENT_LINK_ENDS},       {"conditional-blocks", EVENT_LINK_ON_FAIL},
    {"discovered-from", EVENT_LINK_FROM}, {"duplicates", EVENT_LINK_DUP},
};

bool beads_is(struct fb_text line)
{
    struct fb_text value;

    return fb_json_find(line, "id", &value) && fb_json_find(line, "title", &value) &&
           !fb_json_find(line, "tasks", &value);
}

/* 0: of no consequence here. A dependency without a type blocks. */
static enum event_link_kind kind_of(struct fb_text type)
{
    if (fb_json_kind_of(type) != FB_JSON_STRING) {
        return EVENT_LINK_AFTER;
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (fb_json_string_is(type, types[i].word)) {
            return types[i].kind;
        }
    }
    return 0;
}

static struct fb_status read_links(struct outline *outline, const char *where,
                                   struct fb_text dependencies, uint32_t task)
{
    const enum fb_json_kind kind = fb_json_kind_of(dependencies);
    struct fb_json_walk walk = fb_json_walk(dependencies);
    struct fb_status status = fb_ok;

    if (kind != FB_JSON_ARRAY && kind != FB_JSON_NONE && kind != FB_JSON_NULL) {
        return fb_arena_fail(outline->arena, FB_INVALID_ARGUMENT,
                             "%s.dependencies: expected a list of objects with depends_on_id and "
                             "type",
                             where);
    }
    for (uint32_t i = 0; kind == FB_JSON_ARRAY && fb_is_ok(status) && fb_json_next(&walk); i++) {
        struct outline_link link = {.task = task, .field = "dependencies", .element = i};
        struct dependency dependency = {.on = {.size = 0}};
        const char *place;

        foreign_pick(walk.value, dependency_members, 2, &dependency);
        link.kind = kind_of(dependency.type);
        if (link.kind == 0) {
            continue;
        }
        place = fb_arena_printf(outline->arena, "%s.dependencies[%u].depends_on_id", where,
                                (unsigned)i);
        status = foreign_id(outline, place == NULL ? where : place, dependency.on, EVENT_KEY_BYTES,
                            &link.id);
        if (fb_is_ok(status)) {
            status = outline_add_link(outline, &link);
        }
    }
    return status;
}

struct fb_status beads_read_line(struct fb_text line, uint64_t number, struct outline *outline)
{
    const uint32_t index = outline->task_count;
    struct outline_task task = {
        .weight = OUTLINE_WEIGHT,
        .where = fb_arena_printf(outline->arena, "line %llu", (unsigned long long)number),
    };
    struct members m = {.id = {.size = 0}};
    struct fb_text body[2];
    struct fb_status status;

    if (task.where == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the import");
    }
    if (fb_json_kind_of(line) != FB_JSON_OBJECT) {
        return fb_arena_fail(outline->arena, FB_INVALID_ARGUMENT,
                             "%s: expected an issue, an object with id, title and status",
                             task.where);
    }
    foreign_pick(line, members, sizeof(members) / sizeof(members[0]), &m);
    status = foreign_id(outline, fb_arena_printf(outline->arena, "%s.id", task.where), m.id,
                        EVENT_KEY_BYTES, &task.id);
    if (fb_is_ok(status)) {
        status = foreign_text(outline, m.title, &task.title);
    }
    if (fb_is_ok(status)) {
        status = foreign_text(outline, m.description, &body[0]);
    }
    if (fb_is_ok(status)) {
        status = foreign_text(outline, m.design, &body[1]);
    }
    if (fb_is_ok(status)) {
        status = foreign_join(outline, body, 2, &task.body);
    }
    if (fb_is_ok(status)) {
        status = foreign_text(outline, m.accept, &task.accept);
    }
    if (fb_is_ok(status)) {
        status = foreign_text(outline, m.notes, &task.note);
    }
    if (fb_is_ok(status)) {
        status = foreign_text(outline, m.close_reason, &task.summary);
    }
    if (fb_is_ok(status)) {
        status = foreign_state(outline, states, m.status, &task);
    }
    if (!fb_is_ok(status)) {
        return status;
    }
    task.priority = foreign_priority(outline, task.where, m.priority);
    status = outline_add_task(outline, &task);
    return fb_is_ok(status) ? read_links(outline, task.where, m.dependencies, index) : status;
}

/* --- what only shows once all issues are there --- */

struct family {
    struct names ids;
    uint32_t *parents; /* by task: its parent and 1; 0: none */
};

static bool find_parents(struct outline *outline, struct family *family)
{
    family->parents = calloc((size_t)outline->task_count + 1, sizeof(*family->parents));
    if (family->parents == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < outline->task_count; i++) {
        if (names_add(&family->ids, outline->tasks[i].id) == NAMES_NONE) {
            return false;
        }
        if (family->ids.count != i + 1) {
            return true; /* an id comes twice: outline_resolve says so */
        }
    }
    for (uint32_t i = 0; i < outline->link_count; i++) {
        const struct outline_link *link = &outline->links[i];

        if (link->kind == EVENT_LINK_PARENT && family->parents[link->task] == 0) {
            family->parents[link->task] = names_find(&family->ids, link->id) + 1;
        }
    }
    return true;
}

/* Whether `task` lies below `above`; a ring of parents ends the search. */
static bool is_below(const struct family *family, uint32_t task, uint32_t above)
{
    for (unsigned steps = 0; steps < 64 && family->parents[task] != 0; steps++) {
        task = family->parents[task] - 1;
        if (task == above) {
            return true;
        }
    }
    return false;
}

struct fb_status beads_end(struct outline *outline)
{
    struct family family = {.parents = NULL};
    const bool found = find_parents(outline, &family);
    uint32_t kept = 0;

    for (uint32_t i = 0; found && i < outline->link_count; i++) {
        const struct outline_link *link = &outline->links[i];
        const uint32_t on = names_find(&family.ids, link->id);

        if (link->kind != EVENT_LINK_PARENT && link->kind != EVENT_LINK_FROM &&
            link->kind != EVENT_LINK_DUP && on != NAMES_NONE && is_below(&family, link->task, on)) {
            outline_warn(outline, "%s: it is part of what blocks it, which waits for it here",
                         outline->tasks[link->task].where);
        } else {
            outline->links[kept++] = outline->links[i];
        }
    }
    outline->link_count = found ? kept : outline->link_count;
    names_finish(&family.ids);
    free(family.parents);
    return found ? fb_ok : fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the import");
}

#include "services/worker/exchange/outline.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/worker/flow/cycles.h"
#include "services/worker/flow/graph.h"
#include "services/worker/flow/heap.h"
#include "services/worker/flow/names.h"

enum { WARNING_BYTES = 512 };

static struct fb_status exhausted(void)
{
    return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the import");
}

void outline_init(struct outline *outline, struct fb_arena *arena)
{
    *outline = (struct outline){.arena = arena};
}

void outline_finish(struct outline *outline)
{
    free(outline->tasks);
    free(outline->links);
    *outline = (struct outline){.arena = outline->arena};
}

void outline_warn(struct outline *outline, const char *format, ...)
{
    char sentence[WARNING_BYTES];
    va_list args;

    outline->warning_count++;
    if (outline->warning_count > OUTLINE_WARNINGS) {
        return;
    }
    va_start(args, format);
    vsnprintf(sentence, sizeof(sentence), format, args);
    va_end(args);
    /* What is cut may end within a character. */
    sentence[fb_utf8_check(sentence, strlen(sentence))] = '\0';
    outline->warnings[outline->warning_count - 1] =
        fb_arena_copy(outline->arena, sentence, strlen(sentence));
    if (outline->warnings[outline->warning_count - 1] == NULL) {
        outline->warnings[outline->warning_count - 1] = "(no memory for this warning)";
    }
}

/* Cut to `most` bytes, at the end of a character. */
static void fit(struct outline *outline, const char *where, const char *what, struct fb_text *text,
                size_t most)
{
    if (text->size <= most) {
        return;
    }
    outline_warn(outline,
                 "%s: %s is %zu bytes long and was cut to %zu; the document kept with the session "
                 "has it whole",
                 where, what, text->size, most);
    text->size = most;
    text->size = fb_utf8_check(text->data, text->size);
}

/* Twice the room; false when there is no memory. */
static bool grow(void **items, uint32_t *room, size_t size)
{
    const uint32_t more = *room == 0 ? 64 : 2 * *room;
    void *grown = realloc(*items, more * size);

    if (grown == NULL) {
        return false;
    }
    *items = grown;
    *room = more;
    return true;
}

struct fb_status outline_add_task(struct outline *outline, const struct outline_task *task)
{
    struct outline_task *added;

    if (outline->task_count == OUTLINE_TASKS_MOST) {
        return fb_arena_fail(
            outline->arena, FB_RESOURCE_EXHAUSTED,
            "%s: a session holds at most 200,000 tasks; import the document in parts", task->where);
    }
    if (outline->task_count == outline->task_room &&
        !grow((void **)&outline->tasks, &outline->task_room, sizeof(*outline->tasks))) {
        return exhausted();
    }
    added = &outline->tasks[outline->task_count++];
    *added = *task;
    if (added->title.size == 0) {
        added->title = added->id;
    }
    if (added->title.size > EVENT_TITLE_BYTES && added->body.size == 0) {
        added->body = added->title;
    }
    fit(outline, task->where, "the title", &added->title, EVENT_TITLE_BYTES);
    fit(outline, task->where, "the text", &added->body, EVENT_BODY_BYTES);
    fit(outline, task->where, "what has to be true at the end", &added->accept, EVENT_ACCEPT_BYTES);
    fit(outline, task->where, "the note", &added->note, EVENT_NOTE_BYTES);
    fit(outline, task->where, "the summary", &added->summary, EVENT_SUMMARY_BYTES);
    fit(outline, task->where, "the reason", &added->gate, EVENT_REASON_BYTES);
    return fb_ok;
}

struct fb_status outline_add_link(struct outline *outline, const struct outline_link *link)
{
    if (outline->link_count == OUTLINE_LINKS_MOST) {
        return fb_fail(FB_RESOURCE_EXHAUSTED,
                       "links: at most 1,000,000; import the document in parts");
    }
    if (outline->link_count == outline->link_room &&
        !grow((void **)&outline->links, &outline->link_room, sizeof(*outline->links))) {
        return exhausted();
    }
    outline->links[outline->link_count++] = *link;
    return fb_ok;
}

/* --- what is wrong with the whole --- */

/* Where a link stands in the document: "$.tasks[3].dependencies[1]". */
static const char *place_of(const struct outline *outline, const struct outline_link *link)
{
    const char *where = outline->tasks[link->task].where;
    const char *place = link->element == OUTLINE_NONE
                            ? fb_arena_printf(outline->arena, "%s.%s", where, link->field)
                            : fb_arena_printf(outline->arena, "%s.%s[%u]", where, link->field,
                                              (unsigned)link->element);

    return place == NULL ? where : place;
}

static int shown(struct fb_text text)
{
    return (int)(text.size < EVENT_KEY_BYTES ? text.size : EVENT_KEY_BYTES);
}

/* Numbers the ids as their tasks are numbered. */
static struct fb_status number_ids(struct outline *outline, struct names *ids)
{
    for (uint32_t i = 0; i < outline->task_count; i++) {
        const struct fb_text id = outline->tasks[i].id;
        const uint32_t number = names_add(ids, id);

        if (number == NAMES_NONE) {
            return exhausted();
        }
        if (number != i) {
            return fb_arena_fail(outline->arena, FB_INVALID_ARGUMENT,
                                 "%s: the id \"%.*s\" is that of %s already; give one of the two "
                                 "another id",
                                 outline->tasks[i].where, shown(id), id.data,
                                 outline->tasks[number].where);
        }
    }
    return fb_ok;
}

/* Finds the ends of the links; those that are dropped have a kind of 0 afterwards. */
static struct fb_status find_ends(struct outline *outline, const struct names *ids, bool lenient)
{
    for (uint32_t i = 0; i < outline->link_count; i++) {
        struct outline_link *link = &outline->links[i];

        link->on = names_find(ids, link->id);
        if (link->on == NAMES_NONE && !lenient) {
            return fb_arena_fail(outline->arena, FB_INVALID_ARGUMENT,
                                 "%s: there is no task \"%.*s\" in the document; add it, take the "
                                 "link away, or drop such links on import",
                                 place_of(outline, link), shown(link->id), link->id.data);
        }
        if (link->on == NAMES_NONE) {
            outline_warn(outline, "%s: dropped, for there is no task \"%.*s\" in the document",
                         place_of(outline, link), shown(link->id), link->id.data);
            link->kind = 0;
        } else if (link->on == link->task) {
            return fb_arena_fail(outline->arena, FB_FAILED_PRECONDITION,
                                 "%s: the task hangs on itself; take the link away",
                                 place_of(outline, link));
        }
    }
    return fb_ok;
}

/* A task has one parent. */
static bool keep_one_parent(struct outline *outline)
{
    uint32_t *parents = calloc((size_t)outline->task_count + 1, sizeof(*parents));

    if (parents == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < outline->link_count; i++) {
        struct outline_link *link = &outline->links[i];

        if (link->kind != EVENT_LINK_PARENT) {
            continue;
        }
        if (parents[link->task] == 0) {
            parents[link->task] = link->on + 1;
        } else if (parents[link->task] == link->on + 1) {
            link->kind = 0;
        } else {
            outline_warn(outline, "%s: a task has one parent; kept as where it was found instead",
                         place_of(outline, link));
            link->kind = EVENT_LINK_FROM;
        }
    }
    free(parents);
    return true;
}

static int by_link(const void *a, const void *b)
{
    const struct outline_link *x = a;
    const struct outline_link *y = b;

    if (x->task != y->task) {
        return x->task < y->task ? -1 : 1;
    }
    if (x->on != y->on) {
        return x->on < y->on ? -1 : 1;
    }
    return (x->kind > y->kind) - (x->kind < y->kind);
}

/* Takes out what was dropped and what is said twice. */
static void tidy_links(struct outline *outline)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < outline->link_count; i++) {
        if (outline->links[i].kind != 0) {
            outline->links[kept++] = outline->links[i];
        }
    }
    outline->link_count = kept;
    if (kept == 0) {
        return;
    }
    qsort(outline->links, kept, sizeof(*outline->links), by_link);
    kept = 1;
    for (uint32_t i = 1; i < outline->link_count; i++) {
        if (by_link(&outline->links[kept - 1], &outline->links[i]) != 0) {
            outline->links[kept++] = outline->links[i];
        }
    }
    outline->link_count = kept;
}

/* --- cycles --- */

static struct graph_edge edge_of(const struct outline_link *link)
{
    static const enum graph_kind kinds[EVENT_LINK_KINDS] = {
        [EVENT_LINK_AFTER] = GRAPH_AFTER,     [EVENT_LINK_ENDS] = GRAPH_ENDS,
        [EVENT_LINK_ON_FAIL] = GRAPH_ON_FAIL, [EVENT_LINK_PARENT] = GRAPH_PARENT,
        [EVENT_LINK_FROM] = GRAPH_FROM,       [EVENT_LINK_DUP] = GRAPH_DUP,
    };
    const bool parent = link->kind == EVENT_LINK_PARENT;

    return (struct graph_edge){
        .before = parent ? link->task : link->on,
        .after = parent ? link->on : link->task,
        .kind = kinds[link->kind],
    };
}

/*
 * A cycle within a knot: from its first task always on to some task of the knot that it waits for, until
 * one comes again. In a knot every task waits for another of it. `next` has a place for every task.
 */
static struct fb_status name_cycle(const struct outline *outline, const struct cycles *cycles,
                                   const struct graph_edge *edges, uint32_t *next)
{
    struct fb_buffer path = {.limit_bytes = 64 << 10};
    uint32_t named = 0;
    uint32_t first = cycles->nodes[0];
    struct fb_status status;

    for (uint32_t i = 0; i < outline->task_count; i++) {
        next[i] = OUTLINE_NONE;
    }
    for (size_t i = 0; i < cycles->ends[0]; i++) {
        next[cycles->nodes[i]] = cycles->nodes[i];
    }
    for (uint32_t i = 0; i < outline->link_count; i++) {
        if (graph_holds_up(edges[i].kind) && next[edges[i].after] != OUTLINE_NONE &&
            next[edges[i].before] != OUTLINE_NONE) {
            next[edges[i].after] = edges[i].before;
        }
    }
    for (size_t i = 0; i < cycles->ends[0]; i++) {
        first = next[first]; /* as many steps as there are tasks end on a cycle */
    }
    for (uint32_t at = first; named == 0 || (at != first && named <= OUTLINE_PATH_NAMED);
         at = next[at]) {
        fb_buffer_text(&path, outline->tasks[at].id);
        fb_buffer_string(&path, " -> ");
        named++;
        if (named == OUTLINE_PATH_NAMED) {
            fb_buffer_string(&path, "... -> ");
            break;
        }
    }
    fb_buffer_text(&path, outline->tasks[first].id);
    status = fb_arena_fail(outline->arena, FB_FAILED_PRECONDITION,
                           "%s: a cycle, in which each task waits for the next: %.*s; take one of "
                           "these links away (%zu such knots in the document)",
                           outline->tasks[first].where, (int)path.size,
                           path.data == NULL ? "" : path.data, cycles->count);
    fb_buffer_finish(&path);
    return status;
}

static struct fb_status find_cycles(const struct outline *outline)
{
    struct graph_edge *edges = calloc((size_t)outline->link_count + 1, sizeof(*edges));
    uint32_t *next = calloc((size_t)outline->task_count + 1, sizeof(*next));
    struct cycles cycles = {.count = 0};
    struct fb_status status = edges == NULL || next == NULL ? exhausted() : fb_ok;

    if (fb_is_ok(status)) {
        for (uint32_t i = 0; i < outline->link_count; i++) {
            edges[i] = edge_of(&outline->links[i]);
        }
        status = cycles_find(edges, outline->link_count, outline->task_count, &cycles);
    }
    if (fb_is_ok(status) && cycles.count != 0) {
        status = name_cycle(outline, &cycles, edges, next);
    }
    cycles_finish(&cycles);
    free(edges);
    free(next);
    return status;
}

/* What is blocked and waits for an open task needs no gate: it is ready when that one has completed. */
static void let_links_block(struct outline *outline)
{
    for (uint32_t i = 0; i < outline->link_count; i++) {
        const struct outline_link *link = &outline->links[i];

        if ((link->kind == EVENT_LINK_AFTER || link->kind == EVENT_LINK_ENDS) &&
            outline->tasks[link->task].state == TASK_BLOCKED &&
            !task_has_ended(outline->tasks[link->on].state)) {
            outline->tasks[link->task].state = TASK_QUEUED;
        }
    }
}

struct fb_status outline_resolve(struct outline *outline, bool lenient)
{
    struct names ids = {.count = 0};
    struct fb_status status = number_ids(outline, &ids);

    if (fb_is_ok(status)) {
        status = find_ends(outline, &ids, lenient);
    }
    names_finish(&ids);
    if (!fb_is_ok(status)) {
        return status;
    }
    if (!keep_one_parent(outline)) {
        return exhausted();
    }
    tidy_links(outline);
    let_links_block(outline);
    return find_cycles(outline);
}

/* --- order --- */

/* Kahn's, always taking the task that comes first in the document. */
struct ordering {
    uint32_t *waits; /* by task: for how many it waits */
    uint32_t *first; /* by task: where its followers begin */
    uint32_t *followers;
    struct heap ready; /* by minus the index */
};

static bool prepare(struct ordering *o, const struct outline *outline)
{
    const size_t tasks = outline->task_count;

    o->waits = calloc(tasks + 1, sizeof(*o->waits));
    o->first = calloc(tasks + 2, sizeof(*o->first));
    o->followers = calloc((size_t)outline->link_count + 1, sizeof(*o->followers));
    if (o->waits == NULL || o->first == NULL || o->followers == NULL ||
        !heap_reserve(&o->ready, outline->task_count + 1)) {
        return false;
    }
    for (uint32_t i = 0; i < outline->link_count; i++) {
        const struct graph_edge edge = edge_of(&outline->links[i]);

        if (graph_holds_up(edge.kind)) {
            o->waits[edge.after]++;
            o->first[edge.before + 2]++;
        }
    }
    for (size_t i = 2; i <= tasks; i++) {
        o->first[i] += o->first[i - 1];
    }
    /* `first[i + 1]` moves on while its followers are entered, and ends where those of i end. */
    for (uint32_t i = 0; i < outline->link_count; i++) {
        const struct graph_edge edge = edge_of(&outline->links[i]);

        if (graph_holds_up(edge.kind)) {
            o->followers[o->first[edge.before + 1]++] = edge.after;
        }
    }
    return true;
}

bool outline_order(const struct outline *outline, uint32_t *order)
{
    struct ordering o = {.waits = NULL};
    bool whole = prepare(&o, outline);
    uint32_t count = 0;

    for (uint32_t i = 0; whole && i < outline->task_count; i++) {
        if (o.waits[i] == 0) {
            heap_put(&o.ready, i, -(double)i);
        }
    }
    while (whole && o.ready.count != 0) {
        const uint32_t task = heap_top(&o.ready);

        heap_remove(&o.ready, task);
        order[count++] = task;
        for (uint32_t i = o.first[task]; i < o.first[task + 1]; i++) {
            if (--o.waits[o.followers[i]] == 0) {
                heap_put(&o.ready, o.followers[i], -(double)o.followers[i]);
            }
        }
    }
    free(o.waits);
    free(o.first);
    free(o.followers);
    heap_finish(&o.ready);
    return whole && count == outline->task_count;
}

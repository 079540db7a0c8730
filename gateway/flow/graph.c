#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>

#include "gateway/flow/budget.h"
#include "gateway/flow/verbs.h"
#include "gateway/values.h"
#include "runtime/json/scan.h"

enum { NODE_TOKENS = 8, NODES_MOST = 1000, TITLE_TOKENS = 24, LINKS_MOST = 100000 };

struct link {
    int64_t task;
    int64_t on;
    struct fb_text kind; /* a JSON string */
};

struct graph {
    size_t budget;
    struct link *links; /* by task */
    size_t count;
};

static int by_task(const void *a, const void *b)
{
    const struct link *first = a;
    const struct link *second = b;

    if (first->task != second->task) {
        return first->task < second->task ? -1 : 1;
    }
    return first->on < second->on ? -1 : first->on > second->on;
}

static int64_t number_of(struct fb_text object, const char *key)
{
    struct fb_text value;
    int64_t number = 0;

    return fb_json_find(object, key, &value) && fb_json_to_i64(value, &number) ? number : 0;
}

static bool is_true(struct fb_text object, const char *key)
{
    struct fb_text value;

    return fb_json_find(object, key, &value) && fb_json_kind_of(value) == FB_JSON_TRUE;
}

/* False: answered. */
static bool read_links(struct work *work, struct graph *graph, struct fb_text links)
{
    struct fb_json_walk walk;
    size_t count = 0;

    for (walk = fb_json_walk(links); fb_json_next(&walk) && count < LINKS_MOST;) {
        count++;
    }
    graph->links = work_alloc(work, count + 1, sizeof(*graph->links));
    if (graph->links == NULL) {
        return false;
    }
    for (walk = fb_json_walk(links); fb_json_next(&walk) && graph->count < count;) {
        struct link *link = &graph->links[graph->count++];

        link->task = number_of(walk.value, "task");
        link->on = number_of(walk.value, "on");
        (void)fb_json_find(walk.value, "kind", &link->kind);
    }
    qsort(graph->links, graph->count, sizeof(*graph->links), by_task);
    return true;
}

static const struct link *links_of(const struct graph *graph, int64_t task)
{
    size_t low = 0;
    size_t high = graph->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (graph->links[middle].task < task) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return &graph->links[low];
}

static void put_word(struct work *work, struct fb_buffer *out, struct fb_text object,
                     const char *key, const char *before, size_t tokens)
{
    struct fb_text value;
    const char *text;

    if (fb_json_find(object, key, &value)) {
        text = value_string(value, &work->arena);
        if (text != NULL) {
            fb_buffer_string(out, before);
            words_put(out, text, tokens);
        }
    }
}

/* "#3 active @ada Ship <- #2, #1 in #9"; a star before what the end waits for longest. */
static void put_task(struct work *work, const struct graph *graph, struct fb_text task,
                     struct fb_buffer *out)
{
    const int64_t number = number_of(task, "task");
    const struct link *end = graph->links + graph->count;
    bool after = false;

    fb_buffer_printf(out, "%s#%" PRId64, is_true(task, "critical") ? "*" : "", number);
    if (is_true(task, "ready")) {
        fb_buffer_string(out, " ready");
    } else {
        put_word(work, out, task, "state", " ", 4);
    }
    put_word(work, out, task, "agent", " @", 12);
    put_word(work, out, task, "title", " ", TITLE_TOKENS);
    for (const struct link *link = links_of(graph, number); link < end && link->task == number;
         link++) {
        if (fb_json_string_is(link->kind, "after")) {
            fb_buffer_printf(out, "%s#%" PRId64, after ? ", " : " <- ", link->on);
            after = true;
        }
    }
    for (const struct link *link = links_of(graph, number); link < end && link->task == number;
         link++) {
        if (fb_json_string_is(link->kind, "parent")) {
            fb_buffer_printf(out, " in #%" PRId64, link->on);
        } else if (link->kind.size > 2 && !fb_json_string_is(link->kind, "after")) {
            fb_buffer_string(out, " ");
            fb_buffer_append(out, link->kind.data + 1, link->kind.size - 2);
            fb_buffer_printf(out, " #%" PRId64, link->on);
        }
    }
}

static void say_graph(struct work *work)
{
    const Flowbalancer__V1__GraphResponse *reply = work_reply(work);
    const struct fb_text drawing = value_text(reply->data);
    struct graph *graph = work->state;
    struct fb_text links = {0};
    struct fb_text tasks = {0};
    struct fb_json_walk walk;
    struct budget lines;
    uint64_t total = reply->left_out;
    bool room = true;

    if (!fb_is_ok(fb_json_check(drawing, FB_JSON_DEPTH, NULL))) {
        work_fail(work, FB_INTERNAL, "the suite has drawn something else than JSON");
        return;
    }
    (void)fb_json_find(drawing, "links", &links);
    (void)fb_json_find(drawing, "tasks", &tasks);
    if (!read_links(work, graph, links)) {
        return;
    }
    lines = budget_begin(work, graph->budget);
    for (walk = fb_json_walk(tasks); fb_json_next(&walk);) {
        struct fb_buffer line = {0};

        total++;
        if (room) {
            put_task(work, graph, walk.value, &line);
            room = budget_add(&lines, &line);
        }
    }
    if (lines.count < total) {
        fb_buffer_printf(&work->text,
                         "\n%" PRIu64 " tasks left out; raise budget, or name a task in q",
                         total - lines.count);
    }
    budget_end(&lines, total, "");
}

void verb_graph(struct work *work, Flowbalancer__V1__FlowTaskRef *task, bool open_only,
                size_t budget)
{
    Flowbalancer__V1__GraphRequest request = FLOWBALANCER__V1__GRAPH_REQUEST__INIT;
    struct graph *graph = work_alloc(work, 1, sizeof(*graph));
    const size_t most = budget / NODE_TOKENS + 1;

    if (graph == NULL) {
        return;
    }
    graph->budget = budget;
    work->state = graph;
    request.context = work_context(work);
    request.format = FLOWBALANCER__V1__FLOW_GRAPH_FORMAT__FLOW_GRAPH_FORMAT_JSON;
    request.around = task;
    request.open_only = open_only;
    request.tasks_most = (uint32_t)(most < NODES_MOST ? most : NODES_MOST);
    work_ask(work, &method_graph, &request.base, say_graph);
}

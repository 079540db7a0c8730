#include "services/worker/flow/fold.h"

#include <stdlib.h>
#include <string.h>

#include "services/worker/flow/session_life.h"

struct fb_status fold_check_links(const struct session *session, const struct event_link *links,
                                  size_t count, uint32_t last)
{
    for (size_t i = 0; i < count; i++) {
        if (links[i].task > last || links[i].on > last) {
            return fold_refuse("a link names a task that there is not");
        }
        if (links[i].dropped && !graph_has_edge(session->graph, session_edge_of(&links[i]))) {
            return fold_refuse("a link is dropped that there is not");
        }
    }
    return fb_ok;
}

struct fb_status fold_check_parents(struct session *session, const struct event_link *links,
                                    size_t count)
{
    session->mark++;
    for (size_t i = 0; i < count; i++) {
        struct task *task = &session->tasks[links[i].task];

        if (links[i].kind != EVENT_LINK_PARENT || links[i].dropped) {
            continue;
        }
        if ((task->parent != 0 && task->parent != links[i].on) || task->mark == session->mark) {
            return fold_refuse("a task has one parent; drop the link to the present one first");
        }
        task->mark = session->mark;
    }
    return fb_ok;
}

/* The graph forgets it with the next edit. */
static void remember_cycle(struct session *session)
{
    size_t count;
    const uint32_t *cycle = graph_cycle(session->graph, &count);

    session->cycle_count = (uint32_t)(count < SESSION_CYCLE_NAMED ? count : SESSION_CYCLE_NAMED);
    if (session->cycle_count != 0) {
        memcpy(session->cycle, cycle, session->cycle_count * sizeof(*cycle));
    }
}

struct fb_status fold_change_edges(struct session *session, const struct event_link *links,
                                   size_t count)
{
    struct graph_edge *edges = malloc((count + 1) * sizeof(*edges));
    struct fb_status status = fb_ok;
    size_t added = 0;
    size_t done = 0;

    if (edges == NULL) {
        return fold_exhausted();
    }
    while (done < count && fb_is_ok(status)) {
        if (links[done].dropped) {
            status = graph_remove_edge(session->graph, session_edge_of(&links[done]));
        } else {
            edges[added++] = session_edge_of(&links[done]);
        }
        done += fb_is_ok(status);
    }
    if (fb_is_ok(status) && added == 1) {
        status = graph_add_edge(session->graph, edges[0]);
        if (status.code == FB_ALREADY_EXISTS) {
            status = fb_ok;
        }
    } else if (fb_is_ok(status) && added > 1) {
        status = graph_add_edges(session->graph, edges, added, NULL);
    }
    if (status.code == FB_FAILED_PRECONDITION) {
        remember_cycle(session);
    }
    for (size_t i = 0; i < done && !fb_is_ok(status); i++) {
        if (links[i].dropped &&
            !fb_is_ok(graph_add_edge(session->graph, session_edge_of(&links[i])))) {
            session->broken = true;
        }
    }
    free(edges);
    return status;
}

void fold_links_changed(struct session *session, const struct event_link *links, size_t count)
{
    session->mark++;
    for (size_t i = 0; i < count; i++) {
        const struct graph_edge edge = session_edge_of(&links[i]);
        struct task *task = &session->tasks[edge.after];

        if (links[i].kind == EVENT_LINK_PARENT) {
            session->tasks[links[i].task].parent = links[i].dropped ? 0 : links[i].on;
        }
        life_changed(session, &session->tasks[links[i].task]);
        if (task->mark == session->mark) {
            continue;
        }
        task->mark = session->mark;
        life_count_edges(session, edge.after);
        life_place(session, edge.after);
        life_settle_blocked(session, edge.after);
    }
}

struct fb_status fold_linked(struct session *session, const struct event *event)
{
    const struct event_link *links = event->linked.links;
    const size_t count = event->linked.link_count;
    struct fb_status status = fold_check_links(session, links, count, session->task_count);
    uint32_t added = 0;

    if (fb_is_ok(status)) {
        status = fold_check_parents(session, links, count);
    }
    if (fb_is_ok(status)) {
        status = fold_change_edges(session, links, count);
    }
    if (!fb_is_ok(status)) {
        return status;
    }
    fold_links_changed(session, links, count);
    for (size_t i = 0; i < count; i++) {
        added += !links[i].dropped;
    }
    momentum_earn_many(&session->momentum, MOMENTUM_CREATED, added, session->awake_ms);
    return fb_ok;
}

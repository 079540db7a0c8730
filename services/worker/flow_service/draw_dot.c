/*
 * draw_dot: a picture for Graphviz.
 */
#include "services/worker/flow_service/draw_parts.h"

enum { TITLE_LETTERS = 60 };

/* As a quoted string of DOT: a control character would end up in the picture as it is. */
static void put_string(struct fb_buffer *out, const char *text, int letters_most)
{
    int letters = 0;

    for (const char *at = text; *at != '\0'; at++) {
        const unsigned char c = (unsigned char)*at;

        letters += (c & 0xc0) != 0x80;
        if (letters > letters_most) {
            fb_buffer_string(out, "\xe2\x80\xa6");
            return;
        }
        if (c == '"' || c == '\\') {
            fb_buffer_printf(out, "\\%c", c);
        } else {
            fb_buffer_append(out, c < ' ' || c == 0x7f ? " " : at, 1);
        }
    }
}

static const char *look_of(const struct picture *picture, uint32_t task)
{
    if (schedule_is_ready(picture->session->schedule, task)) {
        return "shape=box, style=\"rounded,filled,bold\", fillcolor=\"#dbeafe\"";
    }
    switch (picture->session->tasks[task].state) {
    case TASK_ACTIVE:
        return "shape=box, style=\"filled\", fillcolor=\"#fde68a\"";
    case TASK_BLOCKED:
        return "shape=octagon, style=\"filled\", fillcolor=\"#fecaca\"";
    case TASK_RESTING:
        return "shape=box, style=\"rounded,dashed,filled\", fillcolor=\"#e9d5ff\"";
    case TASK_COMPLETED:
        return "shape=box, style=\"rounded,filled\", fillcolor=\"#bbf7d0\"";
    case TASK_FAILED:
        return "shape=hexagon, style=\"filled\", fillcolor=\"#fca5a5\"";
    case TASK_CANCELLED:
        return "shape=box, style=\"dotted,filled\", fillcolor=\"#f3f4f6\"";
    case TASK_QUEUED:
    case TASK_STATES:
        break;
    }
    return "shape=box, style=\"rounded,filled\", fillcolor=\"#ffffff\"";
}

static void put_link(void *arg, const struct graph_edge *edge, bool critical)
{
    static const char *const looks[GRAPH_KINDS] = {
        [GRAPH_AFTER] = "style=solid",
        [GRAPH_ENDS] = "style=dashed",
        [GRAPH_ON_FAIL] = "style=dotted, color=\"#b91c1c\"",
        [GRAPH_PARENT] = "style=solid, arrowhead=odiamond",
        [GRAPH_FROM] = "style=dotted, arrowhead=open, constraint=false",
        [GRAPH_DUP] = "style=dotted, dir=none, constraint=false",
    };
    struct fb_buffer *out = arg;

    fb_buffer_printf(out, "  t%u -> t%u [%s%s", edge->before, edge->after, looks[edge->kind],
                     critical ? ", penwidth=3" : "");
    if (edge->kind != GRAPH_AFTER) {
        fb_buffer_printf(out, ", label=\"%s\"", picture_link_name(edge->kind));
    }
    fb_buffer_string(out, "];\n");
}

void draw_dot(const struct picture *picture, struct fb_buffer *out)
{
    const struct session *session = picture->session;

    fb_buffer_string(out, "digraph session {\n  label=\"");
    put_string(out, session->name == NULL ? "" : session->name, TITLE_LETTERS);
    fb_buffer_string(out, "\";\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n"
                          "  edge [fontname=\"sans-serif\", fontsize=10];\n");
    for (uint32_t i = 0; i < picture->count; i++) {
        const struct picture_node *node = &picture->nodes[i];
        const struct task *task = &session->tasks[node->task];

        fb_buffer_printf(out, "  t%u [label=\"#%u ", node->task, node->task);
        put_string(out, task->title == NULL ? "" : task->title, TITLE_LETTERS);
        fb_buffer_printf(out, "\\n%s", picture_state(picture, node->task));
        if (task->percent > 0) {
            fb_buffer_printf(out, " %u%%", task->percent);
        }
        if (task->state == TASK_ACTIVE) {
            fb_buffer_string(out, " ");
            put_string(out, session->agent_names.texts[task->lease.agent].data, TITLE_LETTERS);
        }
        fb_buffer_printf(out, "\", %s%s];\n", look_of(picture, node->task),
                         node->critical ? ", penwidth=3" : "");
    }
    picture_each_link(picture, put_link, out);
    fb_buffer_string(out, "}\n");
}

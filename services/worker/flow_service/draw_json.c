/*
 * draw_json: a picture for programs.
 */
#include "services/worker/flow_service/draw_parts.h"

struct links {
    struct fb_buffer *out;
    bool some;
};

static void put_link(void *arg, const struct graph_edge *edge, bool critical)
{
    /* A parent waits for its child, while the child hangs on its parent. */
    const bool turned = edge->kind == GRAPH_PARENT;
    struct links *links = arg;

    fb_buffer_printf(links->out, "%s{\"task\":%u,\"on\":%u,\"kind\":\"%s\"%s}",
                     links->some ? "," : "", turned ? edge->before : edge->after,
                     turned ? edge->after : edge->before, picture_link_name(edge->kind),
                     critical ? ",\"critical\":true" : "");
    links->some = true;
}

static void put_task(const struct picture *picture, const struct picture_node *node,
                     struct fb_buffer *out)
{
    const struct session *session = picture->session;
    const struct task *task = &session->tasks[node->task];

    fb_buffer_printf(out, "{\"task\":%u,\"title\":", node->task);
    fb_buffer_json_string(out, fb_text_of(task->title));
    if (task->key != NULL) {
        fb_buffer_string(out, ",\"key\":");
        fb_buffer_json_string(out, fb_text_of(task->key));
    }
    fb_buffer_printf(out,
                     ",\"state\":\"%s\",\"ready\":%s,\"percent\":%u,\"weight\":%u,\"priority\":%u",
                     task_state_name(task->state),
                     schedule_is_ready(session->schedule, node->task) ? "true" : "false",
                     task->percent, task->weight, task->priority);
    if (task->state == TASK_ACTIVE) {
        fb_buffer_string(out, ",\"agent\":");
        fb_buffer_json_string(out, session->agent_names.texts[task->lease.agent]);
    }
    fb_buffer_printf(out, ",\"layer\":%u,\"level_ms\":%llu,\"critical\":%s}", node->layer,
                     (unsigned long long)graph_level_ms(session->graph, node->task),
                     node->critical ? "true" : "false");
}

void draw_json(const struct picture *picture, struct fb_buffer *out)
{
    struct links links = {.out = out};

    fb_buffer_string(out, "{\"session\":");
    fb_buffer_json_string(out, fb_text_of(picture->session->name));
    fb_buffer_printf(out, ",\"seq\":%llu,\"tasks\":[",
                     (unsigned long long)picture->session->events);
    for (uint32_t i = 0; i < picture->count; i++) {
        fb_buffer_string(out, i == 0 ? "" : ",");
        put_task(picture, &picture->nodes[i], out);
    }
    fb_buffer_string(out, "],\"links\":[");
    picture_each_link(picture, put_link, &links);
    fb_buffer_string(out, "],\"critical\":[");
    for (uint32_t i = 0; i < picture->critical_count; i++) {
        fb_buffer_printf(out, "%s%u", i == 0 ? "" : ",", picture->critical[i]);
    }
    fb_buffer_printf(out, "],\"left_out\":%u}\n", picture->left_out);
}

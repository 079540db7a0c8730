/*
 * graph: Graph, the tasks of a session as a picture.
 */
#include "services/worker/flow_service/draw.h"
#include "services/worker/flow_service/flow_call.h"
#include "services/worker/flow_service/serve.h"

static const enum draw_format formats[] = {
    [FLOWBALANCER__V1__FLOW_GRAPH_FORMAT__FLOW_GRAPH_FORMAT_UNSPECIFIED] = DRAW_DOT,
    [FLOWBALANCER__V1__FLOW_GRAPH_FORMAT__FLOW_GRAPH_FORMAT_DOT] = DRAW_DOT,
    [FLOWBALANCER__V1__FLOW_GRAPH_FORMAT__FLOW_GRAPH_FORMAT_SVG] = DRAW_SVG,
    [FLOWBALANCER__V1__FLOW_GRAPH_FORMAT__FLOW_GRAPH_FORMAT_JSON] = DRAW_JSON,
};

static enum keeper_verdict decide(struct flow_call *f, struct decision *d)
{
    const Flowbalancer__V1__GraphRequest *request =
        (const Flowbalancer__V1__GraphRequest *)f->request;
    Flowbalancer__V1__GraphResponse answer = FLOWBALANCER__V1__GRAPH_RESPONSE__INIT;
    struct draw_wish wish = {
        .format = formats[request->format],
        .open_only = request->open_only,
        .tasks_most = request->tasks_most,
    };
    const struct view view = view_of(d);
    struct drawing drawing;
    struct fb_status status;

    if (!flow_task(f, d, request->around, "around", true, &wish.around)) {
        return KEEPER_ANSWER;
    }
    status = draw(view.session, &wish, f->arena, &drawing);
    if (!fb_is_ok(status)) {
        return flow_fail(f, status.code, status.why);
    }
    answer.data.data = (uint8_t *)drawing.bytes.data;
    answer.data.len = drawing.bytes.size;
    answer.left_out = drawing.left_out;
    answer.critical = (uint32_t *)drawing.critical;
    answer.n_critical = drawing.critical_count;
    return flow_answer(f, &answer.base);
}

static const struct flow_method method = {.decide = decide};

void serve_graph(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__GraphRequest *request = (const Flowbalancer__V1__GraphRequest *)message;
    struct flow_call *f = flow_call_create(call, message, request->context, NULL, false, &method);

    if (f == NULL) {
        return;
    }
    if ((size_t)request->format >= sizeof(formats) / sizeof(formats[0])) {
        flow_call_refuse(f, fb_fail(FB_INVALID_ARGUMENT, "format is none of DOT, SVG and JSON"));
        return;
    }
    flow_call_begin(f);
}

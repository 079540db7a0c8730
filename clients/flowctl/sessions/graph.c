/*
 * sessions graph: the tasks and what they wait for, drawn.
 */

#include <inttypes.h>

#include "clients/flowctl/commands.h"
#include "clients/flowctl/sessions/output.h"
#include "clients/flowctl/sessions/session_call.h"
#include "clients/flowctl/terminal.h"

static const char *const formats[] = {"dot", "svg", "json", NULL};

static const Flowbalancer__V1__FlowGraphFormat format_numbers[] = {
    FLOWBALANCER__V1__FLOW_GRAPH_FORMAT__FLOW_GRAPH_FORMAT_DOT,
    FLOWBALANCER__V1__FLOW_GRAPH_FORMAT__FLOW_GRAPH_FORMAT_SVG,
    FLOWBALANCER__V1__FLOW_GRAPH_FORMAT__FLOW_GRAPH_FORMAT_JSON,
};

struct graph_options {
    int format;
    const char *output;
    const char *around;
    bool open;
    int64_t most;
};

static struct graph_options graph_options;

static const struct fb_option graph_table[] = {
    {"format", FB_OPTION_CHOICE, offsetof(struct graph_options, format), .fallback = "dot",
     .choices = formats, .help = "dot for Graphviz, svg for a browser, json for programs"},
    {"output", FB_OPTION_PATH, offsetof(struct graph_options, output),
     .help = "a file, in place of standard output"},
    {"around", FB_OPTION_STRING, offsetof(struct graph_options, around),
     .help = "only this task and what it hangs together with"},
    {"open", FB_OPTION_BOOL, offsetof(struct graph_options, open),
     .help = "leave out what has ended"},
    {"most", FB_OPTION_INTEGER, offsetof(struct graph_options, most), .fallback = "500",
     .least = "1", .most = "5000", .help = "most tasks drawn, the most critical first"},
    {.name = NULL},
};

static int put(const struct run *run, const Flowbalancer__V1__GraphResponse *response)
{
    struct output output;
    struct fb_status status = output_open(&output, graph_options.output, run->arena);

    if (fb_is_ok(status)) {
        const bool written = output_write(&output, response->data.data, response->data.len);

        status = output_close(&output, written, run->arena);
    }
    if (!fb_is_ok(status)) {
        terminal_complain(NULL, "%s", status.why);
        return EXIT_NEGATIVE;
    }
    if (response->left_out > 0) {
        terminal_complain("draw more with --most, or a part with --around or --open",
                          "%" PRIu32 " tasks are left out", response->left_out);
    }
    return EXIT_DONE;
}

static int graph(const struct run *run)
{
    Flowbalancer__V1__GraphRequest request = FLOWBALANCER__V1__GRAPH_REQUEST__INIT;
    const Flowbalancer__V1__GraphResponse *response;
    Flowbalancer__V1__FlowTaskRef around;
    struct session_call call;
    int code = session_call_begin(&call, run, run->args[0], NULL);

    if (code != EXIT_DONE) {
        return code;
    }
    request.context = &call.context;
    request.format = format_numbers[graph_options.format];
    request.open_only = graph_options.open;
    request.tasks_most = (uint32_t)graph_options.most;
    if (graph_options.around != NULL) {
        session_call_task(graph_options.around, &around);
        request.around = &around;
    }
    response = fb_flow_graph(call.client, &request, NULL, &call.answer);
    code = response == NULL ? session_call_complain(&call, &call.answer) : put(run, response);
    session_call_end(&call);
    return code;
}

const struct command command_sessions_graph = {
    .name = "sessions graph",
    .usage = "SESSION",
    .purpose = "draw the tasks and what they wait for, the critical path visible",
    .options = graph_table,
    .config = &graph_options,
    .least_args = 1,
    .most_args = 1,
    .run = graph,
};

/*
 * sessions export: a session as a document.
 */

#include <inttypes.h>

#include "clients/flowctl/commands.h"
#include "clients/flowctl/sessions/output.h"
#include "clients/flowctl/sessions/session_call.h"
#include "clients/flowctl/terminal.h"
#include "clients/flowctl/units.h"
#include "clients/flowctl/writer.h"

static const char *const formats[] = {"jsonl", "json", "session-file", NULL};

static const Flowbalancer__V1__FlowFormat format_numbers[] = {
    FLOWBALANCER__V1__FLOW_FORMAT__FLOW_FORMAT_JSONL,
    FLOWBALANCER__V1__FLOW_FORMAT__FLOW_FORMAT_JSON,
    FLOWBALANCER__V1__FLOW_FORMAT__FLOW_FORMAT_SESSION_FILE,
};

struct export_options {
    int format;
    const char *output;
};

static struct export_options export_options;

static const struct fb_option export_table[] = {
    {"format", FB_OPTION_CHOICE, offsetof(struct export_options, format), .fallback = "jsonl",
     .choices = formats,
     .help = "jsonl loses nothing, json is the state, session-file is the shape "
             "of the system that came before"},
    {"output", FB_OPTION_PATH, offsetof(struct export_options, output),
     .help = "a file, which appears when it is whole, in place of standard output"},
    {.name = NULL},
};

static int told(const struct run *run, const struct output *output)
{
    struct writer writer = {.depth = 0};
    char size[UNITS_ROOM];

    if (output->path == NULL) {
        return EXIT_DONE;
    }
    if (!run->globals->json) {
        terminal_print("%s  %s\n", output->path, units_bytes((int64_t)output->bytes, size));
        return EXIT_DONE;
    }
    writer_open(&writer, '{');
    writer_key_string(&writer, "path", output->path);
    writer_key_uint(&writer, "size_bytes", output->bytes);
    writer_close(&writer, '}');
    writer_send(&writer);
    return EXIT_DONE;
}

static int export_session(const struct run *run)
{
    static const struct fb_client_options patiently = {.deadline_ms = INT64_MAX};
    Flowbalancer__V1__ExportRequest request = FLOWBALANCER__V1__EXPORT_REQUEST__INIT;
    const Flowbalancer__V1__ExportResponse *response;
    struct session_call call;
    struct fb_stream *stream;
    struct output output;
    struct fb_status status = output_open(&output, export_options.output, run->arena);
    bool written = true;
    int64_t total = 0;
    int code;

    if (!fb_is_ok(status)) {
        terminal_complain(NULL, "%s", status.why);
        return EXIT_NEGATIVE;
    }
    code = session_call_begin(&call, run, run->args[0], NULL);
    if (code != EXIT_DONE) {
        (void)output_close(&output, false, run->arena);
        return code;
    }
    request.context = &call.context;
    request.format = format_numbers[export_options.format];
    stream = fb_flow_export(call.client, &request, &patiently);
    while (written && stream != NULL && (response = fb_flow_export_next(stream)) != NULL) {
        written = output_write(&output, response->data.data, response->data.len);
        total = response->seq_total > total ? response->seq_total : total;
        if (total > 0 && output.path != NULL) {
            terminal_progress("%" PRId64 " of %" PRId64 " events (%" PRId64 " %%)",
                              response->seq_done, total, response->seq_done * 100 / total);
        }
    }
    terminal_progress_end();
    code = session_call_end_stream(&call, stream);
    session_call_end(&call);
    status = output_close(&output, code == EXIT_DONE && written, run->arena);
    if (code == EXIT_DONE && (!fb_is_ok(status) || !written)) {
        terminal_complain(NULL, "%s", fb_is_ok(status) ? "it could not be written" : status.why);
        return EXIT_NEGATIVE;
    }
    return code == EXIT_DONE ? told(run, &output) : code;
}

const struct command command_sessions_export = {
    .name = "sessions export",
    .usage = "SESSION",
    .purpose = "write a session as a document",
    .details =
        "What --format jsonl writes, \"flowctl sessions import\" brings back as it was, event by "
        "event",
    .options = export_table,
    .config = &export_options,
    .least_args = 1,
    .most_args = 1,
    .run = export_session,
};

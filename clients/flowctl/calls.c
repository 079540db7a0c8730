/*
 * calls: what was called lately, and what is called from now on.
 */

#include <inttypes.h>
#include <string.h>

#include "clients/c/admin.h"
#include "clients/flowctl/commands.h"
#include "clients/flowctl/connect.h"
#include "clients/flowctl/terminal.h"
#include "clients/flowctl/units.h"
#include "clients/flowctl/writer.h"

struct calls_options {
    bool follow;
    int64_t limit;
    const char *agent;
    const char *server;
};

static struct calls_options calls_options;

static const struct fb_option calls_table[] = {
    {"follow", FB_OPTION_BOOL, offsetof(struct calls_options, follow),
     .help = "go on with each further call until interrupted"},
    {"limit", FB_OPTION_INTEGER, offsetof(struct calls_options, limit), .fallback = "100",
     .least = "1", .most = "10000", .help = "how many past calls"},
    {"agent", FB_OPTION_STRING, offsetof(struct calls_options, agent),
     .help = "only calls of this agent"},
    {"server", FB_OPTION_STRING, offsetof(struct calls_options, server),
     .help = "only calls of this server"},
    {.name = NULL},
};

static bool print_json(const Flowbalancer__V1__RecentCall *call)
{
    struct writer writer = {.depth = 0};

    writer_open(&writer, '{');
    writer_key_int(&writer, "unix_ms", call->unix_ms);
    writer_key_string(&writer, "agent", call->agent);
    writer_key_string(&writer, "session", call->session);
    writer_key_string(&writer, "server", call->server);
    writer_key_string(&writer, "name", call->name);
    writer_key_string(&writer, "method", call->method);
    writer_key_string(&writer, "worker_id", call->worker_id);
    writer_key_int(&writer, "duration_us", call->duration_us);
    writer_key_string(&writer, "code", fb_code_name((enum fb_code)call->code));
    writer_key_uint(&writer, "attempts", call->attempts);
    writer_close(&writer, '}');
    return writer_send(&writer);
}

/* Columns of fixed width, as the next call is not known yet. */
static bool print_line(const Flowbalancer__V1__RecentCall *call)
{
    const char *slash = strrchr(call->method, '/');
    const bool failed = call->code != FB_OK;
    char when[UNITS_ROOM];
    char took[UNITS_ROOM];
    struct fb_buffer line = {.limit_bytes = 8192};
    bool written;

    fb_buffer_printf(
        &line, "%s  %9s  %s%-17s%s  %-32s  %-12s  %s", units_time_of_day(call->unix_ms, when),
        units_us(call->duration_us, took), terminal_colour(failed ? TERMINAL_BAD : TERMINAL_GOOD),
        fb_code_name((enum fb_code)call->code), terminal_colour(TERMINAL_PLAIN),
        call->name[0] == '\0' ? (slash == NULL ? call->method : slash + 1) : call->name,
        call->worker_id, call->agent);
    if (call->attempts > 1) {
        fb_buffer_printf(&line, "  %" PRIu32 " attempts", call->attempts);
    }
    fb_buffer_string(&line, "\n");
    written = terminal_write((struct fb_text){.data = line.data, .size = line.size});
    fb_buffer_finish(&line);
    return written;
}

static int calls(const struct run *run)
{
    Flowbalancer__V1__RecentCallsRequest request = FLOWBALANCER__V1__RECENT_CALLS_REQUEST__INIT;
    const struct fb_client_options options = {
        .deadline_ms = calls_options.follow ? INT64_MAX : 0,
    };
    const Flowbalancer__V1__RecentCallsResponse *response;
    struct fb_client *client;
    struct fb_stream *stream;
    bool read_on = true; /* until nobody reads us any more */
    int code = connect_or_complain(run, "the router", run->router, &client);

    if (code != EXIT_DONE) {
        return code;
    }
    request.follow = calls_options.follow;
    request.limit = (uint32_t)calls_options.limit;
    request.agent = (char *)(uintptr_t)(calls_options.agent == NULL ? "" : calls_options.agent);
    request.server = (char *)(uintptr_t)(calls_options.server == NULL ? "" : calls_options.server);
    stream = fb_admin_recent_calls(client, &request, &options);
    if (stream == NULL) {
        fb_client_close(client);
        return EXIT_INTERNAL;
    }
    while (read_on && (response = fb_admin_recent_calls_next(stream)) != NULL) {
        if (response->missed > 0) {
            terminal_complain(NULL, "%" PRIu64 " calls were missed: the reader is too slow",
                              response->missed);
        }
        for (size_t i = 0; read_on && i < response->n_calls; i++) {
            read_on = run->globals->json ? print_json(response->calls[i])
                                         : print_line(response->calls[i]);
        }
    }
    if (!fb_is_ok(fb_stream_answer(stream)->status)) {
        code = connect_complain(run, "the router", run->router, fb_stream_answer(stream));
    }
    fb_stream_close(stream);
    fb_client_close(client);
    return code;
}

const struct command command_calls = {
    .name = "calls",
    .usage = "",
    .purpose = "show recent calls: when, how long, status, name, worker, agent",
    .details =
        "Oldest first. Arguments and results are never kept. With --json one object per line",
    .options = calls_table,
    .config = &calls_options,
    .run = calls,
};

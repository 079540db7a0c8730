/*
 * tools: what the servers offer, and one call of it.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clients/c/mcp.h"
#include "clients/flowctl/commands.h"
#include "clients/flowctl/connect.h"
#include "clients/flowctl/result.h"
#include "clients/flowctl/table.h"
#include "clients/flowctl/terminal.h"
#include "clients/flowctl/units.h"
#include "clients/flowctl/writer.h"
#include "runtime/base/clock.h"
#include "runtime/json/scan.h"

enum { PAGES_MOST = 1000, ARGUMENTS_BYTES = 10 << 20, DESCRIPTION_COLUMNS = 96 };

static const char nothing[] = "";

/* Borrowed text as protobuf-c wants it. */
static char *as_field(const char *text)
{
    return (char *)(uintptr_t)(text == NULL ? nothing : text);
}

static bool fill_context(const struct run *run, const char *name,
                         Flowbalancer__V1__CallContext *context)
{
    const char *separator = strstr(name, "__");
    const size_t server_size = separator == NULL ? 0 : (size_t)(separator - name);

    flowbalancer__v1__call_context__init(context);
    context->agent = fb_arena_printf(run->arena, "flowctl-%ld", (long)getpid());
    context->name = as_field(name);
    context->server = fb_arena_copy(run->arena, name, server_size);
    return context->agent != NULL && context->server != NULL;
}

/* --- tools ls --- */

struct ls_options {
    int64_t wait_ms;
    bool full;
};

static struct ls_options ls_options;

static const struct fb_option ls_table[] = {
    {"wait", FB_OPTION_DURATION, offsetof(struct ls_options, wait_ms), .fallback = "10s",
     .least = "0", .most = "60s",
     .help = "how long to wait for servers that were never asked before"},
    {"full", FB_OPTION_BOOL, offsetof(struct ls_options, full),
     .help = "whole descriptions instead of their first line"},
    {.name = NULL},
};

/* What is shown, gathered over all pages. */
struct listing {
    const char *pattern;
    struct table table;
    struct writer writer;
    size_t shown;
    size_t seen;
    size_t pending;
};

static const char *pending_word(Flowbalancer__V1__PendingReason reason)
{
    switch (reason) {
    case FLOWBALANCER__V1__PENDING_REASON__PENDING_REASON_STARTING:
        return "starting";
    case FLOWBALANCER__V1__PENDING_REASON__PENDING_REASON_FAILED:
        return "failed";
    case FLOWBALANCER__V1__PENDING_REASON__PENDING_REASON_UNREACHABLE:
        return "unreachable";
    default:
        return "pending";
    }
}

static void list_tool(const struct run *run, struct fb_text tool, struct listing *listing)
{
    const struct fb_text name = result_member(tool, "name", run->arena);
    const struct fb_text description = result_member(tool, "description", run->arena);
    struct fb_buffer line = {.limit_bytes = 64 * 1024};

    listing->seen++;
    if (!result_name_matches(listing->pattern, name)) {
        return;
    }
    listing->shown++;
    if (run->globals->json) {
        writer_raw(&listing->writer, tool);
        return;
    }
    if (ls_options.full) {
        terminal_print("%s", terminal_colour(TERMINAL_BOLD));
        terminal_write_foreign(name);
        terminal_print("%s", terminal_colour(TERMINAL_PLAIN));
        terminal_write_foreign(description);
        terminal_print("\n");
        return;
    }
    result_first_line(description, DESCRIPTION_COLUMNS, &line);
    table_put(&listing->table, TERMINAL_BOLD, "%.*s", (int)name.size, name.data);
    table_put(&listing->table, TERMINAL_PLAIN, "%.*s", (int)line.size,
              line.data == NULL ? nothing : line.data);
    fb_buffer_finish(&line);
}

static void list_pending(const struct run *run, const Flowbalancer__V1__ListToolsResponse *response,
                         struct listing *listing)
{
    listing->pending = response->n_pending_servers;
    if (run->globals->json) {
        writer_close(&listing->writer, ']');
        writer_key(&listing->writer, "pending");
        writer_open(&listing->writer, '[');
    }
    for (size_t i = 0; i < response->n_pending_servers; i++) {
        const Flowbalancer__V1__PendingServer *pending = response->pending_servers[i];

        if (run->globals->json) {
            writer_open(&listing->writer, '{');
            writer_key_string(&listing->writer, "server", pending->server);
            writer_key_string(&listing->writer, "reason", pending_word(pending->reason));
            writer_key_string(&listing->writer, "detail", pending->detail);
            writer_key_int(&listing->writer, "retry_ms", pending->retry_ms);
            writer_close(&listing->writer, '}');
        } else {
            terminal_complain(NULL, "server %s is not in the list: %s%s%s", pending->server,
                              pending_word(pending->reason), pending->detail[0] == '\0' ? "" : ": ",
                              pending->detail);
        }
    }
}

static void show_listing(const struct run *run, struct listing *listing)
{
    struct fb_buffer text = {.data = NULL};

    if (run->globals->json) {
        writer_close(&listing->writer, ']');
        writer_close(&listing->writer, '}');
        writer_send(&listing->writer);
        return;
    }
    if (!ls_options.full && listing->shown > 0) {
        table_render(&listing->table, &text);
        terminal_write((struct fb_text){.data = text.data, .size = text.size});
        fb_buffer_finish(&text);
    }
    if (listing->seen == 0 && listing->pending == 0) {
        terminal_complain(
            "add some to the configuration, or take them over with \"flowctl import\"",
            "no server is configured, or none has tools");
    } else if (listing->shown == 0 && listing->seen > 0) {
        terminal_complain(NULL, "none of %zu tools matches %s", listing->seen, listing->pattern);
    }
}

/* One page; an empty `cursor` when it was the last. */
static int list_page(const struct run *run, struct fb_client *client, const char **cursor,
                     struct listing *listing)
{
    Flowbalancer__V1__CallContext context;
    Flowbalancer__V1__ListToolsRequest request = FLOWBALANCER__V1__LIST_TOOLS_REQUEST__INIT;
    const Flowbalancer__V1__ListToolsResponse *response;
    const struct fb_client_options options = {
        .deadline_ms = fb_clock_ms() + run->globals->timeout_ms + ls_options.wait_ms,
    };
    struct fb_answer answer = {.status = fb_ok};
    int code = EXIT_DONE;

    if (!fill_context(run, nothing, &context)) {
        return EXIT_INTERNAL;
    }
    request.context = &context;
    request.cursor = as_field(*cursor);
    request.wait_ms = ls_options.wait_ms;
    response = fb_mcp_list_tools(client, &request, &options, &answer);
    if (response == NULL) {
        code = connect_complain(run, "the router", run->router, &answer);
        fb_answer_finish(&answer);
        return code;
    }
    for (size_t i = 0; i < response->n_items_json; i++) {
        const struct fb_text tool = {.data = (const char *)response->items_json[i].data,
                                     .size = response->items_json[i].len};

        if (fb_is_ok(fb_json_check(tool, FB_JSON_DEPTH, NULL))) {
            list_tool(run, tool, listing);
        }
    }
    *cursor = fb_arena_copy(run->arena, response->next_cursor, strlen(response->next_cursor));
    if (*cursor == NULL) {
        code = EXIT_INTERNAL;
    } else if ((*cursor)[0] == '\0') {
        list_pending(run, response, listing);
    }
    fb_answer_finish(&answer);
    return code;
}

static int tools_ls(const struct run *run)
{
    struct listing listing = {
        .pattern = run->arg_count > 0 ? run->args[0] : NULL,
        .table = {.headings = {"TOOL", "DESCRIPTION"}},
    };
    struct fb_client *client;
    const char *cursor = nothing;
    int code = connect_or_complain(run, "the router", run->router, &client);

    if (code != EXIT_DONE) {
        return code;
    }
    if (run->globals->json) {
        writer_open(&listing.writer, '{');
        writer_key(&listing.writer, "tools");
        writer_open(&listing.writer, '[');
    }
    for (int page = 0; page < PAGES_MOST; page++) {
        code = list_page(run, client, &cursor, &listing);
        if (code != EXIT_DONE || cursor[0] == '\0') {
            break;
        }
    }
    if (code == EXIT_DONE && cursor[0] != '\0') {
        terminal_complain(NULL, "the list has more than %d pages", PAGES_MOST);
        code = EXIT_NEGATIVE;
    } else if (code == EXIT_DONE) {
        show_listing(run, &listing);
        code = listing.shown > 0 || listing.pattern == NULL ? EXIT_DONE : EXIT_NEGATIVE;
    }
    fb_buffer_finish(&listing.writer.text);
    table_finish(&listing.table);
    fb_client_close(client);
    return code;
}

const struct command command_tools_ls = {
    .name = "tools ls",
    .usage = "[PATTERN]",
    .purpose = "list the tools of all servers",
    .details =
        "PATTERN is matched with the exposed names, SERVER__TOOL: as a pattern when it has *, ? "
        "or [,\nelse as a part of them. Servers that have no tools yet are named on standard "
        "error",
    .options = ls_table,
    .config = &ls_options,
    .most_args = 1,
    .run = tools_ls,
};

/* --- tools call --- */

struct call_options {
    bool progress;
    const char *session;
};

static struct call_options call_options;

static const struct fb_option call_table[] = {
    {"progress", FB_OPTION_BOOL, offsetof(struct call_options, progress),
     .help = "show progress and log messages as they come, on standard error"},
    {"session", FB_OPTION_STRING, offsetof(struct call_options, session),
     .help = "handle of the session that the call belongs to"},
    {.name = NULL},
};

static struct fb_status read_stream(FILE *file, const char *name, struct fb_arena *arena,
                                    struct fb_buffer *text)
{
    size_t got = 1;

    text->limit_bytes = ARGUMENTS_BYTES;
    while (got > 0 && !text->failed) {
        char chunk[8192];

        got = fread(chunk, 1, sizeof(chunk), file);
        fb_buffer_append(text, chunk, got);
    }
    if (ferror(file)) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: %s", name, strerror(errno));
    }
    if (text->failed) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: larger than %d MiB", name,
                             ARGUMENTS_BYTES >> 20);
    }
    return fb_ok;
}

/* ARGS: JSON as it is, "@FILE", or "-" for standard input. */
static struct fb_status gather_arguments(const char *given, struct fb_arena *arena,
                                         struct fb_buffer *text)
{
    struct fb_status status;
    FILE *file;

    if (strcmp(given, "-") == 0) {
        return read_stream(stdin, "standard input", arena, text);
    }
    if (given[0] != '@') {
        fb_buffer_string(text, given);
        return fb_ok;
    }
    file = fopen(given + 1, "re");
    if (file == NULL) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: %s", given + 1, strerror(errno));
    }
    status = read_stream(file, given + 1, arena, text);
    fclose(file);
    return status;
}

/* One line of JSON, as the contract has it. */
static struct fb_status read_arguments(const char *given, struct fb_arena *arena,
                                       struct fb_buffer *line)
{
    struct fb_buffer text = {.data = NULL};
    struct fb_status status = gather_arguments(given, arena, &text);
    const struct fb_text json = {.data = text.data, .size = text.size};
    size_t offset = 0;

    if (fb_is_ok(status)) {
        status = fb_json_check(json, FB_JSON_DEPTH, &offset);
        if (!fb_is_ok(status)) {
            status = fb_arena_fail(arena, FB_INVALID_ARGUMENT,
                                   "the arguments are no JSON: byte %zu: %s", offset, status.why);
        } else if (fb_json_kind_of(json) != FB_JSON_OBJECT) {
            status = fb_fail(FB_INVALID_ARGUMENT,
                             "the arguments are no JSON object, such as {\"message\": \"hello\"}");
        } else {
            fb_json_append_compact(line, json);
        }
    }
    fb_buffer_finish(&text);
    return status;
}

static void show_progress(const struct run *run, const Flowbalancer__V1__Progress *progress,
                          int64_t began_ms)
{
    const struct fb_text params = {.data = (const char *)progress->params_json.data,
                                   .size = progress->params_json.len};
    struct fb_buffer words = {.limit_bytes = 4096};
    char room[UNITS_ROOM];

    if (fb_is_ok(fb_json_check(params, FB_JSON_DEPTH, NULL))) {
        result_render_progress(params, run->arena, &words);
        terminal_progress("%s  %.*s", units_ms(fb_clock_ms() - began_ms, room), (int)words.size,
                          words.data == NULL ? nothing : words.data);
    }
    fb_buffer_finish(&words);
}

static void show_log(const struct run *run, const Flowbalancer__V1__LogMessage *log)
{
    const struct fb_text params = {.data = (const char *)log->params_json.data,
                                   .size = log->params_json.len};
    struct fb_text level;
    struct fb_text data;

    if (!fb_is_ok(fb_json_check(params, FB_JSON_DEPTH, NULL)) ||
        !fb_json_find(params, "data", &data)) {
        return;
    }
    level = result_member(params, "level", run->arena);
    if (fb_json_kind_of(data) == FB_JSON_STRING) {
        data = result_member(params, "data", run->arena);
    }
    terminal_progress_end();
    fprintf(stderr, "[%.*s] %.*s\n", (int)level.size, level.data == NULL ? nothing : level.data,
            (int)data.size, data.data == NULL ? nothing : data.data);
}

static int show_result(const struct run *run, const Flowbalancer__V1__CallResult *result)
{
    const struct fb_text json = {.data = (const char *)result->result_json.data,
                                 .size = result->result_json.len};
    struct fb_buffer text = {.data = NULL};
    struct writer writer = {.depth = 0};
    bool is_error;
    bool written;

    if (!fb_is_ok(fb_json_check(json, FB_JSON_DEPTH_MOST, NULL))) {
        terminal_complain(NULL, "the result is no JSON");
        return EXIT_NEGATIVE;
    }
    is_error = result_render(json, run->arena, &text);
    if (run->globals->json) {
        writer_raw(&writer, json);
        written = writer_send(&writer);
    } else {
        written = terminal_write_foreign((struct fb_text){.data = text.data, .size = text.size});
    }
    fb_buffer_finish(&text);
    if (is_error) {
        terminal_complain(NULL, "the tool says that it failed");
    }
    if (!written) {
        return EXIT_INTERNAL;
    }
    return is_error ? EXIT_NEGATIVE : EXIT_DONE;
}

static int show_mcp_error(const struct run *run, const Flowbalancer__V1__McpError *error)
{
    struct writer writer = {.depth = 0};

    if (run->globals->json) {
        writer_open(&writer, '{');
        writer_key(&writer, "error");
        writer_open(&writer, '{');
        writer_key_int(&writer, "code", error->code);
        writer_key_string(&writer, "message", error->message);
        writer_key(&writer, "data");
        writer_raw(&writer, (struct fb_text){.data = (const char *)error->data_json.data,
                                             .size = error->data_json.len});
        writer_close(&writer, '}');
        writer_close(&writer, '}');
        writer_send(&writer);
    }
    terminal_complain(NULL, "the server answered with error %" PRId64 ": %s", error->code,
                      error->message);
    return EXIT_NEGATIVE;
}

/* What ended the call, or EXIT_DONE with `*ended` unset to go on. */
static int show_event(const struct run *run, const Flowbalancer__V1__CallToolEvent *event,
                      int64_t began_ms, bool *ended)
{
    switch (event->event_case) {
    case FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_PROGRESS:
        show_progress(run, event->progress, began_ms);
        return EXIT_DONE;
    case FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_LOG:
        show_log(run, event->log);
        return EXIT_DONE;
    case FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_RESULT:
        *ended = true;
        return show_result(run, event->result);
    case FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_ERROR:
        *ended = true;
        return show_mcp_error(run, event->error);
    case FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_INPUT_WANTED:
        *ended = true;
        terminal_complain("call it from an MCP client that can ask you",
                          "the tool wants input that flowctl cannot give");
        return EXIT_NEGATIVE;
    default:
        return EXIT_DONE; /* of a newer contract */
    }
}

static int call_tool(const struct run *run, struct fb_client *client, const char *name,
                     const struct fb_buffer *arguments)
{
    Flowbalancer__V1__CallContext context;
    Flowbalancer__V1__CallToolRequest request = FLOWBALANCER__V1__CALL_TOOL_REQUEST__INIT;
    const Flowbalancer__V1__CallToolEvent *event;
    const int64_t began_ms = fb_clock_ms();
    const bool wants_progress = call_options.progress;
    struct fb_stream *stream;
    bool ended = false;
    int code = EXIT_DONE;

    if (!fill_context(run, name, &context)) {
        return EXIT_INTERNAL;
    }
    context.session = as_field(call_options.session);
    request.context = &context;
    request.arguments_json.data = (uint8_t *)arguments->data;
    request.arguments_json.len = arguments->size;
    request.progress = wants_progress;
    request.log_level = as_field(wants_progress ? "info" : nothing);
    stream = fb_mcp_call_tool(client, &request, NULL);
    if (stream == NULL) {
        return EXIT_INTERNAL;
    }
    while (!ended && (event = fb_mcp_call_tool_next(stream)) != NULL) {
        code = show_event(run, event, began_ms, &ended);
    }
    if (!ended) {
        struct fb_answer *answer = fb_stream_answer(stream);

        if (fb_is_ok(answer->status)) {
            answer->status = fb_fail(FB_INTERNAL, "the stream ended without a result");
        }
        code = connect_complain(run, "the router", run->router, answer);
        if (answer->status.code == FB_NOT_FOUND) {
            fputs("  \"flowctl tools ls\" lists what there is\n", stderr);
        }
    }
    fb_stream_close(stream);
    return code;
}

static int tools_call(const struct run *run)
{
    struct fb_buffer arguments = {.data = NULL};
    struct fb_client *client;
    struct fb_status status = fb_ok;
    int code;

    if (strstr(run->args[0], "__") == NULL) {
        terminal_complain("\"flowctl tools ls\" lists what there is",
                          "%s: a tool is named SERVER__TOOL", run->args[0]);
        return EXIT_USAGE;
    }
    if (run->arg_count > 1) {
        status = read_arguments(run->args[1], run->arena, &arguments);
    }
    if (!fb_is_ok(status)) {
        terminal_complain("usage: flowctl tools call NAME [JSON | @FILE | -]", "%s", status.why);
        fb_buffer_finish(&arguments);
        return EXIT_USAGE;
    }
    code = connect_or_complain(run, "the router", run->router, &client);
    if (code == EXIT_DONE) {
        code = call_tool(run, client, run->args[0], &arguments);
        fb_client_close(client);
    }
    fb_buffer_finish(&arguments);
    return code;
}

const struct command command_tools_call = {
    .name = "tools call",
    .usage = "NAME [JSON|@FILE|-]",
    .purpose = "call a tool and print its answer",
    .details =
        "NAME is an exposed name as \"flowctl tools ls\" shows it, SERVER__TOOL. The arguments "
        "are a JSON\nobject: as it is, of a file, or of standard input. The answer's text goes "
        "to standard output;\nwith --json the whole result as the server sent it. The exit code "
        "is 1 when the tool says\nthat it failed. Interrupting cancels the call",
    .options = call_table,
    .config = &call_options,
    .least_args = 1,
    .most_args = 2,
    .run = tools_call,
};

/*
 * sessions find: tasks by their words and by conditions.
 */

#include <inttypes.h>
#include <string.h>

#include "clients/flowctl/commands.h"
#include "clients/flowctl/message_json.h"
#include "clients/flowctl/sessions/session_call.h"
#include "clients/flowctl/terminal.h"

struct find_options {
    const char *session;
    const char *where;
    const char *order;
    int64_t limit;
    bool full;
};

static struct find_options find_options;

static const struct fb_option find_table[] = {
    {"session", FB_OPTION_STRING, offsetof(struct find_options, session),
     .help = "only in this session, in place of all"},
    {"where", FB_OPTION_STRING, offsetof(struct find_options, where),
     .help = "conditions side by side: state:active,ready agent:NAME key:PREFIX parent:N after:N "
             "before:N p:0-1 w:4-10 since:30m has:evidence"},
    {"order", FB_OPTION_STRING, offsetof(struct find_options, order),
     .help = "rank, schedule, number or updated"},
    {"limit", FB_OPTION_INTEGER, offsetof(struct find_options, limit), .fallback = "100",
     .least = "1", .most = "1000", .help = "most tasks shown"},
    {"full", FB_OPTION_BOOL, offsetof(struct find_options, full),
     .help = "with bodies, notes, evidence and links"},
    {.name = NULL},
};

static char *as_field(const char *text)
{
    return (char *)(uintptr_t)(text == NULL ? "" : text);
}

static void print_text(const char *what, const char *text)
{
    if (text[0] != '\0') {
        terminal_print("%s%s%s ", terminal_colour(TERMINAL_DIM), what,
                       terminal_colour(TERMINAL_PLAIN));
        terminal_write_foreign(fb_text_of(text));
    }
}

static void print_full(const Flowbalancer__V1__FlowTask *task)
{
    print_text("body", task->body);
    print_text("accept", task->accept);
    print_text("note", task->note);
    print_text("summary", task->summary);
    for (size_t i = 0; i < task->n_evidence; i++) {
        const Flowbalancer__V1__FlowEvidence *evidence = task->evidence[i];

        terminal_print("%sevidence%s %s%s%s\n", terminal_colour(TERMINAL_DIM),
                       terminal_colour(TERMINAL_PLAIN), evidence->ref,
                       evidence->host[0] == '\0' ? "" : " on ", evidence->host);
    }
}

/* Words without quotes about them are several arguments. */
static char *words_of(const struct run *run)
{
    const char *words = "";

    for (size_t i = 0; i < run->arg_count && words != NULL; i++) {
        words = fb_arena_printf(run->arena, "%s%s%s", words, i > 0 ? " " : "", run->args[i]);
    }
    return as_field(words);
}

static int find(const struct run *run)
{
    Flowbalancer__V1__FindRequest request = FLOWBALANCER__V1__FIND_REQUEST__INIT;
    const Flowbalancer__V1__FindResponse *response;
    struct session_call call;
    struct fb_stream *stream;
    uint64_t total = 0;
    size_t shown = 0;
    int ended;
    int code = session_call_begin(&call, run, find_options.session, NULL);

    if (code != EXIT_DONE) {
        return code;
    }
    request.context = &call.context;
    request.q = words_of(run);
    request.where = as_field(find_options.where);
    request.order = as_field(find_options.order);
    request.page_size = (uint32_t)find_options.limit;
    request.view = find_options.full ? FLOWBALANCER__V1__FLOW_VIEW__FLOW_VIEW_FULL
                                     : FLOWBALANCER__V1__FLOW_VIEW__FLOW_VIEW_LINE;
    stream = fb_flow_find(call.client, &request, NULL);
    while (stream != NULL && (response = fb_flow_find_next(stream)) != NULL) {
        total = response->total > total ? response->total : total;
        for (size_t i = 0; i < response->n_found; i++, shown++) {
            const Flowbalancer__V1__FlowFound *found = response->found[i];

            if (run->globals->json) {
                message_json_send(&found->base);
                continue;
            }
            terminal_print("%s#%" PRIu32 "%s %s%s%s  ", found->session, found->task->task,
                           terminal_colour(session_task_colour(found->task)),
                           found->task->ready ? "ready" : session_task_word(found->task->state),
                           terminal_colour(TERMINAL_PLAIN),
                           found->task->agent[0] == '\0' ? "" : "*");
            terminal_write_foreign(fb_text_of(found->task->title));
            if (strcmp(found->snippet, found->task->title) != 0) {
                print_text("  …", found->snippet);
            }
            if (find_options.full) {
                print_full(found->task);
            }
        }
    }
    ended = session_call_end_stream(&call, stream);
    if (ended == EXIT_DONE && !run->globals->json && total > shown) {
        terminal_print("%zu of %" PRIu64 " shown\n", shown, total);
    } else if (ended == EXIT_DONE && !run->globals->json && shown == 0) {
        terminal_print("no such task\n");
    }
    session_call_end(&call);
    return ended != EXIT_DONE ? ended : shown > 0 ? EXIT_DONE : EXIT_NEGATIVE;
}

const struct command command_sessions_find = {
    .name = "sessions find",
    .usage = "[WORD...]",
    .purpose = "find tasks by their words and by conditions, in all sessions or in one",
    .details =
        "All WORDs occur; '\"quoted ones\"' side by side. Without any: all tasks, the last changed "
        "first.\nWith --json one task per line. Exit code 1 when there is none",
    .options = find_table,
    .config = &find_options,
    .most_args = 32,
    .run = find,
};

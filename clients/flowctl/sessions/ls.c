/*
 * sessions ls: the sessions, the last changed first.
 */

#include <inttypes.h>

#include "clients/flowctl/commands.h"
#include "clients/flowctl/message_json.h"
#include "clients/flowctl/sessions/session_call.h"
#include "clients/flowctl/table.h"
#include "clients/flowctl/terminal.h"
#include "clients/flowctl/units.h"
#include "runtime/base/clock.h"

enum { PAGES_MOST = 1000 };

struct ls_options {
    int64_t limit;
};

static struct ls_options ls_options;

static const struct fb_option ls_table[] = {
    {"limit", FB_OPTION_INTEGER, offsetof(struct ls_options, limit), .fallback = "100",
     .least = "1", .most = "1000000", .help = "most sessions shown"},
    {.name = NULL},
};

static void put_line(struct table *table, const Flowbalancer__V1__FlowSessionLine *line,
                     int64_t now_ms)
{
    const int64_t ago_ms = now_ms - line->updated_unix_ms;
    char room[UNITS_ROOM];

    table_put(table, TERMINAL_BOLD, "%s", line->session);
    table_put(table, TERMINAL_PLAIN, "%s", session_state_word(line->state));
    table_put(table, TERMINAL_PLAIN, "%" PRIu32, line->momentum);
    table_put(table, TERMINAL_PLAIN, "%" PRIu32 " %%", line->progress);
    table_put(table, TERMINAL_PLAIN, "%" PRIu32, line->tasks);
    table_put(table, TERMINAL_PLAIN, "%" PRIu32, line->ready);
    table_put(table, TERMINAL_PLAIN, "%" PRIu32, line->active);
    table_put(table, line->blocked == 0 ? TERMINAL_PLAIN : TERMINAL_WARN, "%" PRIu32,
              line->blocked);
    table_put(table, TERMINAL_PLAIN, "%" PRIu32, line->agents);
    table_put(table, line->alarms == 0 ? TERMINAL_PLAIN : TERMINAL_WARN, "%" PRIu32, line->alarms);
    table_put(table, TERMINAL_DIM, "%s", units_ms(ago_ms < 0 ? 0 : ago_ms, room));
    table_put(table, TERMINAL_PLAIN, "%s", line->name);
}

static int sessions_ls(const struct run *run)
{
    Flowbalancer__V1__ListFlowSessionsRequest request =
        FLOWBALANCER__V1__LIST_FLOW_SESSIONS_REQUEST__INIT;
    const int64_t now_ms = fb_clock_unix_ms();
    struct table table = {
        .headings = {"SESSION", "STATE", "M", "PROGRESS", "TASKS", "READY", "ACTIVE", "BLOCKED",
                     "AGENTS", "ALARMS", "CHANGED", "NAME"},
        .right = {false, false, true, true, true, true, true, true, true, true, true},
    };
    struct writer writer = {.depth = 0};
    struct fb_buffer text = {.data = NULL};
    struct session_call call;
    int64_t shown = 0;
    int code = session_call_begin(&call, run, NULL, NULL);

    if (code != EXIT_DONE) {
        return code;
    }
    request.context = &call.context;
    request.prefix = (char *)(uintptr_t)(run->arg_count > 0 ? run->args[0] : "");
    writer_open(&writer, '{');
    writer_key(&writer, "sessions");
    writer_open(&writer, '[');
    for (int page = 0; page < PAGES_MOST && shown < ls_options.limit; page++) {
        const Flowbalancer__V1__ListFlowSessionsResponse *response;

        request.page_size =
            (uint32_t)(ls_options.limit - shown < 1000 ? ls_options.limit - shown : 1000);
        response = fb_flow_list_sessions(call.client, &request, NULL, &call.answer);
        if (response == NULL) {
            code = session_call_complain(&call, &call.answer);
            break;
        }
        for (size_t i = 0; i < response->n_sessions; i++, shown++) {
            if (run->globals->json) {
                message_json(&writer, &response->sessions[i]->base);
            } else {
                put_line(&table, response->sessions[i], now_ms);
            }
        }
        if (response->next_page_token[0] == '\0') {
            break;
        }
        request.page_token = fb_arena_printf(run->arena, "%s", response->next_page_token);
        if (request.page_token == NULL) {
            code = EXIT_INTERNAL;
            break;
        }
    }
    writer_close(&writer, ']');
    writer_close(&writer, '}');
    if (code == EXIT_DONE && run->globals->json) {
        writer_send(&writer);
    } else if (code == EXIT_DONE && shown == 0) {
        terminal_print("no session; agents open them with the tool flow_open, and \"flowctl "
                       "sessions import\" brings them in\n");
    } else if (code == EXIT_DONE) {
        table_render(&table, &text);
        terminal_write((struct fb_text){.data = text.data, .size = text.size});
    }
    fb_buffer_finish(&text);
    fb_buffer_finish(&writer.text);
    table_finish(&table);
    session_call_end(&call);
    return code;
}

const struct command command_sessions_ls = {
    .name = "sessions ls",
    .usage = "[PREFIX]",
    .purpose = "list the sessions, the last changed first",
    .details = "PREFIX chooses those whose id or name begins so. M is the momentum: how much "
               "happened lately,\n0 to 100",
    .options = ls_table,
    .config = &ls_options,
    .most_args = 1,
    .run = sessions_ls,
};

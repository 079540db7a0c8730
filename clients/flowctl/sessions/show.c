/*
 * sessions show: how a session goes, and its tasks.
 */

#include <inttypes.h>

#include "clients/flowctl/commands.h"
#include "clients/flowctl/message_json.h"
#include "clients/flowctl/sessions/session_call.h"
#include "clients/flowctl/terminal.h"
#include "clients/flowctl/units.h"
#include "runtime/base/clock.h"

enum { TASKS_SHOWN = 1000 };

struct show_options {
    bool all;
};

static struct show_options show_options;

static const struct fb_option show_table[] = {
    {"all", FB_OPTION_BOOL, offsetof(struct show_options, all),
     .help = "tasks that have ended, too"},
    {.name = NULL},
};

/* The tasks of the session in the order of the schedule, in the arena of the run's stream. */
static int show_tasks(struct session_call *call, struct writer *writer)
{
    Flowbalancer__V1__FindRequest request = FLOWBALANCER__V1__FIND_REQUEST__INIT;
    const Flowbalancer__V1__FindResponse *response;
    const int64_t now_ms = fb_clock_unix_ms();
    struct fb_stream *stream;
    uint64_t total = 0;
    size_t shown = 0;
    int code;

    request.context = &call->context;
    request.where = (char *)(uintptr_t)(show_options.all ? "" : "state:open");
    request.page_size = TASKS_SHOWN;
    stream = fb_flow_find(call->client, &request, NULL);
    while (stream != NULL && (response = fb_flow_find_next(stream)) != NULL) {
        Flowbalancer__V1__FlowTask **tasks =
            fb_arena_alloc(call->run->arena, (response->n_found + 1) * sizeof(*tasks));

        if (tasks == NULL) {
            break;
        }
        total = response->total > total ? response->total : total;
        for (size_t i = 0; i < response->n_found; i++) {
            tasks[i] = response->found[i]->task;
            if (call->run->globals->json) {
                message_json(writer, &tasks[i]->base);
            }
        }
        shown += response->n_found;
        if (!call->run->globals->json && response->n_found > 0) {
            terminal_print("\n");
            session_print_tasks(tasks, response->n_found, now_ms);
        }
    }
    code = session_call_end_stream(call, stream);
    if (code == EXIT_DONE && !call->run->globals->json && total > shown) {
        terminal_print("%zu of %" PRIu64 " shown; \"flowctl sessions find\" looks among all\n",
                       shown, total);
    }
    return code;
}

static void print_agents(const Flowbalancer__V1__StatusResponse *status, int64_t now_ms)
{
    char room[UNITS_ROOM];

    for (size_t i = 0; i < status->n_agents; i++) {
        const Flowbalancer__V1__FlowAgent *agent = status->agents[i];

        terminal_print("%s%s holds %" PRIu32 " of %" PRIu32 "%s, heard %s ago",
                       i == 0 ? "agents: " : "; ", agent->agent, agent->held, agent->wip,
                       agent->waits ? ", waits" : "",
                       units_ms(now_ms - agent->heard_unix_ms, room));
    }
    if (status->n_agents > 0) {
        terminal_print("\n");
    }
}

static int show(const struct run *run)
{
    Flowbalancer__V1__StatusRequest request = FLOWBALANCER__V1__STATUS_REQUEST__INIT;
    const Flowbalancer__V1__StatusResponse *status;
    struct writer writer = {.depth = 0};
    struct session_call call;
    int code = session_call_begin(&call, run, run->args[0], NULL);

    if (code != EXIT_DONE) {
        return code;
    }
    request.context = &call.context;
    status = fb_flow_status(call.client, &request, NULL, &call.answer);
    if (status == NULL) {
        code = session_call_complain(&call, &call.answer);
    } else {
        writer_open(&writer, '{');
        writer_key(&writer, "status");
        message_json(&writer, &status->base);
        writer_key(&writer, "tasks");
        writer_open(&writer, '[');
        if (!run->globals->json) {
            session_print_line(status->line);
            print_agents(status, fb_clock_unix_ms());
            session_print_forecast(status->forecast);
            session_print_alarms(status->alarms, status->n_alarms);
        }
        code = show_tasks(&call, &writer);
        writer_close(&writer, ']');
        writer_close(&writer, '}');
        if (code == EXIT_DONE && run->globals->json) {
            writer_send(&writer);
        }
    }
    fb_buffer_finish(&writer.text);
    session_call_end(&call);
    return code;
}

const struct command command_sessions_show = {
    .name = "sessions show",
    .usage = "SESSION",
    .purpose = "show how a session goes: state, agents, forecast, alarms, tasks",
    .details =
        "SESSION is an id as \"flowctl sessions ls\" shows it, or an agent's handle. Columns: "
        "declared\npercent, momentum, weight, priority. A forecast says \"a completion soon\", "
        "not \"good work\"",
    .options = show_table,
    .config = &show_options,
    .least_args = 1,
    .most_args = 1,
    .run = show,
};

/*
 * sessions top: a session live: agents, leases, momentum, alarms.
 */

#include <inttypes.h>

#include "clients/flowctl/commands.h"
#include "clients/flowctl/message_json.h"
#include "clients/flowctl/sessions/session_call.h"
#include "clients/flowctl/table.h"
#include "clients/flowctl/terminal.h"
#include "clients/flowctl/units.h"
#include "runtime/base/clock.h"

struct top_options {
    int64_t interval_ms;
    int64_t count;
};

static struct top_options top_options;

static const struct fb_option top_table[] = {
    {"interval", FB_OPTION_DURATION, offsetof(struct top_options, interval_ms), .fallback = "2s",
     .least = "100ms", .most = "10m", .help = "how often it is drawn when nothing happens"},
    {"count", FB_OPTION_INTEGER, offsetof(struct top_options, count), .fallback = "0", .least = "0",
     .most = "1000000", .help = "end after so many pictures; 0 goes on"},
    {.name = NULL},
};

static void print_agents(const Flowbalancer__V1__StatusResponse *status, int64_t now_ms)
{
    struct table table = {
        .headings = {"AGENT", "HOLDS", "HEARD", "", "CAPABLE OF"},
        .right = {false, true, true},
    };
    struct fb_buffer text = {.data = NULL};
    char room[UNITS_ROOM];

    for (size_t i = 0; i < status->n_agents; i++) {
        const Flowbalancer__V1__FlowAgent *agent = status->agents[i];
        const int64_t silent_ms = now_ms - agent->heard_unix_ms;
        struct fb_buffer caps = {.limit_bytes = 512};

        for (size_t k = 0; k < agent->n_caps; k++) {
            fb_buffer_printf(&caps, "%s%s", k == 0 ? "" : " ", agent->caps[k]);
        }
        table_put(&table, TERMINAL_BOLD, "%s", agent->agent);
        table_put(&table, TERMINAL_PLAIN, "%" PRIu32 " of %" PRIu32, agent->held, agent->wip);
        table_put(&table, TERMINAL_PLAIN, "%s", units_ms(silent_ms < 0 ? 0 : silent_ms, room));
        table_put(&table, TERMINAL_DIM, "%s", agent->waits ? "waits" : "");
        table_put(&table, TERMINAL_PLAIN, "%.*s", (int)caps.size,
                  caps.data == NULL ? "" : caps.data);
        fb_buffer_finish(&caps);
    }
    table_render(&table, &text);
    terminal_write((struct fb_text){.data = text.data, .size = text.size});
    fb_buffer_finish(&text);
    table_finish(&table);
}

static bool draw(const struct run *run, const Flowbalancer__V1__StatusResponse *status)
{
    const int64_t now_ms = fb_clock_unix_ms();
    char when[UNITS_ROOM];

    if (run->globals->json) {
        return message_json_send(&status->base);
    }
    if (terminal_is_read()) {
        terminal_print("\033[H\033[J");
    }
    terminal_print("%s  ", units_time_of_day(now_ms, when));
    session_print_line(status->line);
    session_print_forecast(status->forecast);
    session_print_alarms(status->alarms, status->n_alarms);
    if (status->n_agents > 0) {
        terminal_print("\n");
        print_agents(status, now_ms);
    }
    if (status->n_tasks > 0) {
        terminal_print("\n");
        session_print_tasks(status->tasks, status->n_tasks, now_ms);
    }
    return terminal_print("\n");
}

/* Waits for a change, or for the interval to be over. */
static int wait_for_change(struct session_call *call, int64_t seq)
{
    Flowbalancer__V1__StatusRequest request = FLOWBALANCER__V1__STATUS_REQUEST__INIT;
    const struct fb_client_options options = {
        .deadline_ms = fb_clock_ms() + top_options.interval_ms + call->run->globals->timeout_ms,
    };

    request.context = &call->context;
    request.since_seq = seq;
    request.wait_ms = top_options.interval_ms;
    if (fb_flow_status(call->client, &request, &options, &call->answer) == NULL) {
        return session_call_complain(call, &call->answer);
    }
    return EXIT_DONE;
}

static int top(const struct run *run)
{
    Flowbalancer__V1__StatusRequest request = FLOWBALANCER__V1__STATUS_REQUEST__INIT;
    const Flowbalancer__V1__StatusResponse *status;
    struct session_call call;
    int code = session_call_begin(&call, run, run->args[0], NULL);

    if (code != EXIT_DONE) {
        return code;
    }
    request.context = &call.context;
    for (int64_t drawn = 0; code == EXIT_DONE; drawn++) {
        if (top_options.count > 0 && drawn == top_options.count) {
            break;
        }
        status = fb_flow_status(call.client, &request, NULL, &call.answer);
        if (status == NULL) {
            code = session_call_complain(&call, &call.answer);
        } else if (!draw(run, status)) {
            break; /* nobody reads us any more */
        } else if (top_options.count == 0 || drawn + 1 < top_options.count) {
            code = wait_for_change(&call, status->line->seq);
        }
    }
    session_call_end(&call);
    return code;
}

const struct command command_sessions_top = {
    .name = "sessions top",
    .usage = "SESSION",
    .purpose = "show a session live: agents, leases, momentum, alarms",
    .details =
        "Drawn anew when something happens, until interrupted. With --json one object for each "
        "picture",
    .options = top_table,
    .config = &top_options,
    .least_args = 1,
    .most_args = 1,
    .run = top,
};

/*
 * sessions mute: quiets an alarm for a while.
 */

#include <inttypes.h>

#include "clients/flowctl/commands.h"
#include "clients/flowctl/message_json.h"
#include "clients/flowctl/sessions/session_call.h"
#include "clients/flowctl/terminal.h"
#include "clients/flowctl/units.h"

struct mute_options {
    int64_t for_ms;
};

static struct mute_options mute_options;

static const struct fb_option mute_table[] = {
    {"for", FB_OPTION_DURATION, offsetof(struct mute_options, for_ms), .fallback = "1d",
     .least = "0", .most = "30d", .help = "how long; 0 lets it be heard again"},
    {.name = NULL},
};

static int mute(const struct run *run)
{
    Flowbalancer__V1__MuteRequest request = FLOWBALANCER__V1__MUTE_REQUEST__INIT;
    const Flowbalancer__V1__MuteResponse *response;
    Flowbalancer__V1__FlowTaskRef task;
    struct session_call call;
    char room[UNITS_ROOM];
    int code = session_call_begin(&call, run, run->args[0], NULL);

    if (code != EXIT_DONE) {
        return code;
    }
    request.context = &call.context;
    request.by = &call.by;
    request.kind = (char *)(uintptr_t)run->args[1];
    request.for_ms = mute_options.for_ms;
    if (run->arg_count > 2) {
        session_call_task(run->args[2], &task);
        request.task = &task;
    }
    response = fb_flow_mute(call.client, &request, NULL, &call.answer);
    if (response == NULL) {
        code = session_call_complain(&call, &call.answer);
    } else if (run->globals->json) {
        message_json_send(&response->base);
    } else if (mute_options.for_ms == 0) {
        terminal_print("%s is heard again\n", run->args[1]);
    } else {
        terminal_print("%s is quiet for %s\n", run->args[1], units_ms(mute_options.for_ms, room));
    }
    session_call_end(&call);
    return code;
}

const struct command command_sessions_mute = {
    .name = "sessions mute",
    .usage = "SESSION ALARM [TASK]",
    .purpose = "quiet an alarm for a while, of one task or wherever",
    .details =
        "ALARM is a word as \"flowctl sessions show\" has it: stalled, silent_agent, thrashing, "
        "runaway,\nretry_storm, cycle, starved, rate_drop, chain_flood, duplicate, false_done",
    .options = mute_table,
    .config = &mute_options,
    .least_args = 2,
    .most_args = 3,
    .run = mute,
};

/*
 * sessions merge: unites what happened in two sessions in a third.
 */

#include <inttypes.h>

#include "clients/flowctl/commands.h"
#include "clients/flowctl/message_json.h"
#include "clients/flowctl/sessions/session_call.h"
#include "clients/flowctl/terminal.h"

static int merge(const struct run *run)
{
    static const struct fb_client_options patiently = {.deadline_ms = INT64_MAX};
    Flowbalancer__V1__MergeSessionsRequest request = FLOWBALANCER__V1__MERGE_SESSIONS_REQUEST__INIT;
    const Flowbalancer__V1__MergeSessionsResponse *response;
    struct session_call call;
    int code = session_call_begin(&call, run, run->args[0], NULL);

    if (code != EXIT_DONE) {
        return code;
    }
    request.context = &call.context;
    request.by = &call.by;
    request.from_session = session_call_id(run, run->args[1]);
    if (run->arg_count > 2) {
        request.as_session = session_call_id(run, run->args[2]);
    }
    if (request.from_session == NULL || request.as_session == NULL) {
        session_call_end(&call);
        return EXIT_USAGE;
    }
    response = fb_flow_merge_sessions(call.client, &request, &patiently, &call.answer);
    if (response == NULL) {
        code = session_call_complain(&call, &call.answer);
    } else if (run->globals->json) {
        message_json_send(&response->base);
    } else {
        terminal_print("%" PRIu64 " events of %s that %s had not, %" PRIu32
                       " fields that both had changed\n",
                       response->events, run->args[1], run->args[0], response->conflicts);
        if (response->conflicts > 0) {
            terminal_print("both values are kept; \"flowctl sessions watch %s\" shows them\n",
                           run->arg_count > 2 ? run->args[2] : run->args[0]);
        }
        if (response->line != NULL) {
            session_print_line(response->line);
        }
    }
    session_call_end(&call);
    return code;
}

const struct command command_sessions_merge = {
    .name = "sessions merge",
    .usage = "ONE OTHER [NEW]",
    .purpose = "unite what happened in two sessions in a new one",
    .details =
        "Both stay as they are; leases do not survive it. Merging in any order, or again, gives "
        "the same. "
        "Of a field\nthat both changed the later value stands, and both are kept. Without NEW only "
        "where ONE has all of OTHER",
    .least_args = 2,
    .most_args = 3,
    .run = merge,
};

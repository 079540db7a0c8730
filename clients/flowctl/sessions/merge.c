/*
 * sessions merge: brings what happened in one session into another.
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
    request.from_session = (char *)(uintptr_t)run->args[1];
    response = fb_flow_merge_sessions(call.client, &request, &patiently, &call.answer);
    if (response == NULL) {
        code = session_call_complain(&call, &call.answer);
    } else if (run->globals->json) {
        message_json_send(&response->base);
    } else {
        terminal_print("%" PRIu64 " events came in, %" PRIu32 " fields had changed on both sides\n",
                       response->events, response->conflicts);
        if (response->conflicts > 0) {
            terminal_print("both values are kept; \"flowctl sessions watch %s\" shows them\n",
                           run->args[0]);
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
    .usage = "SESSION FROM",
    .purpose = "bring what happened in the session FROM into SESSION",
    .details =
        "FROM stays as it is. Merging again, or the other way round, gives the same; leases "
        "do not survive it.\nOf a field that both changed the later value stands, and both are "
        "kept",
    .least_args = 2,
    .most_args = 2,
    .run = merge,
};

/*
 * sessions undo: takes the last change back.
 */

#include <inttypes.h>

#include "clients/flowctl/commands.h"
#include "clients/flowctl/message_json.h"
#include "clients/flowctl/sessions/session_call.h"
#include "clients/flowctl/terminal.h"
#include "runtime/base/clock.h"

struct undo_options {
    const char *agent;
};

static struct undo_options undo_options;

static const struct fb_option undo_table[] = {
    {"agent", FB_OPTION_STRING, offsetof(struct undo_options, agent),
     .help = "the last change of this agent, in place of a task's"},
    {.name = NULL},
};

static int undo(const struct run *run)
{
    Flowbalancer__V1__UndoRequest request = FLOWBALANCER__V1__UNDO_REQUEST__INIT;
    const Flowbalancer__V1__UndoResponse *response;
    Flowbalancer__V1__FlowTaskRef task;
    struct session_call call;
    int code;

    if ((run->arg_count > 1) == (undo_options.agent != NULL)) {
        terminal_complain("see \"flowctl sessions undo --help\"",
                          "name a task, or with --agent whose last change it is");
        return EXIT_USAGE;
    }
    code = session_call_begin(&call, run, run->args[0], undo_options.agent);
    if (code != EXIT_DONE) {
        return code;
    }
    request.context = &call.context;
    request.by = &call.by;
    if (run->arg_count > 1) {
        session_call_task(run->args[1], &task);
        request.task = &task;
    }
    response = fb_flow_undo(call.client, &request, NULL, &call.answer);
    if (response == NULL) {
        code = session_call_complain(&call, &call.answer);
    } else if (run->globals->json) {
        message_json_send(&response->base);
    } else {
        terminal_print("%s\n", response->undone);
        if (response->n_effects > 0) {
            session_print_tasks(response->effects, response->n_effects, fb_clock_unix_ms());
        }
    }
    session_call_end(&call);
    return code;
}

const struct command command_sessions_undo = {
    .name = "sessions undo",
    .usage = "SESSION [TASK]",
    .purpose = "take the last change of a task, or of an agent, back",
    .details =
        "By events that undo it: nothing is removed. What cannot be taken back, as others built "
        "on it, is\nrefused and stays",
    .options = undo_table,
    .config = &undo_options,
    .least_args = 1,
    .most_args = 2,
    .run = undo,
};

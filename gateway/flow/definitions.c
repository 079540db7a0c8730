#include "gateway/flow/definitions.h"

#include <stdbool.h>

/* JSON schemas by their parts. */
#define OBJECT(members) "{\"type\":\"object\",\"properties\":{" members "}}"
#define NEEDS(members, needed) \
    "{\"type\":\"object\",\"properties\":{" members "},\"required\":[" needed "]}"
#define STRING                  "{\"type\":\"string\"}"
#define WHOLE                   "{\"type\":\"integer\"}"
#define TRUTH                   "{\"type\":\"boolean\"}"
#define ANY_OBJECT              "{\"type\":\"object\"}"
#define SAID(description)       "{\"type\":\"string\",\"description\":\"" description "\"}"
#define SAID_WHOLE(description) "{\"type\":\"integer\",\"description\":\"" description "\"}"
#define SAID_TRUTH(description) "{\"type\":\"boolean\",\"description\":\"" description "\"}"
#define ONE_OF(words)           "{\"type\":\"string\",\"enum\":[" words "]}"
#define LIST(of)                "{\"type\":\"array\",\"items\":" of "}"
#define LIST_SAID(of, description) \
    "{\"type\":\"array\",\"items\":" of ",\"description\":\"" description "\"}"

/* One line for each argument, which the formatter would fold. */
/* clang-format off */

#define OPEN_INPUT NEEDS( \
    "\"name\":" SAID("same name, same session") "," \
    "\"agent\":" SAID("your own name in it") "," \
    "\"caps\":" LIST(STRING) "," \
    "\"wip\":" WHOLE, \
    "\"name\",\"agent\"")
#define OPEN_OUTPUT OBJECT( \
    "\"session\":" SAID("handle for all other tools") "," \
    "\"line\":" STRING "," \
    "\"held\":" LIST(ANY_OBJECT) "," \
    "\"ready\":" LIST(STRING) "," \
    "\"conflicts\":" LIST(STRING))

#define PLAN_INPUT NEEDS( \
    "\"session\":" STRING "," \
    "\"tasks\":" LIST(NEEDS( \
        "\"title\":" STRING "," \
        "\"key\":" STRING "," \
        "\"body\":" STRING "," \
        "\"weight\":" SAID_WHOLE("1-10 effort") "," \
        "\"priority\":" SAID_WHOLE("0 first - 4") "," \
        "\"after\":" LIST(STRING) "," \
        "\"parent\":" STRING "," \
        "\"from\":" SAID("found while doing") "," \
        "\"chain\":" TRUTH "," \
        "\"needs\":" LIST_SAID(STRING, "caps") "," \
        "\"accept\":" SAID("when it is done"), \
        "\"title\"")) "," \
    "\"key\":" STRING, \
    "\"session\",\"tasks\"")
#define PLAN_OUTPUT OBJECT( \
    "\"tasks\":" LIST(WHOLE) "," \
    "\"ready\":" WHOLE "," \
    "\"duplicates\":" LIST(STRING))

#define NEXT_INPUT NEEDS( \
    "\"session\":" STRING "," \
    "\"n\":" SAID_WHOLE("hold so many") "," \
    "\"peek\":" SAID_TRUTH("only look") "," \
    "\"task\":" SAID("only this one") "," \
    "\"wait_s\":" WHOLE, \
    "\"session\"")
#define NEXT_OUTPUT OBJECT( \
    "\"tasks\":" LIST(ANY_OBJECT) "," \
    "\"why\":" STRING "," \
    "\"finished\":" TRUTH)

#define PULSE_INPUT NEEDS( \
    "\"session\":" STRING "," \
    "\"task\":" STRING "," \
    "\"fence\":" WHOLE "," \
    "\"note\":" STRING "," \
    "\"pct\":" WHOLE "," \
    "\"state\":" ONE_OF("\"active\",\"resting\",\"blocked\",\"queued\"") "," \
    "\"blocker\":" SAID("task, or a question"), \
    "\"session\",\"task\",\"fence\"")
#define PULSE_OUTPUT OBJECT( \
    "\"lease_s\":" WHOLE "," \
    "\"momentum\":" WHOLE "," \
    "\"alarms\":" LIST(STRING))

#define DONE_INPUT NEEDS( \
    "\"session\":" STRING "," \
    "\"task\":" STRING "," \
    "\"fence\":" WHOLE "," \
    "\"result\":" ONE_OF("\"completed\",\"failed\"") "," \
    "\"summary\":" SAID("for who builds on it") "," \
    "\"evidence\":" LIST_SAID(STRING, "paths, commits, commands") "," \
    "\"next\":" TRUTH, \
    "\"session\",\"task\"")
#define DONE_OUTPUT OBJECT( \
    "\"ready\":" LIST(STRING) "," \
    "\"likely\":" LIST(STRING) "," \
    "\"next\":" ANY_OBJECT "," \
    "\"finished\":" TRUTH "," \
    "\"missing\":" LIST_SAID(STRING, "evidence that is not there"))

#define FIND_INPUT OBJECT( \
    "\"session\":" STRING "," \
    "\"q\":" STRING "," \
    "\"where\":" SAID("state:ready,active agent:a p:0-1 after:3 since:30m has:note") "," \
    "\"view\":" ONE_OF("\"lines\",\"full\",\"graph\",\"evidence\"") "," \
    "\"budget\":" SAID_WHOLE("tokens") "," \
    "\"cursor\":" STRING)
#define FIND_OUTPUT OBJECT( \
    "\"lines\":" LIST(STRING) "," \
    "\"total\":" WHOLE "," \
    "\"cursor\":" STRING)

#define STATUS_INPUT NEEDS( \
    "\"session\":" STRING "," \
    "\"since\":" WHOLE "," \
    "\"wait_s\":" WHOLE, \
    "\"session\"")
#define STATUS_OUTPUT OBJECT( \
    "\"line\":" STRING "," \
    "\"seq\":" WHOLE "," \
    "\"tasks\":" LIST(STRING) "," \
    "\"forecast\":" STRING "," \
    "\"alarms\":" LIST(STRING))

#define EDIT_INPUT NEEDS( \
    "\"session\":" STRING "," \
    "\"task\":" STRING "," \
    "\"if_rev\":" WHOLE "," \
    "\"set\":" OBJECT( \
        "\"title\":" STRING "," \
        "\"body\":" STRING "," \
        "\"accept\":" STRING "," \
        "\"weight\":" WHOLE "," \
        "\"priority\":" WHOLE "," \
        "\"action\":" ONE_OF("\"cancel\",\"retry\",\"reopen\",\"unblock\"") "," \
        "\"reason\":" STRING) "," \
    "\"add_after\":" LIST(STRING) "," \
    "\"drop_after\":" LIST(STRING) "," \
    "\"undo\":" TRUTH, \
    "\"session\",\"task\"")
#define EDIT_OUTPUT OBJECT( \
    "\"rev\":" WHOLE "," \
    "\"task\":" STRING "," \
    "\"effects\":" LIST(STRING))

/* --- of the system before ours --- */

#define ORIGINAL_CREATE_INPUT NEEDS( \
    "\"sessionId\":" STRING, \
    "\"sessionId\"")
#define ORIGINAL_LINE OBJECT( \
    "\"sessionId\":" STRING "," \
    "\"line\":" STRING)
#define ORIGINAL_ADD_INPUT NEEDS( \
    "\"sessionId\":" STRING "," \
    "\"description\":" STRING "," \
    "\"context\":" STRING "," \
    "\"weight\":" SAID_WHOLE("1-10") "," \
    "\"dependencies\":" LIST(STRING), \
    "\"sessionId\",\"description\"")
#define ORIGINAL_ADD_OUTPUT OBJECT( \
    "\"taskId\":" STRING)
#define ORIGINAL_COMPLETE_INPUT NEEDS( \
    "\"sessionId\":" STRING "," \
    "\"taskId\":" STRING, \
    "\"sessionId\",\"taskId\"")
#define ORIGINAL_STATUS_INPUT OBJECT( \
    "\"sessionId\":" STRING "," \
    "\"session\":" STRING "," \
    "\"since\":" WHOLE "," \
    "\"wait_s\":" WHOLE)
#define ORIGINAL_PULSE_INPUT NEEDS( \
    "\"sessionId\":" STRING "," \
    "\"action\":" STRING "," \
    "\"taskId\":" STRING, \
    "\"sessionId\",\"action\"")
#define ORIGINAL_TODOS_INPUT NEEDS( \
    "\"sessionId\":" STRING "," \
    "\"todos\":" LIST(STRING), \
    "\"sessionId\",\"todos\"")
#define ORIGINAL_TODOS_OUTPUT OBJECT( \
    "\"taskIds\":" LIST(STRING))
#define ORIGINAL_REST_INPUT NEEDS( \
    "\"sessionId\":" STRING "," \
    "\"duration\":" SAID("how long, in words"), \
    "\"sessionId\"")
#define ORIGINAL_REST_OUTPUT OBJECT( \
    "\"resting\":" LIST(STRING))

/* clang-format on */

#define STATUS_SAID "State, forecast, alarms; with since only what changed after that seq."

const struct flow_definition flow_definitions[] = {
    {
        .name = "flow_open",
        .title = "Open session",
        .description = "Open a durable session of tasks shared by agents, or come back to it, also "
                       "after losing context. Tells your handle, what you hold, what is ready.",
        .idempotent = true,
        .input = OPEN_INPUT,
        .output = OPEN_OUTPUT,
    },
    {
        .name = "flow_plan",
        .title = "Plan tasks",
        .description = "Add tasks, all or none. Name tasks everywhere by number (#12) or key. "
                       "chain adds Plan, Implement, Test, Document below a task. The same plan key "
                       "again adds nothing.",
        .input = PLAN_INPUT,
        .output = PLAN_OUTPUT,
    },
    {
        .name = "flow_next",
        .title = "Claim task",
        .description =
            "Claim the best ready task (what you hold comes first), with all you need to "
            "begin. wait_s waits for one.",
        .input = NEXT_INPUT,
        .output = NEXT_OUTPUT,
    },
    {
        .name = "flow_pulse",
        .title = "Report progress",
        .description = "Note progress on a task you hold; queued hands it back. Any call renews "
                       "your leases.",
        .input = PULSE_INPUT,
        .output = PULSE_OUTPUT,
    },
    {
        .name = "flow_done",
        .title = "Finish task",
        .description = "End a task. With next you get the next one at once: one call per task.",
        .input = DONE_INPUT,
        .output = DONE_OUTPUT,
    },
    {
        .name = "flow_find",
        .title = "Find tasks",
        .description = "Find tasks by words and conditions; without a session in all of them. "
                       "Nothing given: list sessions. View evidence checks the files of q's task, "
                       "or of all, on this machine.",
        .reads_only = true,
        .idempotent = true,
        .input = FIND_INPUT,
        .output = FIND_OUTPUT,
    },
    {
        .name = "flow_status",
        .title = "Session status",
        .description = STATUS_SAID,
        .reads_only = true,
        .idempotent = true,
        .input = STATUS_INPUT,
        .output = STATUS_OUTPUT,
    },
    {
        .name = "flow_edit",
        .title = "Edit task",
        .description = "Change a task's texts, links or life; undo takes its last change back.",
        .input = EDIT_INPUT,
        .output = EDIT_OUTPUT,
    },
};
const size_t flow_definitions_count = sizeof(flow_definitions) / sizeof(flow_definitions[0]);

const struct flow_definition flow_original_definitions[] = {
    {
        .name = "create_session",
        .title = "Create session",
        .description = "Open a session, making it if there is none.",
        .idempotent = true,
        .input = ORIGINAL_CREATE_INPUT,
        .output = ORIGINAL_LINE,
    },
    {
        .name = "add_task",
        .title = "Add task",
        .description = "Add a task.",
        .input = ORIGINAL_ADD_INPUT,
        .output = ORIGINAL_ADD_OUTPUT,
    },
    {
        .name = "complete_task",
        .title = "Complete task",
        .description = "Complete a task.",
        .input = ORIGINAL_COMPLETE_INPUT,
        .output = ORIGINAL_LINE,
    },
    {
        .name = "flow_status",
        .title = "Session status",
        .description = STATUS_SAID,
        .reads_only = true,
        .idempotent = true,
        .input = ORIGINAL_STATUS_INPUT,
        .output = STATUS_OUTPUT,
    },
    {
        .name = "pulse",
        .title = "Pulse",
        .description = "Say what is being done, on a task or in the session.",
        .input = ORIGINAL_PULSE_INPUT,
        .output = ORIGINAL_LINE,
    },
    {
        .name = "set_comprehensive_todos",
        .title = "Set todos",
        .description = "Add each todo as a task; one that is there already is not added again.",
        .idempotent = true,
        .input = ORIGINAL_TODOS_INPUT,
        .output = ORIGINAL_TODOS_OUTPUT,
    },
    {
        .name = "enter_rest_mode",
        .title = "Rest",
        .description = "Rest all tasks that you hold; nothing is lost.",
        .idempotent = true,
        .input = ORIGINAL_REST_INPUT,
        .output = ORIGINAL_REST_OUTPUT,
    },
};
const size_t flow_original_definitions_count =
    sizeof(flow_original_definitions) / sizeof(flow_original_definitions[0]);

void flow_definition_put(struct fb_buffer *out, const struct flow_definition *definition)
{
    fb_buffer_printf(out, "{\"name\":\"%s\",\"title\":\"%s\",\"description\":", definition->name,
                     definition->title);
    fb_buffer_json_string(out, fb_text_of(definition->description));
    fb_buffer_printf(out,
                     ",\"inputSchema\":%s,\"outputSchema\":%s,\"annotations\":{\"readOnlyHint\":%s,"
                     "\"destructiveHint\":false,\"idempotentHint\":%s,\"openWorldHint\":false}}",
                     definition->input, definition->output,
                     definition->reads_only ? "true" : "false",
                     definition->idempotent ? "true" : "false");
}

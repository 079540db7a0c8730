#include "gateway/flow/definitions.h"

#include <stdbool.h>

/* JSON schemas by their parts. */
#define OBJECT(members) "{\"type\":\"object\",\"properties\":{" members "}}"
#define NEEDS(members, needed) \
    "{\"type\":\"object\",\"properties\":{" members "},\"required\":[" needed "]}"
#define STRING                  "{\"type\":\"string\"}"
#define SAID(description)       "{\"type\":\"string\",\"description\":\"" description "\"}"
#define SAID_WHOLE(description) "{\"type\":\"integer\",\"description\":\"" description "\"}"
#define WHOLE                   "{\"type\":\"integer\"}"
#define FROM_TO(least, most)    "{\"type\":\"integer\",\"minimum\":" #least ",\"maximum\":" #most "}"
#define TRUTH                   "{\"type\":\"boolean\"}"
#define ANY_OBJECT              "{\"type\":\"object\"}"
#define ONE_OF(words)           "{\"type\":\"string\",\"enum\":[" words "]}"
#define LIST(of)                "{\"type\":\"array\",\"items\":" of "}"
#define LIST_SAID(of, description) \
    "{\"type\":\"array\",\"items\":" of ",\"description\":\"" description "\"}"

#define SESSION "\"session\":" STRING
#define TASK    "\"task\":" STRING

const struct flow_definition flow_definitions[] = {
    {
        .name = "flow_open",
        .title = "Open session",
        .description = "Open a durable session of tasks shared by agents, or come back to it, also "
                       "after losing context. Tells your handle, what you hold, what is ready.",
        .idempotent = true,
        .input = NEEDS("\"name\":" SAID("same name, same session") ",\"agent\":" SAID(
                           "your own name in it") ",\"caps\":" LIST(STRING) ",\"wip\":" WHOLE,
                       "\"name\",\"agent\""),
        .output = OBJECT(
            "\"session\":" SAID("handle for all other tools") ",\"line\":" STRING ",\"held\":" LIST(
                ANY_OBJECT) ",\"ready\":" LIST(STRING) ",\"conflicts\":" LIST(STRING)),
    },
    {
        .name = "flow_plan",
        .title = "Plan tasks",
        .description = "Add tasks, all or none. Name tasks everywhere by number (#12) or key. "
                       "chain adds Plan, Implement, Test, Document below a task. The same plan key "
                       "again adds nothing.",
        .input = NEEDS(
            SESSION ",\"tasks\":" LIST(NEEDS(
                "\"title\":" STRING ",\"key\":" STRING ",\"body\":" STRING
                ",\"weight\":" SAID_WHOLE("1-10 effort") ",\"priority\":" SAID_WHOLE(
                    "0 "
                    "first "
                    "- 4") ",\"after\":" LIST(STRING) ",\"parent\":" STRING
                                                      ",\"from\":" SAID(
                                                          "found while doing") ",\"chain\":" TRUTH
                                                                               ",\"needs\""
                                                                               ":" LIST_SAID(
                                                                                   STRING,
                                                                                   "caps") ",\"acce"
                                                                                           "pt\""
                                                                                           ":" SAID("when "
                                                                                                    "it is "
                                                                                                    "done"),
                "\"title\"")) ",\"key\":" STRING,
            "\"session\",\"tasks\""),
        .output =
            OBJECT("\"tasks\":" LIST(WHOLE) ",\"ready\":" WHOLE ",\"duplicates\":" LIST(STRING)),
    },
    {
        .name = "flow_next",
        .title = "Claim task",
        .description =
            "Claim the best ready task (what you hold comes first), with all you need to "
            "begin. wait_s waits for one.",
        .input = NEEDS(SESSION ",\"n\":" WHOLE ",\"peek\":" TRUTH "," TASK ",\"wait_s\":" WHOLE,
                       "\"session\""),
        .output = OBJECT("\"tasks\":" LIST(ANY_OBJECT) ",\"why\":" STRING ",\"finished\":" TRUTH),
    },
    {
        .name = "flow_pulse",
        .title = "Report progress",
        .description = "Note progress on a task you hold; queued hands it back. Any call renews "
                       "your leases.",
        .input = NEEDS(
            SESSION "," TASK ",\"fence\":" WHOLE ",\"note\":" STRING ",\"pct\":" WHOLE
                    ",\"state\":" ONE_OF("\"active\",\"resting\",\"blocked\","
                                         "\"queued\"") ",\"blocker\":" SAID("task, or a question"),
            "\"session\",\"task\",\"fence\""),
        .output = OBJECT("\"lease_s\":" WHOLE ",\"momentum\":" WHOLE ",\"alarms\":" LIST(STRING)),
    },
    {
        .name = "flow_done",
        .title = "Finish task",
        .description = "End a task. With next you get the next one at once: one call per task.",
        .input = NEEDS(
            SESSION
            "," TASK ",\"fence\":" WHOLE
            ",\"result\":" ONE_OF("\"completed\",\"failed\"") ",\"summary\":" SAID(
                "for who builds on it") ",\"evidence\":" LIST_SAID(STRING, "paths, commits, "
                                                                           "commands") ",\"next\""
                                                                                       ":" TRUTH,
            "\"session\",\"task\""),
        .output = OBJECT("\"ready\":" LIST(STRING) ",\"likely\":" LIST(
            STRING) ",\"next\":" ANY_OBJECT ",\"finished\":" TRUTH ",\"missing\":" LIST(STRING)),
    },
    {
        .name = "flow_find",
        .title = "Find tasks",
        .description = "Find tasks by words and conditions; in all sessions without one. Nothing "
                       "given: list sessions. View evidence checks files of q's task, or of all.",
        .reads_only = true,
        .idempotent = true,
        .input = OBJECT(
            SESSION
            ",\"q\":" STRING
            ",\"where\":" SAID("state:ready,active agent:a "
                               "p:0-1 after:3 since:30m "
                               "has:note") ",\"view\":" ONE_OF("\"lines\",\"full\",\"graph\","
                                                               "\"evidence\"") ",\"budget\""
                                                                               ":" SAID_WHOLE("toke"
                                                                                              "ns") ",\"cu"
                                                                                                    "rsor"
                                                                                                    "\""
                                                                                                    ":" STRING),
        .output = OBJECT("\"lines\":" LIST(STRING) ",\"total\":" WHOLE ",\"cursor\":" STRING),
    },
    {
        .name = "flow_status",
        .title = "Session status",
        .description = "State, forecast, alarms; with since only what changed after that seq.",
        .reads_only = true,
        .idempotent = true,
        .input = NEEDS(SESSION ",\"since\":" WHOLE ",\"wait_s\":" WHOLE, "\"session\""),
        .output = OBJECT("\"line\":" STRING ",\"seq\":" WHOLE ",\"tasks\":" LIST(
            STRING) ",\"forecast\":" STRING ",\"alarms\":" LIST(STRING)),
    },
    {
        .name = "flow_edit",
        .title = "Edit task",
        .description = "Change a task's texts, links or life; undo takes its last change back.",
        .input = NEEDS(
            SESSION "," TASK ",\"if_rev\":" WHOLE ",\"set\":" OBJECT(
                "\"title\":" STRING ",\"body\":" STRING ",\"accept\":" STRING ",\"weight\":" WHOLE
                ",\"priority\":" WHOLE ",\"action\":" ONE_OF(
                    "\"cancel\",\"retry\",\"reopen\",\"unblock\"") ",\"reason\":" STRING) ",\"add_"
                                                                                          "after\""
                                                                                          ":" LIST(STRING) ",\"drop_after\":" LIST(
                                                                                              STRING) ",\"undo\":" TRUTH,
            "\"session\",\"task\""),
        .output = OBJECT("\"rev\":" WHOLE ",\"task\":" STRING ",\"effects\":" LIST(STRING)),
    },
};
const size_t flow_definitions_count = sizeof(flow_definitions) / sizeof(flow_definitions[0]);

#define SESSION_ID "\"sessionId\":" STRING
#define LINE       OBJECT("\"sessionId\":" STRING ",\"line\":" STRING)

const struct flow_definition flow_original_definitions[] = {
    {
        .name = "create_session",
        .title = "Create session",
        .description = "Open a session, making it if there is none.",
        .idempotent = true,
        .input = NEEDS(SESSION_ID, "\"sessionId\""),
        .output = LINE,
    },
    {
        .name = "add_task",
        .title = "Add task",
        .description = "Add a task.",
        .input = NEEDS(SESSION_ID ",\"description\":" STRING ",\"context\":" STRING
                                  ",\"weight\":" FROM_TO(1, 10) ",\"dependencies\":" LIST(STRING),
                       "\"sessionId\",\"description\""),
        .output = OBJECT("\"taskId\":" STRING),
    },
    {
        .name = "complete_task",
        .title = "Complete task",
        .description = "Complete a task.",
        .input = NEEDS(SESSION_ID ",\"taskId\":" STRING, "\"sessionId\",\"taskId\""),
        .output = LINE,
    },
    {
        .name = "flow_status",
        .title = "Session status",
        .description = "State, forecast, alarms; with since only what changed after that seq.",
        .reads_only = true,
        .idempotent = true,
        .input = OBJECT(SESSION_ID "," SESSION ",\"since\":" WHOLE ",\"wait_s\":" WHOLE),
        .output = OBJECT("\"line\":" STRING ",\"seq\":" WHOLE ",\"tasks\":" LIST(
            STRING) ",\"forecast\":" STRING ",\"alarms\":" LIST(STRING)),
    },
    {
        .name = "pulse",
        .title = "Pulse",
        .description = "Say what is being done, on a task or in the session.",
        .input = NEEDS(SESSION_ID ",\"action\":" STRING ",\"taskId\":" STRING,
                       "\"sessionId\",\"action\""),
        .output = LINE,
    },
    {
        .name = "set_comprehensive_todos",
        .title = "Set todos",
        .description = "Add each todo as a task; the same list again adds nothing.",
        .idempotent = true,
        .input = NEEDS(SESSION_ID ",\"todos\":" LIST(STRING), "\"sessionId\",\"todos\""),
        .output = OBJECT("\"taskIds\":" LIST(STRING)),
    },
    {
        .name = "enter_rest_mode",
        .title = "Rest",
        .description = "Rest all tasks that you hold; nothing is lost.",
        .idempotent = true,
        .input = NEEDS(SESSION_ID ",\"duration\":" SAID("how long, in words"), "\"sessionId\""),
        .output = OBJECT("\"resting\":" LIST(STRING)),
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

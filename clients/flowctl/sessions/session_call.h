#ifndef FB_CLIENTS_FLOWCTL_SESSIONS_SESSION_CALL_H
#define FB_CLIENTS_FLOWCTL_SESSIONS_SESSION_CALL_H

/*
 * session_call: what every command about sessions begins and ends with.
 */

#include "clients/c/client.h"
#include "clients/c/flow.h"
#include "clients/flowctl/command.h"
#include "clients/flowctl/terminal.h"

struct session_call {
    const struct run *run;
    struct fb_client *client;
    struct fb_answer answer;
    Flowbalancer__V1__CallContext context;
    Flowbalancer__V1__FlowMutation by; /* a request id of its own */
};

/*
 * Reaches the router. `session` is an id, a name or the handle of an agent, of which all from '@' on is
 * left out; NULL for all sessions. `actor` NULL is "flowctl". EXIT_DONE, or the code to end with, said.
 */
int session_call_begin(struct session_call *call, const struct run *run, const char *session,
                       const char *actor);

/*
 * The id of a session that is known by an id, a name or a handle, in the run's arena. NULL when there
 * can be none, which is said, or memory is exhausted.
 */
char *session_call_id(const struct run *run, const char *session);

/* Says what `answer` failed with, refusals with their way out; the code to end with. */
int session_call_complain(struct session_call *call, struct fb_answer *answer);

/* How a stream ended: EXIT_DONE, or said as above. Closes it. */
int session_call_end_stream(struct session_call *call, struct fb_stream *stream);

void session_call_end(struct session_call *call);

/* "12" and "#12" are numbers, anything else is a key. */
void session_call_task(const char *word, Flowbalancer__V1__FlowTaskRef *ref);

/* Words for people, with their colours. */
const char *session_state_word(Flowbalancer__V1__FlowState state);
const char *session_task_word(Flowbalancer__V1__FlowTaskState state);
enum terminal_colour session_task_colour(const Flowbalancer__V1__FlowTask *task);

/* "web-shop  flowing 62  progress 40 %  ready 3, active 2 of 12" and so on, one line. */
void session_print_line(const Flowbalancer__V1__FlowSessionLine *line);

/* A table of tasks; `now_ms` unix time. */
void session_print_tasks(Flowbalancer__V1__FlowTask *const *tasks, size_t count, int64_t now_ms);

/* What somebody should look at, one line each with its suggestion. */
void session_print_alarms(Flowbalancer__V1__FlowAlarm *const *alarms, size_t count);

/* "a completion within 30 min: 62 % (skill 0.15)" and "about 3 h left, at most 5 h". */
void session_print_forecast(const Flowbalancer__V1__FlowForecast *forecast);

#endif

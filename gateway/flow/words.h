#ifndef FB_GATEWAY_FLOW_WORDS_H
#define FB_GATEWAY_FLOW_WORDS_H

/*
 * words: how tasks and sessions are said to an agent, in few tokens.
 *
 * What comes from people and agents is cut where a budget says so, with "…" in its place, and stands
 * on one line where a line is promised. Pure.
 */

#include <stdbool.h>
#include <stddef.h>

#include "flowbalancer/v1/flow.pb-c.h"

#include "runtime/base/text.h"

/* Most tokens of each part of a claim. */
struct words_budget {
    size_t title;
    size_t body;
    size_t accept;
    size_t finished; /* each of its predecessors */
    size_t note;     /* each */
    size_t finished_most;
    size_t notes_most;
};

/* For one who begins, and for one who only needs to be reminded. */
extern const struct words_budget words_whole;

/* The text on one line, and not above so many tokens. */
void words_put(struct fb_buffer *out, const char *text, size_t tokens);

/* "#12 active 60% @ada Title". */
void words_task(struct fb_buffer *out, const Flowbalancer__V1__FlowTask *task, size_t title_tokens);

/* "flowing 64, 33% of 10: 3 ready, 1 active, 4 completed; 2 agents, load 5/30". */
void words_session(struct fb_buffer *out, const Flowbalancer__V1__FlowSessionLine *line);

/* "stalled #12: what it rests on → what to do". */
void words_alarm(struct fb_buffer *out, const Flowbalancer__V1__FlowAlarm *alarm);

/* "a completion in 30m 62% (skill 0.15), 2h 90%; left 1h to 3h"; nothing where nothing is known. */
void words_forecast(struct fb_buffer *out, const Flowbalancer__V1__FlowForecast *forecast);

/* "45s", "30m", "2h", "3d". */
void words_span(struct fb_buffer *out, int64_t ms);

/* Lines of what is to be known of a claim, the first with fence and lease. */
void words_claim(struct fb_buffer *out, const Flowbalancer__V1__FlowClaim *claim,
                 const struct words_budget *budget);

/* --- JSON --- */

/* A comma where one is due, then the key. */
void words_key(struct fb_buffer *out, const char *key);
void words_string(struct fb_buffer *out, const char *key, const char *value);
void words_number(struct fb_buffer *out, const char *key, int64_t value);

/* The same of a claim as an object. */
void words_claim_json(struct fb_buffer *out, const Flowbalancer__V1__FlowClaim *claim,
                      const struct words_budget *budget);

/* The lines of tasks as an array of strings. */
void words_tasks_json(struct fb_buffer *out, const char *key,
                      Flowbalancer__V1__FlowTask *const *tasks, size_t count, size_t title_tokens);
void words_alarms_json(struct fb_buffer *out, Flowbalancer__V1__FlowAlarm *const *alarms,
                       size_t count);

/* "resting" and so on; the words that agents read and write. */
const char *words_task_state(const Flowbalancer__V1__FlowTask *task);
const char *words_flow_state(Flowbalancer__V1__FlowState state);

#endif

#ifndef FB_GATEWAY_FLOW_VERBS_H
#define FB_GATEWAY_FLOW_VERBS_H

/*
 * verbs: what the tools do, one function each, and what they share.
 */

#include "gateway/flow/words.h"
#include "gateway/flow/work.h"

/* `arguments` is an object or empty, a slice of the line. */
typedef void verb_fn(struct work *work, struct fb_text arguments);

verb_fn verb_done;
verb_fn verb_edit;
verb_fn verb_find;
verb_fn verb_next;
verb_fn verb_open;
verb_fn verb_plan;
verb_fn verb_pulse;
verb_fn verb_status;

/* Of the system before ours. */
verb_fn verb_original_add;
verb_fn verb_original_complete;
verb_fn verb_original_create;
verb_fn verb_original_pulse;
verb_fn verb_original_rest;
verb_fn verb_original_status;
verb_fn verb_original_todos;

/* FlowService. */
extern const struct work_method method_open_session;
extern const struct work_method method_list_sessions;
extern const struct work_method method_plan;
extern const struct work_method method_next;
extern const struct work_method method_pulse;
extern const struct work_method method_finish;
extern const struct work_method method_find;
extern const struct work_method method_status;
extern const struct work_method method_edit;
extern const struct work_method method_undo;
extern const struct work_method method_verify;
extern const struct work_method method_graph;
extern const struct work_method method_watch;

/*
 * Reads arguments into `into`, of which the first field is `const char *session`, and takes on whom it
 * names. False: answered.
 */
bool verb_read(struct work *work, const struct flow_arg *table, struct fb_text arguments,
               void *into);

/* The same without a session. */
bool verb_read_plain(struct work *work, const struct flow_arg *table, struct fb_text arguments,
                     void *into);

/* A link to a task or key, in the arena. NULL when it is exhausted: answered. */
Flowbalancer__V1__FlowPlanLink **verb_links(struct work *work, const struct flow_refs *refs,
                                            Flowbalancer__V1__FlowLinkKind kind);

/* view "graph" of flow_find. `task` may be NULL, for all. */
void verb_graph(struct work *work, Flowbalancer__V1__FlowTaskRef *task, bool open_only,
                size_t budget);

/* view "evidence" of flow_find. `task` may be NULL, for all. */
void verb_verify(struct work *work, Flowbalancer__V1__FlowTaskRef *task, size_t budget);

/* What Status has answered, as flow_status says it. */
void verb_say_status(struct work *work);

#endif

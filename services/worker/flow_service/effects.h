#ifndef FB_SERVICES_WORKER_FLOW_SERVICE_EFFECTS_H
#define FB_SERVICES_WORKER_FLOW_SERVICE_EFFECTS_H

/*
 * effects: which other tasks a change of one has changed. Pure.
 */

#include "services/worker/flow_service/views.h"

enum { EFFECTS_MOST = 16 };

/*
 * Lines of the tasks that hang together with `task` and have changed after event `before`, itself
 * among them if `with_it`; there may be more than are told. NULL: the arena is exhausted.
 */
Flowbalancer__V1__FlowTask **effects_of(const struct view *view, uint32_t task, uint64_t before,
                                        bool with_it, size_t *count);

#endif

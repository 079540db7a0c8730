#ifndef FB_SERVICES_WORKER_FLOW_SERVICE_WARNINGS_H
#define FB_SERVICES_WORKER_FLOW_SERVICE_WARNINGS_H

/*
 * warnings: the alarms of a session, and tasks that seem to be there twice, as answers have them.
 *
 * What is given lives in the view's arena; NULL: that is exhausted.
 */

#include "services/worker/flow/alarms.h"
#include "services/worker/flow_service/views.h"

enum { WARNINGS_MOST = ALARMS_MOST, WARNINGS_DUPLICATES = 32 };

/* The alarms that nobody has muted, what matters most first. */
Flowbalancer__V1__FlowAlarm **warnings_of(const struct view *view, size_t *count);

/* What was planned, `count` tasks from `first` on, and is like another open task. */
Flowbalancer__V1__FlowDuplicate **warnings_duplicates(const struct view *view, uint32_t first,
                                                      uint32_t tasks, size_t *count);

/* By task: 1 where an alarm is about it; for search.h. */
uint8_t *warnings_by_task(const struct view *view);

#endif

#ifndef FB_SERVICES_WORKER_EXCHANGE_ARRIVAL_H
#define FB_SERVICES_WORKER_EXCHANGE_ARRIVAL_H

/*
 * arrival: the events by which an outline, and the document it is from, come into a session.
 *
 * First the document in parts (FlowDocumentKept), then its tasks with their links and states
 * (FlowTasksImported), then the mark that all of them are there (FlowDocumentKept.taken).
 *
 * What fits one append is all or nothing by itself. A larger import is several appends, and if the
 * writer dies between two of them it is RESUMED, not rolled back: a log only grows, so what was appended
 * could be cancelled but not taken away, whereas going on needs nothing but the log. For that
 *   - the document comes first, so that the log alone has all that is left to do: a session with a
 *     whole document that is not `taken` is finished by importing the document from the log again;
 *   - a task whose key the session has already is not added a second time, nor are its links, so
 *     that importing again adds exactly what is missing, and a third time nothing;
 *   - every beginning of such an import is sound: tasks come in an order in which everything comes after
 *     what it waits for, so that no task is ready before its time.
 * Within one append tasks keep the order, and so the numbers, of the document.
 *
 * Pure; one thread at a time.
 */

#include "services/worker/exchange/outline.h"
#include "services/worker/exchange/staging.h"

struct arrival {
    struct fb_text document; /* as it came */
    uint32_t format;         /* as flow.proto numbers FlowFormat */
    struct fb_text actor;
    struct fb_text request_id;
    int64_t unix_ms; /* of all events; not before the session's last */
};

/*
 * Stages them into staging->scratch, which has been opened. `*tasks` are those that are new. Fails,
 * naming the place, as the session refuses; RESOURCE_EXHAUSTED: a limit of the session, or memory.
 */
struct fb_status arrival_stage(const struct arrival *arrival, struct outline *outline,
                               struct staging *staging, uint32_t *tasks);

#endif

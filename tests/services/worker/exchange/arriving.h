#ifndef FB_TESTS_SERVICES_WORKER_EXCHANGE_ARRIVING_H
#define FB_TESTS_SERVICES_WORKER_EXCHANGE_ARRIVING_H

/* arriving: documents into sessions, for the tests of the exchange. */

#include "services/worker/exchange/import.h"

/* The import of a text that is fed in chunks of `step` bytes, finished; `*status` is how it ended. */
struct import *arriving_import(const char *text, size_t size, size_t step, struct session *into,
                               struct fb_status *status);

/* The import of a text that must come in. */
struct import *arriving_must(const char *text);

/* Folds the events from `first` up to `end` into a session, checking all invariants. */
void arriving_fold(struct session *session, const struct import *import, size_t first, size_t end);

/* A session with all that the import gives. */
struct session *arriving_session(const struct import *import);

/* Fails unless the text is refused with this code, and `why` has all of the words. */
void arriving_refused(const char *text, enum fb_code code, const char *says);

bool arriving_same(struct session *a, struct session *b);

/* Whether any warning has these words. */
bool arriving_warned(const struct import *import, const char *says);

/* The whole of the document that the session has kept, by the events of the import. */
struct fb_buffer arriving_document(const struct import *import);

#endif

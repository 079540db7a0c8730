#ifndef FB_TESTS_BENCH_EVENT_DATA_H
#define FB_TESTS_BENCH_EVENT_DATA_H

/*
 * event_data: what a store is given to keep of a session that agents work on.
 *
 * A plan, then claims, notes with evidence and finishes, decided by the flow engine and packed as a
 * worker packs them; the events of one command are one append. Two sets that share no sentence, so
 * that what was learned of the one can be measured on the other.
 */

#include <stddef.h>
#include <stdint.h>

#include "services/session_store/engine.h"

enum event_data_set { EVENT_DATA_TRAINING, EVENT_DATA_MEASURED };

/* What agents write, in place of sentences of our own; each set takes every second one. */
struct event_data_prose {
    char **sentences; /* up to 400 bytes each */
    size_t count;     /* at least 2; 0 for none */
};

/* One append: its events as the store lays them out for compression. Borrowed until it returns. */
typedef void event_data_fn(void *arg, struct engine_bytes append, size_t events);

/* Tells each append of a session of `tasks` tasks. Ends the program when it cannot. */
void event_data_make(enum event_data_set set, const struct event_data_prose *prose, uint32_t tasks,
                     uint16_t seed, event_data_fn *tell, void *arg);

#endif

#ifndef FB_SERVICES_SESSION_STORE_SQLITE_SQLITE_ENGINE_H
#define FB_SERVICES_SESSION_STORE_SQLITE_SQLITE_ENGINE_H

/*
 * sqlite_engine: the engine on one SQLite file, for one machine.
 *
 * One thread writes: it takes all writes that wait, does them in one transaction, and answers when that
 * is on disk. So one sync serves everyone who came during the sync before. Readers beside it see the
 * last committed state and hold nobody up; backup and check have a thread of their own.
 */

#include "services/session_store/engine.h"
#include "services/session_store/schema/schema.h"

struct sqlite_engine_config {
    const char *path;            /* of the file; made if it is not there */
    unsigned readers;            /* threads, 1 to 64 */
    int64_t result_budget_bytes; /* for all cached results together */
    int64_t size_most_bytes;     /* of the file; 0 for as much as the disk has */
    int64_t upkeep_ms;           /* rest between two looks for what is deleted or expired */
    int64_t (*unix_ms)(void);    /* wall clock; NULL for the real one */
    const struct schema *schema; /* NULL for schema_sqlite */
};

/* How it has been doing, since it was opened. */
struct sqlite_engine_stats {
    uint64_t commits; /* transactions that were made durable */
    uint64_t writes;  /* operations in them */
    uint64_t failed_commits;
    uint64_t commit_us; /* time in commits, all together */
};

/*
 * Opens the file and starts the threads. FAILED_PRECONDITION when another flow-store has it open, or
 * for a file of another program or a newer schema; DATA_LOSS for a damaged one; UNAVAILABLE and
 * RESOURCE_EXHAUSTED as they say. `why` is in the arena and names the file.
 */
struct fb_status sqlite_engine_open(const struct sqlite_engine_config *config,
                                    struct fb_arena *arena, struct engine **engine);

/* Any thread. */
struct sqlite_engine_stats sqlite_engine_stats(struct engine *engine);

#endif

#ifndef FB_SERVICES_SESSION_STORE_ENGINE_H
#define FB_SERVICES_SESSION_STORE_ENGINE_H

/*
 * engine: what keeps the store's state, whatever database does it.
 *
 * Every operation is a struct: the first group says what is asked, the second what came of it. It is
 * submitted, runs on a thread of the engine, and its on_done is called there; nothing else touches
 * it in between. Writes that were answered FB_OK are on disk. Fields are checked by who submits
 * (limits.h), so engines only assert them.
 */

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/lane/lane.h"

enum engine_op_kind {
    /* writes */
    ENGINE_ACQUIRE,
    ENGINE_RENEW,
    ENGINE_RELEASE,
    ENGINE_APPEND,
    ENGINE_PUT_PROJECTION,
    ENGINE_PUT_SNAPSHOT,
    ENGINE_DELETE_SESSION,
    ENGINE_PUT_BLOB,
    ENGINE_PUT_CATALOGUE,
    ENGINE_PUT_RESULT,
    /* reads */
    ENGINE_READ_SESSION,
    ENGINE_READ_SNAPSHOT,
    ENGINE_READ_EVENTS,
    ENGINE_LIST_SESSIONS,
    ENGINE_SEARCH_TASKS,
    ENGINE_READ_BLOB,
    ENGINE_READ_CATALOGUE,
    ENGINE_READ_RESULT,
    /* long reads, one at a time */
    ENGINE_BACKUP,
    ENGINE_CHECK,
    ENGINE_OP_KINDS
};

/* The first member of every operation. */
struct engine_op {
    struct fb_work work; /* the engine's */
    enum engine_op_kind kind;
    void (*on_done)(struct engine_op *op); /* once; also before engine_submit returns, if full */

    /* what came of it */
    struct fb_status status; /* `why` is constant or in `arena` */
    const char *reason;      /* the word for flowbalancer-reason; "" for none */
    struct fb_arena arena;   /* holds what the answer points at */
};

/* Bytes that are stored as they are. */
struct engine_bytes {
    const uint8_t *data; /* may be NULL when size is 0 */
    size_t size;
};

/* --- sessions --- */

struct engine_session {
    const char *id;
    const char *scope; /* "" is a scope like any other */
    const char *name;  /* "" for none */
    int64_t created_unix_ms;
    int64_t updated_unix_ms;
    int64_t last_sequence;         /* 0 while there is no event */
    int64_t snapshot_sequence;     /* 0 while there is no snapshot */
    int64_t snapshot_bytes;        /* of the whole snapshot */
    int64_t epoch;                 /* 0 while nobody acquired it */
    const char *owner;             /* "" after a release */
    int64_t lease_expires_unix_ms; /* 0 after a release */
    int64_t payload_bytes;
    int64_t projection_sequence; /* queries show it as it was after this event */
    struct engine_bytes line;    /* what its projection says of it; empty where nothing */
};

/*
 * NOT_FOUND without `create`; FAILED_PRECONDITION `held`, with the holder in the answer;
 * ALREADY_EXISTS where `create` meets an id or a name that another session has.
 */
struct engine_acquire {
    struct engine_op op;
    /* asked */
    const char *scope;
    const char *session_id; /* "" finds by name */
    const char *name;
    const char *new_id; /* for a session without an id that has to be created */
    bool create;
    const char *owner;
    int64_t lease_ms;
    bool take_over;
    /* answered: `session` as it is now, or as it is held by another */
    struct engine_session session;
    bool created;
    int64_t now_unix_ms; /* the time that was decided by */
};

struct engine_held {
    const char *session_id;
    int64_t epoch;
    bool lost; /* answered */
};

struct engine_renew {
    struct engine_op op;
    /* asked */
    const char *owner;
    struct engine_held *held;
    size_t held_count;
    int64_t lease_ms;
    /* answered */
    int64_t lease_expires_unix_ms;
};

/* ABORTED `stale-epoch`, NOT_FOUND. */
struct engine_release {
    struct engine_op op;
    const char *session_id;
    int64_t epoch;
};

/* FAILED_PRECONDITION `held`, NOT_FOUND. */
struct engine_delete_session {
    struct engine_op op;
    const char *scope;
    const char *session_id;
    int64_t epoch;
};

/* --- events and snapshots --- */

struct engine_event {
    int64_t sequence;
    int64_t unix_ms;
    uint32_t kind;
    struct engine_bytes payload;
};

/* A task as queries see it. */
struct engine_task {
    uint32_t number; /* below 1 << ENGINE_TASK_BITS */
    uint32_t state;  /* 0 to 31 */
    uint32_t weight;
    uint32_t priority;
    uint32_t percent;
    uint32_t parent;
    const char *agent; /* "" for none */
    int64_t updated_unix_ms;
    bool has_texts; /* in a projection: the texts below take the place of those before */
    const char *key;
    const char *title;
    const char *body; /* not answered */
};

enum { ENGINE_TASK_BITS = 20 };

/* A change of what queries see of a session. */
struct engine_projection {
    int64_t sequence;         /* is shown up to here; less than before changes nothing */
    bool has_line;            /* `line` takes the place of the one before */
    struct engine_bytes line; /* not interpreted */
    const struct engine_task *tasks;
    size_t task_count;
};

/*
 * ABORTED `stale-epoch` or `wrong-sequence` (last_sequence is then where the session is),
 * ALREADY_EXISTS for a request id with other events, NOT_FOUND.
 */
struct engine_append {
    struct engine_op op;
    /* asked */
    const char *session_id;
    int64_t epoch;
    int64_t expected_sequence;
    const char *request_id;
    const struct engine_event *events;          /* kind and payload are read */
    size_t event_count;                         /* at least 1 */
    const struct engine_projection *projection; /* NULL for none; not beyond these events */
    /* answered */
    int64_t first_sequence;
    int64_t last_sequence;
    int64_t unix_ms;
    bool repeated;
};

/* ABORTED `stale-epoch` or `wrong-sequence` (last_sequence is then where the session is), NOT_FOUND. */
struct engine_put_projection {
    struct engine_op op;
    /* asked */
    const char *session_id;
    int64_t epoch;
    struct engine_projection projection;
    /* answered */
    int64_t last_sequence;
};

/*
 * A part of a snapshot; it counts from the part on that completes it. ABORTED `stale-epoch`,
 * `wrong-sequence` or `wrong-offset`, NOT_FOUND.
 */
struct engine_put_snapshot {
    struct engine_op op;
    /* asked */
    const char *session_id;
    int64_t epoch;
    int64_t sequence;
    int64_t offset;
    int64_t total_bytes; /* at least where this part ends */
    struct engine_bytes data;
    /* answered */
    bool complete; /* the session's snapshot is this one or a later one */
};

/* NOT_FOUND. */
struct engine_read_session {
    struct engine_op op;
    /* asked */
    const char *scope;
    const char *session_id;
    int64_t snapshot_after; /* the snapshot is read only if it is later; INT64_MAX for never */
    /* answered */
    struct engine_session session;
    bool has_snapshot;            /* its sequence is session.snapshot_sequence */
    struct engine_bytes snapshot; /* the part at offset 0 */
};

/* A further part of a snapshot. ABORTED `snapshot-replaced` when it is there no more; NOT_FOUND. */
struct engine_read_snapshot {
    struct engine_op op;
    /* asked */
    const char *scope;
    const char *session_id;
    int64_t sequence;
    int64_t offset; /* where the part before ended */
    /* answered */
    struct engine_bytes data; /* not empty */
};

/*
 * Events after_sequence < sequence <= upto_sequence in order and without gaps, as many as fit in
 * most_bytes but at least one if there is one. NOT_FOUND; OUT_OF_RANGE when after_sequence is beyond
 * the last event.
 */
struct engine_read_events {
    struct engine_op op;
    /* asked */
    const char *scope;
    const char *session_id;
    int64_t after_sequence;
    int64_t upto_sequence;
    size_t most_bytes;
    /* answered */
    struct engine_event *events;
    size_t event_count;
    int64_t last_sequence; /* of the session */
};

enum engine_session_order {
    ENGINE_BY_NAME,    /* then by id */
    ENGINE_BY_UPDATED, /* the latest first, then by id */
};

struct engine_list_sessions {
    struct engine_op op;
    /* asked: those after after_id, with its after_name or after_updated, that are as is said */
    const char *scope;
    const char *name_prefix;
    int64_t updated_since_unix_ms;
    enum engine_session_order order;
    const char *after_id; /* NULL for the beginning */
    const char *after_name;
    int64_t after_updated_unix_ms;
    size_t most;
    /* answered, in order */
    struct engine_session *sessions;
    size_t session_count;
    bool more; /* there are further ones */
};

/* --- tasks --- */

enum engine_task_order {
    ENGINE_TASKS_BY_RANK, /* needs a match; of what matches the ENGINE_RANKED_MOST latest */
    ENGINE_TASKS_BY_UPDATED,
    ENGINE_TASKS_BY_PRIORITY,
};

/* Where a task is in an order: by `first`, `second` and `id`, the least first. */
struct engine_place {
    double first;
    double second;
    int64_t id; /* the session's key << ENGINE_TASK_BITS | number */
};

struct engine_found {
    struct engine_task task; /* with key and title */
    const char *session_id;
    const char *session_name;
    const char *snippet; /* "" where none was asked for */
    struct engine_place place;
};

/* NOT_FOUND: the session asked for is not in the scope. */
struct engine_search_tasks {
    struct engine_op op;
    /* asked: the tasks after `after` that are as is said */
    const char *scope;
    const char *session_id; /* "" for any */
    const char *session_name_prefix;
    const char *match; /* of search_text.h; NULL for any text */
    uint32_t states;   /* one bit for each; 0 for any */
    const char *agent; /* "" for any */
    const char *key_prefix;
    int64_t priority_least;
    int64_t priority_below;
    int64_t weight_least;
    int64_t weight_most;
    int64_t updated_since_unix_ms;
    enum engine_task_order order;
    struct engine_place after; /* ENGINE_PLACE_BEGIN for the beginning */
    size_t most;
    bool snippets;
    bool last; /* no more will be asked: tell which sessions are behind, as also at the end */
    /* answered, in order */
    struct engine_found *found;
    size_t found_count;
    bool more;
    const char **behind; /* ids of sessions whose events are ahead of their projection */
    size_t behind_count; /* up to ENGINE_BEHIND_MOST */
};

#define ENGINE_PLACE_BEGIN ((struct engine_place){.first = -INFINITY})

enum { ENGINE_BEHIND_MOST = 100, ENGINE_RANKED_MOST = 20000 };

/* --- blobs --- */

struct engine_put_blob {
    struct engine_op op;
    const char *scope;
    uint8_t sha256[32];
    struct engine_bytes data;
};

/* NOT_FOUND. */
struct engine_read_blob {
    struct engine_op op;
    /* asked */
    const char *scope;
    uint8_t sha256[32];
    /* answered */
    struct engine_bytes data;
};

/* --- catalogue --- */

struct engine_catalogue_entry {
    const char *server;
    uint8_t config_digest[32];
    int32_t kind;
    struct engine_bytes content; /* what the entry says */
    int64_t fetched_unix_ms;
    int64_t ttl_ms;
    int64_t version;
};

struct engine_put_catalogue {
    struct engine_op op;
    /* asked: all but the version */
    struct engine_catalogue_entry entry;
    /* answered */
    int64_t version;
    bool changed;
};

struct engine_catalogue_filter {
    const char *server; /* "" for any */
    bool has_digest;
    uint8_t config_digest[32];
};

/* The order in which entries are read. */
enum engine_catalogue_order {
    ENGINE_BY_VERSION, /* those after after_version */
    ENGINE_BY_KEY,     /* those after (after_server, after_digest, after_kind) */
};

/* OUT_OF_RANGE when after_version is beyond the last version. */
struct engine_read_catalogue {
    struct engine_op op;
    /* asked */
    const struct engine_catalogue_filter *filters;
    size_t filter_count; /* 0 takes all */
    enum engine_catalogue_order order;
    int64_t after_version;
    const char *after_server; /* "" for the beginning */
    uint8_t after_digest[32];
    int32_t after_kind;
    size_t most_bytes; /* of content; but at least one entry */
    /* answered */
    struct engine_catalogue_entry *entries;
    size_t entry_count;
    bool more;            /* ask again after the last of these */
    int64_t last_version; /* of the whole catalogue */
};

/* --- cached results --- */

struct engine_put_result {
    struct engine_op op;
    const char *scope;
    struct engine_bytes key;
    struct engine_bytes value;
    int64_t ttl_ms;
};

/* NOT_FOUND. */
struct engine_read_result {
    struct engine_op op;
    /* asked */
    const char *scope;
    struct engine_bytes key;
    /* answered */
    struct engine_bytes value;
    int64_t stored_unix_ms;
    int64_t expires_unix_ms;
};

/* --- the whole --- */

/*
 * Copies everything into a new file that appears under `path` when it is whole and on disk.
 * ALREADY_EXISTS; FAILED_PRECONDITION `running` while a backup or check runs; CANCELLED.
 */
struct engine_backup {
    struct engine_op op;
    /* asked */
    const char *path;
    void (*on_progress)(struct engine_backup *backup); /* on the engine's thread */
    bool (*cancelled)(struct engine_backup *backup);   /* from any thread's view; asked often */
    /* answered; on_progress may read the first two */
    int64_t pages_done;
    int64_t pages_total;
    int64_t size_bytes;
};

/* Findings are told one by one. FAILED_PRECONDITION `running`; CANCELLED. */
struct engine_check {
    struct engine_op op;
    /* asked */
    bool quick;
    void (*on_stage)(struct engine_check *check, const char *stage);     /* engine's thread */
    void (*on_finding)(struct engine_check *check, const char *finding); /* engine's thread */
    bool (*cancelled)(struct engine_check *check);
    /* answered */
    int64_t sessions;
    int64_t events;
    int64_t findings;
    int32_t schema_version;
};

/* --- the interface --- */

/* An engine's own struct begins with this. */
struct engine {
    void (*submit)(struct engine *engine, struct engine_op *op);
    void (*close)(struct engine *engine);
    size_t (*waiting)(struct engine *engine);
};

/*
 * Runs `op`, which with all that it points at has to live until on_done. Any thread. When too much
 * waits, on_done is called at once with RESOURCE_EXHAUSTED `busy`.
 */
void engine_submit(struct engine *engine, struct engine_op *op);

/* Finishes what was submitted (on_done of each is called) and frees. NULL is harmless. */
void engine_close(struct engine *engine);

/* Operations that wait, for metrics. */
size_t engine_waiting(struct engine *engine);

#endif

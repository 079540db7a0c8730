#ifndef FB_SERVICES_WORKER_FLOW_EVENT_H
#define FB_SERVICES_WORKER_FLOW_EVENT_H

/*
 * event: what happens in a session, as values and as durable bytes.
 *
 * flow_event.proto says what each kind and field means. An event borrows its texts and lists; what
 * is unpacked lives in the arena. Any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"

enum {
    EVENT_ACTOR_BYTES = 128,
    EVENT_NAME_BYTES = 256,
    EVENT_TITLE_BYTES = 512,
    EVENT_KEY_BYTES = 128,
    EVENT_BODY_BYTES = 64 << 10,
    EVENT_ACCEPT_BYTES = 16 << 10,
    EVENT_NOTE_BYTES = 16 << 10,
    EVENT_SUMMARY_BYTES = 4 << 10,
    EVENT_REASON_BYTES = 1024,
    EVENT_CAPS = 64,
    EVENT_CAP_BYTES = 64,
    EVENT_EVIDENCE = 64,
    EVENT_EVIDENCE_BYTES = 1024,
    EVENT_HOST_BYTES = 128,
    EVENT_SHA256_BYTES = 32,
    EVENT_REQUEST_BYTES = 128,
    EVENT_ORIGIN_BYTES = 128,
    EVENT_SHARE_MOST = 1000,
    EVENT_WEIGHT_MOST = 10,
    EVENT_PRIORITY_MOST = 4,
    EVENT_PHASES = 5,
    EVENT_LEASE_LEAST_MS = 1000,
    EVENT_LEASE_MOST_MS = 4 * 60 * 60 * 1000,
    EVENT_DOCUMENT_BYTES = 64 << 20,
    EVENT_DOCUMENT_PARTS = 1024,
    EVENT_DOCUMENT_PART_BYTES = 512 << 10,
    EVENT_COMPACTED_TASKS = 10000,
    EVENT_KNOWN_ORIGINS = 1024,
    EVENT_FIELD_BYTES = 32,
    EVENT_BYTES = 1 << 20, /* the most an event may take when packed */
};

/* In the order of flow_event.proto; the number of a kind is that of its field. */
enum event_kind {
    EVENT_UNKNOWN = 0, /* of a later version */
    EVENT_OPENED = 10,
    EVENT_SEEN,
    EVENT_PLANNED,
    EVENT_LINKED,
    EVENT_CLAIMED,
    EVENT_NOTED,
    EVENT_RESTED,
    EVENT_BLOCKED,
    EVENT_REQUEUED,
    EVENT_FINISHED,
    EVENT_EDITED,
    EVENT_UNATTACHED,
    EVENT_VERIFIED = 30,
    EVENT_MUTED,
    EVENT_DOCUMENT = 40,
    EVENT_IMPORTED,
    EVENT_COMPACTED,
    EVENT_EXPANDED,
    EVENT_MERGED,
    EVENT_CONFLICT,
};

struct event_texts {
    const struct fb_text *items;
    size_t count;
};

enum event_evidence_kind {
    EVENT_EVIDENCE_UNSAID,
    EVENT_EVIDENCE_FILE,
    EVENT_EVIDENCE_COMMIT,
    EVENT_EVIDENCE_COMMAND,
    EVENT_EVIDENCE_OTHER,
    EVENT_EVIDENCE_KINDS
};

struct event_evidence {
    enum event_evidence_kind kind;
    struct fb_text ref;
    struct fb_text sha256; /* 32 bytes, or empty */
    int64_t size;          /* bytes of a file */
    struct fb_text host;
};

struct event_evidence_list {
    const struct event_evidence *items;
    size_t count;
};

enum event_link_kind {
    EVENT_LINK_AFTER = 1,
    EVENT_LINK_ENDS,
    EVENT_LINK_ON_FAIL,
    EVENT_LINK_PARENT,
    EVENT_LINK_FROM,
    EVENT_LINK_DUP,
    EVENT_LINK_KINDS
};

struct event_link {
    uint32_t task;
    uint32_t on;
    enum event_link_kind kind;
    bool dropped;
};

struct event_planned_task {
    struct fb_text title;
    struct fb_text key;
    struct fb_text body;
    struct fb_text accept;
    uint32_t weight;
    uint32_t priority;
    uint32_t phase;
    struct event_texts needs;
    int64_t defer_until_unix_ms;
};

enum event_cause {
    EVENT_HANDED_BACK = 1,
    EVENT_EXPIRED,
    EVENT_UNBLOCKED,
    EVENT_RETRIED,
    EVENT_REOPENED,
    EVENT_RESTORED,
    EVENT_CAUSES
};

enum event_outcome { EVENT_COMPLETED = 1, EVENT_FAILED, EVENT_CANCELLED, EVENT_OUTCOMES };

enum event_field {
    EVENT_FIELD_TITLE = 1,
    EVENT_FIELD_BODY = 2,
    EVENT_FIELD_ACCEPT = 4,
    EVENT_FIELD_WEIGHT = 8,
    EVENT_FIELD_PRIORITY = 16,
    EVENT_FIELD_DEFER = 32,
    EVENT_FIELDS = 63
};

enum event_command {
    EVENT_COMMAND_NONE,
    EVENT_COMMAND_OPEN,
    EVENT_COMMAND_PLAN,
    EVENT_COMMAND_NEXT,
    EVENT_COMMAND_PULSE,
    EVENT_COMMAND_DONE,
    EVENT_COMMAND_EDIT,
    EVENT_COMMAND_UNDO,
    EVENT_COMMANDS
};

enum event_imported_state {
    EVENT_IMPORTED_UNSAID,
    EVENT_IMPORTED_QUEUED,
    EVENT_IMPORTED_BLOCKED,
    EVENT_IMPORTED_RESTING,
    EVENT_IMPORTED_COMPLETED,
    EVENT_IMPORTED_FAILED,
    EVENT_IMPORTED_CANCELLED,
    EVENT_IMPORTED_STATES
};

struct event_imported_task {
    struct event_planned_task task;
    enum event_imported_state state;
    struct fb_text note;
    struct fb_text summary;
    struct fb_text gate;
};

struct event_expanded_task {
    uint32_t task;
    struct fb_text body;
    struct fb_text accept;
    struct fb_text note;
};

struct event_identity {
    struct fb_text origin; /* empty: that of the event */
    uint32_t number;
};

struct event_known {
    struct fb_text origin;
    uint64_t sequence;
};

/* How a piece of evidence was found. */
enum event_look_state {
    EVENT_LOOK_UNSAID, /* nobody could look */
    EVENT_LOOK_UNCHANGED,
    EVENT_LOOK_CHANGED,
    EVENT_LOOK_MISSING,
    EVENT_LOOK_STATES
};

struct event_look {
    struct fb_text ref;
    enum event_look_state state;
    struct fb_text host;
};

enum { EVENT_ALARM_KINDS = 12 }; /* 0 is none */

struct event {
    enum event_kind kind;
    int64_t unix_ms;
    struct fb_text actor;

    /* where it comes from */
    struct fb_text request_id; /* of the mutation; empty: none */
    enum event_command command;
    bool continues;        /* belongs to the command of the event before */
    struct fb_text origin; /* empty: this session */
    uint64_t origin_sequence;
    uint64_t lamport;

    uint32_t task; /* of kinds that are about one; else 0 */
    union {
        struct fb_text unknown; /* all bytes of the event */
        struct {
            struct fb_text name;
            uint32_t active_most;
            uint32_t load_most;
            bool automatic;
            int64_t lease_ms; /* 0: learned */
            uint32_t share;   /* of agents' work; 0: 1 */
        } opened;
        struct {
            struct event_texts caps;
            uint32_t held_most;
            bool declares;
        } seen;
        struct {
            uint32_t first_task;
            const struct event_planned_task *tasks;
            size_t task_count;
            const struct event_link *links;
            size_t link_count;
            struct fb_text plan_key;
            uint32_t items; /* with `plan_key`: tasks that were asked for */
        } planned;
        struct {
            const struct event_link *links;
            size_t link_count;
        } linked;
        struct {
            uint64_t fence;
            int64_t lasts_ms;
            bool implicit;
        } claimed;
        struct {
            struct fb_text note;
            struct event_evidence_list evidence;
            uint32_t percent;
        } noted;
        struct {
            uint32_t blocker;
            struct fb_text gate;
        } blocked;
        struct {
            enum event_cause cause;
            struct fb_text reason;
            int64_t defer_until_unix_ms;
        } requeued;
        struct {
            enum event_outcome outcome;
            uint64_t fence;
            struct fb_text summary;
            struct event_evidence_list evidence;
        } finished;
        struct {
            uint32_t fields; /* bits of enum event_field */
            struct fb_text title;
            struct fb_text body;
            struct fb_text accept;
            uint32_t weight;
            uint32_t priority;
            int64_t defer_until_unix_ms;
        } edited;
        struct {
            uint64_t fence;
            struct fb_text note;
            struct event_evidence_list evidence;
        } unattached;
        struct {
            struct fb_text sha256;
            uint32_t format;
            uint64_t size;
            uint32_t part;
            uint32_t parts;
            struct fb_text data;
            bool taken;
        } document;
        struct {
            uint32_t first_task;
            const struct event_imported_task *tasks;
            size_t task_count;
            const struct event_link *links;
            size_t link_count;
            struct fb_text sha256;
        } imported;
        struct {
            struct fb_text sha256;
            uint64_t size;
            const uint32_t *tasks; /* increasing */
            size_t task_count;
        } compacted;
        struct {
            struct fb_text sha256;
            const struct event_expanded_task *tasks; /* by number, increasing */
            size_t task_count;
        } expanded;
        struct {
            struct fb_text event;
            const struct event_identity *tasks;
            size_t task_count;
            const struct event_known *knows;
            size_t known_count;
            uint32_t follows;
        } merged;
        struct {
            const struct event_look *looks;
            size_t look_count;
        } verified;
        struct {
            uint32_t kind; /* of the alarm */
            int64_t until_unix_ms;
        } muted; /* `task` may be 0 */
        struct {
            struct fb_text field;
            struct fb_text other;
            struct fb_text other_origin;
        } conflict;
    };
};

/*
 * Whether every field is within its limits, whatever the session: INVALID_ARGUMENT, naming the field
 * and its limit. Texts must be UTF-8 without NUL.
 */
struct fb_status event_check(const struct event *event);

/*
 * Gives the durable bytes, in the arena; an event of an unknown kind is the bytes it came as.
 * RESOURCE_EXHAUSTED: the arena is, or they are more than EVENT_BYTES.
 */
struct fb_status event_pack(const struct event *event, struct fb_arena *arena,
                            struct fb_text *bytes);

/*
 * The event of such bytes; texts and lists are in the arena. A kind that is not known is
 * EVENT_UNKNOWN, with time and actor. INVALID_ARGUMENT: no event, or one that event_check refuses;
 * RESOURCE_EXHAUSTED: too large.
 */
struct fb_status event_unpack(struct fb_text bytes, struct fb_arena *arena, struct event *event);

#endif

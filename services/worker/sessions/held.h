#ifndef FB_SERVICES_WORKER_SESSIONS_HELD_H
#define FB_SERVICES_WORKER_SESSIONS_HELD_H

/*
 * held: what the files of the keeper share: a session in the keeper, and the keeper itself.
 *
 *     absent -> loading -> ready <-> aside -> releasing -> absent, or gone
 *
 * absent: the store is asked for it, or will be when a call comes; ready: calls are decided; aside: its
 * snapshot is being written on another thread, so nobody may look at it; releasing: the store is told
 * that it is given up. From everywhere but aside a session that turns out to be another worker's becomes
 * absent. Calls go from `arriving` to `deciding` (for the disk to have what they saw), and from there to
 * their end or, for work or a change, to one of the two that wait.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/worker/sessions/aside.h"
#include "services/worker/sessions/keeper.h"
#include "services/worker/sessions/loader.h"
#include "services/worker/sessions/unsaid.h"

#define STORE_METHOD(name) "/flowbalancer.v1.SessionStoreService/" name

enum {
    APPEND_EVENTS_MOST = 4096, /* as the store allows */
    APPEND_BYTES_MOST = 16 << 20,
    STORE_CALL_MS = 10000, /* for one answer of the store; then it is asked again */
    RETRY_FIRST_MS = 25,
    RETRY_MOST_MS = 1000,
    HELD_BUCKETS = 4096,
    HELD_NAME_BYTES = 128 + 1 + 128 + 1, /* scope, slash, id */
    WORKER_ID_BYTES = 64,
    OWNER_BYTES = WORKER_ID_BYTES + 1 + 20 + 1, /* worker id, colon, start */
};

enum held_state { HELD_ABSENT, HELD_LOADING, HELD_READY, HELD_ASIDE, HELD_RELEASING, HELD_STATES };

/* In order of coming. */
struct keeper_queue {
    struct keeper_call *first;
    struct keeper_call *last;
    uint32_t count;
};

/* Events that are kept together. */
struct append {
    struct append *next;
    int64_t after; /* the sequence that they go behind */
    struct append_event {
        uint32_t kind;
        uint32_t size;
    } * events;
    uint32_t count;
    uint32_t room;
    struct fb_buffer payloads;
    struct fb_buffer packed; /* the request, once it was sent; repeated as it is */
    int64_t sent_us;         /* for the first time; 0: it takes more events */
};

struct keeper_held {
    struct keeper *keeper;
    struct keeper_held *next; /* in its bucket */
    struct keeper_held *newer;
    struct keeper_held *older; /* by use */
    char *store_id;
    char *scope;
    char *name; /* to be made with; "" */
    uint32_t place;
    enum held_state state;
    bool told;    /* on_held */
    bool leaving; /* to be released as soon as it is quiet */
    bool pausing; /* nothing is decided until all is on disk, for a snapshot */
    bool lost;    /* another worker has it; to be dropped when the last append has its fate */
    bool spoiled; /* memory and log have parted: to be loaded again once the log is whole */
    int64_t used_ms;

    /* what it is; from ready on */
    struct session *session;
    int64_t epoch;     /* 0: not acquired */
    int64_t durable;   /* sequence on disk; session->events is what memory has */
    size_t text_bytes; /* of snapshot and events, as an estimate of what texts take */
    int64_t counted_bytes;

    /* coming and going */
    struct fb_client_call *asking; /* AcquireSession or ReleaseSession */
    struct loader *loader;
    struct fb_timer retry; /* of acquisition, or of the append */
    int64_t wait_ms;       /* before the next try */
    int64_t began_us;
    bool takes_over; /* the next acquisition does */
    bool took_over;  /* a call's take_over has been used up */
    bool creates;    /* the acquisition on its way may create */
    bool unnamed;    /* the name is another's: create without */

    /* calls */
    struct keeper_queue arriving;
    struct keeper_queue deciding; /* by sequence */
    struct keeper_queue for_work;
    struct keeper_queue for_change;
    bool untold;                /* some that wait have not been told so */
    struct fb_defer soon;       /* look at what is to be done */
    struct fb_timer next_round; /* the same later, so that others have their turn */

    /* events on their way, in order; the first may be with the store */
    struct append *appends;
    struct append *last_append;
    struct fb_client_call *appending;

    /* what queries do not know yet */
    struct unsaid unsaid;
    struct fb_client_call *projecting; /* PutProjection: no append says anything meanwhile */
    bool projection_failed;            /* so all is to be said again */
    int64_t project_ms;                /* what is left is not said before; monotonic */
    int64_t busy_ms;                   /* last append */
    struct fb_timer project;

    /* upkeep */
    struct fb_timer rest;
    struct fb_timer expiry;
    int64_t expires_ms; /* unix time of the first lease or deferral to end; INT64_MAX: none */
    int64_t snapshot_sequence; /* in the store */
    uint64_t snapshot_bytes;   /* of events since */
    struct writing *writing;   /* aside */
    struct fb_buffer snapshot; /* being put */
    int64_t putting_sequence;
    size_t put_bytes;
    uint32_t put_tries;
    struct fb_client_call *putting;
    struct fb_timer put_again;
};

struct keeper {
    struct keeper_config config;
    char worker_id[WORKER_ID_BYTES + 1];
    char owner[OWNER_BYTES]; /* with the start, so that each life has a name of its own */
    struct fb_loop *loop;
    struct fb_channel *channel;
    struct aside *aside;
    struct keeper_held **buckets;
    struct keeper_held **places; /* NULL: free */
    uint32_t place_room;
    uint32_t count;
    uint32_t leaving_count;
    struct keeper_held *newest;
    struct keeper_held *oldest;
    uint64_t appends; /* sent so far: part of their request ids */
    int64_t bytes;    /* estimated, of all */
    struct fb_timer renewal;
    struct fb_client_call *renewing;
    struct keeper_queue
        failing; /* calls that could not begin, to be told before the round is over */
    struct fb_defer fail_soon;

    bool draining;
    void (*drained)(void *arg);
    void *drained_arg;
    struct fb_timer drain_limit;
    bool destroying;
};

#define OWNER_OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* -- keeper.c -- */

int64_t keeper_unix_ms(const struct keeper *keeper);
void keeper_count(struct keeper *keeper, enum keeper_metric metric, int64_t add);

/* Whether the drain is over; whoever waits for that is told. */
void keeper_look_drained(struct keeper *keeper);

/* -- held.c -- */

/* NULL if it is not there. */
struct keeper_held *held_find(const struct keeper *keeper, const char *store_id);

/* NULL when memory is exhausted. */
struct keeper_held *held_create(struct keeper *keeper, const char *store_id,
                                const struct keeper_call *call);
void held_free(struct keeper_held *held);

/* What it is called by people, if it is made. */
void held_rename(struct keeper_held *held, struct fb_text name);

/* A call comes: it is the last to be released. */
void held_use(struct keeper_held *held);

/* Looks at the session before this round is over. */
void held_look_soon(struct keeper_held *held);

/* Does what there is to do. May free it. */
void held_look(struct keeper_held *held);

/* It is to be released when it is quiet. */
void held_leave(struct keeper_held *held);

/* What routers know it by: `out`, of HELD_NAME_BYTES, or what lives as long as it. */
const char *held_told_as(const struct keeper_held *held, char *out);

/* It is held from now on, or no longer; whoever wants to know is told. */
void held_tell(struct keeper_held *held, bool is_held);

/* Frees what is in memory of the session; the calls stay. Not while it is aside. */
void held_forget(struct keeper_held *held);

/* Whether all that is in memory is on disk; and whether no call is there. */
bool held_is_whole(const struct keeper_held *held);
bool held_is_idle(const struct keeper_held *held);

/* -- calls.c -- */

void queue_push(struct keeper_queue *queue, struct keeper_call *call);
void queue_remove(struct keeper_call *call);

/* Ends the call, which may begin others or cancel any. */
void call_end(struct keeper_call *call, struct fb_status status, const char *reason,
              const char *holder, int64_t retry_ms);
void call_end_no_such(struct keeper_call *call);

/* Takes it out without a word. */
void call_drop(struct keeper_call *call);

/* Decides what has arrived, as far as there is room. True: some is left for the next round. */
bool calls_decide(struct keeper_held *held);

/* Lets go on whose events are on disk by now. */
void calls_settle(struct keeper_held *held);

/* After the memory is gone: all that was decided is to be decided anew. */
void calls_rewind(struct keeper_held *held);

/* Fails all that `of` has. */
void calls_fail_all(struct keeper_queue *of, struct fb_status status, const char *reason,
                    const char *holder, int64_t retry_ms);

/* Gives back what has expired, and work to who waits for it. */
void calls_expire(struct keeper_held *held);

/* Its deadline, or the end of its patience. */
void call_arm(struct keeper_call *call);

/* -- appends.c -- */

/* Whether one more command may be decided. */
bool appends_have_room(const struct keeper_held *held);

/* Takes what was decided along. False: it cannot be kept; memory is ahead of the log for good. */
bool appends_take(struct keeper_held *held, const struct decision *decision);

/* Sends what there is, unless something is on its way. */
void appends_send(struct keeper_held *held);

/* Says what no append had room for; all is on disk. */
void appends_project(struct keeper_held *held);

/* Without a word to anybody. */
void appends_drop(struct keeper_held *held);

/* -- acquiring.c -- */

void acquire(struct keeper_held *held);
void release(struct keeper_held *held);

/* The session is another worker's: memory is dropped, the calls look for it anew. */
void held_lose(struct keeper_held *held);

/* Memory is dropped, and brought again if there are calls. */
void held_reload(struct keeper_held *held);

/* Reads number and word of a trailer. */
int64_t trailer_number(const struct fb_call_end *end, const char *key);
struct fb_text trailer_text(const struct fb_call_end *end, const char *key);

/* Whether asking the store again later may help. */
bool store_is_away(const struct fb_call_end *end);

/* -- upkeep.c -- */

/* After a session has come; and before it goes. */
void upkeep_begin(struct keeper_held *held);
void upkeep_end(struct keeper_held *held);

/* After something was decided: leases may end sooner than known. */
void upkeep_decided(struct keeper_held *held, const struct decision *decision);

/* -- snapshots.c -- */

/* Whether one is due, the session being busy, idle or about to go. */
enum snapshot_when { SNAPSHOT_BUSY, SNAPSHOT_IDLE, SNAPSHOT_LAST };
bool snapshot_is_due(const struct keeper_held *held, enum snapshot_when when);

/* Writes one and puts it; all is on disk. The session may be aside after it. */
void snapshot_begin(struct keeper_held *held);

/* Whether one is being written or put. */
bool snapshot_is_going_on(const struct keeper_held *held);

void snapshot_cancel(struct keeper_held *held);

/* -- renewal.c -- */

/* Renews the leases of all that is held, from time to time. */
void renewal_begin(struct keeper *keeper);
void renewal_end(struct keeper *keeper);

#endif

#include <stdlib.h>
#include <string.h>

#include "flowbalancer/v1/session_store.pb-c.h"
#include "runtime/log/log.h"
#include "services/worker/flow/snapshot.h"
#include "services/worker/sessions/held.h"

enum {
    ASIDE_TASKS = 10000,        /* more than this are written aside */
    PART_BYTES = 4 << 20,       /* of a snapshot, in one request */
    SNAPSHOT_BYTES = 512 << 20, /* as the store allows */
    TRIES = 5,                  /* of one part; then it is left to the next snapshot */
    IDLE_SHARE = 20,            /* an idle session is worth a snapshot so much earlier */
};

/* A session whose state is written aside. */
struct writing {
    struct aside_work work;
    struct session *session;
    struct fb_buffer bytes;
    bool written;
};

bool snapshot_is_due(const struct keeper_held *held, enum snapshot_when when)
{
    const struct keeper_config *config = &held->keeper->config;
    const uint64_t since = (uint64_t)(held->durable - held->snapshot_sequence);
    const uint64_t bytes = held->text_bytes > held->snapshot_bytes
                               ? held->text_bytes - (size_t)held->snapshot_bytes
                               : 0;
    uint64_t most = 2 * (uint64_t)held->session->task_count;

    /* What folding costs grows with the events, what writing costs with the tasks. */
    most = most > config->snapshot_events ? most : config->snapshot_events;
    switch (when) {
    case SNAPSHOT_LAST:
        return since > 0;
    case SNAPSHOT_IDLE:
        return since > most / IDLE_SHARE;
    default:
        return since > most || held->snapshot_bytes > 2 * bytes + config->snapshot_bytes;
    }
}

bool snapshot_is_going_on(const struct keeper_held *held)
{
    return held->writing != NULL || held->putting != NULL || held->put_again.place != 0;
}

void snapshot_cancel(struct keeper_held *held)
{
    if (held->writing != NULL) {
        held->writing->work.owner = NULL;
        held->writing = NULL;
    }
    if (held->putting != NULL) {
        fb_client_call_cancel(held->putting);
        held->putting = NULL;
    }
    fb_timer_clear(&held->put_again);
    fb_buffer_finish(&held->snapshot);
}

/* --- putting --- */

static void put(struct keeper_held *held);

static void on_put_again(struct fb_timer *timer)
{
    put(OWNER_OF(struct keeper_held, put_again, timer));
}

/* It is in the store, or it will not be this time. */
static void end(struct keeper_held *held)
{
    held->snapshot_sequence = held->putting_sequence;
    fb_buffer_finish(&held->snapshot);
    held_look_soon(held);
}

static void on_put(void *arg, const struct fb_call_end *ended, const ProtobufCMessage *reply)
{
    struct keeper_held *held = arg;
    struct fb_loop *loop = held->keeper->loop;

    held->putting = NULL;
    if (reply != NULL) {
        held->put_bytes += PART_BYTES;
        held->put_tries = 0;
        if (held->put_bytes >= held->snapshot.size) {
            end(held);
        } else {
            put(held);
        }
        return;
    }
    if (store_is_away(ended) && held->put_tries++ < TRIES) {
        fb_timer_set(loop, &held->put_again, fb_loop_now_ms(loop) + RETRY_MOST_MS, on_put_again);
        return;
    }
    if (fb_text_is(trailer_text(ended, "flowbalancer-reason"), "stale-epoch")) {
        held->lost = true;
    } else {
        fb_log(FB_WARN, "a session's snapshot could not be put",
               fb_kv_str("session", held->store_id), fb_kv_status(ended->status));
    }
    end(held);
}

static void put(struct keeper_held *held)
{
    const struct fb_call_plan plan = {
        .path = STORE_METHOD("PutSnapshot"),
        .deadline_ms = fb_loop_now_ms(held->keeper->loop) + STORE_CALL_MS,
    };
    const size_t left = held->snapshot.size - held->put_bytes;
    Flowbalancer__V1__PutSnapshotRequest request = FLOWBALANCER__V1__PUT_SNAPSHOT_REQUEST__INIT;

    request.session_id = held->store_id;
    request.epoch = held->epoch;
    request.sequence = held->putting_sequence;
    request.data.data = (uint8_t *)held->snapshot.data + held->put_bytes;
    request.data.len = left < PART_BYTES ? left : PART_BYTES;
    request.offset = (int64_t)held->put_bytes;
    request.total_bytes = (int64_t)held->snapshot.size;
    held->putting =
        fb_channel_unary(held->keeper->channel, &plan, &request.base,
                         &flowbalancer__v1__put_snapshot_response__descriptor, on_put, held);
    if (held->putting == NULL) {
        end(held);
    }
}

static void written(struct keeper_held *held, bool whole)
{
    held->put_bytes = 0;
    held->put_tries = 0;
    if (whole) {
        held->text_bytes = held->snapshot.size;
        held->snapshot_bytes = 0;
        put(held);
    } else {
        fb_log(FB_WARN, "a session's snapshot could not be written, for lack of memory",
               fb_kv_str("session", held->store_id));
        end(held);
    }
}

/* --- writing --- */

static void run_writing(struct aside_work *work)
{
    struct writing *writing = (struct writing *)work;

    writing->written = snapshot_write(writing->session, &writing->bytes);
}

static void on_written(struct aside_work *work)
{
    struct writing *writing = (struct writing *)work;
    struct keeper_held *held = work->owner;

    if (held != NULL) {
        held->writing = NULL;
        held->state = HELD_READY;
        held->snapshot = writing->bytes;
        written(held, writing->written);
        held_look_soon(held);
    } else {
        fb_buffer_finish(&writing->bytes);
    }
    free(writing);
}

static bool write_aside(struct keeper_held *held)
{
    struct writing *writing = calloc(1, sizeof(*writing));

    if (writing == NULL) {
        return false;
    }
    writing->work.run = run_writing;
    writing->work.done = on_written;
    writing->work.owner = held;
    writing->session = held->session;
    writing->bytes.limit_bytes = SNAPSHOT_BYTES;
    if (!aside_begin(held->keeper->aside, &writing->work)) {
        free(writing);
        return false;
    }
    held->writing = writing;
    held->state = HELD_ASIDE;
    return true;
}

void snapshot_begin(struct keeper_held *held)
{
    if (snapshot_is_going_on(held)) {
        return;
    }
    held->putting_sequence = held->durable;
    if (held->session->task_count > ASIDE_TASKS && write_aside(held)) {
        return;
    }
    held->snapshot = (struct fb_buffer){.limit_bytes = SNAPSHOT_BYTES};
    written(held, snapshot_write(held->session, &held->snapshot));
}

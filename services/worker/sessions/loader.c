#include "services/worker/sessions/loader.h"

#include <stdlib.h>
#include <string.h>

#include "flowbalancer/v1/session_store.pb-c.h"
#include "runtime/log/log.h"
#include "runtime/rpc/message.h"
#include "services/worker/flow/event.h"
#include "services/worker/flow/snapshot.h"

enum {
    AHEAD_BYTES = 8 << 20,    /* of messages that wait to be folded; then the store is held back */
    MESSAGE_BYTES = 64 << 20, /* that one may take when unpacked */
    SNAPSHOT_BYTES = 512 << 20, /* the largest that is read */
    SILENCE_MS = 30000,         /* of the store, after which a load is given up */
};

/* What is folded aside: the session as far as it is, and messages to go on with. */
struct folding {
    struct aside_work work;
    struct fb_buffer messages; /* each behind its size */
    bool whole;                /* from a watch: all events, no snapshot */
    struct fb_buffer snapshot; /* as far as it has come */
    struct fb_status status;   /* `why` is constant */
    bool unreadable;           /* the snapshot; to be loaded without it */
    bool caught_up;
    struct loaded loaded;
};

struct loader {
    struct loader_plan plan;
    char *scope;
    char *store_id;
    loader_fn *fn;
    void *arg;
    struct fb_client_call *call;
    struct fb_buffer ahead; /* came while `folding` is aside */
    struct folding *folding;
    bool busy; /* it is aside */
    bool paused;
    bool ended; /* the store has told all */
    bool whole;
    struct fb_timer silence;
};

#define OWNER_OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* --- aside --- */

static bool fold_snapshot(struct folding *f, const Flowbalancer__V1__SnapshotChunk *chunk)
{
    struct fb_status status;

    if (chunk->total_bytes > SNAPSHOT_BYTES || chunk->offset != (int64_t)f->snapshot.size) {
        f->unreadable = true;
        return false;
    }
    fb_buffer_append(&f->snapshot, chunk->data.data, chunk->data.len);
    if (f->snapshot.failed) {
        f->status = fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the session's snapshot");
        return false;
    }
    if ((int64_t)f->snapshot.size < chunk->total_bytes) {
        return true;
    }
    status =
        snapshot_read((struct fb_text){f->snapshot.data, f->snapshot.size}, &f->loaded.session);
    f->loaded.bytes = f->snapshot.size;
    fb_buffer_finish(&f->snapshot);
    if (fb_is_ok(status) && (int64_t)f->loaded.session->events != chunk->sequence) {
        status = fb_fail(FB_DATA_LOSS, "the session's snapshot is of another moment");
        session_destroy(f->loaded.session);
        f->loaded.session = NULL;
    }
    if (status.code == FB_RESOURCE_EXHAUSTED) {
        f->status = fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the session");
        return false;
    }
    f->unreadable = !fb_is_ok(status);
    f->loaded.snapshot_sequence = chunk->sequence;
    return !f->unreadable;
}

static bool fold_events(struct folding *f, const Flowbalancer__V1__EventBatch *batch,
                        struct fb_arena *arena)
{
    struct fb_status status = fb_ok;

    for (size_t i = 0; i < batch->n_events && fb_is_ok(status); i++) {
        const Flowbalancer__V1__StoredEvent *stored = batch->events[i];
        const struct fb_text bytes = {(const char *)stored->payload.data, stored->payload.len};
        struct event event;

        if (stored->sequence != (int64_t)f->loaded.session->events + 1) {
            status = fb_fail(FB_DATA_LOSS, "an event of the session is missing in the store");
            break;
        }
        fb_arena_reset(arena);
        status = event_unpack(bytes, arena, &event);
        if (fb_is_ok(status)) {
            status = session_fold(f->loaded.session, &event);
        }
        if (!fb_is_ok(status)) {
            status = status.code == FB_RESOURCE_EXHAUSTED
                         ? fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the session")
                         : fb_fail(FB_DATA_LOSS, "an event of the session in the store cannot be");
        }
        f->loaded.bytes += bytes.size;
    }
    f->status = status;
    return fb_is_ok(status);
}

static bool fold_message(struct folding *f, const uint8_t *data, size_t size,
                         struct fb_arena *unpacked, struct fb_arena *arena)
{
    const ProtobufCMessageDescriptor *descriptor =
        f->whole ? &flowbalancer__v1__watch_session_response__descriptor
                 : &flowbalancer__v1__load_session_response__descriptor;
    const Flowbalancer__V1__EventBatch *events = NULL;
    ProtobufCMessage *message;

    if (!fb_is_ok(fb_message_unpack(descriptor, data, size, MESSAGE_BYTES, unpacked, &message))) {
        f->status = fb_fail(FB_DATA_LOSS, "the store sent what cannot be read");
        return false;
    }
    if (f->whole) {
        const Flowbalancer__V1__WatchSessionResponse *part =
            (const Flowbalancer__V1__WatchSessionResponse *)message;

        f->caught_up |= part->part_case == FLOWBALANCER__V1__WATCH_SESSION_RESPONSE__PART_CAUGHT_UP;
        if (part->part_case == FLOWBALANCER__V1__WATCH_SESSION_RESPONSE__PART_EVENTS) {
            events = part->events;
        }
    } else {
        const Flowbalancer__V1__LoadSessionResponse *part =
            (const Flowbalancer__V1__LoadSessionResponse *)message;

        if (part->part_case == FLOWBALANCER__V1__LOAD_SESSION_RESPONSE__PART_SESSION) {
            f->loaded.projection_sequence = part->session->projection_sequence;
        }
        if (part->part_case == FLOWBALANCER__V1__LOAD_SESSION_RESPONSE__PART_SNAPSHOT) {
            return fold_snapshot(f, part->snapshot);
        }
        if (part->part_case == FLOWBALANCER__V1__LOAD_SESSION_RESPONSE__PART_EVENTS) {
            events = part->events;
        }
    }
    if (events != NULL && f->loaded.session == NULL) {
        f->loaded.session = session_create();
        if (f->loaded.session == NULL) {
            f->status = fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the session");
            return false;
        }
    }
    return events == NULL || fold_events(f, events, arena);
}

static void run_folding(struct aside_work *work)
{
    struct folding *f = (struct folding *)work;
    struct fb_arena unpacked;
    struct fb_arena arena;
    size_t at = 0;
    bool going = true;

    fb_arena_init(&unpacked, 0);
    fb_arena_init(&arena, 0);
    while (going && at < f->messages.size) {
        size_t size;

        memcpy(&size, f->messages.data + at, sizeof(size));
        at += sizeof(size);
        going = fold_message(f, (const uint8_t *)f->messages.data + at, size, &unpacked, &arena);
        at += size;
        fb_arena_finish(&unpacked);
    }
    fb_arena_finish(&arena);
    fb_buffer_clear(&f->messages, 0);
}

static void free_folding(struct folding *f)
{
    if (f != NULL) {
        session_destroy(f->loaded.session);
        fb_buffer_finish(&f->messages);
        fb_buffer_finish(&f->snapshot);
        free(f);
    }
}

/* --- on the loop --- */

static void free_loader(struct loader *loader)
{
    fb_timer_clear(&loader->silence);
    if (loader->call != NULL) {
        fb_client_call_cancel(loader->call);
    }
    if (loader->busy) {
        loader->folding->work.owner = NULL;
    } else {
        free_folding(loader->folding);
    }
    fb_buffer_finish(&loader->ahead);
    free(loader->scope);
    free(loader->store_id);
    free(loader);
}

static void end(struct loader *loader, struct fb_status status)
{
    struct loaded loaded = {.session = NULL};
    loader_fn *const fn = loader->fn;
    void *const arg = loader->arg;

    if (fb_is_ok(status)) {
        loaded = loader->folding->loaded;
        loader->folding->loaded.session = NULL;
        if (loaded.session == NULL) {
            status = fb_fail(FB_DATA_LOSS, "the store sent no session");
        }
    }
    free_loader(loader);
    fn(arg, status, &loaded);
}

static void begin_whole(struct loader *loader);
static void fold_ahead(struct loader *loader);

static void on_silence(struct fb_timer *timer)
{
    end(OWNER_OF(struct loader, silence, timer),
        fb_fail(FB_UNAVAILABLE, "the store does not answer"));
}

static void hear(struct loader *loader)
{
    fb_timer_set(loader->plan.loop, &loader->silence,
                 fb_loop_now_ms(loader->plan.loop) + SILENCE_MS, on_silence);
}

static void on_folded(struct aside_work *work)
{
    struct folding *f = (struct folding *)work;
    struct loader *loader = work->owner;

    if (loader == NULL) {
        free_folding(f);
        return;
    }
    loader->busy = false;
    if (!fb_is_ok(f->status)) {
        end(loader, f->status);
    } else if (f->unreadable) {
        begin_whole(loader);
    } else if (f->caught_up || (loader->ended && loader->ahead.size == 0)) {
        end(loader, fb_ok);
    } else {
        fold_ahead(loader);
    }
}

/* Has folded what has come, unless that is going on. */
static void fold_ahead(struct loader *loader)
{
    struct folding *f = loader->folding;
    struct fb_buffer messages;

    if (loader->busy || (loader->ahead.size == 0 && !loader->ended)) {
        return;
    }
    messages = f->messages;
    f->messages = loader->ahead;
    loader->ahead = messages;
    f->work.owner = loader;
    if (!aside_begin(loader->plan.aside, &f->work)) {
        end(loader, fb_fail(FB_RESOURCE_EXHAUSTED, "too many sessions are being loaded"));
        return;
    }
    loader->busy = true;
    if (loader->paused) {
        loader->paused = false;
        fb_client_call_resume(loader->call);
    }
}

static void on_message(struct fb_client_call *call, void *arg, const uint8_t *data, size_t size)
{
    struct loader *loader = arg;

    hear(loader);
    fb_buffer_append(&loader->ahead, &size, sizeof(size));
    fb_buffer_append(&loader->ahead, data, size);
    if (loader->ahead.failed) {
        end(loader, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to load the session"));
        return;
    }
    if (loader->busy && loader->ahead.size > AHEAD_BYTES && !loader->paused) {
        loader->paused = true;
        fb_client_call_pause(call);
    }
    /* A small session is folded in one go at its end; a watch has no end. */
    if (loader->whole || loader->ahead.size > AHEAD_BYTES / 8) {
        fold_ahead(loader);
    }
}

static void on_end(struct fb_client_call *call, void *arg, const struct fb_call_end *ended)
{
    struct loader *loader = arg;

    (void)call;
    loader->call = NULL;
    loader->paused = false;
    fb_timer_clear(&loader->silence);
    if (!fb_is_ok(ended->status)) {
        end(loader, ended->status);
        return;
    }
    loader->ended = true;
    fold_ahead(loader);
}

static const struct fb_client_call_events load_events = {
    .on_message = on_message,
    .on_end = on_end,
};

static struct folding *new_folding(void)
{
    struct folding *f = calloc(1, sizeof(*f));

    if (f != NULL) {
        f->status = fb_ok;
        f->work.run = run_folding;
        f->work.done = on_folded;
    }
    return f;
}

static void begin_call(struct loader *loader)
{
    const struct fb_call_plan plan = {
        .path = loader->whole ? "/flowbalancer.v1.SessionStoreService/WatchSession"
                              : "/flowbalancer.v1.SessionStoreService/LoadSession",
        .wait_for_ready = true,
    };
    Flowbalancer__V1__LoadSessionRequest load = FLOWBALANCER__V1__LOAD_SESSION_REQUEST__INIT;
    Flowbalancer__V1__WatchSessionRequest watch = FLOWBALANCER__V1__WATCH_SESSION_REQUEST__INIT;

    loader->call = fb_channel_call(loader->plan.channel, &plan, &load_events, loader);
    hear(loader);
    if (loader->call == NULL) {
        return;
    }
    load.scope = watch.scope = loader->scope;
    load.session_id = watch.session_id = loader->store_id;
    (void)fb_client_call_send(loader->call, loader->whole ? &watch.base : &load.base);
    fb_client_call_half_close(loader->call);
}

/* Begins again, now with all events. */
static void begin_whole(struct loader *loader)
{
    struct folding *f = new_folding();

    fb_log(FB_WARN, "a session's snapshot cannot be read; all of its events are",
           fb_kv_str("session", loader->store_id));
    if (loader->call != NULL) {
        fb_client_call_cancel(loader->call);
        loader->call = NULL;
    }
    fb_buffer_clear(&loader->ahead, 0);
    loader->whole = true;
    loader->paused = false;
    loader->ended = false;
    if (f != NULL) {
        f->whole = true;
        free_folding(loader->folding);
        loader->folding = f;
        begin_call(loader);
    }
    if (loader->call == NULL) {
        end(loader, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to load the session"));
    }
}

struct loader *loader_create(const struct loader_plan *plan, loader_fn *fn, void *arg)
{
    struct loader *loader = calloc(1, sizeof(*loader));

    if (loader == NULL) {
        return NULL;
    }
    loader->plan = *plan;
    loader->fn = fn;
    loader->arg = arg;
    loader->scope = strdup(plan->scope);
    loader->store_id = strdup(plan->store_id);
    loader->folding = new_folding();
    if (loader->scope != NULL && loader->store_id != NULL && loader->folding != NULL) {
        begin_call(loader);
    }
    if (loader->call == NULL) {
        free_loader(loader);
        return NULL;
    }
    return loader;
}

void loader_cancel(struct loader *loader)
{
    if (loader != NULL) {
        free_loader(loader);
    }
}

#include "services/session_store/session_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/text.h"
#include "runtime/log/log.h"
#include "services/session_store/returns.h"
#include "services/session_store/serving.h"

enum { FAILURE_REPEAT_MS = 10000 }; /* the same failure is logged again after so long */

const struct fb_metric session_store_metrics[] = {
    [STORE_EVENTS] = {"flowbalancer_store_events_total", FB_COUNTER, .help = "Events kept."},
    [STORE_APPENDS] = {"flowbalancer_store_appends_total", FB_COUNTER,
                       .help = "Appends kept, repeated requests not counted."},
    [STORE_REFUSED] = {"flowbalancer_store_refused_total", FB_COUNTER,
                       .help = "Operations that were refused or failed.", .labels = {"code"}},
    [STORE_WATCHERS] = {"flowbalancer_store_watchers", FB_GAUGE,
                        .help = "Streams that wait for changes now."},
    [STORE_WAITING] = {"flowbalancer_store_waiting", FB_GAUGE,
                       .help =
                           "Operations that waited for the engine when the last one came back."},
    {.name = NULL},
};

static const struct fb_method methods[] = {
    {"AcquireSession", FB_UNARY, serve_acquire_session, false},
    {"AppendEvents", FB_UNARY, serve_append_events, false},
    {"Backup", FB_SERVER_STREAM, serve_backup, false},
    {"Check", FB_SERVER_STREAM, serve_check, false},
    {"DeleteSession", FB_UNARY, serve_delete_session, false},
    {"GetBlob", FB_SERVER_STREAM, serve_get_blob, false},
    {"GetCatalogue", FB_SERVER_STREAM, serve_get_catalogue, false},
    {"GetResult", FB_UNARY, serve_get_result, false},
    {"ListSessions", FB_UNARY, serve_list_sessions, false},
    {"LoadSession", FB_SERVER_STREAM, serve_load_session, false},
    {"PutBlob", FB_UNARY, serve_put_blob, false},
    {"PutCatalogueEntry", FB_UNARY, serve_put_catalogue_entry, false},
    {"PutProjection", FB_UNARY, serve_put_projection, false},
    {"PutResult", FB_UNARY, serve_put_result, false},
    {"PutSnapshot", FB_UNARY, serve_put_snapshot, false},
    {"ReleaseSession", FB_UNARY, serve_release_session, false},
    {"RenewSessions", FB_UNARY, serve_renew_sessions, false},
    {"SearchTasks", FB_SERVER_STREAM, serve_search_tasks, false},
    {"WatchCatalogue", FB_SERVER_STREAM, serve_watch_catalogue, false},
    {"WatchSession", FB_SERVER_STREAM, serve_watch_session, false},
};

const struct fb_rpc_service session_store_service = {
    .descriptor = &flowbalancer__v1__session_store_service__descriptor,
    .methods = methods,
    .method_count = sizeof(methods) / sizeof(methods[0]),
};

/* --- operations --- */

/* A refusal is its caller's business; what the store itself cannot do is its keeper's. */
static bool is_ours(const struct engine_op *op)
{
    switch (op->status.code) {
    case FB_UNAVAILABLE:
    case FB_DATA_LOSS:
    case FB_INTERNAL:
        return true;
    case FB_RESOURCE_EXHAUSTED:
        return strcmp(op->reason, "disk-full") == 0;
    default:
        return false;
    }
}

static void note_failure(struct session_store *store, const struct engine_op *op)
{
    struct fb_text why = fb_text_of(op->status.why);
    uint64_t withheld;

    fb_series_add(fb_metrics_series(store->config.metrics, STORE_REFUSED,
                                    FB_LABELS(fb_code_name(op->status.code))),
                  1);
    if (is_ours(op) &&
        fb_ration_pass(&store->failures, why, fb_loop_now_ms(store->loop), &withheld)) {
        fb_log(FB_ERROR, "operation failed", fb_kv_status(op->status),
               fb_kv_uint("withheld", withheld));
    }
}

/* `work` is the first member of an operation, and that of struct asked. */
static void came_back(struct fb_work *work)
{
    struct asked *asked = (struct asked *)work;
    struct session_store *store = asked->store;

    fb_metrics_set(store->config.metrics, STORE_WAITING, (int64_t)engine_waiting(store->engine));
    fb_metrics_set(store->config.metrics, STORE_WATCHERS,
                   (int64_t)(store->watchers.count + store->catalogue_watchers.count));
    if (!fb_is_ok(asked->op.status)) {
        note_failure(store, &asked->op);
    }
    asked->answer(asked);
}

static void finished(struct engine_op *op)
{
    struct asked *asked = (struct asked *)op;

    returns_push(asked->store->returns, &op->work);
}

void asked_cancelled(struct asked *asked)
{
    struct session_store *store = asked->store;

    if (store->closing) {
        returns_wait(store->returns, &asked->op.work);
        came_back(&asked->op.work);
    }
}

/* A call that answers once is between its operation's going and coming until it is finished. */
static void once_cancelled(struct fb_call *call, void *arg)
{
    (void)call;
    asked_cancelled(arg);
}

static const struct fb_call_events once_events = {.on_cancel = once_cancelled};

void *asked_create(struct fb_call *call, size_t size, void (*answer)(struct asked *asked))
{
    struct asked *asked = fb_arena_zalloc(fb_call_arena(call), 1, size);

    if (asked == NULL) {
        fb_call_finish(call, fb_fail(FB_RESOURCE_EXHAUSTED, "the store is out of memory"));
        return NULL;
    }
    asked->store = fb_call_self(call);
    asked->call = call;
    asked->answer = answer;
    fb_arena_init(&asked->op.arena, 0);
    fb_call_watch(call, &once_events, asked);
    return asked;
}

void asked_submit(struct asked *asked, enum engine_op_kind kind, size_t bytes)
{
    asked->op.kind = kind;
    asked->op.on_done = finished;
    asked->op.work = (struct fb_work){.bytes = bytes};
    engine_submit(asked->store->engine, &asked->op);
}

void asked_clear(struct asked *asked)
{
    fb_arena_finish(&asked->op.arena);
}

void asked_fail(struct asked *asked)
{
    /* The operation goes with the call, but its words are needed until then. */
    struct fb_arena arena = asked->op.arena;

    if (asked->op.reason[0] != '\0') {
        fb_call_add_trailer(asked->call, "flowbalancer-reason", fb_text_of(asked->op.reason));
    }
    fb_call_finish(asked->call, asked->op.status);
    fb_arena_finish(&arena);
}

void asked_reply(struct asked *asked, const ProtobufCMessage *message)
{
    struct fb_arena arena = asked->op.arena;

    fb_call_reply(asked->call, message);
    fb_arena_finish(&arena);
}

void add_number_trailer(struct fb_call *call, const char *key, int64_t number)
{
    char text[32];

    snprintf(text, sizeof(text), "%lld", (long long)number);
    fb_call_add_trailer(call, key, fb_text_of(text));
}

bool checks_passed(struct fb_call *call, const struct fb_status *checks, size_t count)
{
    struct fb_status status = limits_all(checks, count);

    if (!fb_is_ok(status)) {
        fb_call_finish(call, status);
    }
    return fb_is_ok(status);
}

struct engine_bytes bytes_in(ProtobufCBinaryData data)
{
    return (struct engine_bytes){data.data, data.len};
}

ProtobufCBinaryData bytes_out(struct engine_bytes bytes)
{
    /* protobuf-c has no word for borrowed bytes; packing only reads them. */
    return (ProtobufCBinaryData){.len = bytes.size, .data = (uint8_t *)(uintptr_t)bytes.data};
}

/* --- life --- */

struct session_store *session_store_create(struct fb_loop *loop, struct engine *engine,
                                           const struct session_store_config *config)
{
    struct session_store *store = calloc(1, sizeof(*store));

    if (store == NULL) {
        engine_close(engine);
        return NULL;
    }
    store->config = *config;
    store->loop = loop;
    store->engine = engine;
    store->failures = fb_ration_of(1, 5, FAILURE_REPEAT_MS, fb_loop_now_ms(loop));
    store->returns = returns_create(loop, came_back);
    if (store->returns == NULL) {
        session_store_destroy(store);
        return NULL;
    }
    return store;
}

void session_store_drain(struct session_store *store)
{
    store->closing = true;
    hub_wake_all(&store->watchers);
    hub_wake_all(&store->catalogue_watchers);
}

void session_store_destroy(struct session_store *store)
{
    if (store == NULL) {
        return;
    }
    engine_close(store->engine);
    returns_destroy(store->returns);
    free(store);
}

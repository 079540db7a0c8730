#include "services/session_store/serving.h"

bool event_batch_of(struct asked *asked, Flowbalancer__V1__EventBatch *batch)
{
    const struct engine_read_events *read = &asked->read_events;
    size_t count = read->event_count;
    Flowbalancer__V1__StoredEvent *events =
        fb_arena_zalloc(&asked->op.arena, count + 1, sizeof(*events));

    flowbalancer__v1__event_batch__init(batch);
    batch->events = fb_arena_zalloc(&asked->op.arena, count + 1, sizeof(*batch->events));
    if (events == NULL || batch->events == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        flowbalancer__v1__stored_event__init(&events[i]);
        events[i].sequence = read->events[i].sequence;
        events[i].unix_ms = read->events[i].unix_ms;
        events[i].kind = read->events[i].kind;
        events[i].payload = bytes_out(read->events[i].payload);
        batch->events[i] = &events[i];
    }
    batch->n_events = count;
    return true;
}

/* --- AppendEvents --- */

static void answer_append(struct asked *asked)
{
    const struct engine_append *append = &asked->append;
    struct session_store *store = asked->store;
    Flowbalancer__V1__AppendEventsResponse response =
        FLOWBALANCER__V1__APPEND_EVENTS_RESPONSE__INIT;

    if (append->op.status.code == FB_ABORTED) {
        add_number_trailer(asked->call, "flowbalancer-last-sequence", append->last_sequence);
    }
    if (!fb_is_ok(append->op.status)) {
        asked_fail(asked);
        return;
    }
    if (!append->repeated) {
        fb_metrics_add(store->config.metrics, STORE_APPENDS, 1);
        fb_metrics_add(store->config.metrics, STORE_EVENTS, (int64_t)append->event_count);
        hub_wake(&store->watchers, append->session_id);
    }
    response.first_sequence = append->first_sequence;
    response.last_sequence = append->last_sequence;
    response.unix_ms = append->unix_ms;
    response.repeated_request = append->repeated;
    asked_reply(asked, &response.base);
}

static struct fb_status check_events(struct fb_arena *arena,
                                     const Flowbalancer__V1__AppendEventsRequest *request)
{
    struct fb_status status =
        limits_size(arena, "events", request->n_events, 1, LIMIT_EVENTS, "events");
    size_t total = 0;

    for (size_t i = 0; i < request->n_events && fb_is_ok(status); i++) {
        size_t size = request->events[i]->payload.len;

        total += size;
        if (size > LIMIT_EVENT_BYTES) {
            status = fb_arena_fail(arena, FB_INVALID_ARGUMENT,
                                   "events.payload: that of event %zu has %zu bytes, but at most "
                                   "%d are allowed",
                                   i + 1, size, (int)LIMIT_EVENT_BYTES);
        }
    }
    return fb_is_ok(status)
               ? limits_size(arena, "events", total, 0, LIMIT_APPEND_BYTES, "bytes of payload")
               : status;
}

/* What the request projects, if anything: `*projection` is NULL otherwise. */
static struct fb_status append_projection(struct fb_arena *arena,
                                          const Flowbalancer__V1__AppendEventsRequest *request,
                                          struct engine_projection **projection, size_t *bytes)
{
    int64_t room = INT64_MAX - request->expected_sequence;
    int64_t count = (int64_t)request->n_events < room ? (int64_t)request->n_events : room;

    if (request->projection == NULL || request->expected_sequence < 0) {
        return fb_ok;
    }
    *projection = fb_arena_zalloc(arena, 1, sizeof(**projection));
    if (*projection == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "the store is out of memory");
    }
    return projection_of(arena, request->projection, request->expected_sequence + count,
                         *projection, bytes);
}

void serve_append_events(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__AppendEventsRequest *request =
        (const Flowbalancer__V1__AppendEventsRequest *)message;
    struct fb_arena *arena = fb_call_arena(call);
    struct engine_projection *projection = NULL;
    struct engine_event *events;
    struct asked *asked;
    size_t bytes = 512;

    if (!request_is_good(
            call, limits_id(arena, "session_id", request->session_id),
            limits_number(arena, "epoch", request->epoch, 1, INT64_MAX),
            limits_number(arena, "expected_sequence", request->expected_sequence, 0, INT64_MAX),
            limits_id(arena, "request_id", request->request_id), check_events(arena, request),
            append_projection(arena, request, &projection, &bytes))) {
        return;
    }
    asked = asked_create(call, sizeof(*asked), answer_append);
    if (asked == NULL) {
        return;
    }
    events = fb_arena_zalloc(arena, request->n_events, sizeof(*events));
    if (events == NULL) {
        fb_call_finish(call, fb_fail(FB_RESOURCE_EXHAUSTED, "the store is out of memory"));
        return;
    }
    for (size_t i = 0; i < request->n_events; i++) {
        events[i].kind = request->events[i]->kind;
        events[i].payload = bytes_in(request->events[i]->payload);
        bytes += events[i].payload.size + sizeof(events[i]);
    }
    asked->append.session_id = request->session_id;
    asked->append.epoch = request->epoch;
    asked->append.expected_sequence = request->expected_sequence;
    asked->append.request_id = request->request_id;
    asked->append.events = events;
    asked->append.event_count = request->n_events;
    asked->append.projection = projection;
    asked_submit(asked, ENGINE_APPEND, bytes);
}

/* --- PutSnapshot --- */

static void answer_put_snapshot(struct asked *asked)
{
    Flowbalancer__V1__PutSnapshotResponse response = FLOWBALANCER__V1__PUT_SNAPSHOT_RESPONSE__INIT;

    if (!fb_is_ok(asked->op.status)) {
        asked_fail(asked);
        return;
    }
    response.complete = asked->put_snapshot.complete;
    asked_reply(asked, &response.base);
}

/* A part lies within the whole; what says nothing of a whole is all of it. */
static struct fb_status check_part(struct fb_arena *arena,
                                   const Flowbalancer__V1__PutSnapshotRequest *request)
{
    const struct fb_status checks[] = {
        limits_number(arena, "total_bytes", request->total_bytes, 0, LIMIT_SNAPSHOT_BYTES),
        limits_size(arena, "data", request->data.len, request->total_bytes == 0 ? 0 : 1,
                    LIMIT_PART_BYTES, "bytes"),
        limits_number(arena, "offset", request->offset, 0, request->total_bytes),
    };
    struct fb_status status = limits_all(checks, sizeof(checks) / sizeof(checks[0]));

    if (fb_is_ok(status) && request->total_bytes != 0 &&
        (int64_t)request->data.len > request->total_bytes - request->offset) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT,
                             "data: has %zu bytes from %lld on, beyond the %lld of `total_bytes`",
                             request->data.len, (long long)request->offset,
                             (long long)request->total_bytes);
    }
    return status;
}

void serve_put_snapshot(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__PutSnapshotRequest *request =
        (const Flowbalancer__V1__PutSnapshotRequest *)message;
    struct fb_arena *arena = fb_call_arena(call);
    struct asked *asked;

    if (!request_is_good(call, limits_id(arena, "session_id", request->session_id),
                         limits_number(arena, "epoch", request->epoch, 1, INT64_MAX),
                         limits_number(arena, "sequence", request->sequence, 1, INT64_MAX),
                         check_part(arena, request))) {
        return;
    }
    asked = asked_create(call, sizeof(*asked), answer_put_snapshot);
    if (asked == NULL) {
        return;
    }
    asked->put_snapshot.session_id = request->session_id;
    asked->put_snapshot.epoch = request->epoch;
    asked->put_snapshot.sequence = request->sequence;
    asked->put_snapshot.offset = request->offset;
    asked->put_snapshot.total_bytes =
        request->total_bytes != 0 ? request->total_bytes : (int64_t)request->data.len;
    asked->put_snapshot.data = bytes_in(request->data);
    asked_submit(asked, ENGINE_PUT_SNAPSHOT, 256 + request->data.len);
}

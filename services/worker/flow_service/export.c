/*
 * export: Export, a session as a document, and Snapshot, its state.
 *
 * The session says what the document begins with, and how far it goes; its events come from the store, where
 * they all are.
 */
#include <string.h>

#include "services/worker/exchange/journal.h"
#include "services/worker/exchange/session_file.h"
#include "services/worker/flow_service/flow_call.h"
#include "services/worker/flow_service/sending.h"
#include "services/worker/flow_service/serve.h"
#include "services/worker/sessions/reader.h"

/* What is being done; in this order, but for what a format has no need of. */
enum step { STEP_HEAD, STEP_EVENTS, STEP_BODY, STEP_SEND };

/* In the arena of its call. */
struct exporting {
    struct flow_service *service;
    struct fb_call *call;
    const Flowbalancer__V1__CallContext *context;
    Flowbalancer__V1__FlowFormat format;
    bool snapshot; /* Snapshot, not Export */
    enum step step;
    struct keeper_call keeper;
    bool deciding; /* `keeper` is with the keeper */
    struct reader *reader;
    struct sending sending;
    struct fb_arena event; /* of one event */
    bool begun;            /* a message has gone out */
    int64_t seq_total;
    int64_t seq_done;
    struct fb_status failure;
    char sha256[KEPT_DIGEST_BYTES + 1]; /* of the document that it came from; "" for none */
    struct fb_buffer document;
};

/* --- the end --- */

static void end(struct exporting *e, struct fb_status status)
{
    if (e->reader != NULL) {
        reader_cancel(e->reader);
        e->reader = NULL;
    }
    sending_finish(&e->sending);
    fb_buffer_finish(&e->document);
    fb_arena_finish(&e->event);
    fb_call_finish(e->call, status);
}

static bool send_piece(void *arg, struct fb_text piece)
{
    struct exporting *e = arg;
    Flowbalancer__V1__ExportResponse answer = FLOWBALANCER__V1__EXPORT_RESPONSE__INIT;
    Flowbalancer__V1__SnapshotResponse state = FLOWBALANCER__V1__SNAPSHOT_RESPONSE__INIT;
    const bool first = !e->begun;

    e->begun = true;
    if (e->snapshot) {
        state.data = (ProtobufCBinaryData){.data = (uint8_t *)piece.data, .len = piece.size};
        state.seq = first ? e->seq_total : 0;
        return fb_call_send(e->call, &state.base);
    }
    answer.data = (ProtobufCBinaryData){.data = (uint8_t *)piece.data, .len = piece.size};
    answer.seq_total = first ? e->seq_total : 0;
    answer.seq_done = e->seq_done;
    return fb_call_send(e->call, &answer.base);
}

/* Goes on as far as the caller reads. */
static void go(struct exporting *e)
{
    if (e->sending.out.failed) {
        end(e, fb_fail(FB_RESOURCE_EXHAUSTED,
                       "the session is larger than 64 MiB written so; export it as JSONL"));
        return;
    }
    if (!sending_go(&e->sending, e->step == STEP_SEND)) {
        if (e->reader != NULL) {
            reader_pause(e->reader);
        }
    } else if (e->step == STEP_SEND) {
        end(e, fb_ok);
    } else if (e->reader != NULL) {
        reader_resume(e->reader);
    }
}

/* --- events --- */

static void start_deciding(struct exporting *e);

/* A part of the document that the session came from. */
static struct fb_status take_part(struct exporting *e, struct fb_text payload)
{
    struct event event;
    const struct fb_status status = event_unpack(payload, &e->event, &event);

    if (!fb_is_ok(status)) {
        return status;
    }
    if (event.kind == EVENT_DOCUMENT && !event.document.taken &&
        event.document.sha256.size == KEPT_DIGEST_BYTES &&
        memcmp(event.document.sha256.data, e->sha256, KEPT_DIGEST_BYTES) == 0) {
        if (event.document.part == 0 && !event.document.taken) {
            fb_buffer_clear(&e->document, 0); /* what began before was never finished */
        }
        fb_buffer_text(&e->document, event.document.data);
    }
    return e->document.failed ? fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the document")
                              : fb_ok;
}

static void on_event(void *self, int64_t sequence, struct fb_text payload)
{
    struct exporting *e = self;
    struct fb_status status = fb_ok;

    fb_arena_reset(&e->event);
    switch (e->format) {
    case FLOWBALANCER__V1__FLOW_FORMAT__FLOW_FORMAT_SESSION_FILE:
        status = take_part(e, payload);
        break;
    case FLOWBALANCER__V1__FLOW_FORMAT__FLOW_FORMAT_JSON:
        journal_add_event(payload, sequence == 1, &e->event, &e->sending.out);
        break;
    default:
        journal_write_event(payload, &e->event, &e->sending.out);
        break;
    }
    e->seq_done = sequence;
    if (!fb_is_ok(status)) {
        end(e, fb_fail(status.code, "the log has an event that cannot be read"));
        return;
    }
    if (sequence < e->seq_total) {
        if (!e->sending.behind) {
            go(e);
        }
        return;
    }
    reader_cancel(e->reader);
    e->reader = NULL;
    if (e->format == FLOWBALANCER__V1__FLOW_FORMAT__FLOW_FORMAT_SESSION_FILE) {
        e->step = STEP_BODY;
        start_deciding(e);
        return;
    }
    if (e->format == FLOWBALANCER__V1__FLOW_FORMAT__FLOW_FORMAT_JSON) {
        journal_end_document(&e->sending.out);
    }
    e->step = STEP_SEND;
    go(e);
}

static void on_reader_end(void *self, struct fb_status status)
{
    struct exporting *e = self;

    e->reader = NULL;
    end(e,
        fb_is_ok(status) ? fb_fail(FB_DATA_LOSS, "the log ends before its session does") : status);
}

static void on_caught_up(void *self, int64_t sequence)
{
    (void)self;
    (void)sequence;
}

static const struct reader_events reader_events = {
    .on_event = on_event,
    .on_caught_up = on_caught_up,
    .on_end = on_reader_end,
};

static void start_reading(struct exporting *e)
{
    const struct reading reading = {
        .scope = fb_text_of(e->context->scope),
        .session = fb_text_of(e->context->session),
    };

    e->reader = reader_create(e->service->loop, keeper_channel(e->service->keeper), &reading,
                              &reader_events, e);
    if (e->reader == NULL) {
        end(e, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to read the log"));
    }
}

/* --- the session --- */

static void write_snapshot(struct exporting *e, const struct session *session)
{
    struct fb_buffer *out = &e->sending.out;

    fb_buffer_string(out, "{\"session\":");
    fb_buffer_json_string(out, fb_text_of(e->context->session));
    fb_buffer_string(out, ",\"name\":");
    fb_buffer_json_string(out, fb_text_of(session->name));
    fb_buffer_printf(out, ",\"seq\":%llu,\"state\":", (unsigned long long)session->events);
    journal_write_state(session, out);
    fb_buffer_string(out, "}\n");
}

/* The whole document of that format that tasks came from last. */
static const struct kept_document *document_of(const struct session *session, uint32_t format)
{
    const struct kept *kept = &session->kept;

    for (uint32_t i = kept->document_count; i > 0; i--) {
        if (kept->documents[i - 1].format == format &&
            kept->documents[i - 1].next_part == kept->documents[i - 1].parts) {
            return &kept->documents[i - 1];
        }
    }
    return NULL;
}

/* What the document begins with; or all of it. */
static struct fb_status write_head(struct exporting *e, struct session *session,
                                   struct fb_arena *arena)
{
    const struct journal_header header = {
        .session = fb_text_of(e->context->session),
        .name = fb_text_of(session->name),
        .events = session->events,
    };
    const struct kept_document *document;

    e->seq_total = (int64_t)session->events;
    if (e->snapshot) {
        write_snapshot(e, session);
        e->step = STEP_SEND;
        return fb_ok;
    }
    switch (e->format) {
    case FLOWBALANCER__V1__FLOW_FORMAT__FLOW_FORMAT_SESSION_FILE:
        document = document_of(session, (uint32_t)e->format);
        if (document == NULL) {
            e->step = STEP_SEND;
            e->seq_done = e->seq_total;
            return session_file_write(session, (struct fb_text){.size = 0}, arena, &e->sending.out);
        }
        memcpy(e->sha256, document->sha256, sizeof(e->sha256));
        break;
    case FLOWBALANCER__V1__FLOW_FORMAT__FLOW_FORMAT_JSON:
        journal_begin_document(&header, session, &e->sending.out);
        break;
    default:
        journal_write_header(&header, &e->sending.out);
        break;
    }
    e->step = STEP_EVENTS;
    return fb_ok;
}

static enum keeper_verdict decide(struct keeper_call *keeper, struct decision *d)
{
    struct exporting *e = keeper->self;

    fb_buffer_clear(&e->sending.out, 0);
    if (e->step == STEP_BODY) {
        e->failure = session_file_write(
            d->session, (struct fb_text){.data = e->document.data, .size = e->document.size},
            d->arena, &e->sending.out);
    } else {
        e->failure = write_head(e, d->session, d->arena);
    }
    return KEEPER_ANSWER;
}

static void on_decided(struct keeper_call *keeper, const struct keeper_end *keeper_end)
{
    struct exporting *e = keeper->self;

    e->deciding = false;
    if (!fb_is_ok(keeper_end->status)) {
        keeper_say(e->call, keeper_end);
        end(e, keeper_end->status);
    } else if (!fb_is_ok(e->failure)) {
        end(e, e->failure);
    } else if (e->step == STEP_EVENTS) {
        start_reading(e);
    } else {
        e->step = STEP_SEND;
        go(e);
    }
}

static const struct keeper_call_events keeper_events = {.decide = decide, .on_end = on_decided};

static void start_deciding(struct exporting *e)
{
    e->deciding = true;
    e->keeper = (struct keeper_call){
        .scope = fb_text_of(e->context->scope),
        .session = fb_text_of(e->context->session),
        .take_over = flow_takes_over(e->call),
        .deadline_ms = fb_call_deadline_ms(e->call),
        .arena = fb_call_arena(e->call),
        .events = &keeper_events,
        .self = e,
    };
    keeper_begin(e->service->keeper, &e->keeper);
}

/* --- the caller --- */

static void on_cancel(struct fb_call *call, void *arg)
{
    struct exporting *e = arg;

    (void)call;
    if (e->deciding) {
        keeper_cancel(e->service->keeper, &e->keeper);
    }
    end(e, fb_fail(FB_CANCELLED, "the caller cancelled"));
}

static void on_drain(struct fb_call *call, void *arg)
{
    struct exporting *e = arg;

    (void)call;
    sending_drained(&e->sending);
    if (!e->deciding) {
        go(e);
    }
}

static const struct fb_call_events call_events = {.on_cancel = on_cancel, .on_drain = on_drain};

static void begin(struct fb_call *call, const Flowbalancer__V1__CallContext *context,
                  Flowbalancer__V1__FlowFormat format, bool snapshot)
{
    struct flow_service *service = fb_call_self(call);
    struct exporting *e = fb_arena_zalloc(fb_call_arena(call), 1, sizeof(*e));
    struct fb_status status = flow_check_context(context, true);

    if (fb_is_ok(status)) {
        status = flow_check_service(service);
    }
    if (fb_is_ok(status) && e == NULL) {
        status = fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for another call");
    }
    if (!fb_is_ok(status)) {
        fb_call_finish(call, status);
        return;
    }
    *e = (struct exporting){
        .service = service,
        .call = call,
        .context = context,
        .format = format,
        .snapshot = snapshot,
        .failure = fb_ok,
        .sending = {.out = {.limit_bytes = SENDING_BYTES_MOST}, .send = send_piece, .arg = e},
        .document = {.limit_bytes = SENDING_BYTES_MOST},
    };
    fb_arena_init(&e->event, 0);
    fb_call_watch(call, &call_events, e);
    start_deciding(e);
}

void serve_export(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__ExportRequest *request =
        (const Flowbalancer__V1__ExportRequest *)message;

    if (request->format > FLOWBALANCER__V1__FLOW_FORMAT__FLOW_FORMAT_SESSION_FILE ||
        request->format < FLOWBALANCER__V1__FLOW_FORMAT__FLOW_FORMAT_UNSPECIFIED) {
        fb_call_finish(call,
                       fb_fail(FB_INVALID_ARGUMENT,
                               "format: a session is written as JSONL, JSON or SESSION_FILE"));
        return;
    }
    begin(call, request->context, request->format, false);
}

void serve_snapshot(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__SnapshotRequest *request =
        (const Flowbalancer__V1__SnapshotRequest *)message;

    begin(call, request->context, FLOWBALANCER__V1__FLOW_FORMAT__FLOW_FORMAT_UNSPECIFIED, true);
}

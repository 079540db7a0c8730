/*
 * import: Import, a document that comes in as a stream and becomes events of a session.
 *
 * The document is kept until it is whole; then it is read against the session as it is, proved, and kept
 * in as many appends as it takes. Should the session change between two of them, or its worker lose it,
 * the document is read against it anew: what is there already is not added again.
 */
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/rpc/message.h"
#include "services/worker/flow_service/importing.h"
#include "services/worker/flow_service/serve.h"

enum {
    RESTARTS_MOST = 8,
    MESSAGE_ROOM_BYTES = 4 << 20, /* that a message may take unpacked */
};

void importing_end(struct importing *i, struct fb_status status)
{
    const char *why = fb_arena_copy(fb_call_arena(i->call), status.why, strlen(status.why));

    status.why = why == NULL ? "" : why; /* what was said may be the import's */
    import_destroy(i->import);
    fb_buffer_finish(&i->document);
    fb_arena_finish(&i->message);
    fb_arena_finish(&i->chunk);
    fb_call_finish(i->call, status);
}

/* --- reading it against a session --- */

static bool is_journal(enum import_format format)
{
    return format == IMPORT_JSONL || format == IMPORT_JSON;
}

static struct fb_status read_document(struct importing *i, struct session *session, int64_t now_ms)
{
    const Flowbalancer__V1__FlowImportHeader *header = i->header;
    const struct import_options options = {
        .format = (enum import_format)header->format,
        .into = session->events == 0 ? NULL : session,
        .name = fb_text_of(header->name),
        .session_id = fb_text_of(i->context->session),
        .actor = fb_text_of(header->by->actor),
        .request_id = fb_text_of(header->by->request_id),
        .unix_ms = now_ms < session->last_ms ? session->last_ms : now_ms,
        .drop_unknown_links = header->drop_unknown_links,
    };
    struct fb_status status;

    import_destroy(i->import);
    i->import = import_create(&options);
    if (i->import == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to import");
    }
    status = import_feed(i->import,
                         (struct fb_text){.data = i->document.data, .size = i->document.size});
    if (fb_is_ok(status)) {
        status = import_finish(i->import);
    }
    if (fb_is_ok(status) && i->restarts == 0 && session->task_count != 0 &&
        !header->into_existing && !is_journal(import_format(i->import))) {
        status =
            fb_fail(FB_FAILED_PRECONDITION,
                    "the session has tasks already; import as another session, or add to it with "
                    "into_existing (flowctl: --into)");
    }
    i->next = fb_is_ok(status) ? import_first(i->import) : 0;
    i->expected = session->events;
    return status;
}

/* --- the answer --- */

static bool pack_answer(struct importing *i, const struct decision *d)
{
    Flowbalancer__V1__ImportResponse answer = FLOWBALANCER__V1__IMPORT_RESPONSE__INIT;
    Flowbalancer__V1__FlowCommitted committed = FLOWBALANCER__V1__FLOW_COMMITTED__INIT;
    const bool dry = i->header->dry_run;
    const struct session *scratch = import_session(i->import);
    struct decision seen = *d;
    struct view view;
    uint64_t all;

    if (dry && scratch != NULL) {
        seen.session = (struct session *)scratch; /* as it would be; ours alone */
    }
    seen.arena = &i->chunk;
    view = view_of(&seen);
    committed.seq = (int64_t)d->session->events;
    committed.repeated =
        i->restarts == 0 && import_first(i->import) == import_event_count(i->import);
    answer.committed = dry ? NULL : &committed;
    answer.format = (Flowbalancer__V1__FlowFormat)import_format(i->import);
    answer.events = import_event_count(i->import) - import_first(i->import);
    answer.tasks = import_tasks(i->import);
    answer.warnings = (char **)import_warnings(i->import, &answer.n_warnings, &all);
    answer.line = view_line(&view, i->context->session);
    return answer.line != NULL && i->pack(i, &answer);
}

bool importing_pack(struct importing *i, const ProtobufCMessage *message)
{
    const size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = fb_arena_alloc(fb_call_arena(i->call), size + 1);

    if (bytes == NULL) {
        return false;
    }
    protobuf_c_message_pack(message, bytes);
    i->answer = (struct fb_text){.data = (const char *)bytes, .size = size};
    return true;
}

static bool pack_import(struct importing *i, const Flowbalancer__V1__ImportResponse *answer)
{
    return importing_pack(i, &answer->base);
}

/* --- deciding --- */

static struct fb_status fold_next(struct importing *i, struct decision *d)
{
    const size_t chunk_end = import_chunk_end(i->import, i->next);
    const size_t count = chunk_end - i->next;
    struct event *events = fb_arena_zalloc(&i->chunk, count + 1, sizeof(*events));

    if (events == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to import");
    }
    d->events = events;
    d->event_room = count;
    for (; i->next < chunk_end; i->next++) {
        struct event *event = &events[d->event_count];
        struct fb_status status = event_unpack(import_event(i->import, i->next), &i->chunk, event);

        if (fb_is_ok(status)) {
            status = session_fold(d->session, event);
        }
        if (!fb_is_ok(status)) {
            return status; /* what was folded before it is a sound beginning, and is kept */
        }
        d->event_count++;
    }
    i->expected = d->session->events;
    return fb_ok;
}

static struct fb_status decide_part(struct importing *i, struct decision *d)
{
    const bool anew = i->import == NULL || d->session->events != i->expected;
    struct fb_status status = fb_ok;

    if (anew && i->import != NULL && ++i->restarts > RESTARTS_MOST) {
        return fb_fail(FB_ABORTED,
                       "the session changed again and again meanwhile: import it once more");
    }
    if (anew) {
        status = read_document(i, d->session, d->now_ms);
    }
    if (fb_is_ok(status) && !i->header->dry_run && i->next < import_event_count(i->import)) {
        status = fold_next(i, d);
    }
    if (fb_is_ok(status) && (i->header->dry_run || i->next == import_event_count(i->import))) {
        if (!is_journal(import_format(i->import)) && d->event_count > 0) {
            (void)decide_expire(d); /* gives waiting agents what has come */
        }
        if (!pack_answer(i, d)) {
            status = fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the answer");
        }
    }
    return status;
}

static enum keeper_verdict decide(struct keeper_call *keeper, struct decision *d)
{
    struct importing *i = keeper->self;

    fb_arena_reset(&i->chunk);
    i->answer = (struct fb_text){.size = 0};
    i->failure = decide_part(i, d);
    return KEEPER_ANSWER;
}

/* Into a session that is not there, and is not made. */
static struct fb_status decide_on_nothing(struct importing *i)
{
    struct decision d = {
        .session = session_create(),
        .arena = fb_call_arena(i->call),
        .now_ms = fb_clock_unix_ms(),
    };

    if (d.session == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to import");
    }
    i->failure = decide_part(i, &d);
    session_destroy(d.session);
    return fb_ok;
}

static void on_decided(struct keeper_call *keeper, const struct keeper_end *keeper_end)
{
    struct importing *i = keeper->self;
    struct fb_status status = keeper_end->status;

    i->deciding = false;
    if (status.code == FB_NOT_FOUND && i->header->dry_run) {
        status = decide_on_nothing(i);
    }
    if (!fb_is_ok(status)) {
        keeper_say(i->call, keeper_end);
        importing_end(i, status);
    } else if (!fb_is_ok(i->failure)) {
        importing_end(i, i->failure);
    } else if (i->answer.data == NULL) {
        importing_begin(i);
    } else {
        fb_call_send_bytes(i->call, (const uint8_t *)i->answer.data, i->answer.size);
        importing_end(i, fb_ok);
    }
}

static const struct keeper_call_events keeper_events = {.decide = decide, .on_end = on_decided};

void importing_begin(struct importing *i)
{
    i->deciding = true;
    i->keeper = (struct keeper_call){
        .scope = fb_text_of(i->context->scope),
        .session = fb_text_of(i->context->session),
        .name = fb_text_of(i->header->name),
        .create = !i->header->dry_run,
        .take_over = flow_takes_over(i->call),
        .deadline_ms = fb_call_deadline_ms(i->call),
        .arena = fb_call_arena(i->call),
        .events = &keeper_events,
        .self = i,
    };
    keeper_begin(i->service->keeper, &i->keeper);
}

/* --- the caller --- */

static struct fb_status check_first(const Flowbalancer__V1__ImportRequest *first)
{
    struct fb_status status = flow_check_context(first->context, true);

    if (!fb_is_ok(status)) {
        return status;
    }
    if (first->header == NULL) {
        return fb_fail(FB_INVALID_ARGUMENT, "header is missing: the first message has it");
    }
    if ((unsigned)first->header->format >= IMPORT_FORMATS) {
        return fb_fail(FB_INVALID_ARGUMENT, "header.format is none that is known");
    }
    return flow_check_by(first->header->by, true);
}

static struct fb_status take_first(struct importing *i, const uint8_t *data, size_t size)
{
    ProtobufCMessage *message = NULL;
    struct fb_status status =
        fb_message_unpack(&flowbalancer__v1__import_request__descriptor, data, size,
                          MESSAGE_ROOM_BYTES, fb_call_arena(i->call), &message);

    if (fb_is_ok(status)) {
        const Flowbalancer__V1__ImportRequest *first =
            (const Flowbalancer__V1__ImportRequest *)message;

        status = check_first(first);
        i->context = first->context;
        i->header = first->header;
        fb_buffer_append(&i->document, first->data.data, first->data.len);
    }
    return status;
}

static struct fb_status take_more(struct importing *i, const uint8_t *data, size_t size)
{
    const Flowbalancer__V1__ImportRequest *more;
    ProtobufCMessage *message = NULL;
    struct fb_status status;

    fb_arena_reset(&i->message);
    status = fb_message_unpack(&flowbalancer__v1__import_request__descriptor, data, size,
                               MESSAGE_ROOM_BYTES, &i->message, &message);
    if (!fb_is_ok(status)) {
        return fb_fail(status.code,
                       "a message of the stream is no ImportRequest, or larger than 1 MiB");
    }
    more = (const Flowbalancer__V1__ImportRequest *)message;
    if (more->header != NULL) {
        return fb_fail(FB_INVALID_ARGUMENT, "header: only the first message has it");
    }
    fb_buffer_append(&i->document, more->data.data, more->data.len);
    return fb_ok;
}

static void on_message(struct fb_call *call, void *arg, const uint8_t *data, size_t size)
{
    struct importing *i = arg;
    struct fb_status status =
        i->header == NULL ? take_first(i, data, size) : take_more(i, data, size);

    (void)call;
    if (fb_is_ok(status) && i->document.failed) {
        status =
            fb_fail(FB_RESOURCE_EXHAUSTED, "the document is larger than 64 MiB: take it in parts");
    }
    if (!fb_is_ok(status)) {
        importing_end(i, status);
    }
}

static void on_half_close(struct fb_call *call, void *arg)
{
    struct importing *i = arg;

    (void)call;
    if (i->header == NULL) {
        importing_end(
            i, fb_fail(FB_INVALID_ARGUMENT, "no message came: the first has context and header"));
        return;
    }
    importing_begin(i);
}

void importing_cancel(struct importing *i)
{
    if (i->deciding) {
        i->deciding = false;
        keeper_cancel(i->service->keeper, &i->keeper);
    }
}

static void on_cancel(struct fb_call *call, void *arg)
{
    struct importing *i = arg;

    (void)call;
    importing_cancel(i);
    importing_end(i, fb_fail(FB_CANCELLED, "the caller cancelled"));
}

static const struct fb_call_events call_events = {
    .on_message = on_message,
    .on_half_close = on_half_close,
    .on_cancel = on_cancel,
};

void serve_import(struct fb_call *call, const ProtobufCMessage *message)
{
    struct flow_service *service = fb_call_self(call);
    struct importing *i = fb_arena_zalloc(fb_call_arena(call), 1, sizeof(*i));
    struct fb_status status = flow_check_service(service);

    (void)message;
    if (fb_is_ok(status) && i == NULL) {
        status = fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for another call");
    }
    if (!fb_is_ok(status)) {
        fb_call_finish(call, status);
        return;
    }
    *i = (struct importing){
        .service = service,
        .call = call,
        .document = {.limit_bytes = IMPORT_BYTES_MOST},
        .pack = pack_import,
        .failure = fb_ok,
    };
    fb_arena_init(&i->message, 0);
    fb_arena_init(&i->chunk, 0);
    fb_call_watch(call, &call_events, i);
}

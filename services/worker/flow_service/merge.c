/*
 * merge: MergeSessions, two sessions united in a third.
 *
 * Merging orders all that happened in both anew, so what comes of it is the log of a session of its own; both
 * others stay as they are. It comes in as a journal does.
 */
#include "services/worker/flow/merge.h"

#include <stdlib.h>
#include <string.h>

#include "services/worker/exchange/journal.h"
#include "services/worker/flow_service/importing.h"
#include "services/worker/flow_service/serve.h"
#include "services/worker/sessions/reader.h"

enum { LOG_BYTES_MOST = 64 << 20 };

/* A log as it was read. */
struct log {
    struct fb_text *events; /* offsets first, then pointers into `bytes` */
    size_t count;
    size_t room;
    struct fb_buffer bytes;
    struct fb_text session; /* its id: whose its events are */
};

/* In the arena of its call. */
struct merging {
    const Flowbalancer__V1__MergeSessionsRequest *request;
    struct log logs[2]; /* of the session of the context, and of the other */
    int reading;        /* which one */
    struct reader *reader;
    struct fb_arena arena; /* of the merging */
    uint64_t new_events;
    uint32_t conflicts;

    /* the way into the third */
    Flowbalancer__V1__CallContext context;
    Flowbalancer__V1__FlowImportHeader header;
    struct importing importing;
};

static void free_logs(struct merging *m)
{
    for (int i = 0; i < 2; i++) {
        free(m->logs[i].events);
        fb_buffer_finish(&m->logs[i].bytes);
        m->logs[i].events = NULL;
    }
    fb_arena_finish(&m->arena);
}

static void end(struct merging *m, struct fb_status status)
{
    if (m->reader != NULL) {
        reader_cancel(m->reader);
        m->reader = NULL;
    }
    status.why = fb_arena_copy(fb_call_arena(m->importing.call), status.why, strlen(status.why));
    if (status.why == NULL) {
        status.why = "";
    }
    free_logs(m);
    importing_end(&m->importing, status);
}

/* --- merging --- */

static void point(struct log *log)
{
    const char *at = log->bytes.data;

    for (size_t i = 0; i < log->count; i++) {
        log->events[i].data = at;
        at += log->events[i].size;
    }
}

static struct merge_log log_of(const struct log *log)
{
    return (struct merge_log){.origin = log->session, .events = log->events, .count = log->count};
}

/* The result as a journal of the first session: what comes in under another name says whose it was. */
static bool write_journal(struct merging *m, const struct merge_result *result)
{
    struct fb_buffer *out = &m->importing.document;
    const struct journal_header header = {
        .session = result->same == NULL ? m->logs[0].session : result->same->origin,
        .name = fb_text_of(m->request->as_session),
        .events = result->count,
    };
    struct fb_arena arena;

    fb_arena_init(&arena, 0);
    journal_write_header(&header, out);
    for (size_t i = 0; i < result->count && !out->failed; i++) {
        journal_write_event(result->events[i], &arena, out);
        fb_arena_reset(&arena);
    }
    fb_arena_finish(&arena);
    return !out->failed;
}

static void answer_nothing_new(struct merging *m, const struct merge_result *result)
{
    Flowbalancer__V1__MergeSessionsResponse answer =
        FLOWBALANCER__V1__MERGE_SESSIONS_RESPONSE__INIT;
    Flowbalancer__V1__FlowCommitted committed = FLOWBALANCER__V1__FLOW_COMMITTED__INIT;

    committed.seq = (int64_t)m->logs[0].count;
    answer.committed = &committed;
    answer.conflicts = result->conflicts;
    fb_call_send(m->importing.call, &answer.base);
    end(m, fb_ok);
}

static bool pack(struct importing *i, const Flowbalancer__V1__ImportResponse *imported)
{
    const struct merging *m = i->self;
    Flowbalancer__V1__MergeSessionsResponse answer =
        FLOWBALANCER__V1__MERGE_SESSIONS_RESPONSE__INIT;

    answer.committed = imported->committed;
    answer.events = m->new_events;
    answer.conflicts = m->conflicts;
    answer.line = imported->line;
    return importing_pack(i, &answer.base);
}

static void merge(struct merging *m)
{
    struct merge_log logs[2];
    struct merge_result result;
    struct fb_status status;

    for (int i = 0; i < 2; i++) {
        point(&m->logs[i]);
        logs[i] = log_of(&m->logs[i]);
    }
    status = merge_logs(&logs[0], &logs[1], &m->arena, &result);
    if (!fb_is_ok(status)) {
        end(m, status);
        return;
    }
    if (result.same == &logs[0] && m->request->as_session[0] == '\0') {
        answer_nothing_new(m, &result);
        return;
    }
    if (m->request->as_session[0] == '\0') {
        end(m,
            fb_fail(
                FB_FAILED_PRECONDITION,
                "as_session is empty: what is merged is a session of its own, so name a new one"));
        return;
    }
    m->new_events = result.new_events;
    m->conflicts = result.conflicts;
    if (!write_journal(m, &result)) {
        end(m, fb_fail(FB_RESOURCE_EXHAUSTED, "what is merged is larger than 64 MiB"));
        return;
    }
    free_logs(m);
    importing_begin(&m->importing);
}

/* --- reading --- */

static void read_next(struct merging *m);

static bool keep_event(struct log *log, struct fb_text payload)
{
    if (log->count == log->room) {
        const size_t room = 2 * log->room + 1024;
        struct fb_text *events = realloc(log->events, room * sizeof(*events));

        if (events == NULL) {
            return false;
        }
        log->events = events;
        log->room = room;
    }
    fb_buffer_text(&log->bytes, payload);
    log->events[log->count++] = (struct fb_text){.size = payload.size};
    return !log->bytes.failed && log->count <= MERGE_EVENTS_MOST;
}

static void on_event(void *self, int64_t sequence, struct fb_text payload)
{
    struct merging *m = self;

    (void)sequence;
    if (!keep_event(&m->logs[m->reading], payload)) {
        end(m, fb_fail(FB_RESOURCE_EXHAUSTED, "a log is larger than 64 MiB"));
    }
}

static void on_caught_up(void *self, int64_t sequence)
{
    (void)self;
    (void)sequence;
}

static void on_reader_end(void *self, struct fb_status status)
{
    struct merging *m = self;

    m->reader = NULL;
    if (status.code == FB_NOT_FOUND) {
        const struct fb_text session = m->logs[m->reading].session;

        status = fb_arena_fail(fb_call_arena(m->importing.call), FB_NOT_FOUND,
                               "there is no session \"%.*s\"; flow_find lists those there are",
                               (int)session.size, session.data);
        (void)fb_call_add_trailer(m->importing.call, "flowbalancer-reason", FB_TEXT("no_such"));
    }
    if (!fb_is_ok(status)) {
        end(m, status);
        return;
    }
    m->reading++;
    read_next(m);
}

static const struct reader_events reader_events = {
    .on_event = on_event,
    .on_caught_up = on_caught_up,
    .on_end = on_reader_end,
};

static void read_next(struct merging *m)
{
    struct flow_service *service = m->importing.service;

    if (m->reading == 2) {
        merge(m);
        return;
    }
    m->reader = reader_create(service->loop, keeper_channel(service->keeper),
                              &(struct reading){.scope = fb_text_of(m->request->context->scope),
                                                .session = m->logs[m->reading].session},
                              &reader_events, m);
    if (m->reader == NULL) {
        end(m, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to read the log"));
    }
}

/* --- the caller --- */

static void on_cancel(struct fb_call *call, void *arg)
{
    struct merging *m = arg;

    (void)call;
    importing_cancel(&m->importing);
    end(m, fb_fail(FB_CANCELLED, "the caller cancelled"));
}

static const struct fb_call_events call_events = {.on_cancel = on_cancel};

static struct fb_status check(struct flow_service *service,
                              const Flowbalancer__V1__MergeSessionsRequest *request)
{
    struct fb_status status = flow_check_context(request->context, true);

    if (fb_is_ok(status)) {
        status = flow_check_by(request->by, true);
    }
    if (fb_is_ok(status) && request->from_session[0] == '\0') {
        status = fb_fail(FB_INVALID_ARGUMENT, "from_session is empty: it names the other session");
    }
    if (fb_is_ok(status) && (strcmp(request->as_session, request->from_session) == 0 ||
                             strcmp(request->as_session, request->context->session) == 0)) {
        status = fb_fail(FB_INVALID_ARGUMENT,
                         "as_session is one of the two: what is merged is a session of its own");
    }
    return fb_is_ok(status) ? flow_check_service(service) : status;
}

void serve_merge_sessions(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__MergeSessionsRequest *request =
        (const Flowbalancer__V1__MergeSessionsRequest *)message;
    struct flow_service *service = fb_call_self(call);
    struct merging *m = fb_arena_zalloc(fb_call_arena(call), 1, sizeof(*m));
    struct fb_status status = check(service, request);

    if (fb_is_ok(status) && m == NULL) {
        status = fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to merge");
    }
    if (!fb_is_ok(status)) {
        fb_call_finish(call, status);
        return;
    }
    m->request = request;
    m->logs[0].session = fb_text_of(request->context->session);
    m->logs[1].session = fb_text_of(request->from_session);
    m->logs[0].bytes.limit_bytes = LOG_BYTES_MOST;
    m->logs[1].bytes.limit_bytes = LOG_BYTES_MOST;
    flowbalancer__v1__call_context__init(&m->context);
    m->context.session = request->as_session;
    m->context.agent = request->context->agent;
    m->context.scope = request->context->scope;
    flowbalancer__v1__flow_import_header__init(&m->header);
    m->header.by = request->by;
    m->header.format = FLOWBALANCER__V1__FLOW_FORMAT__FLOW_FORMAT_JSONL;
    m->importing = (struct importing){
        .service = service,
        .call = call,
        .context = &m->context,
        .header = &m->header,
        .document = {.limit_bytes = IMPORT_BYTES_MOST},
        .pack = pack,
        .self = m,
        .failure = fb_ok,
    };
    fb_arena_init(&m->arena, 0);
    fb_arena_init(&m->importing.message, 0);
    fb_arena_init(&m->importing.chunk, 0);
    fb_call_watch(call, &call_events, m);
    read_next(m);
}

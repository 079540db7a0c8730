/*
 * compact: Compact, which moves the texts of tasks that ended long ago to cold storage, or brings those of
 * a task back.
 *
 * A segment of texts is a blob in the store before the session says so: select, put, commit, and again until
 * nothing is left. Back it is: locate, get, expand. Between two steps the session goes on; what has
 * changed meanwhile is found by the segment's digest, and selected anew.
 */
#include "services/worker/flow/compact.h"

#include <string.h>

#include "flowbalancer/v1/session_store.pb-c.h"
#include "runtime/rpc/message.h"
#include "services/worker/digest/digest.h"
#include "services/worker/flow_service/flow_call.h"
#include "services/worker/flow_service/serve.h"

enum {
    SEGMENTS_MOST = 64, /* of one call */
    CHANGED_MOST = 8,   /* how often a selection may have changed meanwhile */
    STORE_MS = 30000,
    SEGMENT_BYTES_MOST = 16 << 20,
};

enum step { STEP_SELECT, STEP_COMMIT, STEP_LOCATE, STEP_EXPAND };

/* In the arena of its call. */
struct compacting {
    struct flow_call
        *f; /* what all methods need; its own call with the keeper is used over and over */
    enum step step;
    struct fb_client_call *sent;

    /* the segment */
    uint32_t *tasks;
    size_t count;
    struct fb_buffer segment;
    char sha256[DIGEST_BYTES];
    uint32_t changed;
    uint32_t segments;

    /* the answer */
    uint32_t moved;
    uint64_t bytes;
    bool done;
};

static const Flowbalancer__V1__CompactRequest *request_of(const struct compacting *c)
{
    return (const Flowbalancer__V1__CompactRequest *)c->f->request;
}

static void end(struct compacting *c, struct fb_status status)
{
    fb_buffer_finish(&c->segment);
    fb_call_finish(c->f->call, status);
}

/* --- deciding --- */

static enum keeper_verdict answer(struct compacting *c, const struct decision *d)
{
    Flowbalancer__V1__CompactResponse answer = FLOWBALANCER__V1__COMPACT_RESPONSE__INIT;

    c->done = true;
    answer.committed = flow_committed(c->f, d);
    answer.tasks = c->moved;
    answer.bytes = c->bytes;
    return answer.committed == NULL ? flow_exhausted(c->f) : flow_answer(c->f, &answer.base);
}

static bool write_segment(struct compacting *c, const struct session *session)
{
    fb_buffer_clear(&c->segment, COMPACT_SEGMENT_BYTES);
    compact_write(session, c->tasks, c->count, &c->segment);
    return !c->segment.failed &&
           digest_of((struct fb_text){.data = c->segment.data, .size = c->segment.size}, c->sha256);
}

static enum keeper_verdict select_tasks(struct compacting *c, const struct decision *d)
{
    const int64_t age_ms =
        request_of(c)->older_than_ms == 0 ? COMPACT_AGE_MS : request_of(c)->older_than_ms;

    c->count = compact_select(d->session, d->now_ms, age_ms, c->tasks, COMPACT_TASKS_MOST);
    if (c->count == 0 || c->segments == SEGMENTS_MOST) {
        return answer(c, d);
    }
    return write_segment(c, d->session) ? KEEPER_ANSWER : flow_exhausted(c->f);
}

static enum keeper_verdict commit(struct compacting *c, struct decision *d)
{
    char kept[DIGEST_BYTES];
    struct event event;

    memcpy(kept, c->sha256, sizeof(kept));
    for (size_t i = 0; i < c->count; i++) {
        const struct task *task = session_task(d->session, c->tasks[i]);

        if (task == NULL || !task_has_ended(task->state) || task->cold != 0) {
            c->step = STEP_SELECT;
        }
    }
    if (c->step == STEP_COMMIT && !write_segment(c, d->session)) {
        return flow_exhausted(c->f);
    }
    if (c->step == STEP_SELECT || memcmp(kept, c->sha256, sizeof(kept)) != 0) {
        c->step = STEP_SELECT;
        return ++c->changed > CHANGED_MOST
                   ? flow_fail(c->f, FB_ABORTED,
                               "the tasks changed again and again meanwhile: try once "
                               "more")
                   : select_tasks(c, d);
    }
    event = compact_event((struct fb_text){.data = c->sha256, .size = sizeof(c->sha256)},
                          c->segment.size, c->tasks, c->count);
    if (!decide_move(d, c->f->actor, &event)) {
        return flow_refuse(c->f, d);
    }
    c->moved += (uint32_t)c->count;
    c->bytes += c->segment.size;
    c->segments++;
    c->step = STEP_SELECT;
    return select_tasks(c, d);
}

static bool unhex(struct fb_text hex, char *out)
{
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        unsigned value = 0;

        for (size_t k = 0; k < 2; k++) {
            const char digit = 2 * i + k < hex.size ? hex.data[2 * i + k] : '\0';

            if (digit >= '0' && digit <= '9') {
                value = value * 16 + (unsigned)(digit - '0');
            } else if (digit >= 'a' && digit <= 'f') {
                value = value * 16 + (unsigned)(digit - 'a') + 10;
            } else {
                return false;
            }
        }
        out[i] = (char)value;
    }
    return hex.size == 2 * (size_t)DIGEST_BYTES;
}

static enum keeper_verdict locate(struct compacting *c, struct decision *d)
{
    const struct task *task;

    if (!flow_task(c->f, d, request_of(c)->restore, "restore", false, &c->tasks[0])) {
        return KEEPER_ANSWER;
    }
    task = session_task(d->session, c->tasks[0]);
    c->count = 1;
    if (task->cold == 0) {
        return answer(c, d); /* its texts are here */
    }
    return unhex(d->session->kept.segments.texts[task->cold - 1], c->sha256)
               ? KEEPER_ANSWER
               : flow_fail(c->f, FB_DATA_LOSS, "the session names a segment that cannot be");
}

static enum keeper_verdict expand(struct compacting *c, struct decision *d)
{
    struct event *events;
    size_t count;
    struct fb_status status;

    if (session_task(d->session, c->tasks[0])->cold == 0) {
        return answer(c, d); /* somebody else was faster */
    }
    status = compact_expand(d->session,
                            (struct fb_text){.data = c->segment.data, .size = c->segment.size},
                            (struct fb_text){.data = c->sha256, .size = sizeof(c->sha256)},
                            c->tasks, 1, c->f->arena, &events, &count);
    if (!fb_is_ok(status)) {
        return flow_fail(c->f, status.code, status.why);
    }
    for (size_t i = 0; i < count; i++) {
        if (!decide_move(d, c->f->actor, &events[i])) {
            return flow_refuse(c->f, d);
        }
    }
    c->moved = 1;
    return answer(c, d);
}

static enum keeper_verdict decide(struct flow_call *f, struct decision *d)
{
    struct compacting *c = f->own;

    switch (c->step) {
    case STEP_SELECT:
        return select_tasks(c, d);
    case STEP_COMMIT:
        return commit(c, d);
    case STEP_LOCATE:
        return locate(c, d);
    case STEP_EXPAND:
        break;
    }
    return expand(c, d);
}

/* --- the store --- */

static void next_step(struct compacting *c, enum step step)
{
    c->step = step;
    flow_call_again(c->f);
}

static struct fb_call_plan plan_of(const struct compacting *c, const char *path)
{
    const int64_t own_ms = fb_loop_now_ms(c->f->service->loop) + STORE_MS;
    const int64_t caller_ms = fb_call_deadline_ms(c->f->call);

    return (struct fb_call_plan){
        .path = path,
        .deadline_ms = caller_ms < own_ms ? caller_ms : own_ms,
    };
}

static void on_put(void *arg, const struct fb_call_end *call_end, const ProtobufCMessage *reply)
{
    struct compacting *c = arg;

    c->sent = NULL;
    if (reply == NULL) {
        end(c, call_end->status);
        return;
    }
    next_step(c, STEP_COMMIT);
}

static void put(struct compacting *c)
{
    Flowbalancer__V1__PutBlobRequest request = FLOWBALANCER__V1__PUT_BLOB_REQUEST__INIT;
    const struct fb_call_plan plan = plan_of(c, "/flowbalancer.v1.SessionStoreService/PutBlob");

    request.scope = (char *)request_of(c)->context->scope;
    request.data =
        (ProtobufCBinaryData){.data = (uint8_t *)c->segment.data, .len = c->segment.size};
    request.sha256 = (ProtobufCBinaryData){.data = (uint8_t *)c->sha256, .len = DIGEST_BYTES};
    c->sent = fb_channel_unary(keeper_channel(c->f->service->keeper), &plan, &request.base,
                               &flowbalancer__v1__put_blob_response__descriptor, on_put, c);
    if (c->sent == NULL) {
        end(c, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to keep the texts"));
    }
}

static void on_part(struct fb_client_call *sent, void *arg, const uint8_t *data, size_t size)
{
    struct compacting *c = arg;
    ProtobufCMessage *message = NULL;
    struct fb_arena arena;

    (void)sent;
    fb_arena_init(&arena, 0);
    if (fb_is_ok(fb_message_unpack(&flowbalancer__v1__get_blob_response__descriptor, data, size, 0,
                                   &arena, &message))) {
        const Flowbalancer__V1__GetBlobResponse *part =
            (const Flowbalancer__V1__GetBlobResponse *)message;

        fb_buffer_append(&c->segment, part->data.data, part->data.len);
    } else {
        c->segment.failed = true;
    }
    fb_arena_finish(&arena);
}

static void on_got(struct fb_client_call *sent, void *arg, const struct fb_call_end *call_end)
{
    struct compacting *c = arg;

    (void)sent;
    c->sent = NULL;
    if (call_end->status.code == FB_NOT_FOUND) {
        end(c,
            fb_fail(FB_DATA_LOSS, "the texts are not in the store any more; the log of the session "
                                  "has them: export it"));
    } else if (!fb_is_ok(call_end->status)) {
        end(c, call_end->status);
    } else if (c->segment.failed) {
        end(c, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the texts"));
    } else {
        next_step(c, STEP_EXPAND);
    }
}

static const struct fb_client_call_events got_events = {.on_message = on_part, .on_end = on_got};

static void get(struct compacting *c)
{
    Flowbalancer__V1__GetBlobRequest request = FLOWBALANCER__V1__GET_BLOB_REQUEST__INIT;
    const struct fb_call_plan plan = plan_of(c, "/flowbalancer.v1.SessionStoreService/GetBlob");

    request.scope = (char *)request_of(c)->context->scope;
    request.sha256 = (ProtobufCBinaryData){.data = (uint8_t *)c->sha256, .len = DIGEST_BYTES};
    fb_buffer_clear(&c->segment, 0);
    c->sent = fb_channel_call(keeper_channel(c->f->service->keeper), &plan, &got_events, c);
    if (c->sent == NULL) {
        end(c, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the texts"));
        return;
    }
    fb_client_call_send(c->sent, &request.base);
    fb_client_call_half_close(c->sent);
}

/* What was decided is on disk: on to the store, unless all is done or was refused. */
static bool on_decided(struct flow_call *f)
{
    struct compacting *c = f->own;

    if (c->done || !fb_is_ok(f->failure) || f->refusal.kind != REFUSAL_NONE) {
        fb_buffer_finish(&c->segment);
        return false;
    }
    if (c->step == STEP_LOCATE) {
        get(c);
    } else {
        put(c);
    }
    return true;
}

static void on_gone(struct flow_call *f)
{
    struct compacting *c = f->own;

    if (c->sent != NULL) {
        fb_client_call_cancel(c->sent);
    }
    fb_buffer_finish(&c->segment);
}

static const struct flow_method method = {
    .decide = decide,
    .on_decided = on_decided,
    .on_gone = on_gone,
};

void serve_compact(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__CompactRequest *request =
        (const Flowbalancer__V1__CompactRequest *)message;
    struct flow_call *f =
        flow_call_create(call, message, request->context, request->by, true, &method);
    struct compacting *c;

    if (f == NULL) {
        return;
    }
    if (request->restore == NULL && request->older_than_ms != 0 &&
        request->older_than_ms < COMPACT_AGE_LEAST_MS) {
        flow_call_refuse(f, fb_fail(FB_INVALID_ARGUMENT, "older_than_ms is at least an hour"));
        return;
    }
    c = fb_arena_zalloc(f->arena, 1, sizeof(*c));
    if (c != NULL) {
        c->tasks = fb_arena_zalloc(f->arena, COMPACT_TASKS_MOST, sizeof(*c->tasks));
    }
    if (c == NULL || c->tasks == NULL) {
        flow_call_refuse(f, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to compact"));
        return;
    }
    c->f = f;
    c->step = request->restore != NULL ? STEP_LOCATE : STEP_SELECT;
    c->segment.limit_bytes = SEGMENT_BYTES_MOST;
    f->own = c;
    flow_call_begin(f);
}

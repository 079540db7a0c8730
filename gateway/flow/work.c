#include "gateway/flow/work.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/flow/flow.h"
#include "gateway/flow/notices.h"
#include "gateway/flow/words.h"
#include "gateway/values.h"
#include "runtime/rpc/message.h"

enum {
    ARENA_BYTES = 96 << 20,
    AGENT_BYTES = 128,
    REPLIES_FIRST = 4,
};

/* --- life --- */

static void work_free(void *arg)
{
    struct work *work = arg;

    if (work == NULL) {
        return;
    }
    if (work->look != NULL) {
        atomic_store(&work->look->abandoned, true);
    }
    fb_buffer_finish(&work->text);
    fb_buffer_finish(&work->json);
    fb_arena_finish(&work->arena);
    free(work);
}

struct work *work_open(struct mcp *mcp, const struct ask *ask, const char *tool)
{
    struct exchange *exchange = exchange_open(mcp, ask, fb_text_of(tool));
    struct work *work;

    if (exchange == NULL) {
        return NULL;
    }
    work = calloc(1, sizeof(*work));
    if (work == NULL) {
        answer_error(
            mcp, &exchange->reply,
            &(struct jsonrpc_error){.code = JSONRPC_INTERNAL_ERROR, .message = "out of memory"});
        exchange_answered(exchange);
        return NULL;
    }
    fb_arena_init(&work->arena, ARENA_BYTES);
    exchange->work = work;
    exchange->work_free = work_free;
    exchange->repeatable = true;
    work->exchange = exchange;
    work->mcp = mcp;
    work->session = "";
    work->agent = mcp->config.agent;
    work->handle = "";
    work->uri = "";
    work->broken = fb_ok;
    work->trace = envelope_trace(&ask->envelope, &work->arena);
    notices_resume(flow_notices(mcp->flow));
    return work;
}

void *work_alloc(struct work *work, size_t count, size_t size)
{
    void *memory = fb_arena_zalloc(&work->arena, count, size);

    if (memory == NULL) {
        work_fail(work, FB_RESOURCE_EXHAUSTED, "this is too much for one request; ask for less");
    }
    return memory;
}

/* --- who --- */

static bool is_agent(const char *name)
{
    const char *c = name;

    while (*c > ' ' && *c <= '~') {
        c++;
    }
    return *c == '\0' && c != name && c - name <= AGENT_BYTES;
}

bool work_is_of(struct work *work, const char *name, const char *agent)
{
    char id[FB_SESSION_ID_BYTES + 1];

    if (!fb_session_id_of(name, id)) {
        work_invalid(work,
                     "the session: wanted its name, 1 to 256 bytes, or the handle that flow_open "
                     "told");
        return false;
    }
    if (!is_agent(agent)) {
        work_invalid(work, "agent: wanted 1 to 128 printable ASCII characters without spaces");
        return false;
    }
    work->session = fb_arena_copy(&work->arena, id, strlen(id));
    work->agent = fb_arena_copy(&work->arena, agent, strlen(agent));
    work->handle = fb_arena_printf(&work->arena, "%s@%s", id, agent);
    if (work->session == NULL || work->agent == NULL || work->handle == NULL) {
        work_fail(work, FB_RESOURCE_EXHAUSTED, "out of memory");
        return false;
    }
    return true;
}

bool work_names(struct work *work, const char *handle)
{
    char id[FB_SESSION_ID_BYTES + 1];
    const char *agent;

    if (fb_session_id_of_handle(handle, id, &agent) && agent != NULL) {
        return work_is_of(work, id, agent);
    }
    return work_is_of(work, handle, work->mcp->config.agent);
}

/* --- asking --- */

Flowbalancer__V1__CallContext *work_context(struct work *work)
{
    static const Flowbalancer__V1__CallContext empty = FLOWBALANCER__V1__CALL_CONTEXT__INIT;
    Flowbalancer__V1__CallContext *context = fb_arena_alloc(&work->arena, sizeof(*context));

    if (context != NULL) {
        *context = empty;
        context->agent = value_unconst(work->mcp->config.agent);
        context->scope = value_unconst(work->mcp->config.scope);
        context->session = value_unconst(work->session);
        context->name = value_unconst(work->exchange->tool);
    }
    return context;
}

Flowbalancer__V1__FlowMutation *work_by(struct work *work, uint64_t fence, uint32_t if_rev)
{
    static const Flowbalancer__V1__FlowMutation empty = FLOWBALANCER__V1__FLOW_MUTATION__INIT;
    Flowbalancer__V1__FlowMutation *by = fb_arena_alloc(&work->arena, sizeof(*by));

    if (by != NULL) {
        *by = empty;
        by->request_id = value_unconst(flow_request_id(work->mcp->flow, &work->arena));
        by->actor = value_unconst(work->agent);
        by->fence = fence;
        by->if_rev = if_rev;
    }
    return by;
}

Flowbalancer__V1__FlowTaskRef *work_ref(struct work *work, const struct flow_ref *ref)
{
    static const Flowbalancer__V1__FlowTaskRef empty = FLOWBALANCER__V1__FLOW_TASK_REF__INIT;
    Flowbalancer__V1__FlowTaskRef *made;

    if (ref->task == 0 && ref->key == NULL) {
        return NULL;
    }
    made = fb_arena_alloc(&work->arena, sizeof(*made));
    if (made == NULL) {
        return NULL;
    }
    *made = empty;
    if (ref->task != 0) {
        made->ref_case = FLOWBALANCER__V1__FLOW_TASK_REF__REF_TASK;
        made->task = ref->task;
    } else {
        made->ref_case = FLOWBALANCER__V1__FLOW_TASK_REF__REF_KEY;
        made->key = value_unconst(ref->key);
    }
    return made;
}

static bool keep_reply(struct work *work, ProtobufCMessage *reply)
{
    if (work->reply_count == work->reply_room) {
        const size_t room = work->reply_room == 0 ? REPLIES_FIRST : work->reply_room * 2;
        ProtobufCMessage **replies = fb_arena_zalloc(&work->arena, room, sizeof(*replies));

        if (replies == NULL) {
            return false;
        }
        if (work->reply_count > 0) {
            memcpy(replies, work->replies, work->reply_count * sizeof(*replies));
        }
        work->replies = replies;
        work->reply_room = room;
    }
    work->replies[work->reply_count++] = reply;
    return true;
}

static void go_on(struct work *work)
{
    if (!fb_is_ok(work->broken)) {
        work_fail(work, work->broken.code, work->broken.why);
    } else if (work->each == NULL && work->reply_count == 0) {
        work_fail(work, FB_INTERNAL, "the suite ended the call without an answer");
    } else {
        work->then(work);
    }
}

static void on_reply(void *arg, const uint8_t *data, size_t size)
{
    struct exchange *exchange = arg;
    struct work *work = exchange->work;
    struct mcp *mcp = work->mcp;
    ProtobufCMessage *reply;

    if (!fb_is_ok(work->broken)) {
        return;
    }
    work->broken = fb_message_unpack(work->method->reply, data, size, 0, &work->arena, &reply);
    if (!fb_is_ok(work->broken)) {
        return;
    }
    if (!keep_reply(work, reply)) {
        work->broken = fb_fail(FB_RESOURCE_EXHAUSTED, "the answer is too large; ask for less");
        return;
    }
    if (work->each != NULL && !work->each(work, reply)) {
        mcp->uplink.cancel(mcp->uplink.self, exchange->call);
        exchange->call = NULL;
        go_on(work);
    }
}

static void say_failure(struct work *work, const struct failure *failure);

static void on_end(void *arg, const struct failure *end)
{
    struct exchange *exchange = arg;
    struct work *work = exchange->work;

    exchange->call = NULL;
    if (fb_is_ok(end->status)) {
        go_on(work);
    } else {
        say_failure(work, end);
    }
}

static void on_again(void *arg)
{
    struct work *work = ((struct exchange *)arg)->work;

    work->reply_count = 0;
    work->broken = fb_ok;
}

static const struct uplink_events events = {
    .on_message = on_reply,
    .on_end = on_end,
    .on_again = on_again,
};

void work_ask_each(struct work *work, const struct work_method *method,
                   const ProtobufCMessage *request, work_each_fn *each, work_fn *then)
{
    const struct fb_trace_context trace = work->trace;

    work->method = method;
    work->each = each;
    work->then = then;
    work->reply_count = 0;
    work->broken = fb_ok;
    /* They were texts of the agent's line, which is gone when anything further is asked. */
    work->trace.state = (struct fb_text){0};
    work->trace.baggage = (struct fb_text){0};
    exchange_call(work->exchange, method->path, request, &trace, &events);
}

void work_ask(struct work *work, const struct work_method *method, const ProtobufCMessage *request,
              work_fn *then)
{
    work_ask_each(work, method, request, NULL, then);
}

const void *work_reply(const struct work *work)
{
    return work->replies[0];
}

static void on_looked(struct look_job *job, void *arg)
{
    struct work *work = arg;

    work->look = job;
    work->looked(work);
}

void work_look(struct work *work, struct look_job *job, work_fn *then)
{
    struct looker *looker = &work->mcp->looker;

    job->done = on_looked;
    job->arg = work;
    work->look = job;
    work->looked = then;
    if (!looker->look(looker->self, job)) {
        work->look = NULL;
        look_job_destroy(job);
        work_fail(work, FB_RESOURCE_EXHAUSTED, "too many files are looked at; try again soon");
    }
}

/* --- answering --- */

static bool knows_structured(enum revision revision)
{
    return revision >= REVISION_2025_06_18;
}

void work_answer(struct work *work)
{
    struct exchange *exchange = work->exchange;
    struct mcp *mcp = work->mcp;
    struct fb_buffer *out;

    if (work->text.failed || work->json.failed) {
        answer_tool_error(mcp, &exchange->reply, exchange->revision, "out of memory");
        exchange_answered(exchange);
        return;
    }
    out = answer_begin(mcp, &exchange->reply);
    fb_buffer_string(out,
                     exchange->revision == REVISION_MODERN ? "{\"resultType\":\"complete\"," : "{");
    fb_buffer_string(out, "\"content\":[{\"type\":\"text\",\"text\":");
    fb_buffer_json_string(out, (struct fb_text){work->text.data, work->text.size});
    fb_buffer_string(out, "}]");
    if (knows_structured(exchange->revision)) {
        fb_buffer_string(out, ",\"structuredContent\":");
        fb_buffer_append(out, work->json.data, work->json.size);
    }
    fb_buffer_string(out, work->refused ? ",\"isError\":true" : "");
    answer_put_server_info(mcp, out, exchange->revision);
    fb_buffer_string(out, "}");
    if (!answer_end(mcp, &exchange->reply)) {
        answer_tool_error(mcp, &exchange->reply, exchange->revision,
                          "It was done, but the answer is too long for a line. Ask for less.");
    }
    exchange_answered(exchange);
}

/* --- refusals --- */

/* The kinds, and what to do where the message does not say it. */
static const struct kind {
    const char *name;
    const char *advice;
} kinds[] = {
    {"conflict", "take another task with flow_next"},
    {"cycle", "leave out one of the links"},
    {"not_ready", "finish what it waits for, or take another with flow_next"},
    {"wip_limit", "finish a task, or hand one back with flow_pulse"},
    {"needs_caps", "open the session with them, or take another with flow_next"},
    {"stale_rev", "read the task with flow_find, then change it"},
    {"duplicate_key", "use another key, or the task that has this one"},
    {"no_such", "flow_find tells what there is"},
    {"budget", "do it in parts, or ask for less"},
    {"invalid", "correct it and call again"},
};

static const struct kind *kind_of(const char *name)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

/* "what is wrong; what to do" has the way out behind its last semicolon. */
static void put_words(struct fb_buffer *out, const struct kind *kind, const char *why)
{
    const char *last = NULL;

    for (const char *at = strstr(why, "; "); at != NULL; at = strstr(at + 1, "; ")) {
        last = at;
    }
    fb_buffer_printf(out, "%s: ", kind->name);
    if (last != NULL) {
        fb_buffer_text(out, (struct fb_text){.data = why, .size = (size_t)(last - why)});
        fb_buffer_printf(out, " → %s", last + 2);
    } else {
        fb_buffer_printf(out, "%s → %s", why, kind->advice);
    }
}

static void say_refusal(struct work *work, const struct kind *kind, const char *why,
                        const Flowbalancer__V1__FlowRefusal *refusal)
{
    fb_buffer_clear(&work->text, SIZE_MAX);
    fb_buffer_clear(&work->json, SIZE_MAX);
    put_words(&work->text, kind, why);
    fb_buffer_string(&work->json, "{\"error\":{");
    words_string(&work->json, "kind", kind->name);
    words_string(&work->json, "message", why);
    if (refusal != NULL) {
        const struct {
            const char *key;
            uint64_t value;
        } numbers[] = {
            {"task", refusal->task},
            {"other", refusal->other},
            {"fence", refusal->fence},
            {"rev", refusal->rev},
        };

        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
            if (numbers[i].value != 0) {
                words_key(&work->json, numbers[i].key);
                fb_buffer_printf(&work->json, "%" PRIu64, numbers[i].value);
            }
        }
        if (refusal->holder[0] != '\0') {
            words_string(&work->json, "holder", refusal->holder);
        }
    }
    fb_buffer_string(&work->json, "}}");
    work->refused = true;
    work_answer(work);
}

/* Of resources and lists: always a protocol error. */
static void say_request_failure(struct work *work, const struct failure *failure)
{
    struct exchange *exchange = work->exchange;
    struct jsonrpc_error error = failure_of_request(failure, &work->arena);
    struct fb_buffer data = {0};

    if (failure->status.code == FB_NOT_FOUND && *work->uri != '\0') {
        error.message = failure->status.why;
        error.code =
            exchange->revision == REVISION_MODERN ? JSONRPC_INVALID_PARAMS : MCP_RESOURCE_NOT_FOUND;
        fb_buffer_string(&data, "{");
        words_string(&data, "uri", work->uri);
        fb_buffer_string(&data, "}");
        error.data = (struct fb_text){data.data, data.size};
    }
    answer_error(work->mcp, &exchange->reply, &error);
    fb_buffer_finish(&data);
    exchange_answered(exchange);
}

static const Flowbalancer__V1__FlowRefusal *read_refusal(struct work *work,
                                                         const struct failure *failure)
{
    ProtobufCMessage *message;

    if (failure->refusal.size == 0 ||
        !fb_is_ok(fb_message_unpack(&flowbalancer__v1__flow_refusal__descriptor,
                                    (const uint8_t *)failure->refusal.data, failure->refusal.size,
                                    0, &work->arena, &message))) {
        return NULL;
    }
    return (const Flowbalancer__V1__FlowRefusal *)message;
}

static void say_failure(struct work *work, const struct failure *failure)
{
    struct exchange *exchange = work->exchange;
    const Flowbalancer__V1__FlowRefusal *refusal;
    const struct kind *kind;
    struct failure_answer answer;

    if (*exchange->tool == '\0') {
        say_request_failure(work, failure);
        return;
    }
    refusal = read_refusal(work, failure);
    kind = refusal != NULL ? kind_of(refusal->reason) : NULL;
    for (size_t i = 0; kind == NULL && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        kind = fb_text_is(failure->reason, kinds[i].name) ? &kinds[i] : NULL;
    }
    if (kind == NULL && failure->status.code == FB_INVALID_ARGUMENT) {
        kind = kind_of("invalid");
    } else if (kind == NULL && failure->status.code == FB_RESOURCE_EXHAUSTED &&
               failure->retry_ms < 0) {
        kind = kind_of("budget");
    }
    if (kind != NULL) {
        say_refusal(work, kind, failure->status.why, refusal);
        return;
    }
    if (failure->status.code == FB_UNIMPLEMENTED) {
        answer_tool_error(work->mcp, &exchange->reply, exchange->revision,
                          "The suite does not know this yet. Have the user update it, then run "
                          "`flowctl down`.");
        exchange_answered(exchange);
        return;
    }
    answer = failure_of_call(failure, exchange->tool, &work->arena);
    if (answer.error.code != 0) {
        answer_error(work->mcp, &exchange->reply, &answer.error);
    } else {
        answer_tool_error(work->mcp, &exchange->reply, exchange->revision, answer.text);
    }
    exchange_answered(exchange);
}

void work_invalid(struct work *work, const char *why)
{
    work_fail(work, FB_INVALID_ARGUMENT, why);
}

void work_fail(struct work *work, enum fb_code code, const char *why)
{
    say_failure(work, &(struct failure){.status = fb_fail(code, why), .retry_ms = -1});
}

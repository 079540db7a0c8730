#include "services/session_store/serving.h"

/* --- PutResult --- */

static void answer_put_result(struct asked *asked)
{
    Flowbalancer__V1__PutResultResponse response = FLOWBALANCER__V1__PUT_RESULT_RESPONSE__INIT;

    if (!fb_is_ok(asked->op.status)) {
        asked_fail(asked);
        return;
    }
    asked_reply(asked, &response.base);
}

void serve_put_result(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__PutResultRequest *request =
        (const Flowbalancer__V1__PutResultRequest *)message;
    struct fb_arena *arena = fb_call_arena(call);
    struct asked *asked;

    if (!request_is_good(
            call, limits_scope(arena, "scope", request->scope),
            limits_size(arena, "key", request->key.len, 1, LIMIT_KEY_BYTES, "bytes"),
            limits_size(arena, "value", request->value.len, 0, LIMIT_RESULT_BYTES, "bytes"),
            limits_number(arena, "ttl_ms", request->ttl_ms, 1, LIMIT_RESULT_TTL_MS))) {
        return;
    }
    asked = asked_create(call, sizeof(*asked), answer_put_result);
    if (asked == NULL) {
        return;
    }
    asked->put_result.scope = request->scope;
    asked->put_result.key = bytes_in(request->key);
    asked->put_result.value = bytes_in(request->value);
    asked->put_result.ttl_ms = request->ttl_ms;
    asked_submit(asked, ENGINE_PUT_RESULT, 512 + request->value.len);
}

/* --- GetResult --- */

static void answer_get_result(struct asked *asked)
{
    const struct engine_read_result *read = &asked->read_result;
    Flowbalancer__V1__GetResultResponse response = FLOWBALANCER__V1__GET_RESULT_RESPONSE__INIT;

    if (!fb_is_ok(asked->op.status)) {
        asked_fail(asked);
        return;
    }
    response.value = bytes_out(read->value);
    response.stored_unix_ms = read->stored_unix_ms;
    response.expires_unix_ms = read->expires_unix_ms;
    asked_reply(asked, &response.base);
}

void serve_get_result(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__GetResultRequest *request =
        (const Flowbalancer__V1__GetResultRequest *)message;
    struct fb_arena *arena = fb_call_arena(call);
    struct asked *asked;

    if (!request_is_good(
            call, limits_scope(arena, "scope", request->scope),
            limits_size(arena, "key", request->key.len, 1, LIMIT_KEY_BYTES, "bytes"))) {
        return;
    }
    asked = asked_create(call, sizeof(*asked), answer_get_result);
    if (asked == NULL) {
        return;
    }
    asked->read_result.scope = request->scope;
    asked->read_result.key = bytes_in(request->key);
    asked_submit(asked, ENGINE_READ_RESULT, 256);
}

/*
 * Whatever a request's bytes are, what is found of its context lies within them and within its limits; and
 * what protobuf-c reads of a request that it wrote itself is what we read.
 */

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "flowbalancer/v1/mcp.pb-c.h"
#include "services/router/context.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_within(struct fb_text text, size_t most, const uint8_t *data, size_t size)
{
    assert(text.size <= most);
    assert(text.size == 0 || ((const uint8_t *)text.data >= data &&
                              (const uint8_t *)text.data + text.size <= data + size));
}

static bool peek(const uint8_t *data, size_t size, struct context *context)
{
    struct fb_arena arena;
    struct fb_status status;

    fb_arena_init(&arena, 64 * 1024);
    status = context_peek(data, size, &arena, context);
    if (fb_is_ok(status)) {
        expect_within(context->session, 128, data, size);
        expect_within(context->agent, 128, data, size);
        expect_within(context->server, 64, data, size);
        expect_within(context->name, 2048, data, size);
        expect_within(context->scope, 128, data, size);
    } else {
        assert(status.code == FB_INVALID_ARGUMENT && status.why[0] != '\0');
    }
    fb_arena_finish(&arena);
    return fb_is_ok(status);
}

/* A request as protobuf writes it: each known field once, in order. */
static void compare(const Flowbalancer__V1__CallToolRequest *request)
{
    const Flowbalancer__V1__CallContext *said = request->context;
    const size_t size = flowbalancer__v1__call_tool_request__get_packed_size(request);
    uint8_t *packed = malloc(size + 1);
    struct context context;

    assert(packed != NULL);
    flowbalancer__v1__call_tool_request__pack(request, packed);
    if (peek(packed, size, &context) && said != NULL) {
        assert(fb_text_is(context.session, said->session));
        assert(fb_text_is(context.agent, said->agent));
        assert(fb_text_is(context.server, said->server));
        assert(fb_text_is(context.name, said->name));
        assert(fb_text_is(context.scope, said->scope));
    }
    free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Flowbalancer__V1__CallToolRequest *request;
    struct context context;

    peek(data, size, &context);
    request = flowbalancer__v1__call_tool_request__unpack(NULL, size, data);
    if (request != NULL) {
        /* Of fields that it does not know protobuf-c keeps the bytes, of a later version perhaps. */
        if (request->base.n_unknown_fields == 0 &&
            (request->context == NULL || request->context->base.n_unknown_fields == 0)) {
            compare(request);
        }
        flowbalancer__v1__call_tool_request__free_unpacked(request, NULL);
    }
    return 0;
}

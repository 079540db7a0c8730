#include "services/worker/exchange/event_json.h"

#include <string.h>

#include "flowbalancer/v1/flow_event.pb-c.h"
#include "runtime/json/scan.h"
#include "runtime/rpc/message.h"
#include "runtime/rpc/metadata.h"
#include "services/worker/exchange/message_json.h"
#include "services/worker/flow/event.h"

enum { UNPACKED_BYTES_MOST = 64 << 20 };

static struct fb_status exhausted(void)
{
    return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the event");
}

static struct fb_status pack(const ProtobufCMessage *message, struct fb_arena *arena,
                             struct fb_text *bytes)
{
    const size_t size = protobuf_c_message_get_packed_size(message);
    char *data;

    if (size > EVENT_BYTES) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "an event takes more than 1 MiB");
    }
    data = fb_arena_alloc(arena, size + 1);
    if (data == NULL) {
        return exhausted();
    }
    protobuf_c_message_pack(message, (uint8_t *)data);
    *bytes = (struct fb_text){.data = data, .size = size};
    return fb_ok;
}

/* Whether what was written gives the same bytes back. */
static bool comes_back(struct fb_text written, struct fb_text bytes, struct fb_arena *arena)
{
    ProtobufCMessage *message;
    struct fb_text again;

    return fb_is_ok(message_json_read(&flowbalancer__v1__flow_event__descriptor, written, "$",
                                      arena, &message)) &&
           fb_is_ok(pack(message, arena, &again)) && fb_text_equal(again, bytes);
}

void event_json_write(struct fb_text bytes, struct fb_arena *arena, struct fb_buffer *out)
{
    const size_t before = out->size;
    ProtobufCMessage *message;
    char *to;

    if (fb_is_ok(fb_message_unpack(&flowbalancer__v1__flow_event__descriptor,
                                   (const uint8_t *)bytes.data, bytes.size, UNPACKED_BYTES_MOST,
                                   arena, &message)) &&
        message_json_write(message, out) && !out->failed &&
        comes_back((struct fb_text){.data = out->data + before, .size = out->size - before}, bytes,
                   arena)) {
        return;
    }
    if (out->failed) {
        return;
    }
    out->size = before;
    fb_buffer_string(out, "{\"bytes\":\"");
    to = fb_buffer_reserve(out, (bytes.size + 2) / 3 * 4);
    if (to != NULL) {
        out->size += fb_base64_encode(bytes, to);
    }
    fb_buffer_string(out, "\"}");
}

static struct fb_status read_bytes(struct fb_text value, const char *where, struct fb_arena *arena,
                                   struct fb_text *bytes)
{
    struct fb_text text;
    struct fb_status status = fb_json_unescape(value, arena, &text, NULL);
    char *data;
    long size;

    if (status.code == FB_RESOURCE_EXHAUSTED) {
        return status;
    }
    data = fb_is_ok(status) ? fb_arena_alloc(arena, text.size + 1) : NULL;
    if (fb_is_ok(status) && data == NULL) {
        return exhausted();
    }
    size = data == NULL ? -1 : fb_base64_decode(text, data);
    if (size < 0) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s.bytes: expected base64", where);
    }
    *bytes = (struct fb_text){.data = data, .size = (size_t)size};
    return fb_ok;
}

struct fb_status event_json_read(struct fb_text object, const char *where, struct fb_arena *arena,
                                 struct fb_text *bytes)
{
    struct fb_text value;
    ProtobufCMessage *message;
    struct event event;
    struct fb_status status;

    if (fb_json_find(object, "bytes", &value)) {
        status = read_bytes(value, where, arena, bytes);
    } else {
        status = message_json_read(&flowbalancer__v1__flow_event__descriptor, object, where, arena,
                                   &message);
        if (fb_is_ok(status)) {
            status = pack(message, arena, bytes);
        }
    }
    if (fb_is_ok(status)) {
        status = event_unpack(*bytes, arena, &event);
        if (status.code == FB_INVALID_ARGUMENT) {
            status = fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: %s", where, status.why);
        }
    }
    return status;
}

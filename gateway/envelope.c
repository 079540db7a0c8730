#include "gateway/envelope.h"

#include <stddef.h>

#include "runtime/json/scan.h"

static const struct part {
    const char *key;
    size_t offset; /* of its slice in struct envelope */
    bool ours;     /* not handed on within `meta` */
} parts[] = {
    {"baggage", offsetof(struct envelope, baggage), false},
    {"io.modelcontextprotocol/clientCapabilities", offsetof(struct envelope, capabilities), true},
    {"io.modelcontextprotocol/clientInfo", 0, true},
    {"io.modelcontextprotocol/logLevel", offsetof(struct envelope, log_level), true},
    {"io.modelcontextprotocol/protocolVersion", offsetof(struct envelope, version), true},
    {"progressToken", offsetof(struct envelope, progress_token), true},
    {"traceparent", offsetof(struct envelope, traceparent), false},
    {"tracestate", offsetof(struct envelope, tracestate), false},
};

static const struct part *part_of(struct fb_text key)
{
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (fb_json_string_is(key, parts[i].key)) {
            return &parts[i];
        }
    }
    return NULL;
}

struct envelope envelope_read(struct fb_text params)
{
    struct envelope envelope = {.meta = {.size = 0}};
    struct fb_text meta;
    struct fb_json_walk walk;

    if (!fb_json_find(params, "_meta", &meta)) {
        return envelope;
    }
    walk = fb_json_walk(meta);
    while (fb_json_next(&walk)) {
        const struct part *part = part_of(walk.key);

        if (part != NULL && part->offset != 0) {
            *(struct fb_text *)(void *)((char *)&envelope + part->offset) = walk.value;
        }
    }
    envelope.meta = meta;
    return envelope;
}

void envelope_append_rest(struct fb_buffer *out, struct fb_text meta)
{
    struct fb_json_walk walk = fb_json_walk(meta);
    const char *before = "{";

    while (fb_json_next(&walk)) {
        const struct part *part = part_of(walk.key);

        if (part != NULL && part->ours) {
            continue;
        }
        fb_buffer_string(out, before);
        fb_buffer_text(out, walk.key);
        fb_buffer_string(out, ":");
        fb_buffer_text(out, walk.value);
        before = ",";
    }
    if (*before == ',') {
        fb_buffer_string(out, "}");
    }
}

static struct fb_text plain(struct fb_text value, struct fb_arena *arena)
{
    struct fb_text text = {0};

    if (value.size > 0) {
        (void)fb_json_unescape(value, arena, &text, NULL);
    }
    return text;
}

struct fb_trace_context envelope_trace(const struct envelope *envelope, struct fb_arena *arena)
{
    return fb_trace_join(plain(envelope->traceparent, arena), plain(envelope->tracestate, arena),
                         plain(envelope->baggage, arena), false);
}

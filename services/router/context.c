#include "services/router/context.h"

enum { FIELDS_MOST = 64, WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct reader {
    const uint8_t *next;
    const uint8_t *end;
};

struct field {
    uint32_t number;
    unsigned wire;
    struct fb_text bytes; /* of WIRE_BYTES */
    uint64_t value;       /* of WIRE_VARINT */
};

struct context_field {
    const char *name;
    size_t offset;
    size_t most_bytes;
    bool printable; /* ASCII without spaces */
};

static const struct context_field context_fields[] = {
    [1] = {"context.session", offsetof(struct context, session), 128, true},
    [2] = {"context.agent", offsetof(struct context, agent), 128, true},
    [3] = {"context.server", offsetof(struct context, server), 64, false},
    [4] = {"context.name", offsetof(struct context, name), 2048, false},
    [5] = {"context.scope", offsetof(struct context, scope), 128, true},
};

static bool read_varint(struct reader *reader, uint64_t *value)
{
    uint64_t sum = 0;

    for (unsigned shift = 0; shift < 64 && reader->next < reader->end; shift += 7) {
        const uint8_t byte = *reader->next++;

        sum |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *value = sum;
            return true;
        }
    }
    return false;
}

static bool skip(struct reader *reader, uint64_t size)
{
    if (size > (uint64_t)(reader->end - reader->next)) {
        return false;
    }
    reader->next += size;
    return true;
}

static bool read_field(struct reader *reader, struct field *field)
{
    uint64_t tag;
    uint64_t size;

    if (!read_varint(reader, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff) {
        return false;
    }
    *field = (struct field){.number = (uint32_t)(tag >> 3), .wire = (unsigned)(tag & 7)};
    switch (field->wire) {
    case WIRE_VARINT:
        return read_varint(reader, &field->value);
    case WIRE_FIXED64:
        return skip(reader, 8);
    case WIRE_FIXED32:
        return skip(reader, 4);
    case WIRE_BYTES:
        if (!read_varint(reader, &size) || !skip(reader, size)) {
            return false;
        }
        field->bytes.data = (const char *)reader->next - size;
        field->bytes.size = (size_t)size;
        return true;
    default:
        return false;
    }
}

static bool is_allowed(const struct context_field *rule, struct fb_text text)
{
    for (size_t i = 0; i < text.size; i++) {
        const unsigned char c = (unsigned char)text.data[i];

        if (c < ' ' || c == 0x7f || (rule->printable && (c == ' ' || c > 0x7e))) {
            return false;
        }
    }
    return rule->printable || fb_utf8_check(text.data, text.size) == text.size;
}

static struct fb_status take_field(const struct field *field, struct fb_arena *arena,
                                   struct context *context)
{
    const struct context_field *rule;

    if (field->number >= sizeof(context_fields) / sizeof(context_fields[0])) {
        return fb_ok; /* of a later version */
    }
    rule = &context_fields[field->number];
    if (field->wire != WIRE_BYTES) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s is not a string", rule->name);
    }
    if (field->bytes.size > rule->most_bytes) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT,
                             "%s has %zu bytes, at most %zu are allowed", rule->name,
                             field->bytes.size, rule->most_bytes);
    }
    if (!is_allowed(rule, field->bytes)) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s holds characters it must not: %s",
                             rule->name,
                             rule->printable ? "printable ASCII without spaces is allowed"
                                             : "UTF-8 without control characters is allowed");
    }
    *(struct fb_text *)((char *)context + rule->offset) = field->bytes;
    return fb_ok;
}

static struct fb_status read_context(struct fb_text bytes, struct fb_arena *arena,
                                     struct context *context)
{
    struct reader reader = {(const uint8_t *)bytes.data, (const uint8_t *)bytes.data + bytes.size};
    struct field field;

    for (int i = 0; reader.next < reader.end; i++) {
        struct fb_status status;

        if (i == FIELDS_MOST || !read_field(&reader, &field)) {
            return fb_fail(FB_INVALID_ARGUMENT, "context is not a CallContext message");
        }
        status = take_field(&field, arena, context);
        if (!fb_is_ok(status)) {
            return status;
        }
    }
    return fb_ok;
}

struct fb_status context_peek(const uint8_t *data, size_t size, struct fb_arena *arena,
                              struct context *context)
{
    struct reader reader = {data, data + size};
    struct field field;

    *context = (struct context){0};
    if (size == 0) {
        return fb_ok;
    }
    for (int i = 0; i < FIELDS_MOST && reader.next < reader.end; i++) {
        if (!read_field(&reader, &field)) {
            return fb_fail(FB_INVALID_ARGUMENT, "the request is not a protobuf message");
        }
        if (field.number != 1) {
            continue;
        }
        if (field.wire != WIRE_BYTES) {
            return fb_fail(FB_INVALID_ARGUMENT, "field 1 of the request is not a CallContext");
        }
        return read_context(field.bytes, arena, context);
    }
    return fb_ok;
}

struct fb_text context_session_key(const struct context *context, struct fb_arena *arena)
{
    const char *key;

    if (context->scope.size == 0 || context->session.size == 0) {
        return context->session;
    }
    key = fb_arena_printf(arena, "%.*s/%.*s", (int)context->scope.size, context->scope.data,
                          (int)context->session.size, context->session.data);
    return fb_text_of(key);
}

/* The last field of that number and wire type; false when there is none. */
static bool find(const uint8_t *data, size_t size, uint32_t number, unsigned wire,
                 struct field *found)
{
    struct reader reader = {data, data + size};
    struct field field;
    bool there = false;

    for (int i = 0; i < FIELDS_MOST && reader.next < reader.end; i++) {
        if (!read_field(&reader, &field)) {
            return false;
        }
        if (field.number == number && field.wire == wire) {
            *found = field;
            there = true;
        }
    }
    return there;
}

uint64_t context_peek_number(const uint8_t *data, size_t size, uint32_t field_number)
{
    struct field field;

    return size > 0 && find(data, size, field_number, WIRE_VARINT, &field) ? field.value : 0;
}

bool context_has_request_id(const uint8_t *data, size_t size)
{
    struct field mutation;
    struct field id;

    return size > 0 && find(data, size, 2, WIRE_BYTES, &mutation) &&
           find((const uint8_t *)mutation.bytes.data, mutation.bytes.size, 1, WIRE_BYTES, &id) &&
           id.bytes.size > 0;
}

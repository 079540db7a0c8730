#include "runtime/rpc/message.h"

#include <stdbool.h>
#include <string.h>

#include "runtime/base/text.h"

enum { ROOM_PER_WIRE_BYTE = 8, ROOM_AT_LEAST_BYTES = 1 << 20 };

enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* --- looking over the wire bytes, before anything is unpacked --- */

/* Where in the message we are: what is left of the part at hand, and of the whole for the offset. */
struct cursor {
    const uint8_t *at;
    const uint8_t *end;
};

struct check {
    const uint8_t *begin;
    struct fb_arena *arena;
    struct fb_status status;
};

static size_t offset_of(const struct check *check, const uint8_t *at)
{
    return (size_t)(at - check->begin);
}

static bool fail(struct check *check, const uint8_t *at, const char *what,
                 const ProtobufCMessageDescriptor *in)
{
    check->status =
        fb_arena_fail(check->arena, FB_INVALID_ARGUMENT, "%s at byte %zu of the message (in %s)",
                      what, offset_of(check, at), in->name == NULL ? "it" : in->name);
    return false;
}

static bool fail_field(struct check *check, const uint8_t *at, const char *what,
                       const ProtobufCMessageDescriptor *in, const ProtobufCFieldDescriptor *field)
{
    check->status = fb_arena_fail(
        check->arena, FB_INVALID_ARGUMENT, "field \"%s\" of %s %s (byte %zu of the message)",
        field->name == NULL ? "?" : field->name, in->name == NULL ? "the message" : in->name, what,
        offset_of(check, at));
    return false;
}

static bool read_varint(struct cursor *cursor, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 70 && cursor->at < cursor->end; shift += 7) {
        uint8_t byte = *cursor->at++;

        if (shift < 64) {
            *value |= (uint64_t)(byte & 0x7f) << shift;
        }
        if (byte < 0x80) {
            return true;
        }
    }
    return false;
}

static bool is_scalar_of(ProtobufCType type, uint64_t wire)
{
    switch (type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return wire == WIRE_BYTES;
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return wire == WIRE_32;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return wire == WIRE_64;
    default:
        return wire == WIRE_VARINT;
    }
}

static bool type_fits(const ProtobufCFieldDescriptor *field, uint64_t wire)
{
    if (is_scalar_of(field->type, wire)) {
        return true;
    }
    /* A repeated number may come packed, whatever its .proto says. */
    return wire == WIRE_BYTES && field->label == PROTOBUF_C_LABEL_REPEATED;
}

static bool check_string(struct check *check, const uint8_t *data, size_t size,
                         const ProtobufCMessageDescriptor *in,
                         const ProtobufCFieldDescriptor *field)
{
    size_t good = fb_utf8_check((const char *)data, size);
    const uint8_t *nul = size == 0 ? NULL : memchr(data, 0, size);

    if (good < size) {
        return fail_field(check, data + good, "is not UTF-8", in, field);
    }
    /* It is kept NUL-terminated: what follows would be lost in silence. */
    return nul == NULL || fail_field(check, nul, "holds a NUL", in, field);
}

static bool check_message(struct check *check, struct cursor cursor,
                          const ProtobufCMessageDescriptor *descriptor, unsigned depth);

static bool check_bytes(struct check *check, struct cursor *cursor,
                        const ProtobufCMessageDescriptor *in, const ProtobufCFieldDescriptor *field,
                        unsigned depth)
{
    const uint8_t *begin = cursor->at;
    struct cursor part;
    uint64_t size;

    if (!read_varint(cursor, &size) || size > (uint64_t)(cursor->end - cursor->at)) {
        return field == NULL ? fail(check, begin, "an unknown field is cut off", in)
                             : fail_field(check, begin, "is cut off", in, field);
    }
    part = (struct cursor){.at = cursor->at, .end = cursor->at + size};
    cursor->at = part.end;
    if (field == NULL) {
        return true;
    }
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        return check_string(check, part.at, (size_t)size, in, field);
    }
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        if (depth == FB_MESSAGE_DEPTH) {
            return fail_field(check, part.at, "is nested too deep", in, field);
        }
        return check_message(check, part, field->descriptor, depth + 1);
    }
    return true;
}

static bool check_field(struct check *check, struct cursor *cursor,
                        const ProtobufCMessageDescriptor *in, unsigned depth)
{
    const uint8_t *begin = cursor->at;
    const ProtobufCFieldDescriptor *field;
    uint64_t tag;
    uint64_t skipped;
    size_t width;

    if (!read_varint(cursor, &tag) || tag >> 3 == 0 || tag > UINT32_MAX) {
        return fail(check, begin, "no field tag", in);
    }
    field = protobuf_c_message_descriptor_get_field(in, (unsigned)(tag >> 3));
    if (field != NULL && !type_fits(field, tag & 7)) {
        return fail_field(check, begin, "has the wrong wire type", in, field);
    }
    switch (tag & 7) {
    case WIRE_VARINT:
        return read_varint(cursor, &skipped) || fail(check, begin, "a number is cut off", in);
    case WIRE_BYTES:
        return check_bytes(check, cursor, in, field, depth);
    case WIRE_64:
    case WIRE_32:
        width = (tag & 7) == WIRE_64 ? 8 : 4;
        if ((size_t)(cursor->end - cursor->at) < width) {
            return fail(check, begin, "a number is cut off", in);
        }
        cursor->at += width;
        return true;
    default:
        return fail(check, begin, "an unknown wire type", in);
    }
}

/* Recurses at most FB_MESSAGE_DEPTH deep, as protobuf-c then will. */
static bool check_message(struct check *check, struct cursor cursor,
                          const ProtobufCMessageDescriptor *descriptor, unsigned depth)
{
    while (cursor.at < cursor.end) {
        if (!check_field(check, &cursor, descriptor, depth)) {
            return false;
        }
    }
    return true;
}

/* --- unpacking into an arena --- */

struct budget {
    struct fb_arena *arena;
    size_t left_bytes;
    bool exhausted;
};

static void *budget_alloc(void *of, size_t size)
{
    struct budget *budget = of;
    void *memory = size > budget->left_bytes ? NULL : fb_arena_alloc(budget->arena, size);

    if (memory == NULL) {
        budget->exhausted = true;
        return NULL;
    }
    budget->left_bytes -= size;
    return memory;
}

/* The arena frees it all at once. */
static void budget_free(void *of, void *memory)
{
    (void)of;
    (void)memory;
}

static size_t default_limit(size_t size)
{
    if (size > (SIZE_MAX - ROOM_AT_LEAST_BYTES) / ROOM_PER_WIRE_BYTE) {
        return SIZE_MAX;
    }
    return size * ROOM_PER_WIRE_BYTE + ROOM_AT_LEAST_BYTES;
}

struct fb_status fb_message_unpack(const ProtobufCMessageDescriptor *descriptor,
                                   const uint8_t *data, size_t size, size_t limit_bytes,
                                   struct fb_arena *arena, ProtobufCMessage **message)
{
    static const uint8_t nothing[1];
    const uint8_t *bytes = size == 0 ? nothing : data;
    struct check check = {.begin = bytes, .arena = arena, .status = fb_ok};
    struct budget budget = {
        .arena = arena,
        .left_bytes = limit_bytes == 0 ? default_limit(size) : limit_bytes,
    };
    ProtobufCAllocator allocator = {
        .alloc = budget_alloc,
        .free = budget_free,
        .allocator_data = &budget,
    };

    *message = NULL;
    if (!check_message(&check, (struct cursor){.at = bytes, .end = bytes + size}, descriptor, 1)) {
        return check.status;
    }
    *message = protobuf_c_message_unpack(descriptor, &allocator, size, bytes);
    if (*message != NULL) {
        return fb_ok;
    }
    if (budget.exhausted) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "the message takes too much memory unpacked");
    }
    return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "the bytes are no %s",
                         descriptor->name == NULL ? "such message" : descriptor->name);
}

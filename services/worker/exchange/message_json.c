#include "services/worker/exchange/message_json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/json/scan.h"
#include "runtime/rpc/metadata.h"

#define EXACT_MOST (UINT64_C(1) << 53) /* what every reader of JSON keeps */

enum { NAMES_MOST = 64 };

/* --- to JSON --- */

static size_t size_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        return sizeof(uint64_t);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_ENUM:
        return sizeof(uint32_t);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
        return sizeof(char *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(ProtobufCMessage *);
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 0; /* none of our contracts has them */
    }
    return 0;
}

static bool is_zero(const ProtobufCFieldDescriptor *field, const void *at)
{
    static const unsigned char zeros[sizeof(uint64_t)];

    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING: {
        const char *const *text = at;

        return *text == NULL || **text == '\0';
    }
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)at)->len == 0;
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(const ProtobufCMessage *const *)at == NULL;
    default:
        return memcmp(at, zeros, size_of(field->type)) == 0;
    }
}

static void write_bytes(const ProtobufCBinaryData *bytes, struct fb_buffer *out)
{
    const size_t room = (bytes->len + 2) / 3 * 4;
    char *to;

    fb_buffer_string(out, "\"");
    to = fb_buffer_reserve(out, room);
    if (to != NULL) {
        out->size += fb_base64_encode(
            (struct fb_text){.data = (const char *)bytes->data, .size = bytes->len}, to);
    }
    fb_buffer_string(out, "\"");
}

static bool write_value(const ProtobufCFieldDescriptor *field, const void *at,
                        struct fb_buffer *out)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
        fb_buffer_printf(out, "%d", *(const int32_t *)at);
        return true;
    case PROTOBUF_C_TYPE_UINT32:
        fb_buffer_printf(out, "%u", *(const uint32_t *)at);
        return true;
    case PROTOBUF_C_TYPE_INT64: {
        const int64_t value = *(const int64_t *)at;
        const bool exact = value >= -(int64_t)EXACT_MOST && value <= (int64_t)EXACT_MOST;

        fb_buffer_printf(out, exact ? "%lld" : "\"%lld\"", (long long)value);
        return true;
    }
    case PROTOBUF_C_TYPE_UINT64: {
        const uint64_t value = *(const uint64_t *)at;

        fb_buffer_printf(out, value <= EXACT_MOST ? "%llu" : "\"%llu\"", (unsigned long long)value);
        return true;
    }
    case PROTOBUF_C_TYPE_BOOL:
        fb_buffer_string(out, *(const protobuf_c_boolean *)at ? "true" : "false");
        return true;
    case PROTOBUF_C_TYPE_ENUM: {
        const int value = *(const int *)at;
        const ProtobufCEnumValue *known =
            protobuf_c_enum_descriptor_get_value(field->descriptor, value);

        if (known == NULL) {
            fb_buffer_printf(out, "%d", value);
        } else {
            fb_buffer_printf(out, "\"%s\"", known->name);
        }
        return true;
    }
    case PROTOBUF_C_TYPE_STRING:
        fb_buffer_json_string(out, fb_text_of(*(const char *const *)at));
        return true;
    case PROTOBUF_C_TYPE_BYTES:
        write_bytes(at, out);
        return true;
    case PROTOBUF_C_TYPE_MESSAGE:
        return message_json_write(*(const ProtobufCMessage *const *)at, out);
    default:
        return false;
    }
}

static bool write_list(const ProtobufCFieldDescriptor *field, const void *items, size_t count,
                       struct fb_buffer *out)
{
    bool said = true;

    fb_buffer_string(out, "[");
    for (size_t i = 0; i < count && said; i++) {
        fb_buffer_string(out, i == 0 ? "" : ",");
        said = write_value(field, (const char *)items + i * size_of(field->type), out);
    }
    fb_buffer_string(out, "]");
    return said;
}

bool message_json_write(const ProtobufCMessage *message, struct fb_buffer *out)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    bool said = message->n_unknown_fields == 0;
    bool first = true;

    fb_buffer_string(out, "{");
    for (unsigned i = 0; i < descriptor->n_fields && said; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        const char *at = (const char *)message + field->offset;
        const char *quantifier = (const char *)message + field->quantifier_offset;
        const bool one_of = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
        size_t count = 0;

        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            count = *(const size_t *)(const void *)quantifier;
            if (count == 0) {
                continue;
            }
        } else if (one_of ? *(const uint32_t *)(const void *)quantifier != field->id
                          : is_zero(field, at)) {
            continue;
        }
        fb_buffer_printf(out, "%s\"%s\":", first ? "" : ",", field->name);
        first = false;
        said = field->label == PROTOBUF_C_LABEL_REPEATED
                   ? write_list(field, *(void *const *)(const void *)at, count, out)
                   : write_value(field, at, out);
    }
    fb_buffer_string(out, "}");
    return said;
}

/* --- from JSON --- */

/* Where we are; a path is only spelled out for an error. */
struct reading {
    struct fb_arena *arena;
    const struct reading *above; /* NULL: `name` is the whole path */
    const char *name;            /* NULL: an element */
    size_t element;
};

static struct fb_status exhausted(void)
{
    return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the import");
}

/* "$.planned.tasks[3].weight" */
static const char *path_of(const struct reading *reading)
{
    const char *above;
    const char *path;

    if (reading->above == NULL) {
        return reading->name;
    }
    above = path_of(reading->above);
    path = reading->name == NULL
               ? fb_arena_printf(reading->arena, "%s[%zu]", above, reading->element)
               : fb_arena_printf(reading->arena, "%s.%s", above, reading->name);
    return path == NULL ? above : path;
}

static struct fb_status expected(const struct reading *reading, const char *what)
{
    return fb_arena_fail(reading->arena, FB_INVALID_ARGUMENT, "%s: expected %s", path_of(reading),
                         what);
}

/* A whole number, written as one or as a string. */
static bool number_of(struct fb_text value, int64_t *number)
{
    if (fb_json_kind_of(value) == FB_JSON_STRING && value.size > 2) {
        value = (struct fb_text){.data = value.data + 1, .size = value.size - 2};
        return fb_json_is_integer(value) && fb_json_to_i64(value, number);
    }
    return fb_json_kind_of(value) == FB_JSON_NUMBER && fb_json_to_i64(value, number);
}

static bool unsigned_of(struct fb_text value, uint64_t *number)
{
    if (fb_json_kind_of(value) == FB_JSON_STRING && value.size > 2) {
        value = (struct fb_text){.data = value.data + 1, .size = value.size - 2};
    }
    return fb_text_to_u64(value, number);
}

static struct fb_status read_enum(const struct reading *reading,
                                  const ProtobufCFieldDescriptor *field, struct fb_text value,
                                  int *number)
{
    const ProtobufCEnumDescriptor *descriptor = field->descriptor;
    int64_t wide;

    for (unsigned i = 0; i < descriptor->n_values; i++) {
        if (fb_json_string_is(value, descriptor->values[i].name)) {
            *number = descriptor->values[i].value;
            return fb_ok;
        }
    }
    if (number_of(value, &wide) && wide >= 0 && wide <= INT32_MAX) {
        *number = (int)wide;
        return fb_ok;
    }
    return fb_arena_fail(reading->arena, FB_INVALID_ARGUMENT,
                         "%s: expected the name of a %s, such as \"%s\"", path_of(reading),
                         descriptor->short_name,
                         descriptor->values[descriptor->n_values > 1 ? 1 : 0].name);
}

static struct fb_status read_string(const struct reading *reading, struct fb_text value, char **at)
{
    struct fb_text text;
    struct fb_status status;
    char *copy;

    if (fb_json_kind_of(value) != FB_JSON_STRING) {
        return expected(reading, "a string");
    }
    status = fb_json_unescape(value, reading->arena, &text, NULL);
    if (!fb_is_ok(status)) {
        return status;
    }
    if (text.size != 0 && memchr(text.data, '\0', text.size) != NULL) {
        return expected(reading, "a string without U+0000");
    }
    copy = fb_arena_copy(reading->arena, text.size == 0 ? "" : text.data, text.size);
    *at = copy;
    return copy == NULL ? exhausted() : fb_ok;
}

static struct fb_status read_bytes(const struct reading *reading, struct fb_text value,
                                   ProtobufCBinaryData *bytes)
{
    struct fb_text text;
    struct fb_status status;
    long size;

    if (fb_json_kind_of(value) != FB_JSON_STRING) {
        return expected(reading, "base64");
    }
    status = fb_json_unescape(value, reading->arena, &text, NULL);
    if (!fb_is_ok(status)) {
        return status;
    }
    bytes->data = fb_arena_alloc(reading->arena, text.size + 1);
    if (bytes->data == NULL) {
        return exhausted();
    }
    size = fb_base64_decode(text, (char *)bytes->data);
    if (size < 0) {
        return expected(reading, "base64");
    }
    bytes->len = (size_t)size;
    return fb_ok;
}

static struct fb_status read_message(const struct reading *reading,
                                     const ProtobufCMessageDescriptor *descriptor,
                                     struct fb_text object, ProtobufCMessage **message);

static struct fb_status read_value(const struct reading *reading,
                                   const ProtobufCFieldDescriptor *field, struct fb_text value,
                                   void *at)
{
    const enum fb_json_kind kind = fb_json_kind_of(value);
    uint64_t wide;
    int64_t number;

    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
        if (!number_of(value, &number) || number < INT32_MIN || number > INT32_MAX) {
            return expected(reading, "a whole number of 32 bits");
        }
        *(int32_t *)at = (int32_t)number;
        return fb_ok;
    case PROTOBUF_C_TYPE_UINT32:
        if (!unsigned_of(value, &wide) || wide > UINT32_MAX) {
            return expected(reading, "a whole number from 0 to 4294967295");
        }
        *(uint32_t *)at = (uint32_t)wide;
        return fb_ok;
    case PROTOBUF_C_TYPE_INT64:
        return number_of(value, (int64_t *)at) ? fb_ok
                                               : expected(reading, "a whole number of 64 bits");
    case PROTOBUF_C_TYPE_UINT64:
        return unsigned_of(value, (uint64_t *)at)
                   ? fb_ok
                   : expected(reading, "a whole number of 64 bits, not negative");
    case PROTOBUF_C_TYPE_BOOL:
        if (kind != FB_JSON_TRUE && kind != FB_JSON_FALSE) {
            return expected(reading, "true or false");
        }
        *(protobuf_c_boolean *)at = kind == FB_JSON_TRUE;
        return fb_ok;
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(reading, field, value, at);
    case PROTOBUF_C_TYPE_STRING:
        return read_string(reading, value, at);
    case PROTOBUF_C_TYPE_BYTES:
        return read_bytes(reading, value, at);
    case PROTOBUF_C_TYPE_MESSAGE:
        return read_message(reading, field->descriptor, value, at);
    default:
        return expected(reading, "nothing of the kind");
    }
}

static struct fb_status read_list(const struct reading *reading,
                                  const ProtobufCFieldDescriptor *field, struct fb_text value,
                                  void *message)
{
    struct fb_json_walk walk = fb_json_walk(value);
    struct fb_status status = fb_ok;
    size_t count = 0;
    char *items;

    if (fb_json_kind_of(value) != FB_JSON_ARRAY) {
        return expected(reading, "a list");
    }
    while (fb_json_next(&walk)) {
        count++;
    }
    items = fb_arena_zalloc(reading->arena, count + 1, size_of(field->type));
    if (items == NULL) {
        return exhausted();
    }
    walk = fb_json_walk(value);
    for (size_t i = 0; fb_is_ok(status) && fb_json_next(&walk); i++) {
        const struct reading element = {.arena = reading->arena, .above = reading, .element = i};

        status = read_value(&element, field, walk.value, items + i * size_of(field->type));
    }
    memcpy((char *)message + field->offset, &items, sizeof(items));
    *(size_t *)(void *)((char *)message + field->quantifier_offset) = count;
    return status;
}

static struct fb_status unknown_member(const struct reading *reading,
                                       const ProtobufCMessageDescriptor *descriptor,
                                       struct fb_text key)
{
    const char *names[NAMES_MOST];
    unsigned count = 0;
    struct fb_text text;
    const char *nearest = NULL;
    const char *word;

    if (!fb_is_ok(fb_json_unescape(key, reading->arena, &text, NULL))) {
        return exhausted();
    }
    word = fb_arena_copy(reading->arena, text.size == 0 ? "" : text.data,
                         text.size < NAMES_MOST ? text.size : NAMES_MOST);
    for (; count < descriptor->n_fields && count < NAMES_MOST; count++) {
        names[count] = descriptor->fields[count].name;
    }
    nearest = word == NULL ? NULL : fb_text_nearest(word, names, count);
    return fb_arena_fail(reading->arena, FB_INVALID_ARGUMENT,
                         "%s.%s: there is no such member%s%s%s; a newer flow-balancer may know it",
                         path_of(reading), word == NULL ? "" : word,
                         nearest == NULL ? "" : ", did you mean \"", nearest == NULL ? "" : nearest,
                         nearest == NULL ? "" : "\"?");
}

static const ProtobufCFieldDescriptor *field_of(const ProtobufCMessageDescriptor *descriptor,
                                                struct fb_text key)
{
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        if (fb_json_string_is(key, descriptor->fields[i].name)) {
            return size_of(descriptor->fields[i].type) == 0 ? NULL : &descriptor->fields[i];
        }
    }
    return NULL;
}

static struct fb_status read_message(const struct reading *reading,
                                     const ProtobufCMessageDescriptor *descriptor,
                                     struct fb_text object, ProtobufCMessage **message)
{
    struct fb_json_walk walk = fb_json_walk(object);
    ProtobufCMessage *made = fb_arena_zalloc(reading->arena, 1, descriptor->sizeof_message);
    struct fb_status status = fb_ok;

    *message = made;
    if (made == NULL) {
        return exhausted();
    }
    descriptor->message_init(made);
    if (fb_json_kind_of(object) != FB_JSON_OBJECT) {
        return expected(reading, "an object");
    }
    while (fb_is_ok(status) && fb_json_next(&walk)) {
        const ProtobufCFieldDescriptor *field = field_of(descriptor, walk.key);
        struct reading member = {.arena = reading->arena, .above = reading};
        uint32_t *chosen;

        if (field == NULL) {
            return unknown_member(reading, descriptor, walk.key);
        }
        member.name = field->name;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            status = read_list(&member, field, walk.value, made);
            continue;
        }
        if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
            chosen = (uint32_t *)(void *)((char *)made + field->quantifier_offset);
            if (*chosen != 0) {
                return expected(&member, "one kind alone");
            }
            *chosen = field->id;
        }
        status = read_value(&member, field, walk.value, (char *)made + field->offset);
    }
    return status;
}

struct fb_status message_json_read(const ProtobufCMessageDescriptor *descriptor,
                                   struct fb_text object, const char *where, struct fb_arena *arena,
                                   ProtobufCMessage **message)
{
    const struct reading reading = {.arena = arena, .name = where};

    return read_message(&reading, descriptor, object, message);
}

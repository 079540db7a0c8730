#include "clients/flowctl/message_json.h"

#include <ctype.h>
#include <string.h>

enum { WORD_BYTES = 64, HEX_BYTES = 1 << 20 };

/* Characters of "FLOW_TASK_STATE_" for the type FlowTaskState. */
static size_t prefix_of(const ProtobufCEnumDescriptor *type)
{
    size_t size = 1;

    for (const char *c = type->short_name; *c != '\0'; c++) {
        size += isupper((unsigned char)*c) && c != type->short_name ? 2 : 1;
    }
    return size;
}

const char *message_json_word(const ProtobufCEnumDescriptor *type, int value, char *room,
                              size_t size)
{
    const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(type, value);
    const size_t prefix = prefix_of(type);
    const char *word;
    size_t i = 0;

    if (found == NULL || strlen(found->name) <= prefix) {
        return "?";
    }
    word = found->name + prefix;
    if (strcmp(word, "UNSPECIFIED") == 0) {
        return "";
    }
    for (; word[i] != '\0' && i + 1 < size; i++) {
        room[i] = (char)tolower((unsigned char)word[i]);
    }
    room[i] = '\0';
    return room;
}

static void write_bytes(struct writer *writer, const ProtobufCBinaryData *bytes)
{
    static const char digits[] = "0123456789abcdef";
    struct fb_buffer text = {.limit_bytes = 2 * HEX_BYTES};

    for (size_t i = 0; i < bytes->len && i < HEX_BYTES; i++) {
        const char pair[] = {digits[bytes->data[i] >> 4], digits[bytes->data[i] & 15]};

        fb_buffer_append(&text, pair, sizeof(pair));
    }
    writer_text(writer,
                (struct fb_text){.data = text.data == NULL ? "" : text.data, .size = text.size});
    fb_buffer_finish(&text);
}

static void write_value(struct writer *writer, const ProtobufCFieldDescriptor *field,
                        const void *at)
{
    char word[WORD_BYTES];

    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        writer_int(writer, *(const int32_t *)at);
        return;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        writer_int(writer, *(const int64_t *)at);
        return;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        writer_uint(writer, *(const uint32_t *)at);
        return;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        writer_uint(writer, *(const uint64_t *)at);
        return;
    case PROTOBUF_C_TYPE_FLOAT:
        writer_double(writer, (double)*(const float *)at);
        return;
    case PROTOBUF_C_TYPE_DOUBLE:
        writer_double(writer, *(const double *)at);
        return;
    case PROTOBUF_C_TYPE_BOOL:
        writer_bool(writer, *(const protobuf_c_boolean *)at);
        return;
    case PROTOBUF_C_TYPE_ENUM:
        writer_string(writer,
                      message_json_word(field->descriptor, *(const int *)at, word, sizeof(word)));
        return;
    case PROTOBUF_C_TYPE_STRING:
        writer_string(writer, *(char *const *)at);
        return;
    case PROTOBUF_C_TYPE_BYTES:
        write_bytes(writer, at);
        return;
    case PROTOBUF_C_TYPE_MESSAGE:
        message_json(writer, *(ProtobufCMessage *const *)at);
        return;
    }
}

static size_t size_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 4;
    }
}

static void write_list(struct writer *writer, const ProtobufCFieldDescriptor *field,
                       const char *message)
{
    const size_t count = *(const size_t *)(const void *)(message + field->quantifier_offset);
    const char *items = *(char *const *)(const void *)(message + field->offset);

    writer_open(writer, '[');
    for (size_t i = 0; i < count; i++) {
        write_value(writer, field, items + i * size_of(field->type));
    }
    writer_close(writer, ']');
}

static bool is_set(const ProtobufCFieldDescriptor *field, const char *message)
{
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        return *(const uint32_t *)(const void *)(message + field->quantifier_offset) == field->id;
    }
    return field->type != PROTOBUF_C_TYPE_MESSAGE ||
           *(void *const *)(const void *)(message + field->offset) != NULL;
}

void message_json(struct writer *writer, const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    const char *base = (const char *)message;

    writer_open(writer, '{');
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];

        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            writer_key(writer, field->name);
            write_list(writer, field, base);
        } else if (is_set(field, base)) {
            writer_key(writer, field->name);
            write_value(writer, field, base + field->offset);
        }
    }
    writer_close(writer, '}');
}

bool message_json_send(const ProtobufCMessage *message)
{
    struct writer writer = {.depth = 0};

    message_json(&writer, message);
    return writer_send(&writer);
}

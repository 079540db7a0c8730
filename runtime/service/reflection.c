#include "runtime/service/reflection.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "grpc/reflection/v1/reflection.pb-c.h"
#include "grpc/reflection/v1alpha/reflection.pb-c.h"

#include "runtime/base/text.h"
#include "runtime/rpc/call.h"
#include "runtime/rpc/message.h"

enum {
    FILES_MOST = 256,
    SERVICES_MOST = 34,
    DEPTH_MOST = 32, /* of messages within messages; of imports of imports */
    ANSWER_BYTES = 4 << 20
};

/* Numbers of fields in google/protobuf/descriptor.proto. */
enum {
    SET_FILE = 1,
    FILE_NAME = 1,
    FILE_PACKAGE = 2,
    FILE_IMPORT = 3,
    FILE_MESSAGE = 4,
    FILE_ENUM = 5,
    FILE_SERVICE = 6,
    FILE_EXTENSION = 7,
    NAME = 1, /* in all that declares a symbol */
    MESSAGE_FIELD = 2,
    MESSAGE_MESSAGE = 3,
    MESSAGE_ENUM = 4,
    MESSAGE_EXTENSION = 6,
    MESSAGE_ONEOF = 8,
    ENUM_VALUE = 2,
    SERVICE_METHOD = 2
};

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct file {
    struct fb_text bytes; /* a FileDescriptorProto */
    struct fb_text name;
    struct fb_text package;
};

/* A stream that is open; in its call's arena. */
struct stream {
    struct fb_reflection *reflection;
    struct fb_call *call;
    struct stream *next;
    struct stream **link;
};

struct fb_reflection {
    struct file files[FILES_MOST];
    size_t file_count;
    const char *services[SERVICES_MOST];
    size_t service_count;
    struct stream *streams;
};

/* --- the wire of a descriptor --- */

struct field {
    uint32_t number;
    unsigned wire;
    struct fb_text bytes; /* of WIRE_BYTES */
};

static bool read_varint(struct fb_text *rest, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && rest->size > 0; shift += 7) {
        uint8_t byte = (uint8_t)rest->data[0];

        rest->data++;
        rest->size--;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return true;
        }
    }
    return false;
}

/* The next field of a message; false at its end, with `rest` not empty if it is broken. */
static bool next_field(struct fb_text *rest, struct field *field)
{
    uint64_t tag;
    uint64_t size = 0;

    if (rest->size == 0 || !read_varint(rest, &tag)) {
        return false;
    }
    *field = (struct field){.number = (uint32_t)(tag >> 3), .wire = (unsigned)tag & 7};
    switch (field->wire) {
    case WIRE_VARINT:
        return read_varint(rest, &size);
    case WIRE_64:
        size = 8;
        break;
    case WIRE_32:
        size = 4;
        break;
    case WIRE_BYTES:
        if (!read_varint(rest, &size)) {
            return false;
        }
        break;
    default:
        return false;
    }
    if (size > rest->size) {
        return false;
    }
    field->bytes = (struct fb_text){.data = rest->data, .size = (size_t)size};
    rest->data += size;
    rest->size -= (size_t)size;
    return true;
}

/* The first field of that number; empty when there is none. */
static struct fb_text field_of(struct fb_text message, uint32_t number)
{
    struct field field;

    while (next_field(&message, &field)) {
        if (field.number == number && field.wire == WIRE_BYTES) {
            return field.bytes;
        }
    }
    return FB_TEXT("");
}

/* --- symbols --- */

/* Takes `name` and the dot behind it off the front of a symbol; the whole symbol leaves it empty. */
static bool take_name(struct fb_text *symbol, struct fb_text name)
{
    if (name.size == 0) {
        return true;
    }
    if (symbol->size < name.size || memcmp(symbol->data, name.data, name.size) != 0) {
        return false;
    }
    if (symbol->size == name.size) {
        symbol->size = 0;
        return true;
    }
    if (symbol->data[name.size] != '.') {
        return false;
    }
    symbol->data += name.size + 1;
    symbol->size -= name.size + 1;
    return true;
}

/* Whether `symbol` is among what is declared in `owner` by the fields with the numbers `leaves`. */
static bool declares_leaf(struct fb_text owner, struct fb_text symbol, const uint32_t *leaves)
{
    struct field field;

    while (next_field(&owner, &field)) {
        for (const uint32_t *leaf = leaves; *leaf != 0; leaf++) {
            if (field.number == *leaf && field.wire == WIRE_BYTES &&
                fb_text_equal(field_of(field.bytes, NAME), symbol)) {
                return true;
            }
        }
    }
    return false;
}

static bool enum_declares(struct fb_text declared, struct fb_text symbol)
{
    static const uint32_t leaves[] = {ENUM_VALUE, 0};

    return take_name(&symbol, field_of(declared, NAME)) &&
           (symbol.size == 0 || declares_leaf(declared, symbol, leaves));
}

static bool service_declares(struct fb_text declared, struct fb_text symbol)
{
    static const uint32_t leaves[] = {SERVICE_METHOD, 0};

    return take_name(&symbol, field_of(declared, NAME)) &&
           (symbol.size == 0 || declares_leaf(declared, symbol, leaves));
}

static bool message_declares(struct fb_text declared, struct fb_text symbol, int depth)
{
    static const uint32_t leaves[] = {MESSAGE_FIELD, MESSAGE_ONEOF, MESSAGE_EXTENSION, 0};
    struct fb_text rest = declared;
    struct field field;

    if (depth > DEPTH_MOST || !take_name(&symbol, field_of(declared, NAME))) {
        return false;
    }
    if (symbol.size == 0 || declares_leaf(declared, symbol, leaves)) {
        return true;
    }
    while (next_field(&rest, &field)) {
        if (field.wire != WIRE_BYTES) {
            continue;
        }
        if ((field.number == MESSAGE_MESSAGE && message_declares(field.bytes, symbol, depth + 1)) ||
            (field.number == MESSAGE_ENUM && enum_declares(field.bytes, symbol))) {
            return true;
        }
    }
    return false;
}

static bool file_declares(const struct file *file, struct fb_text symbol)
{
    static const uint32_t leaves[] = {FILE_EXTENSION, 0};
    struct fb_text rest = file->bytes;
    struct field field;

    if (!take_name(&symbol, file->package) || symbol.size == 0) {
        return false;
    }
    if (declares_leaf(file->bytes, symbol, leaves)) {
        return true;
    }
    while (next_field(&rest, &field)) {
        if (field.wire != WIRE_BYTES) {
            continue;
        }
        if ((field.number == FILE_MESSAGE && message_declares(field.bytes, symbol, 0)) ||
            (field.number == FILE_ENUM && enum_declares(field.bytes, symbol)) ||
            (field.number == FILE_SERVICE && service_declares(field.bytes, symbol))) {
            return true;
        }
    }
    return false;
}

static const struct file *file_of_symbol(const struct fb_reflection *reflection,
                                         struct fb_text symbol)
{
    if (symbol.size == 0 || symbol.data[symbol.size - 1] == '.') {
        return NULL;
    }
    for (size_t i = 0; i < reflection->file_count; i++) {
        if (file_declares(&reflection->files[i], symbol)) {
            return &reflection->files[i];
        }
    }
    return NULL;
}

static const struct file *file_of_name(const struct fb_reflection *reflection, struct fb_text name)
{
    for (size_t i = 0; i < reflection->file_count; i++) {
        if (fb_text_equal(reflection->files[i].name, name)) {
            return &reflection->files[i];
        }
    }
    return NULL;
}

/* --- answers: both versions have the same wire, so v1's types serve both --- */

typedef Grpc__Reflection__V1__ServerReflectionRequest request_type;
typedef Grpc__Reflection__V1__ServerReflectionResponse response_type;

struct wanted {
    const struct fb_reflection *reflection;
    bool listed[FILES_MOST];
    ProtobufCBinaryData parts[FILES_MOST];
    size_t count;
};

/* The file, then all that it imports, each once. */
static void want_file(struct wanted *wanted, const struct file *file, int depth)
{
    const size_t index = (size_t)(file - wanted->reflection->files);
    struct fb_text rest = file->bytes;
    struct field field;

    if (wanted->listed[index] || depth > DEPTH_MOST) {
        return;
    }
    wanted->listed[index] = true;
    wanted->parts[wanted->count++] =
        (ProtobufCBinaryData){.data = (uint8_t *)file->bytes.data, .len = file->bytes.size};
    while (next_field(&rest, &field)) {
        if (field.number == FILE_IMPORT && field.wire == WIRE_BYTES) {
            const struct file *import = file_of_name(wanted->reflection, field.bytes);

            if (import != NULL) {
                want_file(wanted, import, depth + 1);
            }
        }
    }
}

/* No further question is read before a slow reader has taken this answer. */
static void say(struct stream *stream, const response_type *answer)
{
    if (!fb_call_send(stream->call, &answer->base)) {
        fb_call_pause(stream->call);
    }
}

static void answer_error(struct stream *stream, const response_type *draft, enum fb_code code,
                         const char *why)
{
    response_type answer = *draft;
    Grpc__Reflection__V1__ErrorResponse error = GRPC__REFLECTION__V1__ERROR_RESPONSE__INIT;

    error.error_code = (int32_t)code;
    error.error_message = (char *)why;
    answer.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
    answer.error_response = &error;
    say(stream, &answer);
}

static void answer_file(struct stream *stream, const response_type *draft, const struct file *file)
{
    response_type answer = *draft;
    Grpc__Reflection__V1__FileDescriptorResponse files =
        GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;
    struct wanted *wanted;

    if (file == NULL) {
        answer_error(stream, draft, FB_NOT_FOUND, "nothing of that name is known here");
        return;
    }
    wanted = calloc(1, sizeof(*wanted));
    if (wanted == NULL) {
        answer_error(stream, draft, FB_RESOURCE_EXHAUSTED, "no memory left to answer");
        return;
    }
    wanted->reflection = stream->reflection;
    want_file(wanted, file, 0);
    files.file_descriptor_proto = wanted->parts;
    files.n_file_descriptor_proto = wanted->count;
    answer.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
    answer.file_descriptor_response = &files;
    say(stream, &answer);
    free(wanted);
}

static void answer_services(struct stream *stream, const response_type *draft)
{
    const struct fb_reflection *reflection = stream->reflection;
    response_type answer = *draft;
    Grpc__Reflection__V1__ListServiceResponse list =
        GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;
    Grpc__Reflection__V1__ServiceResponse items[SERVICES_MOST];
    Grpc__Reflection__V1__ServiceResponse *pointers[SERVICES_MOST];

    for (size_t i = 0; i < reflection->service_count; i++) {
        grpc__reflection__v1__service_response__init(&items[i]);
        items[i].name = (char *)reflection->services[i];
        pointers[i] = &items[i];
    }
    list.service = pointers;
    list.n_service = reflection->service_count;
    answer.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
    answer.list_services_response = &list;
    say(stream, &answer);
}

/* Our protos extend nothing, so a known message has no extension and none is ever found. */
static void answer_extensions(struct stream *stream, const response_type *draft, const char *type)
{
    response_type answer = *draft;
    Grpc__Reflection__V1__ExtensionNumberResponse numbers =
        GRPC__REFLECTION__V1__EXTENSION_NUMBER_RESPONSE__INIT;

    if (file_of_symbol(stream->reflection, fb_text_of(type)) == NULL) {
        answer_error(stream, draft, FB_NOT_FOUND, "nothing of that name is known here");
        return;
    }
    numbers.base_type_name = (char *)type;
    answer.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ALL_EXTENSION_NUMBERS_RESPONSE;
    answer.all_extension_numbers_response = &numbers;
    say(stream, &answer);
}

static void answer(struct stream *stream, request_type *request)
{
    response_type response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;

    response.valid_host = request->host;
    response.original_request = request;
    switch (request->message_request_case) {
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
        answer_file(stream, &response,
                    file_of_name(stream->reflection, fb_text_of(request->file_by_filename)));
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
        answer_file(
            stream, &response,
            file_of_symbol(stream->reflection, fb_text_of(request->file_containing_symbol)));
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION:
        answer_error(stream, &response, FB_NOT_FOUND, "no extension is known here");
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE:
        answer_extensions(stream, &response, request->all_extension_numbers_of_type);
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
        answer_services(stream, &response);
        break;
    default:
        answer_error(stream, &response, FB_INVALID_ARGUMENT,
                     "message_request: none of its fields is set");
        break;
    }
}

/* --- streams --- */

static void end_stream(struct stream *stream, struct fb_status status)
{
    *stream->link = stream->next;
    if (stream->next != NULL) {
        stream->next->link = stream->link;
    }
    fb_call_finish(stream->call, status);
}

static void request_came(struct fb_call *call, void *arg, const uint8_t *data, size_t size)
{
    struct stream *stream = arg;
    struct fb_arena arena;
    ProtobufCMessage *message;
    struct fb_status status;

    (void)call;
    fb_arena_init(&arena, ANSWER_BYTES);
    status = fb_message_unpack(&grpc__reflection__v1__server_reflection_request__descriptor, data,
                               size, 0, &arena, &message);
    if (fb_is_ok(status)) {
        answer(stream, (request_type *)message);
    } else {
        end_stream(stream, status);
    }
    fb_arena_finish(&arena);
}

static void requests_ended(struct fb_call *call, void *arg)
{
    (void)call;
    end_stream(arg, fb_ok);
}

static void stream_cancelled(struct fb_call *call, void *arg)
{
    (void)call;
    end_stream(arg, fb_fail(FB_CANCELLED, "the caller went away"));
}

static void answers_read(struct fb_call *call, void *arg)
{
    (void)arg;
    fb_call_resume(call);
}

static void begin_stream(struct fb_call *call, const ProtobufCMessage *request)
{
    static const struct fb_call_events events = {
        .on_message = request_came,
        .on_half_close = requests_ended,
        .on_cancel = stream_cancelled,
        .on_drain = answers_read,
    };
    struct fb_reflection *reflection = fb_call_self(call);
    struct stream *stream = fb_arena_zalloc(fb_call_arena(call), 1, sizeof(*stream));

    (void)request;
    if (stream == NULL) {
        fb_call_finish(call, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory left for reflection"));
        return;
    }
    *stream = (struct stream){
        .reflection = reflection,
        .call = call,
        .next = reflection->streams,
        .link = &reflection->streams,
    };
    if (stream->next != NULL) {
        stream->next->link = &stream->next;
    }
    reflection->streams = stream;
    fb_call_watch(call, &events, stream);
}

static const struct fb_method methods[] = {
    {.name = "ServerReflectionInfo", .kind = FB_BIDI_STREAM, .handle = begin_stream},
};

static const struct fb_rpc_service service_v1 = {
    .descriptor = &grpc__reflection__v1__server_reflection__descriptor,
    .methods = methods,
    .method_count = 1,
};

static const struct fb_rpc_service service_v1alpha = {
    .descriptor = &grpc__reflection__v1alpha__server_reflection__descriptor,
    .methods = methods,
    .method_count = 1,
};

/* --- life --- */

static bool read_set(struct fb_reflection *reflection, struct fb_text set)
{
    struct field field;

    while (next_field(&set, &field)) {
        if (field.number != SET_FILE || field.wire != WIRE_BYTES) {
            continue;
        }
        if (reflection->file_count == FILES_MOST) {
            return false;
        }
        reflection->files[reflection->file_count++] = (struct file){
            .bytes = field.bytes,
            .name = field_of(field.bytes, FILE_NAME),
            .package = field_of(field.bytes, FILE_PACKAGE),
        };
    }
    return set.size == 0;
}

struct fb_reflection *fb_reflection_create(const unsigned char *set, size_t size)
{
    struct fb_reflection *reflection = calloc(1, sizeof(*reflection));

    if (reflection == NULL) {
        return NULL;
    }
    if (!read_set(reflection, (struct fb_text){.data = (const char *)set, .size = size})) {
        fb_reflection_destroy(reflection);
        return NULL;
    }
    fb_reflection_know(reflection, service_v1.descriptor->name);
    fb_reflection_know(reflection, service_v1alpha.descriptor->name);
    return reflection;
}

void fb_reflection_destroy(struct fb_reflection *reflection)
{
    assert(reflection == NULL || reflection->streams == NULL);
    free(reflection);
}

void fb_reflection_serve(struct fb_reflection *reflection, struct fb_server *server)
{
    fb_server_add(server, &service_v1, reflection);
    fb_server_add(server, &service_v1alpha, reflection);
}

void fb_reflection_know(struct fb_reflection *reflection, const char *service)
{
    assert(reflection->service_count < SERVICES_MOST);
    reflection->services[reflection->service_count++] = service;
}

void fb_reflection_end(struct fb_reflection *reflection)
{
    while (reflection->streams != NULL) {
        end_stream(reflection->streams, fb_fail(FB_UNAVAILABLE, "the server is shutting down"));
    }
}

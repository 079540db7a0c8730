#include <inttypes.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "gateway/flow/resources.h"
#include "gateway/flow/verbs.h"

enum { EVENTS_SAID = 200, TEXT_TOKENS = 200, MS_IN_S = 1000 };

/* --- an event as a line, by what its descriptor says of it --- */

/* "handed_back" of FLOW_REQUEUE_CAUSE_HANDED_BACK. */
static void put_enum(struct fb_buffer *out, const ProtobufCEnumDescriptor *descriptor, int value)
{
    const ProtobufCEnumValue *entry = protobuf_c_enum_descriptor_get_value(descriptor, value);
    size_t prefix = strlen(descriptor->short_name);

    if (entry == NULL) {
        fb_buffer_printf(out, "%d", value);
        return;
    }
    for (const char *c = descriptor->short_name; *c != '\0'; c++) {
        prefix += *c >= 'A' && *c <= 'Z';
    }
    if (prefix >= strlen(entry->name)) {
        prefix = 0;
    }
    for (const char *c = entry->name + prefix; *c != '\0'; c++) {
        const char lower = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;

        fb_buffer_append(out, &lower, 1);
    }
}

static void put_field(struct fb_buffer *out, const ProtobufCMessage *message,
                      const ProtobufCFieldDescriptor *field)
{
    const void *at = (const char *)message + field->offset;

    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t count;

        memcpy(&count, (const char *)message + field->quantifier_offset, sizeof(count));
        if (count > 0) {
            fb_buffer_printf(out, " %s %zu", field->name, count);
        }
        return;
    }
    switch (field->type) {
    case PROTOBUF_C_TYPE_UINT32:
        if (*(const uint32_t *)at != 0) {
            fb_buffer_printf(out, " %s %" PRIu32, field->name, *(const uint32_t *)at);
        }
        break;
    case PROTOBUF_C_TYPE_INT64:
        if (*(const int64_t *)at != 0) {
            fb_buffer_printf(out, " %s %" PRId64, field->name, *(const int64_t *)at);
        }
        break;
    case PROTOBUF_C_TYPE_UINT64:
        if (*(const uint64_t *)at != 0) {
            fb_buffer_printf(out, " %s %" PRIu64, field->name, *(const uint64_t *)at);
        }
        break;
    case PROTOBUF_C_TYPE_BOOL:
        if (*(const protobuf_c_boolean *)at) {
            fb_buffer_printf(out, " %s", field->name);
        }
        break;
    case PROTOBUF_C_TYPE_ENUM:
        if (*(const int *)at != 0) {
            fb_buffer_printf(out, " %s ", field->name);
            put_enum(out, field->descriptor, *(const int *)at);
        }
        break;
    case PROTOBUF_C_TYPE_STRING:
        if (**(const char *const *)at != '\0') {
            fb_buffer_printf(out, " %s \"", field->name);
            words_put(out, *(const char *const *)at, TEXT_TOKENS);
            fb_buffer_string(out, "\"");
        }
        break;
    default:
        break; /* bytes and messages: not for people */
    }
}

static void put_time(struct fb_buffer *out, int64_t unix_ms)
{
    const time_t seconds = (time_t)(unix_ms / MS_IN_S);
    struct tm parts;
    char text[32];

    if (gmtime_r(&seconds, &parts) != NULL &&
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts) > 0) {
        fb_buffer_string(out, text);
    } else {
        fb_buffer_printf(out, "%" PRId64, unix_ms);
    }
}

/* "4711 2026-11-20T22:30:05Z @ada claimed task 12 fence 27". */
static void put_event(struct fb_buffer *out, int64_t seq, const Flowbalancer__V1__FlowEvent *event)
{
    const ProtobufCFieldDescriptor *kind = protobuf_c_message_descriptor_get_field(
        &flowbalancer__v1__flow_event__descriptor, (unsigned)event->kind_case);
    const ProtobufCMessage *what;

    fb_buffer_printf(out, "%" PRId64 " ", seq);
    put_time(out, event->unix_ms);
    if (event->actor[0] != '\0') {
        fb_buffer_string(out, " @");
        words_put(out, event->actor, SIZE_MAX);
    }
    if (kind == NULL || kind->type != PROTOBUF_C_TYPE_MESSAGE) {
        fb_buffer_string(out, " did what this version does not know\n");
        return;
    }
    fb_buffer_printf(out, " %s", kind->name);
    memcpy(&what, (const char *)event + kind->offset, sizeof(what));
    for (unsigned i = 0; what != NULL && i < what->descriptor->n_fields; i++) {
        put_field(out, what, &what->descriptor->fields[i]);
    }
    fb_buffer_string(out, "\n");
}

/* --- reading --- */

static void say_log(struct work *work)
{
    for (size_t i = 0; i < work->reply_count; i++) {
        const Flowbalancer__V1__WatchResponse *reply = (const void *)work->replies[i];

        if (reply->part_case == FLOWBALANCER__V1__WATCH_RESPONSE__PART_EVENT &&
            reply->event->event != NULL) {
            put_event(&work->text, reply->event->seq, reply->event->event);
        }
    }
    resource_answer(work);
}

/* Up to what had happened when it was asked. */
static bool is_behind(struct work *work, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__WatchResponse *reply = (const void *)message;

    (void)work;
    return reply->part_case != FLOWBALANCER__V1__WATCH_RESPONSE__PART_CAUGHT_UP_SEQ;
}

static void on_status(struct work *work)
{
    Flowbalancer__V1__WatchRequest request = FLOWBALANCER__V1__WATCH_REQUEST__INIT;
    const Flowbalancer__V1__StatusResponse *reply = work_reply(work);
    const int64_t seq = reply->line != NULL ? reply->line->seq : 0;

    request.context = work_context(work);
    request.since_seq = seq > EVENTS_SAID ? seq - EVENTS_SAID : 0;
    work_ask_each(work, &method_watch, &request.base, is_behind, say_log);
}

void resource_read_log(struct work *work)
{
    Flowbalancer__V1__StatusRequest request = FLOWBALANCER__V1__STATUS_REQUEST__INIT;

    request.context = work_context(work);
    work_ask(work, &method_status, &request.base, on_status);
}

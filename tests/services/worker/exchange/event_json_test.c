#include "services/worker/exchange/event_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flowbalancer/v1/flow_event.pb-c.h"
#include "runtime/json/scan.h"
#include "services/worker/exchange/message_json.h"

/* --- messages with something in every field, by their descriptors --- */

static void fill(ProtobufCMessage *message, struct fb_arena *arena, uint32_t kind);

static void *made(const ProtobufCMessageDescriptor *descriptor, struct fb_arena *arena)
{
    ProtobufCMessage *message = fb_arena_zalloc(arena, 1, descriptor->sizeof_message);

    assert_non_null(message);
    descriptor->message_init(message);
    fill(message, arena, 0);
    return message;
}

static void set_value(const ProtobufCFieldDescriptor *field, void *at, struct fb_arena *arena)
{
    static char text[] = "a \"text\"\n\xe2\x82\xac";
    static uint8_t bytes[32] = {0, 255, '\n', 7};

    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        *(char **)at = text;
        break;
    case PROTOBUF_C_TYPE_BYTES:
        *(ProtobufCBinaryData *)at = (ProtobufCBinaryData){.len = sizeof(bytes), .data = bytes};
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        *(void **)at = made(field->descriptor, arena);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        *(uint64_t *)at = (UINT64_C(1) << 62) + 1;
        break;
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)at = 1;
        break;
    default:
        *(uint32_t *)at = 1;
        break;
    }
}

static void fill(ProtobufCMessage *message, struct fb_arena *arena, uint32_t kind)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        char *at = (char *)message + field->offset;
        char *quantifier = (char *)message + field->quantifier_offset;

        if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
            if (field->id != kind) {
                continue;
            }
            *(uint32_t *)(void *)quantifier = kind;
        }
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            void *item = fb_arena_zalloc(arena, 2, sizeof(ProtobufCBinaryData));

            assert_non_null(item);
            set_value(field, item, arena);
            *(void **)(void *)at = item;
            *(size_t *)(void *)quantifier = 1;
        } else {
            set_value(field, at, arena);
        }
    }
}

static void every_field_of_every_kind_is_written_by_its_name_and_comes_back(void **state)
{
    const ProtobufCMessageDescriptor *descriptor = &flowbalancer__v1__flow_event__descriptor;
    unsigned kinds = 0;

    (void)state;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        Flowbalancer__V1__FlowEvent message = FLOWBALANCER__V1__FLOW_EVENT__INIT;
        struct fb_buffer out = {.data = NULL};
        struct fb_arena arena;
        ProtobufCMessage *again;
        uint8_t a[4096];
        uint8_t b[4096];
        struct fb_text text;
        size_t size;

        if ((descriptor->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0) {
            continue;
        }
        kinds++;
        fb_arena_init(&arena, 0);
        fill(&message.base, &arena, descriptor->fields[i].id);
        size = protobuf_c_message_get_packed_size(&message.base);
        assert_true(size < sizeof(a));
        protobuf_c_message_pack(&message.base, a);
        event_json_write((struct fb_text){.data = (const char *)a, .size = size}, &arena, &out);
        text = (struct fb_text){.data = out.data, .size = out.size};
        assert_null(memchr(text.data, '\n', text.size));
        assert_true(fb_is_ok(fb_json_check(text, FB_JSON_DEPTH, NULL)));
        assert_true(fb_json_find(text, descriptor->fields[i].name, &(struct fb_text){.size = 0}));
        assert_true(fb_is_ok(message_json_read(descriptor, text, "$", &arena, &again)));
        assert_int_equal(protobuf_c_message_get_packed_size(again), size);
        protobuf_c_message_pack(again, b);
        assert_memory_equal(a, b, size);
        fb_arena_finish(&arena);
        fb_buffer_finish(&out);
    }
    assert_true(kinds >= 18);
}

static void bytes_that_are_no_event_of_ours_are_kept_as_they_are(void **state)
{
    static const char *const odd[] = {
        "\x08\x0b\x80\x7d\x05",   /* a field of a later version */
        "\x08\x0b\x08\x0c",       /* a field twice */
        "\x12\x03\x61nn\x08\x05", /* fields in another order, of the agent "ann" */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        const struct fb_text bytes = fb_text_of(odd[i]);
        struct fb_buffer out = {.data = NULL};
        struct fb_arena arena;
        struct fb_text back;

        fb_arena_init(&arena, 0);
        event_json_write(bytes, &arena, &out);
        assert_memory_equal(out.data, "{\"bytes\":\"", 10);
        assert_true(fb_is_ok(event_json_read((struct fb_text){.data = out.data, .size = out.size},
                                             "line 2", &arena, &back)));
        assert_true(fb_text_equal(back, bytes));
        fb_arena_finish(&arena);
        fb_buffer_finish(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_every_kind_is_written_by_its_name_and_comes_back),
        cmocka_unit_test(bytes_that_are_no_event_of_ours_are_kept_as_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

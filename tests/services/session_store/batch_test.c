#include "services/session_store/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void events_come_back_as_they_went(void **state)
{
    static uint8_t large[70000];
    struct engine_event events[] = {
        {.kind = 0, .payload = {NULL, 0}},
        {.kind = UINT32_MAX, .payload = {(const uint8_t *)"a\0b", 3}},
        {.kind = 128, .payload = {large, sizeof(large)}},
    };
    size_t size = batch_size(events, 3);
    uint8_t *bytes = malloc(size);
    struct engine_bytes rest = {bytes, size};

    (void)state;
    memset(large, 'x', sizeof(large));
    batch_write(events, 3, bytes);
    for (size_t i = 0; i < 3; i++) {
        struct engine_event event;

        assert_true(batch_next(&rest, &event));
        assert_int_equal(event.kind, events[i].kind);
        assert_int_equal(event.payload.size, events[i].payload.size);
        assert_memory_equal(event.payload.data,
                            i == 0 ? (const uint8_t *)"" : events[i].payload.data,
                            event.payload.size);
    }
    assert_int_equal(rest.size, 0);
    free(bytes);
}

static void bytes_cut_short_are_refused_at_every_length(void **state)
{
    struct engine_event event = {.kind = 300, .payload = {(const uint8_t *)"payload", 7}};
    uint8_t bytes[16];
    size_t size = batch_size(&event, 1);

    (void)state;
    batch_write(&event, 1, bytes);
    for (size_t length = 0; length < size; length++) {
        struct engine_bytes rest = {bytes, length};

        assert_false(batch_next(&rest, &event));
        assert_int_equal(rest.size, length);
    }
}

static void numbers_that_are_too_large_are_refused(void **state)
{
    const uint8_t kind[] = {0xff, 0xff, 0xff, 0xff, 0x1f, 0x00};
    const uint8_t length[] = {0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    struct engine_bytes rest = {kind, sizeof(kind)};
    struct engine_event event;

    (void)state;
    assert_false(batch_next(&rest, &event));
    rest = (struct engine_bytes){length, sizeof(length)};
    assert_false(batch_next(&rest, &event));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_back_as_they_went),
        cmocka_unit_test(bytes_cut_short_are_refused_at_every_length),
        cmocka_unit_test(numbers_that_are_too_large_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

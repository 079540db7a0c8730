#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/rpc/core/convert.h"

static struct fb_arena arena;

static int set_up(void **state)
{
    (void)state;
    grpc_init();
    fb_arena_init(&arena, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fb_arena_finish(&arena);
    grpc_shutdown_blocking();
    return 0;
}

static void a_deadline_survives_both_ways(void **state)
{
    const int64_t now_ms = fb_clock_ms();

    (void)state;
    assert_in_range(fb_core_deadline_ms(fb_core_timespec(now_ms + 5000)), now_ms + 4990,
                    now_ms + 5100);
    assert_int_equal(fb_core_deadline_ms(fb_core_timespec(INT64_MAX)), INT64_MAX);
    assert_true(fb_core_deadline_ms(fb_core_timespec(now_ms - 1000)) <= now_ms);
    assert_int_equal(fb_core_deadline_ms(gpr_inf_future(GPR_CLOCK_REALTIME)), INT64_MAX);
    assert_in_range(fb_core_deadline_ms(gpr_time_add(gpr_now(GPR_CLOCK_REALTIME),
                                                     gpr_time_from_millis(5000, GPR_TIMESPAN))),
                    now_ms + 4990, now_ms + 5100);
}

static void peers_are_spelled_as_addresses(void **state)
{
    static const struct {
        const char *uri;
        const char *address;
    } rows[] = {
        {"ipv4:127.0.0.1:4711", "127.0.0.1:4711"},
        {"ipv6:%5B::1%5D:80", "[::1]:80"},
        {"ipv6:[::1]:80", "[::1]:80"},
        {"unix:", "unix:"},
        {"unix:/run/x", "unix:/run/x"},
        {"", ""},
    };
    char out[64];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fb_core_peer_address(rows[i].uri, out, sizeof(out));
        assert_string_equal(out, rows[i].address);
    }
    fb_core_peer_address("ipv4:127.0.0.1:4711", out, 5);
    assert_string_equal(out, "127.");
}

static void the_words_of_a_status_become_utf8_without_nul(void **state)
{
    grpc_slice slice = grpc_slice_from_static_buffer("a\0b\xff \xc3\xa9", 7);

    (void)state;
    assert_string_equal(fb_core_why(&arena, &slice), "a?b? \xc3\xa9");
    slice = grpc_empty_slice();
    assert_string_equal(fb_core_why(&arena, &slice), "");
}

static void only_custom_metadata_is_taken(void **state)
{
    struct fb_metadata from = {.items = NULL};
    struct fb_metadata to = {.items = NULL};
    struct fb_core_fields fields;
    grpc_metadata_array array;
    struct fb_text value;

    (void)state;
    fb_metadata_add(&from, &arena, FB_TEXT("a-bin"), FB_TEXT("\0\xff"));
    fb_metadata_add(&from, &arena, FB_TEXT("b"), FB_TEXT(""));
    assert_true(fb_core_fields_begin(&fields, &arena, 3));
    fb_core_fields_add_all(&fields, &from);
    fb_core_fields_add(&fields, FB_TEXT("user-agent"), FB_TEXT("x"));
    array = (grpc_metadata_array){.count = fields.count, .metadata = fields.items};
    assert_int_equal(fb_core_metadata_take(&array, &arena, &to).code, FB_OK);
    assert_int_equal(to.count, 2);
    assert_true(fb_metadata_find(&to, "a-bin", &value));
    assert_true(fb_text_equal(value, FB_TEXT("\0\xff")));
    fb_core_fields_finish(&fields);
    assert_int_equal(fields.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_deadline_survives_both_ways, set_up, tear_down),
        cmocka_unit_test_setup_teardown(peers_are_spelled_as_addresses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_words_of_a_status_become_utf8_without_nul, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(only_custom_metadata_is_taken, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

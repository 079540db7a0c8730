#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <grpc/byte_buffer.h>

#include "runtime/rpc/core/outbox.h"

enum { PREFIX_BYTES = 5 };

static int set_up(void **state)
{
    (void)state;
    grpc_init();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    grpc_shutdown_blocking();
    return 0;
}

static size_t put(struct fb_core_outbox *outbox, const char *text)
{
    memcpy(fb_core_outbox_begin(outbox, strlen(text)), text, strlen(text));
    return fb_core_outbox_end(outbox);
}

static void messages_go_one_at_a_time_in_order(void **state)
{
    struct fb_core_outbox outbox = {.first = NULL};

    (void)state;
    assert_null(fb_core_outbox_send(&outbox));
    assert_true(fb_core_outbox_at_end(&outbox));
    assert_int_equal(put(&outbox, "first"), 5 + PREFIX_BYTES);
    assert_true(fb_core_outbox_at_end(&outbox));
    assert_int_equal(put(&outbox, "second one"), 15 + 2 * PREFIX_BYTES);
    assert_false(fb_core_outbox_at_end(&outbox));
    assert_int_equal(grpc_byte_buffer_length(fb_core_outbox_send(&outbox)), 5);
    assert_int_equal(outbox.bytes, 15 + 2 * PREFIX_BYTES); /* what is under way still waits */
    assert_int_equal(fb_core_outbox_sent(&outbox), 5 + PREFIX_BYTES);
    assert_int_equal(outbox.bytes, 10 + PREFIX_BYTES);
    assert_int_equal(grpc_byte_buffer_length(fb_core_outbox_send(&outbox)), 10);
    fb_core_outbox_sent(&outbox);
    assert_null(fb_core_outbox_send(&outbox));
    assert_int_equal(outbox.bytes, 0);
    fb_core_outbox_finish(&outbox);
}

static void an_empty_message_is_a_message(void **state)
{
    struct fb_core_outbox outbox = {.first = NULL};

    (void)state;
    assert_int_equal(put(&outbox, ""), PREFIX_BYTES);
    assert_int_equal(grpc_byte_buffer_length(fb_core_outbox_send(&outbox)), 0);
    fb_core_outbox_finish(&outbox);
}

static void dropping_keeps_what_is_under_way(void **state)
{
    struct fb_core_outbox outbox = {.first = NULL};

    (void)state;
    put(&outbox, "under way");
    put(&outbox, "dropped");
    put(&outbox, "dropped, too");
    fb_core_outbox_send(&outbox);
    fb_core_outbox_drop(&outbox);
    assert_int_equal(outbox.bytes, 9 + PREFIX_BYTES);
    assert_true(fb_core_outbox_at_end(&outbox));
    assert_int_equal(fb_core_outbox_sent(&outbox), 9 + PREFIX_BYTES);
    assert_int_equal(fb_core_outbox_sent(&outbox), 0);
    put(&outbox, "again");
    fb_core_outbox_drop(&outbox);
    assert_int_equal(outbox.bytes, 0);
    fb_core_outbox_begin(&outbox, 100); /* begun and never ended */
    fb_core_outbox_finish(&outbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_go_one_at_a_time_in_order),
        cmocka_unit_test(an_empty_message_is_a_message),
        cmocka_unit_test(dropping_keeps_what_is_under_way),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

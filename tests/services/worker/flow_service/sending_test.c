#include "services/worker/flow_service/sending.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct sending sending;
static size_t sent; /* bytes */
static int pieces;
static int patience; /* pieces until the caller is behind */

static bool take(void *arg, struct fb_text piece)
{
    (void)arg;
    for (size_t i = 0; i < piece.size; i++) {
        assert_int_equal((unsigned char)piece.data[i], (sent + i) % 251);
    }
    sent += piece.size;
    pieces++;
    return --patience > 0;
}

static void write_bytes(size_t count)
{
    static size_t written;

    if (count == 0) {
        written = 0;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const char byte = (char)(written++ % 251);

        fb_buffer_append(&sending.out, &byte, 1);
    }
}

static int setup(void **state)
{
    (void)state;
    sending = (struct sending){.out = {.limit_bytes = SENDING_BYTES_MOST}, .send = take};
    sent = 0;
    pieces = 0;
    patience = 1000;
    write_bytes(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sending_finish(&sending);
    return 0;
}

static void only_whole_pieces_go_until_all_is_there(void **state)
{
    (void)state;
    write_bytes(SENDING_PIECE_BYTES + 10);
    assert_true(sending_go(&sending, false));
    assert_int_equal(sent, SENDING_PIECE_BYTES);
    assert_true(sending_go(&sending, true));
    assert_int_equal(sent, SENDING_PIECE_BYTES + 10);
    assert_int_equal(pieces, 2);
    assert_int_equal(sending.out.size, 0);
}

static void a_caller_that_is_behind_gets_no_more_until_it_has_caught_up(void **state)
{
    (void)state;
    patience = 2;
    write_bytes(4 * SENDING_PIECE_BYTES);
    assert_false(sending_go(&sending, true));
    assert_int_equal(pieces, 2);
    assert_false(sending_go(&sending, true));
    assert_int_equal(pieces, 2);
    patience = 1000;
    sending_drained(&sending);
    assert_true(sending_go(&sending, true));
    assert_int_equal(sent, 4 * SENDING_PIECE_BYTES);
}

static void what_is_written_while_it_goes_out_comes_in_order(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) {
        write_bytes(100000);
        assert_true(sending_go(&sending, false));
    }
    assert_true(sending_go(&sending, true));
    assert_int_equal(sent, 3000000);
}

static void a_document_may_be_larger_than_what_is_kept_of_it(void **state)
{
    (void)state;
    sending.out.limit_bytes = 2 * SENDING_PIECE_BYTES;
    for (int i = 0; i < 100; i++) {
        write_bytes(SENDING_PIECE_BYTES / 2 + 1);
        assert_true(sending_go(&sending, false));
        assert_false(sending.out.failed);
    }
    assert_true(sent > 40 * SENDING_PIECE_BYTES);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(only_whole_pieces_go_until_all_is_there),
        CASE(a_caller_that_is_behind_gets_no_more_until_it_has_caught_up),
        CASE(a_document_may_be_larger_than_what_is_kept_of_it),
        CASE(what_is_written_while_it_goes_out_comes_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "runtime/rpc/h2/turns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct fb_h2_turns turns;
static struct fb_h2_turn a;
static struct fb_h2_turn b;
static struct fb_h2_turn c;

static int set_up(void **state)
{
    (void)state;
    turns = (struct fb_h2_turns){.most_bytes = 100};
    a = b = c = (struct fb_h2_turn){.state = FB_H2_TURN_NONE};
    return 0;
}

static void messages_that_fit_together_come_at_once(void **state)
{
    (void)state;
    fb_h2_turns_ask(&turns, &a, 50);
    fb_h2_turns_ask(&turns, &b, 50);
    assert_ptr_equal(fb_h2_turns_next(&turns), &a);
    assert_ptr_equal(fb_h2_turns_next(&turns), &b);
    assert_null(fb_h2_turns_next(&turns));
    assert_int_equal(turns.taken_bytes, 100);
}

static void one_that_does_not_fit_waits_for_an_end(void **state)
{
    (void)state;
    fb_h2_turns_ask(&turns, &a, 60);
    fb_h2_turns_ask(&turns, &b, 60);
    assert_ptr_equal(fb_h2_turns_next(&turns), &a);
    assert_null(fb_h2_turns_next(&turns));
    assert_int_equal(b.state, FB_H2_TURN_WAITS);
    fb_h2_turns_give_back(&turns, &a);
    assert_ptr_equal(fb_h2_turns_next(&turns), &b);
    assert_int_equal(turns.taken_bytes, 60);
}

static void a_smaller_one_does_not_overtake(void **state)
{
    (void)state;
    fb_h2_turns_ask(&turns, &a, 60);
    assert_ptr_equal(fb_h2_turns_next(&turns), &a);
    fb_h2_turns_ask(&turns, &b, 60);
    fb_h2_turns_ask(&turns, &c, 10);
    assert_null(fb_h2_turns_next(&turns));
    fb_h2_turns_give_back(&turns, &a);
    assert_ptr_equal(fb_h2_turns_next(&turns), &b);
    assert_ptr_equal(fb_h2_turns_next(&turns), &c);
}

static void one_beyond_the_share_comes_alone(void **state)
{
    (void)state;
    fb_h2_turns_ask(&turns, &a, 500);
    fb_h2_turns_ask(&turns, &b, 1);
    assert_ptr_equal(fb_h2_turns_next(&turns), &a);
    assert_null(fb_h2_turns_next(&turns));
    fb_h2_turns_give_back(&turns, &a);
    assert_ptr_equal(fb_h2_turns_next(&turns), &b);
}

static void readers_that_pause_do_not_block_who_waits(void **state)
{
    (void)state;
    fb_h2_turns_ask(&turns, &a, 100);
    assert_ptr_equal(fb_h2_turns_next(&turns), &a);
    fb_h2_turns_ask(&turns, &b, 100);
    fb_h2_turns_ask(&turns, &c, 100);
    fb_h2_turns_pause(&turns, &a, true);
    assert_ptr_equal(fb_h2_turns_next(&turns), &b);
    assert_null(fb_h2_turns_next(&turns));
    fb_h2_turns_pause(&turns, &a, false);
    fb_h2_turns_give_back(&turns, &b);
    assert_null(fb_h2_turns_next(&turns)); /* a comes again */
    fb_h2_turns_give_back(&turns, &a);
    assert_ptr_equal(fb_h2_turns_next(&turns), &c);
}

static void who_pauses_while_it_waits_is_passed_over_until_it_goes_on(void **state)
{
    (void)state;
    fb_h2_turns_ask(&turns, &a, 100);
    assert_ptr_equal(fb_h2_turns_next(&turns), &a);
    fb_h2_turns_ask(&turns, &b, 100);
    fb_h2_turns_ask(&turns, &c, 100);
    fb_h2_turns_pause(&turns, &b, true);
    fb_h2_turns_give_back(&turns, &a);
    assert_ptr_equal(fb_h2_turns_next(&turns), &c);
    fb_h2_turns_give_back(&turns, &c);
    assert_null(fb_h2_turns_next(&turns));
    fb_h2_turns_pause(&turns, &b, false);
    assert_ptr_equal(fb_h2_turns_next(&turns), &b);
}

static void who_gives_up_leaves_nothing_behind(void **state)
{
    (void)state;
    fb_h2_turns_ask(&turns, &a, 100);
    fb_h2_turns_ask(&turns, &b, 100);
    fb_h2_turns_ask(&turns, &c, 100);
    assert_ptr_equal(fb_h2_turns_next(&turns), &a);
    fb_h2_turns_give_back(&turns, &b);
    fb_h2_turns_pause(&turns, &c, true);
    fb_h2_turns_give_back(&turns, &c);
    fb_h2_turns_pause(&turns, &a, true);
    fb_h2_turns_give_back(&turns, &a);
    fb_h2_turns_give_back(&turns, &a);
    assert_null(fb_h2_turns_next(&turns));
    assert_int_equal(turns.taken_bytes, 0);
    assert_int_equal(turns.coming, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(messages_that_fit_together_come_at_once, set_up),
        cmocka_unit_test_setup(one_that_does_not_fit_waits_for_an_end, set_up),
        cmocka_unit_test_setup(a_smaller_one_does_not_overtake, set_up),
        cmocka_unit_test_setup(one_beyond_the_share_comes_alone, set_up),
        cmocka_unit_test_setup(readers_that_pause_do_not_block_who_waits, set_up),
        cmocka_unit_test_setup(who_pauses_while_it_waits_is_passed_over_until_it_goes_on, set_up),
        cmocka_unit_test_setup(who_gives_up_leaves_nothing_behind, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

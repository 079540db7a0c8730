#include "runtime/log/ration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* Lines that differ from each other. */
static int pass_many(struct fb_ration *ration, int lines, int64_t now_ms, uint64_t *withheld)
{
    static unsigned serial;
    int passed = 0;

    for (int i = 0; i < lines; i++) {
        char line[32];

        snprintf(line, sizeof(line), "line %u", serial++);
        passed += fb_ration_pass(ration, fb_text_of(line), now_ms, withheld) ? 1 : 0;
    }
    return passed;
}

static void a_burst_passes_and_then_so_many_a_second(void **state)
{
    struct fb_ration ration = fb_ration_of(10, 50, 0, 1000);
    uint64_t withheld = 99;

    (void)state;
    assert_int_equal(pass_many(&ration, 80, 1000, &withheld), 50);
    assert_int_equal(withheld, 0);
    assert_int_equal(pass_many(&ration, 1, 1099, &withheld), 0);
    assert_int_equal(pass_many(&ration, 5, 1100, &withheld), 1);
    assert_int_equal(withheld, 31);
    assert_int_equal(pass_many(&ration, 50, 2100, &withheld), 10);
    assert_int_equal(withheld, 0);
    assert_int_equal(pass_many(&ration, 80, INT64_C(9000000000000), &withheld), 50);
}

static void the_same_line_passes_again_only_after_a_while(void **state)
{
    struct fb_ration ration = fb_ration_of(100, 100, 10000, 0);
    uint64_t withheld = 0;

    (void)state;
    assert_true(fb_ration_pass(&ration, FB_TEXT("retrying"), 0, &withheld));
    for (int i = 1; i < 10; i++) {
        assert_false(fb_ration_pass(&ration, FB_TEXT("retrying"), i * 1000, &withheld));
    }
    assert_true(fb_ration_pass(&ration, FB_TEXT("retrying"), 10000, &withheld));
    assert_int_equal(withheld, 9);
    assert_true(fb_ration_pass(&ration, FB_TEXT("connected"), 10001, &withheld));
    assert_int_equal(withheld, 0);
    assert_true(fb_ration_pass(&ration, FB_TEXT("retrying"), 10002, &withheld));
}

static void a_clock_that_goes_back_gives_nothing_away(void **state)
{
    struct fb_ration ration = fb_ration_of(10, 1, 0, 5000);
    uint64_t withheld = 0;

    (void)state;
    assert_int_equal(pass_many(&ration, 2, 5000, &withheld), 1);
    assert_int_equal(pass_many(&ration, 2, 1000, &withheld), 0);
    assert_int_equal(pass_many(&ration, 2, 1100, &withheld), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_passes_and_then_so_many_a_second),
        cmocka_unit_test(the_same_line_passes_again_only_after_a_while),
        cmocka_unit_test(a_clock_that_goes_back_gives_nothing_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

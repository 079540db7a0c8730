#include "services/worker/flow/disproofs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct disproof_look gone = {
    .missing = 1, .ref = {.data = "a.c", .size = 3}, .host = {.data = "h", .size = 1}};
static const struct disproof_look fine = {.missing = 0};

static void the_last_look_counts_and_the_first_time(void **state)
{
    const struct disproof_look worse = {
        .missing = 2, .changed = 1, .ref = {.data = "b.c", .size = 3}};
    struct disproofs disproofs = {.count = 0};

    (void)state;
    disproofs_looked(&disproofs, 4, &gone, 10);
    disproofs_looked(&disproofs, 4, &worse, 20);
    assert_int_equal(disproofs.count, 1);
    assert_int_equal(disproofs.items[0].missing, 2);
    assert_int_equal(disproofs.items[0].changed, 1);
    assert_int_equal(disproofs.items[0].unix_ms, 10);
    assert_string_equal(disproofs.items[0].ref, "b.c");
    assert_string_equal(disproofs.items[0].host, "");
    disproofs_looked(&disproofs, 4, &fine, 30);
    assert_int_equal(disproofs.count, 0);
}

static void only_a_look_that_finds_something_else_is_news(void **state)
{
    struct disproof_look elsewhere = gone;
    struct disproofs disproofs = {.count = 0};

    (void)state;
    elsewhere.host = (struct fb_text){.data = "i", .size = 1};
    assert_true(disproofs_know(&disproofs, 4, &fine));
    assert_false(disproofs_know(&disproofs, 4, &gone));
    disproofs_looked(&disproofs, 4, &gone, 10);
    assert_true(disproofs_know(&disproofs, 4, &gone));
    assert_false(disproofs_know(&disproofs, 4, &elsewhere));
    assert_false(disproofs_know(&disproofs, 4, &fine));
    assert_true(disproofs_know(&disproofs, 5, &fine));
}

static void of_too_many_the_oldest_goes(void **state)
{
    struct disproofs disproofs = {.count = 0};

    (void)state;
    for (uint32_t task = 1; task <= DISPROOFS + 1; task++) {
        disproofs_looked(&disproofs, task, &gone, task);
    }
    assert_int_equal(disproofs.count, DISPROOFS);
    assert_int_equal(disproofs.items[0].task, 2);
    disproofs_clear(&disproofs, 1);
    disproofs_clear(&disproofs, 3);
    assert_int_equal(disproofs.count, DISPROOFS - 1);
    assert_int_equal(disproofs.items[1].task, 4);
}

static void a_long_name_is_cut_between_characters(void **state)
{
    struct disproof_look look = {.missing = 1};
    struct disproofs disproofs = {.count = 0};
    char name[300];

    (void)state;
    memset(name, 'x', sizeof(name));
    memcpy(name + DISPROOF_REF_BYTES - 1, "\xc3\xa9", 2);
    look.ref = (struct fb_text){.data = name, .size = sizeof(name)};
    disproofs_looked(&disproofs, 1, &look, 1);
    assert_int_equal(strlen(disproofs.items[0].ref), DISPROOF_REF_BYTES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_look_counts_and_the_first_time),
        cmocka_unit_test(only_a_look_that_finds_something_else_is_news),
        cmocka_unit_test(of_too_many_the_oldest_goes),
        cmocka_unit_test(a_long_name_is_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

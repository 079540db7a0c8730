#define _XOPEN_SOURCE 700 /* nrand48 */

#include "services/worker/flow/similar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool any(const void *arg, uint64_t owner, uint32_t task)
{
    (void)arg;
    (void)owner;
    (void)task;
    return true;
}

static bool not_this(const void *arg, uint64_t owner, uint32_t task)
{
    (void)owner;
    return task != *(const uint32_t *)arg;
}

static double share_of(const char *a, const char *b)
{
    const struct similar_signature x = similar_signature_of(fb_text_of(a));
    const struct similar_signature y = similar_signature_of(fb_text_of(b));

    return similar_share(&x, &y);
}

static void capitals_and_marks_do_not_count(void **state)
{
    (void)state;
    assert_true(share_of("Fix the parser's overflow", "  fix the PARSER s: overflow!") == 1);
}

static void what_says_the_same_is_similar_and_the_rest_is_not(void **state)
{
    (void)state;
    assert_true(share_of("Coordinate the agents of the session",
                         "Coordinate agents of the session") >= SIMILAR_JACCARD);
    assert_true(share_of("Implement the coordinator for consciousness systems",
                         "Implement coordinator for the consciousness systems") >= SIMILAR_JACCARD);
    assert_true(share_of("Add tests for the parser", "Add tests for the lexer") < SIMILAR_JACCARD);
    assert_true(share_of("Write the manual", "Measure the latency of claims") < .2);
}

static void other_numbers_make_another_task(void **state)
{
    (void)state;
    assert_true(share_of("Migrate table 17 of the archive", "Migrate table 18 of the archive") ==
                0);
    assert_true(share_of("Migrate table 17 of the archive", "migrate Table 17 of the archive") ==
                1);
}

static void titles_of_any_size_and_bytes_have_a_signature(void **state)
{
    char large[5000];

    (void)state;
    memset(large, 'x', sizeof(large));
    (void)similar_signature_of((struct fb_text){.data = large, .size = sizeof(large)});
    assert_true(share_of("", "") == 1);
    assert_true(share_of("a", "a") == 1);
    assert_true(share_of("a", "b") == 0);
    assert_true(share_of("\xff\xfe\xfd\xfc", "\xff\xfe\xfd\xfc") == 1);
}

/* A sentence of words from a list of 500. */
static void sentence(char *text, size_t room, const long *words, int count)
{
    size_t used = 0;

    for (int i = 0; i < count; i++) {
        const unsigned word = (unsigned)words[i];

        used += (size_t)snprintf(text + used, room - used, "%c%c%c%c%c%c ", 'a' + word % 26,
                                 'a' + word / 3 % 26, 'a' + word / 7 % 26, 'a' + word / 11 % 26,
                                 'a' + word / 13 % 26, 'a' + word / 17 % 26);
    }
}

static void nearly_all_pairs_above_the_bar_are_found_among_thousands(void **state)
{
    unsigned short seed[3] = {1, 2, 3};
    struct similar *similar = similar_create(SIMILAR_MOST);
    int pairs = 0;
    int found = 0;

    (void)state;
    for (uint32_t task = 1; task <= 3000; task++) {
        char one[128];
        char other[128];
        long words[8];
        struct similar_signature signature;
        struct similar_signature near;
        struct similar_match match;

        for (int i = 0; i < 8; i++) {
            words[i] = nrand48(seed) % 500;
        }
        sentence(one, sizeof(one), words, 8);
        words[nrand48(seed) % 8] = nrand48(seed) % 500;
        sentence(other, sizeof(other), words, 8);
        signature = similar_signature_of(fb_text_of(one));
        near = similar_signature_of(fb_text_of(other));
        assert_true(similar_add(similar, &signature, 9, task));
        if (similar_share(&signature, &near) >= SIMILAR_JACCARD) {
            pairs++;
            if (similar_find(similar, &near, any, NULL, &match) && match.task == task) {
                assert_int_equal(match.owner, 9);
                found++;
            }
        }
    }
    assert_true(pairs > 1000);
    assert_true(found >= pairs * 97 / 100);
    similar_destroy(similar);
}

static void only_what_may_count_is_found(void **state)
{
    const struct similar_signature signature = similar_signature_of(FB_TEXT("Write the manual"));
    struct similar *similar = similar_create(16);
    struct similar_match match;
    uint32_t task = 2;

    (void)state;
    assert_false(similar_find(similar, &signature, any, NULL, &match));
    assert_true(similar_add(similar, &signature, 1, 1));
    assert_true(similar_add(similar, &signature, 1, 2));
    assert_true(similar_find(similar, &signature, any, NULL, &match));
    assert_int_equal(match.task, 2);
    assert_true(match.share == 1);
    assert_true(similar_find(similar, &signature, not_this, &task, &match));
    assert_int_equal(match.task, 1);
    similar_destroy(similar);
}

static void it_remembers_just_the_last_ones_also_when_there_was_more_room(void **state)
{
    static const uint32_t most[] = {1, 50, 64, 100, 1000};

    (void)state;
    for (size_t i = 0; i < sizeof(most) / sizeof(*most); i++) {
        struct similar *similar = similar_create(most[i]);

        for (uint32_t task = 1; task <= 2500; task++) {
            char title[64];
            struct similar_signature signature;
            struct similar_match match;

            snprintf(title, sizeof(title), "Take measure number %u", task);
            signature = similar_signature_of(fb_text_of(title));
            assert_true(similar_add(similar, &signature, 1, task));
            if (task > most[i]) {
                snprintf(title, sizeof(title), "Take measure number %u", task - most[i] + 1);
                signature = similar_signature_of(fb_text_of(title));
                assert_true(similar_find(similar, &signature, any, NULL, &match));
                assert_int_equal(match.task, task - most[i] + 1);
                snprintf(title, sizeof(title), "Take measure number %u", task - most[i]);
                signature = similar_signature_of(fb_text_of(title));
                assert_false(similar_find(similar, &signature, any, NULL, &match));
            }
        }
        similar_destroy(similar);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(capitals_and_marks_do_not_count),
        cmocka_unit_test(what_says_the_same_is_similar_and_the_rest_is_not),
        cmocka_unit_test(other_numbers_make_another_task),
        cmocka_unit_test(titles_of_any_size_and_bytes_have_a_signature),
        cmocka_unit_test(nearly_all_pairs_above_the_bar_are_found_among_thousands),
        cmocka_unit_test(only_what_may_count_is_found),
        cmocka_unit_test(it_remembers_just_the_last_ones_also_when_there_was_more_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

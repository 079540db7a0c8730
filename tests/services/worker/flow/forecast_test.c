#define _XOPEN_SOURCE 700 /* erand48 */

#include "services/worker/flow/forecast.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MINUTE_MS = 60000, TICK_MS = FORECAST_TICK_MS };

#define BEGIN_MS (INT64_C(170000) * TICK_MS)

struct heard {
    struct forecast_label labels[4096];
    uint32_t count;
};

static void hear(void *arg, const struct forecast_label *label)
{
    struct heard *heard = arg;

    assert_true(heard->count < 4096);
    heard->labels[heard->count++] = *label;
}

static void complete(struct forecast *forecast, int64_t now_ms, struct heard *heard)
{
    forecast_settle(forecast, now_ms, heard == NULL ? NULL : hear, heard);
    forecast_count(forecast, FORECAST_COMPLETION, 1, now_ms);
}

static void note(struct forecast *forecast, int64_t now_ms, struct heard *heard)
{
    forecast_settle(forecast, now_ms, heard == NULL ? NULL : hear, heard);
    forecast_event(forecast, now_ms);
}

/* Bursts of completions a few minutes apart, then pauses of half an hour or more. */
static int64_t bursts(struct forecast *forecast, uint32_t count, unsigned short seed[3])
{
    int64_t now_ms = BEGIN_MS + 1;

    for (uint32_t i = 0; i < count; i++) {
        now_ms += (int64_t)(-log(1 - erand48(seed)) * (i % 8 == 0 ? 90 : 4) * MINUTE_MS);
        complete(forecast, now_ms, NULL);
    }
    return now_ms;
}

static void every_tick_is_labelled_once_for_each_horizon(void **state)
{
    static struct heard heard;
    struct forecast forecast;

    (void)state;
    forecast_init(&forecast);
    heard.count = 0;
    complete(&forecast, BEGIN_MS + 1, &heard);
    forecast_settle(&forecast, BEGIN_MS + 1000 * (int64_t)MINUTE_MS, hear, &heard);
    /* Asked at 10, 20 .. 120 minutes, then silence. */
    assert_int_equal(heard.count, 12 * FORECAST_HORIZONS);
    for (uint32_t i = 0; i < heard.count; i++) {
        assert_int_equal(heard.labels[i].unix_ms % TICK_MS, 0);
        assert_false(heard.labels[i].happened);
        for (uint32_t j = 0; j < i; j++) {
            assert_false(heard.labels[i].unix_ms == heard.labels[j].unix_ms &&
                         heard.labels[i].horizon == heard.labels[j].horizon);
        }
    }
}

static void a_label_says_whether_one_was_completed_within_the_horizon(void **state)
{
    static struct heard heard;
    struct forecast forecast;

    (void)state;
    forecast_init(&forecast);
    heard.count = 0;
    note(&forecast, BEGIN_MS + 1, &heard);
    complete(&forecast, BEGIN_MS + TICK_MS + 20 * MINUTE_MS, &heard);
    forecast_settle(&forecast, BEGIN_MS + 4 * TICK_MS, hear, &heard);
    /* The tick at ten minutes: nothing within 15 of it, one within 30; the others are not due. */
    for (uint32_t i = 0; i < heard.count; i++) {
        const struct forecast_label *label = &heard.labels[i];

        if (label->unix_ms == BEGIN_MS + TICK_MS) {
            assert_int_equal(label->happened, label->horizon == 1);
            assert_true(label->horizon <= 1);
        }
    }
    assert_int_equal(heard.labels[0].horizon, 0);
}

static void nothing_is_learned_before_its_horizon_has_passed(void **state)
{
    struct forecast forecast;

    (void)state;
    forecast_init(&forecast);
    complete(&forecast, BEGIN_MS + 1, NULL);
    forecast_settle(&forecast, BEGIN_MS + TICK_MS + 119 * MINUTE_MS, NULL, NULL);
    assert_int_equal(forecast.models[3].labels, 0);
    assert_true(forecast.models[0].labels > 0);
    forecast_settle(&forecast, BEGIN_MS + TICK_MS + 120 * MINUTE_MS, NULL, NULL);
    assert_int_equal(forecast.models[3].labels, 1);
}

static void it_does_not_matter_how_often_it_is_settled(void **state)
{
    static struct forecast once;
    static struct forecast often;
    unsigned short seed[3] = {1, 2, 3};
    int64_t now_ms = BEGIN_MS;

    (void)state;
    forecast_init(&once);
    forecast_init(&often);
    for (int i = 0; i < 500; i++) {
        const int64_t next_ms = now_ms + 1 + (int64_t)(erand48(seed) * 300 * MINUTE_MS);

        for (int64_t at_ms = now_ms; at_ms < next_ms; at_ms += 7 * MINUTE_MS) {
            forecast_settle(&often, at_ms, NULL, NULL);
        }
        now_ms = next_ms;
        complete(&once, now_ms, NULL);
        complete(&often, now_ms, NULL);
    }
    assert_memory_equal(&once.models, &often.models, sizeof(once.models));
    assert_int_equal(once.ticks, often.ticks);
}

static void it_says_the_baseline_until_the_model_is_better(void **state)
{
    static struct forecast forecast;
    struct forecast_answer answer;

    (void)state;
    forecast_init(&forecast);
    complete(&forecast, BEGIN_MS + 1, NULL);
    answer = forecast_at(&forecast, 1, BEGIN_MS + 2);
    assert_int_equal(answer.basis, FORECAST_BASELINE);
    assert_true(answer.probability == .5);
    assert_true(answer.labels == 0 && answer.skill == 0);
}

static void it_learns_that_bursts_go_on_and_pauses_last(void **state)
{
    static struct forecast forecast;
    unsigned short seed[3] = {4, 5, 6};
    struct forecast_answer soon;
    struct forecast_answer late;
    int64_t now_ms;

    (void)state;
    forecast_init(&forecast);
    now_ms = bursts(&forecast, 3000, seed);
    soon = forecast_at(&forecast, 0, now_ms + MINUTE_MS);
    late = forecast_at(&forecast, 0, now_ms + 100 * MINUTE_MS);
    assert_int_equal(soon.basis, FORECAST_MODEL);
    assert_true(soon.model_brier < soon.baseline_brier && soon.skill > 0);
    assert_true(soon.probability > late.probability + .2);
}

static void a_better_baseline_is_what_is_said(void **state)
{
    static struct forecast forecast;
    struct forecast_answer answer;
    int64_t now_ms = BEGIN_MS + 1;

    (void)state;
    forecast_init(&forecast);
    /* One in each tick: persistence is certain, a model of sigmoids only nearly. */
    for (int i = 0; i < 2000; i++) {
        now_ms += TICK_MS;
        complete(&forecast, now_ms, NULL);
    }
    for (uint32_t h = 0; h < FORECAST_HORIZONS; h++) {
        answer = forecast_at(&forecast, h, now_ms);
        assert_int_equal(answer.basis, answer.model_brier < answer.baseline_brier
                                           ? FORECAST_MODEL
                                           : FORECAST_BASELINE);
        assert_true(answer.probability > .98);
    }
}

static void after_two_hours_of_silence_nothing_is_said(void **state)
{
    static struct forecast forecast;

    (void)state;
    forecast_init(&forecast);
    assert_int_equal(forecast_at(&forecast, 0, BEGIN_MS).basis, FORECAST_NONE);
    complete(&forecast, BEGIN_MS + 1, NULL);
    assert_int_equal(forecast_at(&forecast, 0, BEGIN_MS + FORECAST_SILENCE_MS).basis,
                     FORECAST_BASELINE);
    assert_int_equal(forecast_at(&forecast, 0, BEGIN_MS + 1 + FORECAST_SILENCE_MS).basis,
                     FORECAST_NONE);
}

static void absurd_times_and_counts_leave_it_finite(void **state)
{
    static const int64_t steps_ms[] = {0, 1, TICK_MS, INT64_C(1) << 50};
    static struct forecast forecast;
    unsigned short seed[3] = {7, 8, 9};
    int64_t now_ms = 1;

    (void)state;
    forecast_init(&forecast);
    for (int i = 0; i < 3000; i++) {
        const uint32_t kind = (uint32_t)(nrand48(seed) % FORECAST_KINDS);

        now_ms += steps_ms[nrand48(seed) % (i % 1000 == 0 ? 4 : 3)];
        forecast_settle(&forecast, now_ms, NULL, NULL);
        forecast_count(&forecast, (enum forecast_kind)kind, i % 7 == 0 ? 200000 : 1, now_ms);
        for (uint32_t h = 0; h < FORECAST_HORIZONS; h++) {
            const double probability = forecast_at(&forecast, h, now_ms).probability;

            assert_true(probability >= 0 && probability <= 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tick_is_labelled_once_for_each_horizon),
        cmocka_unit_test(a_label_says_whether_one_was_completed_within_the_horizon),
        cmocka_unit_test(nothing_is_learned_before_its_horizon_has_passed),
        cmocka_unit_test(it_does_not_matter_how_often_it_is_settled),
        cmocka_unit_test(it_says_the_baseline_until_the_model_is_better),
        cmocka_unit_test(it_learns_that_bursts_go_on_and_pauses_last),
        cmocka_unit_test(a_better_baseline_is_what_is_said),
        cmocka_unit_test(after_two_hours_of_silence_nothing_is_said),
        cmocka_unit_test(absurd_times_and_counts_leave_it_finite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

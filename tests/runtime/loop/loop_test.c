#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/loop/loop.h"

enum { PATIENCE_MS = 20000 };

static struct fb_loop *loop;

static int set_up(void **state)
{
    (void)state;
    loop = fb_loop_create();
    return loop == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    fb_loop_destroy(loop);
    return 0;
}

/* Turns the loop until `*count` is `wanted`. */
static void turn_until(const int *count, int wanted)
{
    int64_t deadline_ms = fb_clock_ms() + PATIENCE_MS;

    while (*count < wanted) {
        assert_true(fb_clock_ms() < deadline_ms);
        fb_loop_turn(loop, 100);
    }
    assert_int_equal(*count, wanted);
}

/* --- timers --- */

enum { TIMERS = 10000 };

struct numbered_timer {
    struct fb_timer timer;
    int64_t fired_ms;
    int times;
};

static struct numbered_timer numbered[TIMERS];
static int fired;
static int64_t last_due_ms;

static void timer_fired(struct fb_timer *timer)
{
    struct numbered_timer *n = (struct numbered_timer *)timer;

    assert_true(timer->due_ms >= last_due_ms);
    assert_true(fb_loop_now_ms(loop) >= timer->due_ms);
    assert_int_equal(timer->place, 0);
    last_due_ms = timer->due_ms;
    n->times++;
    fired++;
}

static void ten_thousand_timers_fire_once_each_in_order_of_time(void **state)
{
    int64_t now_ms = fb_loop_now_ms(loop);
    uint32_t seed = 20;

    (void)state;
    memset(numbered, 0, sizeof(numbered));
    fired = 0;
    last_due_ms = 0;
    for (int i = 0; i < TIMERS; i++) {
        seed = seed * 1664525 + 1013904223;
        fb_timer_set(loop, &numbered[i].timer, now_ms + (int64_t)(seed >> 8) % 100, timer_fired);
    }
    turn_until(&fired, TIMERS);
    for (int i = 0; i < TIMERS; i++) {
        assert_int_equal(numbered[i].times, 1);
    }
}

static void timers_moved_and_cleared_at_random_keep_their_order(void **state)
{
    int64_t now_ms = fb_loop_now_ms(loop);
    uint32_t seed = 7;
    int set = 0;

    (void)state;
    memset(numbered, 0, sizeof(numbered));
    fired = 0;
    last_due_ms = 0;
    for (int i = 0; i < 5 * TIMERS; i++) {
        struct fb_timer *timer;

        seed = seed * 1664525 + 1013904223;
        timer = &numbered[(seed >> 8) % TIMERS].timer;
        if (seed >> 30 == 0) {
            fb_timer_clear(timer);
        } else {
            fb_timer_set(loop, timer, now_ms + (int64_t)(seed >> 4) % 60, timer_fired);
        }
    }
    for (int i = 0; i < TIMERS; i++) {
        set += numbered[i].timer.place != 0;
        numbered[i].times = numbered[i].timer.place == 0;
    }
    turn_until(&fired, set);
    for (int i = 0; i < TIMERS; i++) {
        assert_int_equal(numbered[i].times, 1);
    }
}

static void fire_again_at_once(struct fb_timer *timer)
{
    fired++;
    fb_timer_set(loop, timer, 0, fire_again_at_once);
}

static void a_timer_that_sets_itself_for_the_past_does_not_hold_the_loop(void **state)
{
    struct fb_timer timer = {.place = 0};

    (void)state;
    fired = 0;
    fb_timer_set(loop, &timer, 0, fire_again_at_once);
    fb_loop_turn(loop, -1);
    assert_int_equal(fired, 1);
    fb_loop_turn(loop, -1);
    assert_int_equal(fired, 2);
    fb_timer_clear(&timer);
    fb_timer_clear(&timer);
    fb_loop_turn(loop, 0);
    assert_int_equal(fired, 2);
}

static void clear_next(struct fb_timer *timer)
{
    fired++;
    fb_timer_clear(&((struct numbered_timer *)timer + 1)->timer);
}

static void a_timer_cleared_by_another_of_the_same_round_does_not_fire(void **state)
{
    (void)state;
    memset(numbered, 0, sizeof(numbered));
    fired = 0;
    last_due_ms = 0;
    fb_timer_set(loop, &numbered[0].timer, 1, clear_next);
    fb_timer_set(loop, &numbered[1].timer, 2, timer_fired);
    fb_timer_set(loop, &numbered[2].timer, 3, timer_fired);
    turn_until(&fired, 2);
    fb_loop_turn(loop, 0);
    assert_int_equal(numbered[1].times, 0);
    assert_int_equal(numbered[2].times, 1);
}

static void a_round_waits_no_longer_than_it_was_told(void **state)
{
    int64_t before_ms = fb_clock_ms();

    (void)state;
    fb_loop_turn(loop, 20);
    assert_true(fb_clock_ms() - before_ms >= 20);
    assert_true(fb_clock_ms() - before_ms < PATIENCE_MS);
}

/* --- descriptors --- */

struct end {
    struct fb_watch watch;
    unsigned came;
    int times;
    struct end *other; /* unwatched when this one is called */
};

static void end_came(struct fb_watch *watch, unsigned events)
{
    struct end *end = (struct end *)watch;

    end->came = events;
    end->times++;
    if (end->other != NULL) {
        fb_loop_unwatch(&end->other->watch);
    }
}

static void make_pair(int pair[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
}

static void a_descriptor_is_reported_for_what_is_asked_only(void **state)
{
    struct end end = {.times = 0};
    int pair[2];

    (void)state;
    make_pair(pair);
    assert_true(fb_is_ok(fb_loop_watch(loop, &end.watch, pair[0], FB_READABLE, end_came)));
    fb_loop_turn(loop, 0);
    assert_int_equal(end.times, 0);
    assert_int_equal(write(pair[1], "x", 1), 1);
    fb_loop_turn(loop, PATIENCE_MS);
    assert_int_equal(end.came, FB_READABLE);
    fb_watch_interest(&end.watch, FB_READABLE | FB_WRITABLE);
    fb_loop_turn(loop, PATIENCE_MS);
    assert_int_equal(end.came, FB_READABLE | FB_WRITABLE);
    fb_watch_interest(&end.watch, FB_WRITABLE);
    fb_loop_turn(loop, PATIENCE_MS);
    assert_int_equal(end.came, FB_WRITABLE);
    fb_loop_unwatch(&end.watch);
    fb_loop_unwatch(&end.watch);
    fb_loop_turn(loop, 0);
    assert_int_equal(end.times, 3);
    close(pair[0]);
    close(pair[1]);
}

static void a_hang_up_counts_as_all_that_was_asked_for(void **state)
{
    struct end end = {.times = 0};
    int pair[2];

    (void)state;
    make_pair(pair);
    assert_true(fb_is_ok(fb_loop_watch(loop, &end.watch, pair[0], FB_READABLE, end_came)));
    close(pair[1]);
    fb_loop_turn(loop, PATIENCE_MS);
    assert_int_equal(end.came, FB_READABLE);
    fb_loop_unwatch(&end.watch);
    close(pair[0]);
}

static void a_hang_up_nobody_asked_for_neither_calls_nor_spins(void **state)
{
    struct end end = {.times = 0};
    int pair[2];
    int64_t before_ms;

    (void)state;
    make_pair(pair);
    assert_true(fb_is_ok(fb_loop_watch(loop, &end.watch, pair[0], 0, end_came)));
    close(pair[1]);
    fb_loop_turn(loop, 0);
    before_ms = fb_clock_ms();
    fb_loop_turn(loop, 20);
    assert_true(fb_clock_ms() - before_ms >= 20);
    assert_int_equal(end.times, 0);
    fb_watch_interest(&end.watch, FB_READABLE);
    fb_loop_turn(loop, PATIENCE_MS);
    assert_int_equal(end.came, FB_READABLE);
    fb_loop_unwatch(&end.watch);
    close(pair[0]);
}

static void a_watch_removed_by_another_of_the_same_round_is_not_called(void **state)
{
    struct end a = {.times = 0};
    struct end b = {.times = 0};
    int pair_a[2];
    int pair_b[2];

    (void)state;
    make_pair(pair_a);
    make_pair(pair_b);
    a.other = &b;
    b.other = &a;
    assert_true(fb_is_ok(fb_loop_watch(loop, &a.watch, pair_a[0], FB_READABLE, end_came)));
    assert_true(fb_is_ok(fb_loop_watch(loop, &b.watch, pair_b[0], FB_READABLE, end_came)));
    assert_int_equal(write(pair_a[1], "x", 1), 1);
    assert_int_equal(write(pair_b[1], "x", 1), 1);
    fb_loop_turn(loop, PATIENCE_MS);
    assert_int_equal(a.times + b.times, 1);
    fb_loop_unwatch(&a.watch);
    fb_loop_unwatch(&b.watch);
    fb_loop_turn(loop, 0);
    assert_int_equal(a.times + b.times, 1);
    for (int i = 0; i < 2; i++) {
        close(pair_a[i]);
        close(pair_b[i]);
    }
}

static struct end crowd[600];

static void more_descriptors_than_one_round_takes_are_all_reported(void **state)
{
    enum { CROWD = sizeof(crowd) / sizeof(crowd[0]) };
    int pair[2];
    int dups[CROWD];
    int reported = 0;

    (void)state;
    memset(crowd, 0, sizeof(crowd));
    make_pair(pair);
    assert_int_equal(write(pair[1], "x", 1), 1);
    for (int i = 0; i < CROWD; i++) {
        dups[i] = dup(pair[0]);
        assert_true(dups[i] >= 0);
        assert_true(fb_is_ok(fb_loop_watch(loop, &crowd[i].watch, dups[i], FB_READABLE, end_came)));
    }
    for (int round = 0; round < 3; round++) {
        fb_loop_turn(loop, 0);
    }
    for (int i = 0; i < CROWD; i++) {
        reported += crowd[i].times > 0;
        fb_loop_unwatch(&crowd[i].watch);
        close(dups[i]);
    }
    assert_int_equal(reported, CROWD);
    close(pair[0]);
    close(pair[1]);
}

static void what_cannot_be_watched_is_refused_with_the_reason(void **state)
{
    struct end end = {.times = 0};
    struct fb_status status = fb_loop_watch(loop, &end.watch, 1000000, FB_READABLE, end_came);
    FILE *file = tmpfile();

    (void)state;
    assert_non_null(file);
    assert_int_equal(status.code, FB_UNAVAILABLE);
    assert_string_equal(status.why, "descriptor is not open");
    status = fb_loop_watch(loop, &end.watch, fileno(file), FB_READABLE, end_came);
    assert_string_equal(status.why, "descriptor is of a kind that cannot be waited for");
    fb_loop_unwatch(&end.watch);
    fclose(file);
}

/* --- posts --- */

enum { THREADS = 4, POSTS = 20000 };

struct poster {
    pthread_t thread;
    int next; /* the number that must come next; the loop's thread only */
};

struct note {
    struct poster *from;
    int number;
};

static struct poster posters[THREADS];
static struct note notes[THREADS][POSTS];
static int arrived;

static void note_arrived(void *arg)
{
    struct note *note = arg;

    assert_int_equal(note->number, note->from->next);
    note->from->next++;
    if (++arrived == THREADS * POSTS) {
        fb_loop_stop(loop);
    }
}

static void *post_all(void *arg)
{
    struct poster *poster = arg;
    struct note *mine = notes[poster - posters];

    for (int i = 0; i < POSTS; i++) {
        mine[i] = (struct note){.from = poster, .number = i};
        if (!fb_loop_post(loop, note_arrived, &mine[i])) {
            abort();
        }
    }
    return NULL;
}

static void posts_of_four_threads_all_run_in_their_order(void **state)
{
    (void)state;
    arrived = 0;
    memset(posters, 0, sizeof(posters));
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_all, &posters[i]), 0);
    }
    fb_loop_run(loop);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(posters[i].thread, NULL);
    }
    assert_int_equal(arrived, THREADS * POSTS);
}

struct ping_pong {
    struct fb_loop *peer;
    struct ping_pong *other;
    int left;
};

static void hit(void *arg)
{
    struct ping_pong *side = arg;

    if (side->left-- == 0) {
        fb_loop_stop(side->other->peer);
        fb_loop_stop(side->peer);
        return;
    }
    if (!fb_loop_post(side->peer, hit, side->other)) {
        abort();
    }
}

static void *run_loop(void *arg)
{
    fb_loop_run(arg);
    return NULL;
}

/* Both fall asleep between any two posts, so that a lost wake-up would hang here. */
static void a_sleeping_loop_is_woken_by_every_post(void **state)
{
    struct fb_loop *second = fb_loop_create();
    struct ping_pong here = {.peer = second, .left = 10000};
    struct ping_pong there = {.peer = loop, .left = 10000, .other = &here};
    pthread_t thread;

    (void)state;
    here.other = &there;
    assert_non_null(second);
    assert_int_equal(pthread_create(&thread, NULL, run_loop, second), 0);
    assert_true(fb_loop_post(loop, hit, &here));
    fb_loop_run(loop);
    pthread_join(thread, NULL);
    fb_loop_destroy(second);
    assert_int_equal(here.left, -1);
    assert_int_equal(there.left, 0);
}

static void count_up(void *arg)
{
    ++*(int *)arg;
}

static void posts_not_yet_run_are_run_by_destroy(void **state)
{
    struct fb_loop *other = fb_loop_create();
    int count = 0;

    (void)state;
    assert_true(fb_loop_post(other, count_up, &count));
    assert_true(fb_loop_post(other, count_up, &count));
    fb_loop_destroy(other);
    assert_int_equal(count, 2);
    fb_loop_destroy(NULL);
}

static void a_stop_before_the_run_is_not_lost_and_holds_once(void **state)
{
    int count = 0;

    (void)state;
    fb_loop_stop(loop);
    fb_loop_run(loop);
    assert_true(fb_loop_post(loop, count_up, &count));
    turn_until(&count, 1);
}

/* --- deferred work --- */

struct work {
    struct fb_defer defer;
    struct work *then; /* deferred when this one runs */
    struct work *drop; /* cancelled when this one runs */
    int times;
};

static int worked;

static void do_work(struct fb_defer *defer)
{
    struct work *work = (struct work *)defer;

    work->times++;
    worked++;
    if (work->then != NULL) {
        fb_loop_defer(loop, &work->then->defer, do_work);
    }
    if (work->drop != NULL) {
        fb_defer_cancel(&work->drop->defer);
    }
}

static void deferred_work_runs_once_at_the_end_of_the_round(void **state)
{
    struct work work = {.times = 0};

    (void)state;
    fb_loop_defer(loop, &work.defer, do_work);
    fb_loop_defer(loop, &work.defer, do_work);
    fb_loop_turn(loop, -1);
    assert_int_equal(work.times, 1);
    fb_loop_turn(loop, 0);
    assert_int_equal(work.times, 1);
}

static void work_deferred_by_deferred_work_runs_in_the_same_round(void **state)
{
    struct work second = {.times = 0};
    struct work first = {.then = &second};

    (void)state;
    fb_loop_defer(loop, &first.defer, do_work);
    fb_loop_turn(loop, -1);
    assert_int_equal(second.times, 1);
}

static void work_that_defers_itself_does_not_hold_the_loop(void **state)
{
    struct work work = {.times = 0};
    int count = 0;

    (void)state;
    work.then = &work;
    fb_loop_defer(loop, &work.defer, do_work);
    fb_loop_turn(loop, -1);
    assert_true(fb_loop_post(loop, count_up, &count));
    turn_until(&count, 1);
    fb_defer_cancel(&work.defer);
}

static void cancelled_work_does_not_run_wherever_it_stands(void **state)
{
    struct work work[5];

    (void)state;
    memset(work, 0, sizeof(work));
    work[1].drop = &work[3]; /* cancelled while its round is being run */
    worked = 0;
    for (int i = 0; i < 5; i++) {
        fb_loop_defer(loop, &work[i].defer, do_work);
    }
    fb_defer_cancel(&work[4].defer);
    fb_defer_cancel(&work[0].defer);
    fb_defer_cancel(&work[0].defer);
    fb_loop_defer(loop, &work[0].defer, do_work);
    fb_loop_turn(loop, -1);
    assert_int_equal(worked, 3);
    assert_int_equal(work[0].times, 1);
    assert_int_equal(work[3].times, 0);
    assert_int_equal(work[4].times, 0);
}

static void destroy_forgets_timers_and_deferred_work(void **state)
{
    struct fb_loop *other = fb_loop_create();
    struct numbered_timer timer = {.times = 0};
    struct work work = {.times = 0};

    (void)state;
    fb_timer_set(other, &timer.timer, 0, timer_fired);
    fb_loop_defer(other, &work.defer, do_work);
    fb_loop_destroy(other);
    fb_timer_clear(&timer.timer);
    fb_defer_cancel(&work.defer);
    assert_int_equal(timer.times, 0);
    assert_int_equal(work.times, 0);
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(ten_thousand_timers_fire_once_each_in_order_of_time),
        LOOP_TEST(timers_moved_and_cleared_at_random_keep_their_order),
        LOOP_TEST(a_timer_that_sets_itself_for_the_past_does_not_hold_the_loop),
        LOOP_TEST(a_timer_cleared_by_another_of_the_same_round_does_not_fire),
        LOOP_TEST(a_round_waits_no_longer_than_it_was_told),
        LOOP_TEST(a_descriptor_is_reported_for_what_is_asked_only),
        LOOP_TEST(a_hang_up_counts_as_all_that_was_asked_for),
        LOOP_TEST(a_hang_up_nobody_asked_for_neither_calls_nor_spins),
        LOOP_TEST(a_watch_removed_by_another_of_the_same_round_is_not_called),
        LOOP_TEST(more_descriptors_than_one_round_takes_are_all_reported),
        LOOP_TEST(what_cannot_be_watched_is_refused_with_the_reason),
        LOOP_TEST(posts_of_four_threads_all_run_in_their_order),
        LOOP_TEST(a_sleeping_loop_is_woken_by_every_post),
        LOOP_TEST(posts_not_yet_run_are_run_by_destroy),
        LOOP_TEST(a_stop_before_the_run_is_not_lost_and_holds_once),
        LOOP_TEST(deferred_work_runs_once_at_the_end_of_the_round),
        LOOP_TEST(work_deferred_by_deferred_work_runs_in_the_same_round),
        LOOP_TEST(work_that_defers_itself_does_not_hold_the_loop),
        LOOP_TEST(cancelled_work_does_not_run_wherever_it_stands),
        LOOP_TEST(destroy_forgets_timers_and_deferred_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "runtime/lane/lane.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

enum { WORKS = 100 };

/* What a lane's function has seen, and a gate that it waits at. */
struct seen {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct fb_work *order[WORKS];
    size_t count;
    size_t batches;
    size_t largest;
    size_t idle;
    size_t at_gate;
    bool closed; /* the gate */
};

static struct seen seen_open(void)
{
    return (struct seen){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
}

static void see(void *arg, unsigned thread, struct fb_work *first)
{
    struct seen *seen = arg;
    size_t size = 0;

    (void)thread;
    pthread_mutex_lock(&seen->lock);
    if (first == NULL) {
        seen->idle += 1;
    } else {
        seen->batches += 1;
        seen->at_gate += 1;
        pthread_cond_broadcast(&seen->changed);
        while (seen->closed) {
            pthread_cond_wait(&seen->changed, &seen->lock);
        }
        seen->at_gate -= 1;
    }
    for (; first != NULL; first = first->next) {
        seen->order[seen->count++] = first;
        size += 1;
    }
    if (size > seen->largest) {
        seen->largest = size;
    }
    pthread_cond_broadcast(&seen->changed);
    pthread_mutex_unlock(&seen->lock);
}

static struct fb_lane *lane_of(struct seen *seen, struct fb_lane_config config)
{
    config.name = "test";
    config.threads = config.threads > 0 ? config.threads : 1;
    config.batch_most = config.batch_most > 0 ? config.batch_most : WORKS;
    config.batch_bytes = config.batch_bytes > 0 ? config.batch_bytes : 1000;
    config.waiting_most = config.waiting_most > 0 ? config.waiting_most : WORKS;
    config.waiting_bytes = config.waiting_bytes > 0 ? config.waiting_bytes : 1000000;
    config.run = see;
    config.arg = seen;
    return fb_lane_create(&config);
}

static void wait_until(struct seen *seen, const size_t *value, size_t least)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 30;
    pthread_mutex_lock(&seen->lock);
    while (*value < least) {
        assert_int_equal(pthread_cond_timedwait(&seen->changed, &seen->lock, &until), 0);
    }
    pthread_mutex_unlock(&seen->lock);
}

static void set_gate(struct seen *seen, bool closed)
{
    pthread_mutex_lock(&seen->lock);
    seen->closed = closed;
    pthread_cond_broadcast(&seen->changed);
    pthread_mutex_unlock(&seen->lock);
}

static void one_thread_does_all_work_in_the_order_of_pushing(void **state)
{
    struct seen seen = seen_open();
    struct fb_lane *lane = lane_of(&seen, (struct fb_lane_config){.batch_most = 7});
    struct fb_work works[WORKS] = {{NULL, 0}};

    (void)state;
    for (size_t i = 0; i < WORKS; i++) {
        assert_true(fb_lane_push(lane, &works[i]));
    }
    wait_until(&seen, &seen.count, WORKS);
    fb_lane_destroy(lane);
    for (size_t i = 0; i < WORKS; i++) {
        assert_ptr_equal(seen.order[i], &works[i]);
    }
    assert_true(seen.largest <= 7);
}

static void what_came_during_a_batch_is_the_next_batch(void **state)
{
    struct seen seen = seen_open();
    struct fb_lane *lane = lane_of(&seen, (struct fb_lane_config){.batch_most = 50});
    struct fb_work works[11] = {{NULL, 0}};

    (void)state;
    set_gate(&seen, true);
    fb_lane_push(lane, &works[0]);
    wait_until(&seen, &seen.at_gate, 1);
    for (size_t i = 1; i < 11; i++) {
        fb_lane_push(lane, &works[i]);
    }
    assert_int_equal(fb_lane_waiting(lane), 10);
    set_gate(&seen, false);
    wait_until(&seen, &seen.count, 11);
    fb_lane_destroy(lane);
    assert_int_equal(seen.batches, 2);
    assert_int_equal(seen.largest, 10);
}

static void a_batch_ends_before_it_exceeds_its_bytes(void **state)
{
    struct seen seen = seen_open();
    struct fb_lane *lane = lane_of(&seen, (struct fb_lane_config){.batch_bytes = 100});
    struct fb_work works[5] = {{NULL, 1}, {NULL, 60}, {NULL, 40}, {NULL, 500}, {NULL, 1}};

    (void)state;
    set_gate(&seen, true);
    fb_lane_push(lane, &works[0]);
    wait_until(&seen, &seen.at_gate, 1);
    for (size_t i = 1; i < 5; i++) {
        fb_lane_push(lane, &works[i]);
    }
    set_gate(&seen, false);
    wait_until(&seen, &seen.count, 5);
    fb_lane_destroy(lane);
    assert_int_equal(seen.batches, 4); /* 1; 60 and 40; 500 alone; 1 */
}

static void a_full_lane_refuses_more(void **state)
{
    struct seen seen = seen_open();
    struct fb_lane *lane =
        lane_of(&seen, (struct fb_lane_config){.waiting_most = 2, .waiting_bytes = 100});
    struct fb_work works[5] = {{NULL, 0}, {NULL, 90}, {NULL, 11}, {NULL, 10}, {NULL, 0}};

    (void)state;
    set_gate(&seen, true);
    assert_true(fb_lane_push(lane, &works[0]));
    wait_until(&seen, &seen.at_gate, 1);
    assert_true(fb_lane_push(lane, &works[1]));
    assert_false(fb_lane_push(lane, &works[2])); /* too many bytes */
    assert_true(fb_lane_push(lane, &works[3]));
    assert_false(fb_lane_push(lane, &works[4])); /* too many works */
    set_gate(&seen, false);
    fb_lane_destroy(lane);
    assert_int_equal(seen.count, 3);
}

static void destroying_does_what_is_queued_first(void **state)
{
    struct seen seen = seen_open();
    struct fb_lane *lane = lane_of(&seen, (struct fb_lane_config){.batch_most = 3});
    struct fb_work works[WORKS] = {{NULL, 0}};

    (void)state;
    for (size_t i = 0; i < WORKS; i++) {
        fb_lane_push(lane, &works[i]);
    }
    fb_lane_destroy(lane);
    assert_int_equal(seen.count, WORKS);
}

static void an_idle_lane_says_so(void **state)
{
    struct seen seen = seen_open();
    struct fb_lane *lane = lane_of(&seen, (struct fb_lane_config){.idle_ms = 1});

    (void)state;
    wait_until(&seen, &seen.idle, 3);
    fb_lane_destroy(lane);
    assert_int_equal(seen.batches, 0);
}

static void several_threads_work_at_once(void **state)
{
    struct seen seen = seen_open();
    struct fb_lane *lane = lane_of(&seen, (struct fb_lane_config){.threads = 4, .batch_most = 1});
    struct fb_work works[4] = {{NULL, 0}};

    (void)state;
    set_gate(&seen, true);
    for (size_t i = 0; i < 4; i++) {
        fb_lane_push(lane, &works[i]);
    }
    wait_until(&seen, &seen.at_gate, 4);
    set_gate(&seen, false);
    fb_lane_destroy(lane);
    assert_int_equal(seen.count, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_does_all_work_in_the_order_of_pushing),
        cmocka_unit_test(what_came_during_a_batch_is_the_next_batch),
        cmocka_unit_test(a_batch_ends_before_it_exceeds_its_bytes),
        cmocka_unit_test(a_full_lane_refuses_more),
        cmocka_unit_test(destroying_does_what_is_queued_first),
        cmocka_unit_test(an_idle_lane_says_so),
        cmocka_unit_test(several_threads_work_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

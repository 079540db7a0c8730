#include "services/session_store/returns.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { WORKS = 1000, PUSHERS = 4 };

static struct fb_work *came[PUSHERS * WORKS];
static size_t came_count;

static void came_back(struct fb_work *work)
{
    came[came_count++] = work;
}

/* A thread that pushes its works one by one. */
struct pusher {
    pthread_t thread;
    struct returns *returns;
    struct fb_work works[WORKS];
};

static void *push_all(void *arg)
{
    struct pusher *pusher = arg;

    for (size_t i = 0; i < WORKS; i++) {
        returns_push(pusher->returns, &pusher->works[i]);
    }
    return NULL;
}

static int setup(void **state)
{
    came_count = 0;
    *state = fb_loop_create();
    return *state != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    fb_loop_destroy(*state);
    return 0;
}

static void what_threads_push_comes_to_the_loop_in_the_order_of_each(void **state)
{
    static struct pusher pushers[PUSHERS];
    struct returns *returns = returns_create(*state, came_back);
    size_t next[PUSHERS] = {0};

    for (size_t i = 0; i < PUSHERS; i++) {
        pushers[i].returns = returns;
        pthread_create(&pushers[i].thread, NULL, push_all, &pushers[i]);
    }
    while (came_count < PUSHERS * WORKS) {
        fb_loop_turn(*state, 1000);
    }
    for (size_t i = 0; i < came_count; i++) {
        for (size_t p = 0; p < PUSHERS; p++) {
            if (came[i] >= pushers[p].works && came[i] < pushers[p].works + WORKS) {
                assert_ptr_equal(came[i], &pushers[p].works[next[p]++]);
            }
        }
    }
    for (size_t i = 0; i < PUSHERS; i++) {
        assert_int_equal(next[i], WORKS);
        pthread_join(pushers[i].thread, NULL);
    }
    returns_destroy(returns);
}

static void one_that_was_waited_for_is_not_handed_over(void **state)
{
    static struct pusher pusher;
    struct returns *returns = returns_create(*state, came_back);

    pusher.returns = returns;
    pthread_create(&pusher.thread, NULL, push_all, &pusher);
    returns_wait(returns, &pusher.works[500]);
    pthread_join(pusher.thread, NULL);
    returns_destroy(returns);
    assert_int_equal(came_count, WORKS - 1);
    for (size_t i = 0; i < came_count; i++) {
        assert_ptr_equal(came[i], &pusher.works[i < 500 ? i : i + 1]);
    }
}

static void destroying_hands_over_what_the_loop_has_not_seen(void **state)
{
    struct returns *returns = returns_create(*state, came_back);
    struct fb_work work = {NULL, 0};

    returns_push(returns, &work);
    returns_destroy(returns);
    assert_int_equal(came_count, 1);
    fb_loop_turn(*state, 0); /* the post that was under way finds nothing and does no harm */
    assert_int_equal(came_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(what_threads_push_comes_to_the_loop_in_the_order_of_each),
        TEST(one_that_was_waited_for_is_not_handed_over),
        TEST(destroying_hands_over_what_the_loop_has_not_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

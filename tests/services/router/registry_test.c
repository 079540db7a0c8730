#include "services/router/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { GRACE_MS = 6000 };

static struct registry *registry;
static int changes;

static void count_change(void *arg)
{
    (void)arg;
    changes++;
}

static int setup(void **state)
{
    (void)state;
    changes = 0;
    registry = registry_create(GRACE_MS, count_change, NULL);
    return registry == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    registry_destroy(registry);
    return 0;
}

static char address[] = "unix:/tmp/w.sock";
static char *addresses[] = {address};

static Flowbalancer__V1__WorkerHello hello_of(const char *id, int64_t start_unix_ms)
{
    Flowbalancer__V1__WorkerHello hello = FLOWBALANCER__V1__WORKER_HELLO__INIT;

    hello.worker_id = (char *)id;
    hello.addresses = addresses;
    hello.n_addresses = 1;
    hello.tier = FLOWBALANCER__V1__TIER__TIER_WARM;
    hello.capacity = 10;
    hello.start_unix_ms = start_unix_ms;
    return hello;
}

static struct worker *join(const char *id, int64_t start_unix_ms, int64_t now_ms)
{
    Flowbalancer__V1__WorkerHello hello = hello_of(id, start_unix_ms);
    struct worker *worker = NULL;

    assert_true(fb_is_ok(registry_join(registry, &hello, now_ms, &worker)));
    return worker;
}

static void beat(struct worker *worker, int64_t now_ms)
{
    Flowbalancer__V1__WorkerHeartbeat heartbeat = FLOWBALANCER__V1__WORKER_HEARTBEAT__INIT;

    registry_heard(registry, worker, &heartbeat, now_ms);
}

static void a_worker_is_ready_once_its_address_is_reached(void **state)
{
    struct worker *worker = join("w1", 1, 1000);

    (void)state;
    assert_int_equal(worker->state, WORKER_JOINING);
    assert_int_equal(changes, 0);
    registry_reached(registry, worker, true, 1001);
    assert_int_equal(worker->state, WORKER_READY);
    assert_int_equal(changes, 1);
}

static void a_silent_worker_is_ejected_after_the_grace_and_returns_when_heard(void **state)
{
    struct worker *worker = join("w1", 1, 1000);

    (void)state;
    registry_reached(registry, worker, true, 1000);
    registry_sweep(registry, 1000 + GRACE_MS);
    assert_int_equal(worker->state, WORKER_READY);
    registry_sweep(registry, 1001 + GRACE_MS);
    assert_int_equal(worker->state, WORKER_EJECTED);
    beat(worker, 1002 + GRACE_MS);
    assert_int_equal(worker->state, WORKER_READY);
}

static void a_worker_whose_connection_breaks_is_ejected_until_it_is_reached_again(void **state)
{
    struct worker *worker = join("w1", 1, 1000);

    (void)state;
    registry_reached(registry, worker, true, 1000);
    registry_reached(registry, worker, false, 1001);
    assert_int_equal(worker->state, WORKER_EJECTED);
    registry_reached(registry, worker, true, 1002);
    assert_int_equal(worker->state, WORKER_READY);
    assert_int_equal(changes, 2);
}

static void a_worker_that_loses_five_calls_in_a_row_is_ejected_for_ever_longer(void **state)
{
    struct worker *worker = join("w1", 1, 0);
    int64_t now_ms = 0;

    (void)state;
    registry_reached(registry, worker, true, 0);
    for (int64_t pause_ms = WORKER_EJECTION_FIRST_MS; pause_ms <= WORKER_EJECTION_MOST_MS;
         pause_ms *= 2) {
        for (int i = 0; i < WORKER_FAILURES_IN_A_ROW; i++) {
            assert_int_equal(worker->state, WORKER_READY);
            worker_call_began(worker);
            registry_call_ended(registry, worker, true, now_ms);
        }
        assert_int_equal(worker->state, WORKER_EJECTED);
        beat(worker, now_ms + pause_ms - 1);
        assert_int_equal(worker->state, WORKER_EJECTED);
        now_ms += pause_ms;
        beat(worker, now_ms);
        assert_int_equal(worker->state, WORKER_READY);
    }
    worker_call_began(worker);
    registry_call_ended(registry, worker, false, now_ms);
    assert_int_equal(worker->ejections, 0);
}

static void one_answered_call_forgives_the_lost_ones_before_it(void **state)
{
    struct worker *worker = join("w1", 1, 0);

    (void)state;
    registry_reached(registry, worker, true, 0);
    for (int i = 0; i < 20; i++) {
        worker_call_began(worker);
        registry_call_ended(registry, worker, i % WORKER_FAILURES_IN_A_ROW != 0, 0);
    }
    assert_int_equal(worker->state, WORKER_READY);
}

static void a_doubled_id_is_refused_and_a_restarted_worker_takes_its_place(void **state)
{
    struct worker *first = join("w1", 100, 1000);
    Flowbalancer__V1__WorkerHello hello = hello_of("w1", 100);
    struct worker *second = NULL;

    (void)state;
    assert_int_equal(registry_join(registry, &hello, 1001, &second).code, FB_ALREADY_EXISTS);
    assert_null(second);
    worker_call_began(first);
    hello.start_unix_ms = 101;
    assert_true(fb_is_ok(registry_join(registry, &hello, 1002, &second)));
    assert_int_equal(first->state, WORKER_GONE);
    assert_int_equal(second->state, WORKER_JOINING);
    assert_null(registry_reap(registry)); /* its call is not over */
    registry_call_ended(registry, first, false, 1003);
    assert_ptr_equal(registry_reap(registry), first);
    worker_destroy(first);
    assert_null(registry_reap(registry));
}

static void a_silent_worker_s_id_may_be_taken_after_the_grace(void **state)
{
    Flowbalancer__V1__WorkerHello hello = hello_of("w1", 100);
    struct worker *second = NULL;

    (void)state;
    join("w1", 100, 1000);
    assert_true(fb_is_ok(registry_join(registry, &hello, 1001 + GRACE_MS, &second)));
}

static void sessions_follow_what_workers_say(void **state)
{
    struct worker *first = join("w1", 1, 0);
    struct worker *second = join("w2", 1, 0);
    char *sessions[] = {(char *)"a", (char *)"b"};
    Flowbalancer__V1__WorkerHeartbeat heartbeat = FLOWBALANCER__V1__WORKER_HEARTBEAT__INIT;

    (void)state;
    heartbeat.sessions_added = sessions;
    heartbeat.n_sessions_added = 2;
    registry_heard(registry, first, &heartbeat, 1);
    assert_ptr_equal(registry_holder(registry, FB_TEXT("a")), first);
    assert_int_equal(first->sessions, 2);
    heartbeat.n_sessions_added = 1;
    registry_heard(registry, second, &heartbeat, 2);
    assert_ptr_equal(registry_holder(registry, FB_TEXT("a")), second);
    assert_int_equal(first->sessions, 1);
    heartbeat.n_sessions_added = 0;
    heartbeat.sessions_removed = sessions;
    heartbeat.n_sessions_removed = 1;
    registry_heard(registry, first, &heartbeat, 3); /* late: another has it by now */
    assert_ptr_equal(registry_holder(registry, FB_TEXT("a")), second);
    registry_left(registry, second);
    assert_null(registry_holder(registry, FB_TEXT("a")));
    assert_ptr_equal(registry_holder(registry, FB_TEXT("b")), first);
}

static void a_worker_that_has_left_holds_nothing_whatever_it_still_says(void **state)
{
    struct worker *first = join("w1", 1, 0);
    char *sessions[] = {(char *)"a"};
    Flowbalancer__V1__WorkerHeartbeat heartbeat = FLOWBALANCER__V1__WORKER_HEARTBEAT__INIT;

    (void)state;
    worker_call_began(first); /* so that it is not forgotten yet */
    join("w1", 2, 1);         /* started again: takes the place of the first */
    assert_int_equal(first->state, WORKER_GONE);
    heartbeat.sessions_added = sessions;
    heartbeat.n_sessions_added = 1;
    registry_heard(registry, first, &heartbeat, 2);
    assert_null(registry_holder(registry, FB_TEXT("a")));
}

static void instances_follow_what_workers_say(void **state)
{
    struct worker *worker = join("w1", 1, 0);
    Flowbalancer__V1__InstanceReport report = FLOWBALANCER__V1__INSTANCE_REPORT__INIT;
    Flowbalancer__V1__InstanceReport *reports[] = {&report};
    Flowbalancer__V1__WorkerHeartbeat heartbeat = FLOWBALANCER__V1__WORKER_HEARTBEAT__INIT;
    const uint64_t git = fb_hash("git", 3);

    (void)state;
    report.instance_id = (char *)"i1";
    report.server = (char *)"git";
    report.state = FLOWBALANCER__V1__INSTANCE_STATE__INSTANCE_STATE_READY;
    report.warm = 1;
    heartbeat.instances = reports;
    heartbeat.n_instances = 1;
    assert_false(worker_is_warm(worker, git));
    registry_heard(registry, worker, &heartbeat, 1);
    registry_heard(registry, worker, &heartbeat, 2);
    assert_true(worker_is_warm(worker, git));
    assert_int_equal(worker->instance_count, 1);
    report.state = FLOWBALANCER__V1__INSTANCE_STATE__INSTANCE_STATE_GONE;
    registry_heard(registry, worker, &heartbeat, 3);
    assert_false(worker_is_warm(worker, git));
    assert_int_equal(worker->instance_count, 0);
}

static void calls_of_other_routers_count_as_load(void **state)
{
    struct worker *worker = join("w1", 1, 0);
    Flowbalancer__V1__WorkerHeartbeat heartbeat = FLOWBALANCER__V1__WORKER_HEARTBEAT__INIT;

    (void)state;
    worker_call_began(worker);
    worker_call_began(worker);
    heartbeat.in_flight = 7;
    registry_heard(registry, worker, &heartbeat, 1);
    assert_int_equal(worker_load(worker), 7);
    heartbeat.in_flight = 1; /* ours are not all there yet */
    registry_heard(registry, worker, &heartbeat, 2);
    assert_int_equal(worker_load(worker), 2);
}

static void a_wrong_hello_is_refused_by_the_name_of_its_field(void **state)
{
    Flowbalancer__V1__WorkerHello hello = hello_of("bad id", 1);
    struct worker *worker = NULL;

    (void)state;
    assert_non_null(strstr(registry_join(registry, &hello, 0, &worker).why, "worker_id"));
    hello = hello_of("w1", 1);
    hello.capacity = 0;
    assert_non_null(strstr(registry_join(registry, &hello, 0, &worker).why, "capacity"));
    hello = hello_of("w1", 1);
    hello.n_addresses = 0;
    assert_non_null(strstr(registry_join(registry, &hello, 0, &worker).why, "addresses"));
    hello = hello_of("w1", 1);
    hello.tier = FLOWBALANCER__V1__TIER__TIER_UNSPECIFIED;
    assert_non_null(strstr(registry_join(registry, &hello, 0, &worker).why, "tier"));
}

static void a_draining_worker_stays_joined_and_unready(void **state)
{
    struct worker *worker = join("w1", 1, 0);
    Flowbalancer__V1__WorkerHeartbeat heartbeat = FLOWBALANCER__V1__WORKER_HEARTBEAT__INIT;

    (void)state;
    registry_reached(registry, worker, true, 0);
    heartbeat.draining = 1;
    registry_heard(registry, worker, &heartbeat, 1);
    assert_int_equal(worker->state, WORKER_DRAINING);
    heartbeat.draining = 0;
    registry_heard(registry, worker, &heartbeat, 2);
    assert_int_equal(worker->state, WORKER_READY);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_worker_is_ready_once_its_address_is_reached),
        CASE(a_silent_worker_is_ejected_after_the_grace_and_returns_when_heard),
        CASE(a_worker_whose_connection_breaks_is_ejected_until_it_is_reached_again),
        CASE(a_worker_that_loses_five_calls_in_a_row_is_ejected_for_ever_longer),
        CASE(one_answered_call_forgives_the_lost_ones_before_it),
        CASE(a_doubled_id_is_refused_and_a_restarted_worker_takes_its_place),
        CASE(a_silent_worker_s_id_may_be_taken_after_the_grace),
        CASE(sessions_follow_what_workers_say),
        CASE(a_worker_that_has_left_holds_nothing_whatever_it_still_says),
        CASE(instances_follow_what_workers_say),
        CASE(calls_of_other_routers_count_as_load),
        CASE(a_wrong_hello_is_refused_by_the_name_of_its_field),
        CASE(a_draining_worker_stays_joined_and_unready),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The router between real channels: how calls are placed, wait, are sent again and end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "flowbalancer/v1/admin.pb-c.h"
#include "flowbalancer/v1/mcp.pb-c.h"
#include "tests/integration/router_world.h"

static void a_call_waits_until_a_worker_has_joined(void **state)
{
    struct answer *answer = ask(CALL_TOOL);

    (void)state;
    WAIT_FOR(router->waiting_count == 1);
    assert_false(answer->over);
    join(0);
    WAIT_FOR(answer->over);
    assert_int_equal(answer->code, FB_OK);
    assert_string_equal(answer->worker, "w0");
}

static void more_calls_than_may_wait_are_refused_as_not_run(void **state)
{
    struct answer *third;

    (void)state;
    ask(CALL_TOOL);
    ask(CALL_TOOL);
    WAIT_FOR(router->waiting_count == 2);
    third = ask(CALL_TOOL);
    WAIT_FOR(third->over);
    assert_int_equal(third->code, FB_RESOURCE_EXHAUSTED);
    assert_true(third->not_run);
    assert_int_equal(router->waiting_count, 2);
}

static void a_wait_ends_with_a_clear_error(void **state)
{
    struct answer *answer;

    (void)state;
    config.wait_for_worker_ms = 30;
    answer = ask(CALL_TOOL);
    WAIT_FOR(answer->over);
    assert_int_equal(answer->code, FB_UNAVAILABLE);
    assert_true(answer->not_run);
    assert_non_null(strstr(answer->why, "no worker"));
}

static void a_deadline_ends_a_wait(void **state)
{
    struct answer *answer = ask_with(CALL_TOOL, "", fb_clock_ms() + 50);

    (void)state;
    WAIT_FOR(answer->over);
    assert_int_equal(answer->code, FB_DEADLINE_EXCEEDED);
    WAIT_FOR(router->waiting_count == 0 && router->in_flight == 0);
    assert_int_equal(recent_find(router->recent, 1)->code, FB_DEADLINE_EXCEEDED);
}

static void a_full_worker_makes_the_next_call_wait_for_its_turn(void **state)
{
    struct answer *held[4];
    struct answer *next;

    (void)state;
    join(0);
    sides[0].behaviour = HOLDS;
    for (size_t i = 0; i < 4; i++) {
        held[i] = ask(CALL_TOOL);
    }
    WAIT_FOR(sides[0].calls == 4);
    next = ask(CALL_TOOL);
    WAIT_FOR(router->waiting_count == 1);
    sides[0].behaviour = ANSWERS;
    fb_client_call_cancel(held[0]->call);
    WAIT_FOR(next->over);
    assert_int_equal(next->code, FB_OK);
    assert_int_equal(sides[0].cancelled, 1);
    for (size_t i = 1; i < 4; i++) {
        fb_client_call_cancel(held[i]->call);
    }
    WAIT_FOR(sides[0].cancelled == 4);
    assert_int_equal(known(0)->in_flight_here, 0);
}

static void a_call_that_surely_did_not_run_goes_to_another_worker(void **state)
{
    struct answer *answer;

    (void)state;
    join(0);
    join(1);
    sides[0].behaviour = REFUSES_UNRUN;
    for (int i = 0; i < 4; i++) {
        char session[8];

        snprintf(session, sizeof(session), "s%d", i); /* some begin with either worker */
        answer = ask_with(CALL_TOOL, session, 0);
        WAIT_FOR(answer->over);
        assert_int_equal(answer->code, FB_OK);
        assert_string_equal(answer->worker, "w1");
    }
    assert_int_equal(sides[1].calls, 4);
}

static void a_call_that_may_have_run_is_not_repeated(void **state)
{
    struct answer *answer;

    (void)state;
    join(0);
    join(1);
    sides[0].behaviour = FAILS;
    sides[1].behaviour = FAILS;
    answer = ask(CALL_TOOL);
    WAIT_FOR(answer->over);
    assert_int_equal(answer->code, FB_UNAVAILABLE);
    assert_false(answer->not_run);
    assert_string_equal(answer->why, "it broke on the way");
    assert_int_equal(calls_that_came(), 1);
}

static void a_list_is_asked_for_again_elsewhere(void **state)
{
    struct answer *answer;

    (void)state;
    join(0);
    join(1);
    sides[0].behaviour = FAILS;
    for (int i = 0; i < 4; i++) {
        char session[8];

        snprintf(session, sizeof(session), "s%d", i);
        answer = ask_with(LIST_TOOLS, session, 0);
        WAIT_FOR(answer->over);
        assert_int_equal(answer->code, FB_OK);
    }
    assert_int_equal(sides[1].calls, 4);
}

static void a_worker_that_dies_takes_its_running_call_and_no_other(void **state)
{
    struct answer *running;
    struct answer *after;

    (void)state;
    join(0);
    sides[0].behaviour = HOLDS;
    running = ask(CALL_TOOL);
    WAIT_FOR(sides[0].calls == 1);
    fb_call_finish(sides[0].held, fb_fail(FB_UNAVAILABLE, "gone"));
    stop_worker(0);
    WAIT_FOR(running->over);
    assert_int_equal(running->code, FB_UNAVAILABLE);
    assert_false(running->not_run);
    after = ask(CALL_TOOL);
    join(1);
    WAIT_FOR(after->over);
    assert_int_equal(after->code, FB_OK);
    assert_string_equal(after->worker, "w1");
    WAIT_FOR(known(0) == NULL);
}

static void a_session_s_calls_go_to_the_worker_that_holds_it(void **state)
{
    char *sessions[] = {(char *)"held-by-1"};

    (void)state;
    join(0);
    join(1);
    say(1, sessions, 1, false);
    WAIT_FOR(registry_sessions(router->registry) == 1);
    for (int i = 0; i < 4; i++) {
        struct answer *answer = ask_with(CALL_TOOL, "held-by-1", 0);

        WAIT_FOR(answer->over);
        assert_string_equal(answer->worker, "w1");
    }
}

static void a_waiting_call_forgets_a_holder_that_has_left(void **state)
{
    char session[] = "s1";
    char *sessions[] = {session};
    struct answer *answer;

    (void)state;
    /* It holds the session, but nobody can reach it. */
    close_worker(0);
    begin_join(0);
    say(0, sessions, 1, false);
    WAIT_FOR(registry_sessions(router->registry) == 1);
    answer = ask_with(CALL_TOOL, session, 0);
    WAIT_FOR(router->waiting_count == 1);
    fb_channel_destroy(sides[0].channel);
    sides[0].channel = NULL;
    WAIT_FOR(known(0) == NULL);
    join(1);
    WAIT_FOR(answer->over);
    assert_int_equal(answer->code, FB_OK);
    assert_string_equal(answer->worker, "w1");
}

static void a_worker_is_found_again_although_another_of_its_addresses_is_none(void **state)
{
    char nonsense[] = "nowhere";

    (void)state;
    close_worker(0);
    second_address = nonsense;
    begin_join(0);
    second_address = NULL;
    WAIT_FOR(known(0) != NULL && known(0)->channel == NULL);
    open_worker(0);
    WAIT_FOR(known(0)->state == WORKER_READY);
}

static void a_cancel_reaches_the_worker(void **state)
{
    struct answer *answer;

    (void)state;
    join(0);
    sides[0].behaviour = HOLDS;
    answer = ask(CALL_TOOL);
    WAIT_FOR(sides[0].calls == 1);
    fb_client_call_cancel(answer->call);
    WAIT_FOR(sides[0].cancelled == 1);
    assert_int_equal(router->in_flight, 0);
}

static void a_deadline_reaches_the_worker(void **state)
{
    struct answer *answer;

    (void)state;
    join(0);
    sides[0].behaviour = HOLDS;
    answer = ask_with(CALL_TOOL, "", fb_clock_ms() + 300);
    WAIT_FOR(sides[0].calls == 1);
    assert_in_range(fb_call_deadline_ms(sides[0].held) - fb_clock_ms(), 1, 310);
    WAIT_FOR(answer->over && sides[0].cancelled == 1);
    assert_int_equal(answer->code, FB_DEADLINE_EXCEEDED);
    assert_int_equal(recent_find(router->recent, 1)->code, FB_DEADLINE_EXCEEDED);
}

static void a_slow_reader_holds_its_worker_back(void **state)
{
    struct answer *answer;
    int64_t before;

    (void)state;
    join(0);
    sides[0].behaviour = FLOODS;
    answer = ask(CALL_TOOL);
    fb_client_call_pause(answer->call);
    WAIT_FOR(sides[0].calls == 1);
    do { /* until nothing moves any more */
        before = sides[0].flooded_bytes;
        for (int i = 0; i < 20; i++) {
            fb_loop_turn(loop, 5);
        }
    } while (sides[0].flooded_bytes != before);
    /* Far less than the 64 MiB it wants to send is under way: the windows and queues of two legs. */
    assert_in_range(sides[0].flooded_bytes, 1, 16 << 20);
    fb_client_call_resume(answer->call);
    WAIT_FOR(answer->bytes >= (size_t)(64 << 20));
    fb_client_call_cancel(answer->call);
    WAIT_FOR(sides[0].cancelled == 1);
}

static void a_subscription_is_no_load_and_ends_with_the_router(void **state)
{
    struct answer *answer;

    (void)state;
    join(0);
    sides[0].behaviour = HOLDS;
    answer = ask(LISTEN);
    WAIT_FOR(sides[0].calls == 1);
    assert_int_equal(known(0)->in_flight_here, 0);
    router_drain(router);
    WAIT_FOR(answer->over && sides[0].cancelled == 1);
    assert_int_equal(answer->code, FB_UNAVAILABLE);
}

static void a_context_that_is_wrong_is_refused_before_any_worker(void **state)
{
    char long_session[200];
    struct answer *answer;

    (void)state;
    join(0);
    memset(long_session, 's', sizeof(long_session) - 1);
    long_session[sizeof(long_session) - 1] = '\0';
    answer = ask_with(CALL_TOOL, long_session, 0);
    WAIT_FOR(answer->over);
    assert_int_equal(answer->code, FB_INVALID_ARGUMENT);
    assert_non_null(strstr(answer->why, "context.session"));
    assert_int_equal(calls_that_came(), 0);
}

/* --- what it shows --- */

static Flowbalancer__V1__GetOverviewResponse *overview;

static void overview_came(void *arg, const struct fb_call_end *end, const ProtobufCMessage *reply)
{
    uint8_t *bytes;
    size_t size;

    (void)arg;
    assert_int_equal(end->status.code, FB_OK);
    size = protobuf_c_message_get_packed_size(reply);
    bytes = malloc(size + 1);
    assert_non_null(bytes);
    protobuf_c_message_pack(reply, bytes);
    overview = flowbalancer__v1__get_overview_response__unpack(NULL, size, bytes);
    free(bytes);
}

static void the_overview_shows_workers_and_figures(void **state)
{
    Flowbalancer__V1__GetOverviewRequest request = FLOWBALANCER__V1__GET_OVERVIEW_REQUEST__INIT;
    const struct fb_call_plan plan = {.path = "/flowbalancer.v1.AdminService/GetOverview"};
    struct answer *answer;

    (void)state;
    overview = NULL;
    join(1);
    join(0);
    answer = ask(CALL_TOOL);
    WAIT_FOR(answer->over);
    fb_channel_unary(channel, &plan, &request.base,
                     &flowbalancer__v1__get_overview_response__descriptor, overview_came, NULL);
    WAIT_FOR(overview != NULL);
    assert_string_equal(overview->router->router_id, "r1");
    assert_int_equal(overview->router->calls, 1);
    assert_true(overview->router->resident_bytes > 0);
    assert_int_equal(overview->n_workers, 2);
    assert_string_equal(overview->workers[0]->worker_id, "w0");
    assert_int_equal(overview->workers[0]->state,
                     FLOWBALANCER__V1__WORKER_STATE__WORKER_STATE_READY);
    assert_int_equal(overview->workers[0]->calls + overview->workers[1]->calls, 1);
    flowbalancer__v1__get_overview_response__free_unpacked(overview, NULL);
}

static bool drained;

static void drain_answered(void *arg, const struct fb_call_end *end, const ProtobufCMessage *reply)
{
    (void)reply;
    *(enum fb_code *)arg = end->status.code;
    drained = true;
}

static enum fb_code order_drain(const char *id)
{
    Flowbalancer__V1__DrainWorkerRequest request = FLOWBALANCER__V1__DRAIN_WORKER_REQUEST__INIT;
    const struct fb_call_plan plan = {.path = "/flowbalancer.v1.AdminService/DrainWorker"};
    enum fb_code code = FB_UNKNOWN;

    drained = false;
    request.worker_id = (char *)id;
    fb_channel_unary(channel, &plan, &request.base,
                     &flowbalancer__v1__drain_worker_response__descriptor, drain_answered, &code);
    WAIT_FOR(drained);
    return code;
}

static void an_order_to_drain_reaches_the_worker_it_names(void **state)
{
    (void)state;
    join(0);
    join(1);
    assert_int_equal(order_drain("w1"), FB_OK);
    WAIT_FOR(sides[1].told_to_drain);
    assert_false(sides[0].told_to_drain);
    assert_int_equal(order_drain("nobody"), FB_NOT_FOUND);
}

static void recent_calls_are_shown_and_followed(void **state)
{
    Flowbalancer__V1__RecentCallsRequest request = FLOWBALANCER__V1__RECENT_CALLS_REQUEST__INIT;
    struct answer *follower;
    struct answer *answer;

    (void)state;
    join(0);
    answer = ask(CALL_TOOL);
    WAIT_FOR(answer->over);
    request.follow = 1;
    follower = ask_message("/flowbalancer.v1.AdminService/RecentCalls", &request.base);
    WAIT_FOR(follower->messages == 1);
    ask(CALL_TOOL);
    WAIT_FOR(follower->messages == 2);
    fb_client_call_cancel(follower->call);
    WAIT_FOR(router->followers == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_call_waits_until_a_worker_has_joined),
        CASE(more_calls_than_may_wait_are_refused_as_not_run),
        CASE(a_wait_ends_with_a_clear_error),
        CASE(a_deadline_ends_a_wait),
        CASE(a_full_worker_makes_the_next_call_wait_for_its_turn),
        CASE(a_call_that_surely_did_not_run_goes_to_another_worker),
        CASE(a_call_that_may_have_run_is_not_repeated),
        CASE(a_list_is_asked_for_again_elsewhere),
        CASE(a_worker_that_dies_takes_its_running_call_and_no_other),
        CASE(a_session_s_calls_go_to_the_worker_that_holds_it),
        CASE(a_waiting_call_forgets_a_holder_that_has_left),
        CASE(a_worker_is_found_again_although_another_of_its_addresses_is_none),
        CASE(a_cancel_reaches_the_worker),
        CASE(a_deadline_reaches_the_worker),
        CASE(a_slow_reader_holds_its_worker_back),
        CASE(a_subscription_is_no_load_and_ends_with_the_router),
        CASE(a_context_that_is_wrong_is_refused_before_any_worker),
        CASE(the_overview_shows_workers_and_figures),
        CASE(an_order_to_drain_reaches_the_worker_it_names),
        CASE(recent_calls_are_shown_and_followed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

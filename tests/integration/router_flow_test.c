/*
 * How the router forwards FlowService: to whoever holds the session, with waits that are no load, and
 * mutations that are sent again only where they can be told from new ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flowbalancer/v1/flow.pb-c.h"
#include "tests/integration/router_world.h"

static const char FIND[] = "/flowbalancer.v1.FlowService/Find";
static const char IMPORT[] = "/flowbalancer.v1.FlowService/Import";
static const char NEXT[] = "/flowbalancer.v1.FlowService/Next";
static const char PLAN[] = "/flowbalancer.v1.FlowService/Plan";
static const char STATUS[] = "/flowbalancer.v1.FlowService/Status";
static const char WATCH[] = "/flowbalancer.v1.FlowService/Watch";

static Flowbalancer__V1__CallContext context_of(const char *session, const char *scope)
{
    Flowbalancer__V1__CallContext context = FLOWBALANCER__V1__CALL_CONTEXT__INIT;

    context.agent = (char *)"agent";
    context.session = (char *)session;
    context.scope = (char *)scope;
    return context;
}

static struct answer *plan(const char *session, const char *scope, const char *request_id)
{
    Flowbalancer__V1__CallContext context = context_of(session, scope);
    Flowbalancer__V1__FlowMutation by = FLOWBALANCER__V1__FLOW_MUTATION__INIT;
    Flowbalancer__V1__PlanRequest request = FLOWBALANCER__V1__PLAN_REQUEST__INIT;

    by.actor = (char *)"ada";
    by.request_id = (char *)request_id;
    request.context = &context;
    request.by = &by;
    return ask_message(PLAN, &request.base);
}

static struct answer *next(const char *session, int64_t wait_ms)
{
    Flowbalancer__V1__CallContext context = context_of(session, "");
    Flowbalancer__V1__FlowMutation by = FLOWBALANCER__V1__FLOW_MUTATION__INIT;
    Flowbalancer__V1__NextRequest request = FLOWBALANCER__V1__NEXT_REQUEST__INIT;

    by.actor = (char *)"ada";
    by.request_id = (char *)"r1";
    request.context = &context;
    request.by = &by;
    request.wait_ms = wait_ms;
    return ask_message(NEXT, &request.base);
}

/* --- whose it is --- */

static void a_session_of_a_scope_goes_to_the_worker_that_holds_it_in_that_scope(void **state)
{
    char *in_blue[] = {(char *)"blue/work"};
    char *in_red[] = {(char *)"red/work"};
    struct answer *blue;
    struct answer *red;

    (void)state;
    join(0);
    join(1);
    say(0, in_blue, 1, false);
    say(1, in_red, 1, false);
    WAIT_FOR(registry_sessions(router->registry) == 2);
    for (int i = 0; i < 4; i++) {
        blue = plan("work", "blue", "");
        red = plan("work", "red", "");
        WAIT_FOR(blue->over && red->over);
        assert_string_equal(blue->worker, "w0");
        assert_string_equal(red->worker, "w1");
    }
}

static void a_search_of_all_sessions_goes_to_any_worker(void **state)
{
    struct answer *answer;

    (void)state;
    join(0);
    answer = ask_with(FIND, "", 0);
    WAIT_FOR(answer->over);
    assert_int_equal(answer->code, FB_OK);
}

static void a_call_follows_its_session_to_the_worker_that_holds_it(void **state)
{
    (void)state;
    join(0);
    join(1);
    sides[0].behaviour = SAYS_HELD;
    sides[0].holder = "w1";
    for (int i = 0; i < 8; i++) {
        char session[8];
        struct answer *answer;

        snprintf(session, sizeof(session), "s%d", i); /* some begin with either worker */
        answer = plan(session, "", "");
        WAIT_FOR(answer->over);
        assert_int_equal(answer->code, FB_OK);
        assert_string_equal(answer->worker, "w1");
    }
    assert_true(sides[0].calls > 0);
    assert_int_equal(sides[0].taken_over + sides[1].taken_over, 0);
}

static void a_session_of_a_worker_that_is_gone_is_taken_over(void **state)
{
    struct answer *answer;

    (void)state;
    join(0);
    sides[0].behaviour = SAYS_HELD;
    sides[0].holder = "w7";
    answer = plan("work", "", "");
    WAIT_FOR(answer->over);
    assert_int_equal(answer->code, FB_OK);
    assert_int_equal(sides[0].calls, 2);
    assert_int_equal(sides[0].taken_over, 1);
}

static void a_session_that_nobody_admits_to_holding_is_unavailable_for_a_while(void **state)
{
    struct answer *answer;

    (void)state;
    join(0);
    join(1);
    sides[0].behaviour = SAYS_HELD;
    sides[0].holder = "w1";
    sides[1].behaviour = SAYS_HELD;
    sides[1].holder = "w0";
    answer = plan("work", "", "r1");
    WAIT_FOR(answer->over);
    assert_int_equal(answer->code, FB_UNAVAILABLE);
    assert_true(answer->not_run);
    assert_int_equal(calls_that_came(), 5);
}

static void nobody_but_the_router_has_a_worker_take_over(void **state)
{
    struct fb_arena arena;
    struct fb_metadata metadata = {0};
    const struct fb_call_plan call = {.path = PLAN, .metadata = &metadata};
    Flowbalancer__V1__CallContext context = context_of("work", "");
    Flowbalancer__V1__PlanRequest request = FLOWBALANCER__V1__PLAN_REQUEST__INIT;
    struct answer answer = {0};

    (void)state;
    join(0);
    request.context = &context;
    fb_arena_init(&arena, 0);
    assert_true(fb_is_ok(
        fb_metadata_add(&metadata, &arena, FB_TEXT("flowbalancer-take-over"), FB_TEXT("1"))));
    answer.call = fb_channel_call(channel, &call, &answer_events, &answer);
    fb_client_call_send(answer.call, &request.base);
    fb_client_call_half_close(answer.call);
    WAIT_FOR(answer.over);
    fb_arena_finish(&arena);
    assert_int_equal(answer.code, FB_OK);
    assert_int_equal(sides[0].taken_over, 0);
}

/* --- once more --- */

static void a_mutation_with_a_request_id_is_sent_again_when_its_worker_is_lost(void **state)
{
    (void)state;
    join(0);
    join(1);
    sides[0].behaviour = FAILS;
    for (int i = 0; i < 4; i++) {
        char session[8];
        struct answer *answer;

        snprintf(session, sizeof(session), "s%d", i);
        answer = plan(session, "", "r1");
        WAIT_FOR(answer->over);
        assert_int_equal(answer->code, FB_OK);
        assert_string_equal(answer->worker, "w1");
    }
}

static void a_mutation_without_a_request_id_is_not_sent_again(void **state)
{
    struct answer *answer;

    (void)state;
    join(0);
    join(1);
    sides[0].behaviour = FAILS;
    sides[1].behaviour = FAILS;
    answer = plan("work", "", "");
    WAIT_FOR(answer->over);
    assert_int_equal(answer->code, FB_UNAVAILABLE);
    assert_false(answer->not_run);
    assert_int_equal(calls_that_came(), 1);
}

/* --- waits --- */

static void whoever_waits_for_work_is_no_load(void **state)
{
    struct answer *waits;
    struct answer *status;
    struct answer *held;
    Flowbalancer__V1__CallContext context = context_of("work", "");
    Flowbalancer__V1__StatusRequest request = FLOWBALANCER__V1__STATUS_REQUEST__INIT;

    (void)state;
    join(0);
    sides[0].behaviour = HOLDS;
    waits = next("work", 1000);
    request.context = &context;
    request.wait_ms = 1000;
    status = ask_message(STATUS, &request.base);
    WAIT_FOR(sides[0].calls == 2);
    assert_int_equal(known(0)->in_flight_here, 0);
    held = next("work", 0);
    WAIT_FOR(sides[0].calls == 3);
    assert_int_equal(known(0)->in_flight_here, 1);
    fb_client_call_cancel(waits->call);
    fb_client_call_cancel(status->call);
    fb_client_call_cancel(held->call);
    WAIT_FOR(sides[0].cancelled == 3);
    assert_null(router->standing);
}

static void whoever_watches_hears_that_its_worker_has_left(void **state)
{
    struct answer *answer;

    (void)state;
    join(0);
    sides[0].behaviour = WAITS;
    answer = ask_with(WATCH, "work", 0);
    WAIT_FOR(answer->messages == 1);
    fb_client_call_cancel(sides[0].join);
    sides[0].join = NULL;
    WAIT_FOR(known(0) == NULL);
    router_reap_soon(router); /* as the end of any call would */
    WAIT_FOR(answer->over);
    assert_int_equal(answer->code, FB_UNAVAILABLE);
}

static void whoever_waits_is_told_that_the_router_goes(void **state)
{
    struct answer *answer;

    (void)state;
    join(0);
    sides[0].behaviour = WAITS;
    answer = next("work", 1000);
    WAIT_FOR(answer->messages == 1);
    router_drain(router);
    WAIT_FOR(answer->over);
    assert_int_equal(answer->code, FB_UNAVAILABLE);
}

/* --- streams of the caller --- */

static struct answer *begin_import(const char *session)
{
    Flowbalancer__V1__CallContext context = context_of(session, "");
    Flowbalancer__V1__ImportRequest request = FLOWBALANCER__V1__IMPORT_REQUEST__INIT;
    struct answer *answer = call_with(IMPORT, 0);

    request.context = &context;
    fb_client_call_send(answer->call, &request.base);
    return answer;
}

static size_t send_data(struct answer *answer, size_t size)
{
    Flowbalancer__V1__ImportRequest request = FLOWBALANCER__V1__IMPORT_REQUEST__INIT;
    uint8_t *data = calloc(1, size);
    size_t packed;

    request.data.data = data;
    request.data.len = size;
    packed = flowbalancer__v1__import_request__get_packed_size(&request);
    fb_client_call_send(answer->call, &request.base);
    free(data);
    return packed;
}

static void a_stream_goes_whole_to_the_worker_of_its_session(void **state)
{
    char *holds[] = {(char *)"work"};
    struct answer *answer;
    char number[24];
    size_t sum = 0;

    (void)state;
    join(0);
    join(1);
    sides[0].behaviour = TAKES_IN;
    sides[1].behaviour = TAKES_IN;
    say(1, holds, 1, false);
    WAIT_FOR(registry_sessions(router->registry) == 1);
    answer = begin_import("work");
    for (int i = 0; i < 8; i++) {
        sum += send_data(answer, 1 << 20);
    }
    fb_client_call_half_close(answer->call);
    WAIT_FOR(answer->over);
    assert_int_equal(answer->code, FB_OK);
    assert_string_equal(answer->worker, "w1");
    snprintf(number, sizeof(number), "%zu", sum + 15 /* the first message */);
    assert_string_equal(answer->taken_in, number);
}

static void a_stream_waits_for_a_worker_and_loses_nothing(void **state)
{
    struct answer *answer = begin_import("work");
    char number[24];
    size_t sum = 0;

    (void)state;
    for (int i = 0; i < 5; i++) {
        sum += send_data(answer, 1 << 20);
    }
    fb_client_call_half_close(answer->call);
    WAIT_FOR(router->waiting_count == 1);
    sides[0].behaviour = TAKES_IN;
    join(0);
    WAIT_FOR(answer->over);
    assert_int_equal(answer->code, FB_OK);
    snprintf(number, sizeof(number), "%zu", sum + 15);
    assert_string_equal(answer->taken_in, number);
}

static void a_small_stream_follows_its_session_like_any_call(void **state)
{
    struct answer *answer;

    (void)state;
    join(0);
    sides[0].behaviour = SAYS_HELD;
    sides[0].holder = "w7";
    answer = begin_import("work");
    send_data(answer, 1000);
    fb_client_call_half_close(answer->call);
    WAIT_FOR(answer->over);
    assert_int_equal(answer->code, FB_OK);
    assert_int_equal(sides[0].taken_over, 1);
}

static void a_stream_without_a_message_belongs_nowhere(void **state)
{
    struct answer *answer = call_with(IMPORT, 0);

    (void)state;
    fb_client_call_half_close(answer->call);
    WAIT_FOR(answer->over);
    assert_int_equal(answer->code, FB_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_session_of_a_scope_goes_to_the_worker_that_holds_it_in_that_scope),
        CASE(a_search_of_all_sessions_goes_to_any_worker),
        CASE(a_call_follows_its_session_to_the_worker_that_holds_it),
        CASE(a_session_of_a_worker_that_is_gone_is_taken_over),
        CASE(a_session_that_nobody_admits_to_holding_is_unavailable_for_a_while),
        CASE(nobody_but_the_router_has_a_worker_take_over),
        CASE(a_mutation_with_a_request_id_is_sent_again_when_its_worker_is_lost),
        CASE(a_mutation_without_a_request_id_is_not_sent_again),
        CASE(whoever_waits_for_work_is_no_load),
        CASE(whoever_watches_hears_that_its_worker_has_left),
        CASE(whoever_waits_is_told_that_the_router_goes),
        CASE(a_stream_goes_whole_to_the_worker_of_its_session),
        CASE(a_stream_waits_for_a_worker_and_loses_nothing),
        CASE(a_small_stream_follows_its_session_like_any_call),
        CASE(a_stream_without_a_message_belongs_nowhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#define _XOPEN_SOURCE 700 /* nrand48 */

#include "services/worker/flow/merge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/worker/flow/decide.h"
#include "services/worker/flow/snapshot.h"

enum { EVENTS_MOST = 4000, MINUTE_MS = 60000 };

/* A session somewhere, with its log. */
struct replica {
    char origin[16];
    struct fb_text events[EVENTS_MOST];
    size_t count;
    struct session *session;
    int64_t now_ms;
};

/* All of the logs' bytes live here until the test ends. */
static struct fb_arena bytes;

static int begin(void **state)
{
    (void)state;
    fb_arena_init(&bytes, 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    fb_arena_finish(&bytes);
    return 0;
}

static void fold_log(struct session *session, const struct fb_text *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct fb_arena arena;
        struct event event;
        struct fb_status status;
        const char *fault;

        fb_arena_init(&arena, 0);
        status = event_unpack(events[i], &arena, &event);
        if (fb_is_ok(status)) {
            status = session_fold(session, &event);
        }
        if (!fb_is_ok(status)) {
            fail_msg("event %zu of kind %d: %s", i, event.kind, status.why);
        }
        fault = session_fault(session);
        if (fault != NULL) {
            fail_msg("after event %zu of kind %d: %s", i, event.kind, fault);
        }
        fb_arena_finish(&arena);
    }
}

static struct replica *replica_of(const char *origin)
{
    struct replica *r = calloc(1, sizeof(*r));

    assert_non_null(r);
    snprintf(r->origin, sizeof(r->origin), "%s", origin);
    r->session = session_create();
    r->now_ms = 1000;
    assert_non_null(r->session);
    return r;
}

static void drop(struct replica *r)
{
    session_destroy(r->session);
    free(r);
}

/* Puts an event into the log that has been folded. */
static void keep(struct replica *r, const struct event *event)
{
    assert_true(r->count < EVENTS_MOST);
    assert_true(fb_is_ok(event_pack(event, &bytes, &r->events[r->count++])));
}

static struct merge_log log_of(const struct replica *r)
{
    return (struct merge_log){
        .origin = fb_text_of(r->origin), .events = r->events, .count = r->count};
}

/* What the two become; `into` may be one of them. */
static void merge_into(struct replica *into, const struct replica *a, const struct replica *b)
{
    const struct merge_log first = log_of(a);
    const struct merge_log second = log_of(b);
    struct merge_result result;
    const struct fb_status status = merge_logs(&first, &second, &bytes, &result);

    if (!fb_is_ok(status)) {
        fail_msg("%s", status.why);
    }
    assert_true(result.count < EVENTS_MOST);
    memmove(into->events, result.events, result.count * sizeof(into->events[0]));
    into->count = result.count;
    session_destroy(into->session);
    into->session = session_create();
    assert_non_null(into->session);
    fold_log(into->session, into->events, into->count);
}

static struct replica *merged(const struct replica *a, const struct replica *b)
{
    struct replica *r = replica_of(a->origin);

    merge_into(r, a, b);
    return r;
}

static bool same(const struct replica *a, const struct replica *b)
{
    struct fb_buffer x = {.data = NULL};
    struct fb_buffer y = {.data = NULL};
    bool equal;

    assert_true(snapshot_write(a->session, &x) && snapshot_write(b->session, &y));
    equal = fb_text_equal((struct fb_text){.data = x.data, .size = x.size},
                          (struct fb_text){.data = y.data, .size = y.size});
    fb_buffer_finish(&x);
    fb_buffer_finish(&y);
    return equal;
}

/* --- what agents do --- */

static struct decision decision_of(struct replica *r, struct fb_arena *arena)
{
    return (struct decision){.session = r->session, .arena = arena, .now_ms = r->now_ms};
}

static void keep_decided(struct replica *r, const struct decision *d)
{
    for (size_t i = 0; i < d->event_count; i++) {
        keep(r, &d->events[i]);
    }
}

static void open_session(struct replica *r, const char *agent)
{
    struct fb_arena arena;
    struct decision d;

    fb_arena_init(&arena, 0);
    d = decision_of(r, &arena);
    assert_true(decide_open(
        &d, &(struct open_command){.name = fb_text_of(r->origin), .agent = fb_text_of(agent)}));
    keep_decided(r, &d);
    fb_arena_finish(&arena);
}

static uint32_t below(unsigned short seed[3], uint32_t most)
{
    return most == 0 ? 0 : (uint32_t)(nrand48(seed) % (long)most);
}

static void plan_some(struct replica *r, struct decision *d, struct fb_text agent,
                      unsigned short seed[3])
{
    static const char *const keys[] = {"", "", "", "alpha", "beta", "gamma"};
    struct plan_item items[3];
    struct plan_link links[3][2];
    const uint32_t count = 1 + below(seed, 3);

    memset(items, 0, sizeof(items));
    memset(links, 0, sizeof(links));
    for (uint32_t i = 0; i < count; i++) {
        items[i].task = (struct event_planned_task){
            .title = FB_TEXT("task"),
            .key = i == 0 ? fb_text_of(keys[below(seed, 6)]) : (struct fb_text){.size = 0},
            .body = FB_TEXT("what to do"),
            .weight = 1 + below(seed, 10),
            .priority = below(seed, 5),
        };
        items[i].chain = below(seed, 12) == 0;
        for (uint32_t j = 0; j < below(seed, 3) && r->session->task_count != 0; j++) {
            links[i][j].task = 1 + below(seed, r->session->task_count);
            links[i][j].kind = below(seed, 4) == 0
                                   ? EVENT_LINK_PARENT
                                   : (enum event_link_kind)(1 + below(seed, EVENT_LINK_KINDS - 1));
            items[i].links = links[i];
            items[i].link_count = j + 1;
        }
    }
    (void)decide_plan(d, &(struct plan_command){.agent = agent, .items = items, .count = count});
}

static void edit_some(struct replica *r, struct decision *d, struct fb_text agent,
                      unsigned short seed[3])
{
    static const char *const titles[] = {"one", "two", "three"};
    const uint32_t task = 1 + below(seed, r->session->task_count);
    const struct event_link link = {
        .task = task,
        .on = 1 + below(seed, r->session->task_count),
        .kind = (enum event_link_kind)(1 + below(seed, EVENT_LINK_KINDS - 1)),
        .dropped = below(seed, 3) == 0,
    };
    struct edit_command command = {
        .agent = agent,
        .task = task,
        .action = (enum edit_action)below(seed, EDIT_CHAIN),
        .fields = {.kind = EVENT_EDITED,
                   .edited = {.fields = 1 + below(seed, EVENT_FIELDS),
                              .title = fb_text_of(titles[below(seed, 3)]),
                              .body = fb_text_of(titles[below(seed, 3)]),
                              .weight = 1 + below(seed, 10),
                              .priority = below(seed, 5)}},
        .links = &link,
        .link_count = 1,
        .reason = FB_TEXT("because"),
    };

    if (below(seed, 2) == 0) {
        command.action = EDIT_FIELDS;
    }
    (void)decide_edit(d, &command);
}

/* One command of somebody, whether it is refused or not. */
static void act(struct replica *r, unsigned short seed[3])
{
    static const char *const agents[] = {"ann", "bob", "eve"};
    const struct event_evidence evidence = {.kind = EVENT_EVIDENCE_COMMIT,
                                            .ref = fb_text_of(agents[below(seed, 3)])};
    const struct event_evidence_list list = {.items = &evidence, .count = below(seed, 2)};
    /* Agents of one name may be at work in several places. */
    const struct fb_text agent = fb_text_of(agents[below(seed, 3)]);
    struct fb_arena arena;
    struct decision d;
    uint32_t task;

    fb_arena_init(&arena, 0);
    r->now_ms += below(seed, 10) == 0 ? 300 * MINUTE_MS : below(seed, 5 * MINUTE_MS);
    d = decision_of(r, &arena);
    task = 1 + below(seed, r->session->task_count);
    switch (r->session->task_count == 0 ? 0 : below(seed, 13)) {
    case 0:
    case 1:
        plan_some(r, &d, agent, seed);
        break;
    case 2:
    case 3:
    case 4:
        (void)decide_next(
            &d, &(struct next_command){.agent = agent, .task = below(seed, 2) == 0 ? 0 : task});
        break;
    case 5:
    case 6:
    case 7:
        (void)decide_pulse(
            &d, &(struct pulse_command){
                    .agent = agent,
                    .task = task,
                    .fence = session_task(r->session, task)->lease.fence,
                    .note = fb_text_of(agents[below(seed, 3)]),
                    .evidence = list,
                    .percent = below(seed, 101),
                    .state = (enum pulse_state)below(seed, 4),
                    .blocker = below(seed, 2) == 0 ? 0 : 1 + below(seed, r->session->task_count),
                    .gate = FB_TEXT("may I?"),
                });
        break;
    case 8:
    case 9:
        (void)decide_done(&d, &(struct done_command){.agent = agent,
                                                     .task = task,
                                                     .failed = below(seed, 4) == 0,
                                                     .summary = FB_TEXT("so it ended"),
                                                     .evidence = list,
                                                     .next = below(seed, 2) == 0});
        break;
    case 10:
        edit_some(r, &d, agent, seed);
        break;
    case 11:
        (void)decide_undo(&d, &(struct undo_command){.agent = agent});
        break;
    default:
        (void)decide_expire(&d);
        break;
    }
    assert_null(session_fault(r->session));
    keep_decided(r, &d);
    fb_arena_finish(&arena);
}

/* A copy of a session that goes on under a name of its own: its events say whose they are. */
static struct replica *fork_of(const struct replica *of, const char *origin)
{
    struct replica *r = replica_of(origin);

    r->now_ms = of->now_ms;
    for (size_t i = 0; i < of->count; i++) {
        struct fb_arena arena;
        struct event event;

        fb_arena_init(&arena, 0);
        assert_true(fb_is_ok(event_unpack(of->events[i], &arena, &event)));
        event.origin = fb_text_of(of->origin);
        event.origin_sequence = i + 1;
        event.lamport = i + 1;
        keep(r, &event);
        fb_arena_finish(&arena);
    }
    fold_log(r->session, r->events, r->count);
    return r;
}

/* --- the laws --- */

static void check_laws(const struct replica *a, const struct replica *b, const struct replica *c)
{
    struct replica *ab = merged(a, b);
    struct replica *ba = merged(b, a);
    struct replica *bc = merged(b, c);
    struct replica *ab_c = merged(ab, c);
    struct replica *a_bc = merged(a, bc);
    struct replica *aa = merged(a, a);
    struct replica *ab_b = merged(ab, b);
    struct replica *ab_ab = merged(ab, ba);

    assert_true(same(ab, ba));
    assert_true(same(ab_c, a_bc));
    assert_true(same(aa, a));
    assert_true(same(ab_b, ab));
    assert_true(same(ab_ab, ab));
    drop(ab);
    drop(ba);
    drop(bc);
    drop(ab_c);
    drop(a_bc);
    drop(aa);
    drop(ab_b);
    drop(ab_ab);
}

static void act_often(struct replica *r, unsigned short seed[3], uint32_t most)
{
    for (uint32_t i = 1 + below(seed, most); i > 0; i--) {
        act(r, seed);
    }
}

static void merging_is_commutative_associative_and_idempotent(void **state)
{
    (void)state;
    for (unsigned short round = 0; round < 100; round++) {
        unsigned short seed[3] = {round, 17, 4711};
        struct replica *a = replica_of("a");
        struct replica *b = replica_of("b");
        struct replica *c = replica_of("c");

        open_session(a, "ann");
        open_session(b, "bob");
        open_session(c, "ann");
        act_often(a, seed, 25);
        act_often(b, seed, 25);
        act_often(c, seed, 25);
        check_laws(a, b, c);
        drop(a);
        drop(b);
        drop(c);
    }
}

/* They work, meet and part at random; some meet before the law is asked for, some do not. */
static void the_laws_hold_for_logs_that_were_merged_before(void **state)
{
    (void)state;
    for (unsigned short round = 0; round < 100; round++) {
        unsigned short seed[3] = {round, 1, 99};
        struct replica *r[3] = {replica_of("a"), NULL, replica_of("c")};

        open_session(r[0], "ann");
        open_session(r[2], "eve");
        act_often(r[0], seed, 15);
        r[1] = fork_of(r[0], "b");
        for (int step = 0; step < 6; step++) {
            const uint32_t who = below(seed, 3);

            act_often(r[who], seed, 8);
            if (below(seed, 2) == 0) {
                merge_into(r[who], r[who], r[below(seed, 3)]);
            }
        }
        check_laws(r[0], r[1], r[2]);
        check_laws(r[2], r[0], r[1]);
        for (int i = 0; i < 3; i++) {
            drop(r[i]);
        }
    }
}

/* --- what becomes of what --- */

static struct replica *with_tasks(const char *origin, uint32_t count)
{
    struct replica *r = replica_of(origin);
    struct plan_item items[8];
    struct fb_arena arena;
    struct decision d;

    open_session(r, "ann");
    memset(items, 0, sizeof(items));
    for (uint32_t i = 0; i < count; i++) {
        items[i].task =
            (struct event_planned_task){.title = FB_TEXT("task"), .weight = 1, .priority = 2};
    }
    fb_arena_init(&arena, 0);
    d = decision_of(r, &arena);
    assert_true(decide_plan(
        &d, &(struct plan_command){.agent = FB_TEXT("ann"), .items = items, .count = count}));
    keep_decided(r, &d);
    fb_arena_finish(&arena);
    return r;
}

static void edit_title(struct replica *r, uint32_t task, const char *title)
{
    struct fb_arena arena;
    struct decision d;

    fb_arena_init(&arena, 0);
    d = decision_of(r, &arena);
    assert_true(decide_edit(
        &d, &(struct edit_command){
                .agent = FB_TEXT("ann"),
                .task = task,
                .action = EDIT_FIELDS,
                .fields = {.kind = EVENT_EDITED,
                           .edited = {.fields = EVENT_FIELD_TITLE, .title = fb_text_of(title)}}}));
    keep_decided(r, &d);
    fb_arena_finish(&arena);
}

static void finish(struct replica *r, const char *agent, uint32_t task, bool failed)
{
    struct fb_arena arena;
    struct decision d;

    fb_arena_init(&arena, 0);
    d = decision_of(r, &arena);
    assert_true(decide_next(&d, &(struct next_command){.agent = fb_text_of(agent), .task = task}));
    assert_true(decide_done(&d, &(struct done_command){.agent = fb_text_of(agent),
                                                       .task = task,
                                                       .summary = fb_text_of(agent),
                                                       .failed = failed}));
    keep_decided(r, &d);
    fb_arena_finish(&arena);
}

static void both_values_of_a_field_that_both_changed_are_kept(void **state)
{
    struct replica *a = with_tasks("a", 2);
    struct replica *b = fork_of(a, "b");
    struct replica *m;

    (void)state;
    edit_title(a, 1, "by a");
    edit_title(b, 1, "by b");
    edit_title(b, 2, "only by b");
    m = merged(a, b);
    assert_string_equal(session_task(m->session, 1)->title, "by b");
    assert_string_equal(session_task(m->session, 2)->title, "only by b");
    assert_int_equal(m->session->kept.conflict_count, 1);
    assert_int_equal(m->session->kept.conflicts[0].task, 1);
    assert_string_equal(m->session->kept.conflicts[0].field, "title");
    assert_string_equal(m->session->kept.conflicts[0].other, "by a");
    /* Whoever has seen both and edits settles it, also for those who merge later. */
    edit_title(m, 1, "by both");
    merge_into(m, m, b);
    assert_int_equal(m->session->kept.conflict_count, 0);
    merge_into(b, b, m);
    assert_string_equal(session_task(b->session, 1)->title, "by both");
    assert_int_equal(b->session->kept.conflict_count, 0);
    drop(a);
    drop(b);
    drop(m);
}

static void a_shared_beginning_is_there_once_and_leases_do_not_survive(void **state)
{
    struct replica *a = with_tasks("a", 3);
    struct replica *b = fork_of(a, "b");
    struct replica *m;
    struct fb_arena arena;
    struct decision d;

    (void)state;
    fb_arena_init(&arena, 0);
    d = decision_of(a, &arena);
    assert_true(decide_next(&d, &(struct next_command){.agent = FB_TEXT("ann"), .task = 1}));
    keep_decided(a, &d);
    fb_arena_finish(&arena);
    finish(b, "bob", 2, false);
    m = merged(a, b);
    assert_int_equal(m->session->task_count, 3);
    assert_int_equal(m->session->in_state[TASK_ACTIVE], 0);
    assert_int_equal(session_task(m->session, 1)->state, TASK_QUEUED);
    assert_int_equal(session_task(m->session, 2)->state, TASK_COMPLETED);
    /* One that has all that the other has stands as it is, leases and all. */
    drop(m);
    m = merged(a, a);
    assert_int_equal(m->session->in_state[TASK_ACTIVE], 1);
    drop(a);
    drop(b);
    drop(m);
}

static void a_completion_overrules_a_failure_and_is_accepted_once(void **state)
{
    struct replica *a = with_tasks("a", 2);
    struct replica *b = fork_of(a, "b");
    struct replica *m;

    (void)state;
    finish(a, "ann", 1, true);
    finish(b, "bob", 1, false);
    finish(a, "ann", 2, false);
    finish(b, "bob", 2, false);
    m = merged(a, b);
    assert_int_equal(session_task(m->session, 1)->state, TASK_COMPLETED);
    assert_string_equal(session_task(m->session, 1)->summary, "bob");
    assert_int_equal(session_task(m->session, 2)->state, TASK_COMPLETED);
    assert_string_equal(session_task(m->session, 2)->summary, "ann");
    assert_int_equal(session_task(m->session, 2)->unattached, 1);
    drop(a);
    drop(b);
    drop(m);
}

static void what_was_finished_stays_so_though_the_other_side_made_it_wait(void **state)
{
    const struct event_link link = {.task = 1, .on = 2, .kind = EVENT_LINK_AFTER};
    struct replica *a = with_tasks("a", 2);
    struct replica *b = fork_of(a, "b");
    struct replica *m;
    struct fb_arena arena;
    struct decision d;

    (void)state;
    fb_arena_init(&arena, 0);
    d = decision_of(a, &arena);
    assert_true(decide_edit(&d, &(struct edit_command){.agent = FB_TEXT("ann"),
                                                       .task = 1,
                                                       .action = EDIT_LINKS,
                                                       .links = &link,
                                                       .link_count = 1}));
    keep_decided(a, &d);
    fb_arena_finish(&arena);
    finish(b, "bob", 1, false);
    m = merged(a, b);
    assert_int_equal(session_task(m->session, 1)->state, TASK_COMPLETED);
    assert_int_equal(session_holds_up(m->session, 1), 2); /* the link is kept */
    drop(a);
    drop(b);
    drop(m);
}

static void links_that_would_knot_both_together_and_taken_keys_are_conflicts(void **state)
{
    const struct event_link there = {.task = 1, .on = 2, .kind = EVENT_LINK_AFTER};
    const struct event_link back = {.task = 2, .on = 1, .kind = EVENT_LINK_AFTER};
    struct replica *a = with_tasks("a", 2);
    struct replica *b = fork_of(a, "b");
    struct replica *sides[] = {a, b};
    const struct event_link *links[] = {&there, &back};
    struct replica *m;

    (void)state;
    for (int i = 0; i < 2; i++) {
        const struct plan_item item = {
            .task = {.title = FB_TEXT("task"), .key = FB_TEXT("k"), .weight = 1}};
        struct fb_arena arena;
        struct decision d;

        fb_arena_init(&arena, 0);
        d = decision_of(sides[i], &arena);
        assert_true(decide_edit(&d, &(struct edit_command){.agent = FB_TEXT("ann"),
                                                           .task = links[i]->task,
                                                           .action = EDIT_LINKS,
                                                           .links = links[i],
                                                           .link_count = 1}));
        assert_true(decide_plan(
            &d, &(struct plan_command){.agent = FB_TEXT("ann"), .items = &item, .count = 1}));
        keep_decided(sides[i], &d);
        fb_arena_finish(&arena);
    }
    m = merged(a, b);
    assert_int_equal(m->session->task_count, 4);
    assert_int_equal(session_task_of_key(m->session, FB_TEXT("k")), 3);
    assert_int_equal(m->session->kept.conflict_count, 2);
    assert_string_equal(m->session->kept.conflicts[0].field, "link");
    assert_string_equal(m->session->kept.conflicts[0].other, "after 1");
    assert_string_equal(m->session->kept.conflicts[1].field, "key");
    assert_string_equal(m->session->kept.conflicts[1].other, "k");
    drop(a);
    drop(b);
    drop(m);
}

static void logs_of_different_histories_under_one_origin_are_refused(void **state)
{
    struct replica *a = with_tasks("a", 2);
    struct replica *b = with_tasks("a", 3);
    const struct merge_log first = log_of(a);
    struct merge_log second = log_of(b);
    struct merge_result result;
    struct fb_status status = merge_logs(&first, &second, &bytes, &result);

    (void)state;
    assert_int_equal(status.code, FB_DATA_LOSS);
    assert_non_null(strstr(status.why, "of a is another in the two logs"));
    second.origin = (struct fb_text){.size = 0};
    assert_int_equal(merge_logs(&first, &second, &bytes, &result).code, FB_INVALID_ARGUMENT);
    second = log_of(b);
    second.origin = FB_TEXT("b");
    b->events[1] = FB_TEXT("\xff\xff");
    status = merge_logs(&first, &second, &bytes, &result);
    assert_int_equal(status.code, FB_DATA_LOSS);
    assert_non_null(strstr(status.why, "event 2 of b"));
    drop(a);
    drop(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_values_of_a_field_that_both_changed_are_kept, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_shared_beginning_is_there_once_and_leases_do_not_survive,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_completion_overrules_a_failure_and_is_accepted_once,
                                        begin, end),
        cmocka_unit_test_setup_teardown(
            what_was_finished_stays_so_though_the_other_side_made_it_wait, begin, end),
        cmocka_unit_test_setup_teardown(
            links_that_would_knot_both_together_and_taken_keys_are_conflicts, begin, end),
        cmocka_unit_test_setup_teardown(logs_of_different_histories_under_one_origin_are_refused,
                                        begin, end),
        cmocka_unit_test_setup_teardown(merging_is_commutative_associative_and_idempotent, begin,
                                        end),
        cmocka_unit_test_setup_teardown(the_laws_hold_for_logs_that_were_merged_before, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

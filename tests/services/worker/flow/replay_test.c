#define _XOPEN_SOURCE 700 /* nrand48 */

#include "services/worker/flow/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/worker/flow/snapshot.h"

enum { MINUTE_MS = 60000 };

static struct fb_text text_of(const char *string)
{
    return fb_text_of(string);
}

/* Folds it and checks all invariants. */
static struct fb_status fold(struct session *session, const struct event *event)
{
    const struct fb_status status = session_fold(session, event);
    const char *fault = session_fault(session);

    if (fault != NULL) {
        fail_msg("after kind %d of task %u: %s", event->kind, event->task, fault);
    }
    return status;
}

static struct event opened(void)
{
    return (struct event){.kind = EVENT_OPENED, .opened = {.name = FB_TEXT("s")}};
}

enum { LOG_MOST = 1500, CAPACITY = 2000 };

struct log {
    struct fb_arena arena;
    struct fb_text events[LOG_MOST]; /* packed */
    size_t count;
};

static uint32_t below(unsigned short seed[3], uint32_t most)
{
    return (uint32_t)nrand48(seed) % most;
}

static struct event_link any_link(unsigned short seed[3], uint32_t tasks)
{
    return (struct event_link){
        .task = 1 + below(seed, tasks + 1),
        .on = 1 + below(seed, tasks + 1),
        .kind = (enum event_link_kind)(1 + below(seed, EVENT_LINK_KINDS - 1)),
        .dropped = below(seed, 4) == 0,
    };
}

/* Up to 3, some with a digest; good until the next. */
static struct event_evidence_list any_evidence(unsigned short seed[3])
{
    static const char *const refs[] = {"/a", "/b", "make", "0a1b2c", "https://x"};
    static char digests[3][EVENT_SHA256_BYTES];
    static struct event_evidence items[3];
    struct event_evidence_list list = {.items = items, .count = below(seed, 4)};

    for (size_t i = 0; i < list.count; i++) {
        memset(digests[i], (int)below(seed, 3), sizeof(digests[i]));
        items[i] = (struct event_evidence){
            .kind = (enum event_evidence_kind)below(seed, EVENT_EVIDENCE_KINDS),
            .ref = text_of(refs[below(seed, 5)]),
            .sha256 = {.data = digests[i], .size = below(seed, 2) * EVENT_SHA256_BYTES},
            .size = below(seed, 100),
            .host = text_of(below(seed, 2) == 0 ? "" : "here"),
        };
    }
    return list;
}

/* An event that often may happen and often may not. The lists must outlive it. */
static struct event any_event(const struct session *session, unsigned short seed[3],
                              struct event_planned_task *planned, struct event_link *links)
{
    static const char *const requests[] = {"", "r1", "r2", "r3", "r4", "r5"};
    static const char *const agents[] = {"", "a", "b", "c"};
    static const struct fb_text texts[] = {
        {.data = "one", .size = 3}, {.data = "two", .size = 3}, {.data = "three", .size = 5}};
    const uint32_t task = 1 + below(seed, session->task_count + 1);
    const struct task *now = session_task(session, task);
    struct event event = {
        .kind = (enum event_kind)(EVENT_SEEN + (int)below(seed, EVENT_UNATTACHED - EVENT_SEEN + 1)),
        .unix_ms = session->last_ms + (below(seed, 50) == 0 ? 300 * MINUTE_MS : below(seed, 90000)),
        .actor = text_of(agents[below(seed, 4)]),
        .request_id = text_of(requests[below(seed, 6)]),
        .command = (enum event_command)below(seed, EVENT_COMMANDS),
    };
    const struct event_texts some = {.items = texts, .count = below(seed, 4)};

    if (below(seed, 8) == 0) {
        event.unix_ms -= 1000;
    }
    if (event.kind != EVENT_SEEN && event.kind != EVENT_PLANNED && event.kind != EVENT_LINKED) {
        event.task = task;
    }
    switch (event.kind) {
    case EVENT_SEEN:
        event.seen.declares = true;
        event.seen.caps = some;
        break;
    case EVENT_PLANNED:
        for (int i = 0; i < 3; i++) {
            planned[i] = (struct event_planned_task){
                .title = texts[i],
                .weight = 1 + below(seed, 10),
                .priority = below(seed, 5),
                .phase = below(seed, 5),
                .needs = some,
                .defer_until_unix_ms = below(seed, 3) == 0 ? event.unix_ms + 60000 : 0,
            };
            links[i] = any_link(seed, session->task_count + 3);
            links[i].dropped = false;
        }
        event.planned.first_task = session->task_count + 1;
        event.planned.tasks = planned;
        event.planned.task_count = 1 + below(seed, 3);
        event.planned.links = links;
        event.planned.link_count = below(seed, 4);
        event.planned.plan_key = text_of(requests[below(seed, 6)]);
        event.planned.items = 1;
        break;
    case EVENT_LINKED:
        links[0] = any_link(seed, session->task_count);
        links[1] = any_link(seed, session->task_count);
        event.linked.links = links;
        event.linked.link_count = 1 + below(seed, 2);
        break;
    case EVENT_CLAIMED:
        event.claimed.fence = session->fence + (below(seed, 8) != 0);
        event.claimed.lasts_ms = 30 * MINUTE_MS;
        event.claimed.implicit = below(seed, 4) == 0;
        break;
    case EVENT_NOTED:
        event.noted.note = texts[below(seed, 3)];
        event.noted.evidence = any_evidence(seed);
        event.noted.percent = below(seed, 101);
        break;
    case EVENT_BLOCKED:
        event.blocked.blocker = below(seed, 2) == 0 ? 0 : 1 + below(seed, session->task_count + 1);
        event.blocked.gate = FB_TEXT("gate");
        break;
    case EVENT_REQUEUED:
        event.requeued.cause = (enum event_cause)(1 + below(seed, EVENT_CAUSES - 1));
        event.requeued.reason = FB_TEXT("reason");
        event.requeued.defer_until_unix_ms = below(seed, 3) == 0 ? event.unix_ms + 30000 : 0;
        break;
    case EVENT_FINISHED:
        event.finished.outcome = (enum event_outcome)(1 + below(seed, 16) % 3);
        event.finished.summary = texts[0];
        event.finished.evidence = any_evidence(seed);
        if (now != NULL && now->lease.fence != 0 && below(seed, 8) != 0) {
            event.finished.fence = now->lease.fence;
            event.actor = session->agent_names.texts[now->lease.agent];
        }
        break;
    case EVENT_EDITED:
        event.edited.fields = 1 + below(seed, EVENT_FIELDS);
        event.edited.title = texts[1];
        event.edited.weight = 1 + below(seed, 10);
        event.edited.priority = below(seed, 5);
        event.edited.defer_until_unix_ms = below(seed, 2) == 0 ? 0 : event.unix_ms + 90000;
        break;
    default:
        break;
    }
    return event;
}

static struct fb_buffer snapshot_of(struct session *session)
{
    struct fb_buffer bytes = {.data = NULL};

    assert_true(snapshot_write(session, &bytes));
    return bytes;
}

static void expect_same_state(struct session *a, struct session *b)
{
    struct fb_buffer x = snapshot_of(a);
    struct fb_buffer y = snapshot_of(b);

    assert_int_equal(x.size, y.size);
    assert_memory_equal(x.data, y.data, x.size);
    fb_buffer_finish(&x);
    fb_buffer_finish(&y);
}

/* Keeps the log of what happened; says what a refused event did: nothing. */
static struct session *live(unsigned short seed[3], struct log *log)
{
    struct session *session = session_create();
    struct event event = opened();
    uint64_t fence = 0;
    int refused = 0;

    fb_arena_init(&log->arena, 0);
    log->count = 0;
    for (int i = 0; i < CAPACITY && log->count < LOG_MOST; i++) {
        struct event_planned_task planned[3];
        struct event_link links[3];
        struct fb_buffer before = snapshot_of(session);
        struct fb_status status;

        if (i > 0) {
            event = any_event(session, seed, planned, links);
            if (event.kind == EVENT_PLANNED && session->task_count > 60) {
                event.kind = EVENT_RESTED;
                event.task = 1;
            }
        }
        status = fold(session, &event);
        if (fb_is_ok(status)) {
            assert_true(session->fence >= fence);
            fence = session->fence;
            assert_true(fb_is_ok(event_pack(&event, &log->arena, &log->events[log->count++])));
        } else {
            struct fb_buffer after = snapshot_of(session);

            refused++;
            assert_false(session->broken);
            assert_int_equal(before.size, after.size);
            assert_memory_equal(before.data, after.data, before.size);
            fb_buffer_finish(&after);
        }
        fb_buffer_finish(&before);
    }
    assert_true(refused > 100 && log->count > 300);
    return session;
}

static void whatever_happens_the_invariants_hold_and_a_replay_is_identical(void **state)
{
    struct log *log = calloc(1, sizeof(*log));

    (void)state;
    assert_non_null(log);
    for (unsigned short run = 0; run < 12; run++) {
        unsigned short seed[3] = {run, 2, 3};
        struct session *session = live(seed, log);
        struct session *again = session_create();

        for (size_t i = 0; i < log->count; i++) {
            struct event event;

            assert_true(fb_is_ok(event_unpack(log->events[i], &log->arena, &event)));
            assert_true(fb_is_ok(session_fold(again, &event)));
        }
        expect_same_state(session, again);
        session_destroy(again);
        session_destroy(session);
        fb_arena_finish(&log->arena);
    }
    free(log);
}

static void a_snapshot_goes_on_as_the_events_would_have(void **state)
{
    struct log *log = calloc(1, sizeof(*log));

    (void)state;
    assert_non_null(log);
    for (unsigned short run = 0; run < 6; run++) {
        unsigned short seed[3] = {run, 5, 6};
        struct session *session = live(seed, log);
        struct session *begun = session_create();

        for (size_t i = 0; i < log->count; i++) {
            struct event event;

            if (i % 100 == 50) {
                struct fb_buffer bytes = snapshot_of(begun);
                struct session *read;

                assert_true(fb_is_ok(snapshot_read(
                    (struct fb_text){.data = bytes.data, .size = bytes.size}, &read)));
                expect_same_state(begun, read);
                session_destroy(begun);
                fb_buffer_finish(&bytes);
                begun = read;
            }
            assert_true(fb_is_ok(event_unpack(log->events[i], &log->arena, &event)));
            assert_true(fb_is_ok(session_fold(begun, &event)));
        }
        expect_same_state(session, begun);
        session_destroy(begun);
        session_destroy(session);
        fb_arena_finish(&log->arena);
    }
    free(log);
}

static void a_damaged_snapshot_is_refused_or_a_state_that_holds(void **state)
{
    struct log *log = calloc(1, sizeof(*log));
    unsigned short seed[3] = {7, 8, 9};
    struct session *session;
    struct fb_buffer bytes;

    (void)state;
    assert_non_null(log);
    session = live(seed, log);
    bytes = snapshot_of(session);
    for (int i = 0; i < 2000; i++) {
        const size_t at = below(seed, (uint32_t)bytes.size);
        const char was = bytes.data[at];
        const size_t size = below(seed, 4) == 0 ? at : bytes.size;
        struct session *read;

        bytes.data[at] = (char)(was ^ (1 << below(seed, 8)));
        if (fb_is_ok(snapshot_read((struct fb_text){.data = bytes.data, .size = size}, &read))) {
            assert_null(session_fault(read));
        }
        session_destroy(read);
        bytes.data[at] = was;
    }
    fb_buffer_finish(&bytes);
    session_destroy(session);
    fb_arena_finish(&log->arena);
    free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_happens_the_invariants_hold_and_a_replay_is_identical),
        cmocka_unit_test(a_snapshot_goes_on_as_the_events_would_have),
        cmocka_unit_test(a_damaged_snapshot_is_refused_or_a_state_that_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

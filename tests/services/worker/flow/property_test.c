#define _XOPEN_SOURCE 700 /* nrand48 */

#include "services/worker/flow/decide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/worker/flow/snapshot.h"
#include "services/worker/flow/ties.h"
#include "tests/services/worker/flow/world.h"

enum { AGENTS = 5, IDS = 32, STEPS = 1500, TASKS_MOST = 120 };

static const struct fb_text names[AGENTS] = {
    {.data = "a0", .size = 2}, {.data = "a1", .size = 2}, {.data = "a2", .size = 2},
    {.data = "a3", .size = 2}, {.data = "a4", .size = 2},
};
static const struct fb_text caps[] = {{.data = "gpu", .size = 3}, {.data = "web", .size = 3}};

static const struct event_evidence shown[] = {
    {.kind = EVENT_EVIDENCE_FILE, .ref = {.data = "/src/a.c", .size = 8}},
    {.kind = EVENT_EVIDENCE_FILE, .ref = {.data = "/src/b.c", .size = 8}},
    {.kind = EVENT_EVIDENCE_COMMAND, .ref = {.data = "make test", .size = 9}},
};

/* What an agent remembers, right or wrong. */
struct memory {
    uint32_t task;
    uint64_t fence;
};

struct play {
    struct world w;
    unsigned short seed[3];
    struct memory memory[AGENTS];
    struct waiter waiters[AGENTS];
    char ids[IDS][8];
};

static uint32_t below(struct play *play, uint32_t most)
{
    return (uint32_t)nrand48(play->seed) % most;
}

static struct event_evidence_list any_evidence(struct play *play)
{
    return (struct event_evidence_list){.items = shown, .count = below(play, 4)};
}

static bool any_plan(struct play *play, struct fb_text agent)
{
    struct session *s = play->w.d.session;
    struct plan_link links[3];
    struct plan_item items[3];

    if (s->task_count > TASKS_MOST) {
        return decide_expire(&play->w.d);
    }
    for (uint32_t i = 0; i < 3; i++) {
        links[i] = (struct plan_link){.kind = (enum event_link_kind)(1 + below(play, 6))};
        if (s->task_count != 0 && below(play, 2) == 0) {
            links[i].task = 1 + below(play, s->task_count);
        } else {
            links[i].item = 1 + below(play, 3);
        }
        items[i] = item("", &links[i], below(play, 2));
        items[i].task.weight = 1 + below(play, 10);
        items[i].task.priority = below(play, 5);
        items[i].task.needs = (struct event_texts){.items = caps, .count = below(play, 8) / 6};
        items[i].chain = below(play, 6) == 0;
        if (below(play, 5) == 0) {
            items[i].task.accept = FB_TEXT("evidence: anything");
        }
        if (below(play, 6) == 0) {
            items[i].task.defer_until_unix_ms = play->w.d.now_ms + below(play, 30 * MINUTE_MS);
        }
    }
    return decide_plan(
        &play->w.d,
        &(struct plan_command){.agent = agent, .items = items, .count = 1 + below(play, 3)});
}

/* Lives as long as the events that borrow it. */
static struct event_link *any_link(struct play *play, uint32_t task)
{
    struct event_link *link = fb_arena_zalloc(&play->w.arena, 1, sizeof(*link));

    assert_non_null(link);
    *link = (struct event_link){.task = task,
                                .on = 1 + below(play, play->w.d.session->task_count + 1),
                                .kind = (enum event_link_kind)(1 + below(play, 6)),
                                .dropped = below(play, 2) == 0};
    return link;
}

static bool any_edit(struct play *play, struct fb_text agent, uint32_t task)
{
    const struct edit_command command = {
        .agent = agent,
        .task = task,
        .action = (enum edit_action)below(play, EDIT_CHAIN + 1),
        .fields = {.edited = {.fields = below(play, 2) * (EVENT_FIELD_TITLE | EVENT_FIELD_WEIGHT),
                              .title = FB_TEXT("new"),
                              .weight = 1 + below(play, 10)}},
        .links = any_link(play, task),
        .link_count = below(play, 2),
        .reason = FB_TEXT("because"),
    };

    return command.action == EDIT_CANCEL && below(play, 4) != 0 ? decide_expire(&play->w.d)
                                                                : decide_edit(&play->w.d, &command);
}

static bool any_command(struct play *play, uint32_t who)
{
    struct decision *d = &play->w.d;
    struct memory *memory = &play->memory[who];
    const uint32_t any = 1 + below(play, d->session->task_count + 1);
    const uint32_t task = memory->task == 0 || below(play, 8) == 0 ? any : memory->task;
    const struct fb_text agent = names[who];

    switch (below(play, 12)) {
    case 0:
        return decide_open(d,
                           &(struct open_command){.name = FB_TEXT("s"),
                                                  .agent = agent,
                                                  .declares = true,
                                                  .caps = {.items = caps, .count = below(play, 3)},
                                                  .held_most = 1 + below(play, 3)});
    case 1:
        return any_plan(play, agent);
    case 2:
        return decide_next(d, &(struct next_command){.agent = agent, .n = below(play, 4)});
    case 3:
        return decide_next(d, &(struct next_command){.agent = agent, .task = any});
    case 4:
    case 5:
        return decide_pulse(d, &(struct pulse_command){.agent = agent,
                                                       .task = task,
                                                       .fence = memory->fence,
                                                       .note = FB_TEXT("still at it"),
                                                       .evidence = any_evidence(play),
                                                       .percent = below(play, 101),
                                                       .state = (enum pulse_state)below(play, 4),
                                                       .blocker = below(play, 2) * any,
                                                       .gate = FB_TEXT("so?")});
    case 6:
        return any_edit(play, agent, any);
    case 7:
        return decide_undo(d, &(struct undo_command){.agent = agent, .task = below(play, 2) * any});
    case 8:
        return decide_expire(d);
    default:
        return decide_done(d,
                           &(struct done_command){.agent = agent,
                                                  .task = task,
                                                  .fence = below(play, 3) == 0 ? 0 : memory->fence,
                                                  .failed = below(play, 12) == 0,
                                                  .summary = FB_TEXT("done"),
                                                  .evidence = any_evidence(play),
                                                  .next = below(play, 2) == 0});
    }
}

/* A ready task with a waiting agent that may have it has been given to it. */
static void expect_dispatched(struct play *play)
{
    const struct decision *d = &play->w.d;
    const struct session *s = d->session;

    for (uint32_t i = 0; i < d->waiter_count; i++) {
        const struct ties ties = {.session = s, .agent = session_agent_of(s, d->waiters[i].agent)};
        bool granted = false;

        for (size_t j = 0; j < d->grant_count; j++) {
            granted |= d->grants[j].waiter == i;
        }
        if (granted || ties.agent == NAMES_NONE ||
            s->agents[ties.agent].held >= s->agents[ties.agent].held_most) {
            continue;
        }
        assert_int_equal(
            schedule_pick(s->schedule, ties_agent(&ties), 1, session_awake_ms(s, d->now_ms)).task,
            GRAPH_NONE);
    }
}

static void step(struct play *play)
{
    struct decision *d = &play->w.d;
    const uint32_t who = below(play, AGENTS);
    const size_t events = d->event_count;
    bool done;

    d->now_ms += below(play, below(play, 20) == 0 ? 90 * MINUTE_MS : MINUTE_MS);
    d->request_id = fb_text_of(below(play, 2) == 0 ? "" : play->ids[below(play, IDS)]);
    d->waiters = play->waiters;
    d->waiter_count = below(play, AGENTS);
    done = any_command(play, who);
    if (d->repeated) {
        assert_true(done);
        assert_int_equal(d->event_count, events);
        return;
    }
    for (size_t i = events; i < d->event_count; i++) {
        assert_int_equal(d->events[i].continues, i > events);
    }
    for (size_t i = 0; done && i < d->grant_count; i++) {
        for (uint32_t j = 0; j < AGENTS; j++) {
            if (fb_text_equal(d->grants[i].agent, names[j])) {
                play->memory[j] =
                    (struct memory){.task = d->grants[i].task, .fence = d->grants[i].fence};
            }
        }
    }
    if (d->refusal.kind != REFUSAL_INVALID) {
        expect_dispatched(play);
    }
    expect_sound(&play->w);
}

static void begin_play(struct play *play, unsigned short run, bool automatic)
{
    *play = (struct play){.seed = {run, 11, 13}};
    fb_arena_init(&play->w.arena, 0);
    play->w.d =
        (struct decision){.session = session_create(), .arena = &play->w.arena, .now_ms = 1000};
    assert_non_null(play->w.d.session);
    assert_true(decide_open(&play->w.d, &(struct open_command){.name = FB_TEXT("s"),
                                                               .agent = names[0],
                                                               .automatic = automatic,
                                                               .active_most = 4}));
    for (uint32_t i = 0; i < AGENTS; i++) {
        play->waiters[i] = (struct waiter){.agent = names[AGENTS - 1 - i]};
    }
    for (int i = 0; i < IDS; i++) {
        snprintf(play->ids[i], sizeof(play->ids[i]), "r%d", i);
    }
}

/* Every event alone leaves a sound session; fences rise, and nothing that is over ends again. */
static void expect_sound_throughout(const struct world *w)
{
    struct session *again = session_create();
    bool over[4 * TASKS_MOST] = {false};
    uint64_t fence = 0;

    for (size_t i = 0; i < w->d.event_count; i++) {
        const struct event *event = &w->d.events[i];

        assert_true(fb_is_ok(session_fold(again, event)));
        assert_null(session_fault(again));
        if (event->kind == EVENT_CLAIMED) {
            assert_true(event->claimed.fence > fence);
            fence = event->claimed.fence;
        }
        if (event->kind == EVENT_FINISHED) {
            assert_false(over[event->task]);
            over[event->task] = true;
        }
        if (event->kind == EVENT_REQUEUED) {
            over[event->task] = false;
        }
    }
    session_destroy(again);
}

static void play_all(bool automatic)
{
    struct play *play = malloc(sizeof(*play));

    assert_non_null(play);
    for (unsigned short run = 0; run < 12; run++) {
        begin_play(play, run, automatic);
        for (int i = 0; i < STEPS; i++) {
            step(play);
        }
        assert_true(play->w.d.session->in_state[TASK_COMPLETED] > 5);
        expect_sound_throughout(&play->w);
        world_finish(&play->w);
    }
    free(play);
}

static void whatever_agents_do_the_session_is_sound_after_every_event(void **state)
{
    (void)state;
    play_all(false);
}

static void so_it_is_where_work_is_given_out_unasked(void **state)
{
    (void)state;
    play_all(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_agents_do_the_session_is_sound_after_every_event),
        cmocka_unit_test(so_it_is_where_work_is_given_out_unasked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

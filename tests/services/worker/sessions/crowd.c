#include "tests/services/worker/sessions/crowd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void ask_again(struct crowd_agent *agent, enum ask_kind kind, bool moved)
{
    struct crowd *crowd = agent->crowd;
    struct ask ask = {
        .kind = kind,
        .session = "s",
        .agent = agent->name,
        .request = agent->request,
        .task = agent->ask.task,
        .fence = agent->ask.fence,
    };

    snprintf(agent->request, sizeof(agent->request), "%s-%u", agent->name, agent->steps);
    if (crowd->take_over_every != 0 && !moved &&
        agent->steps % crowd->take_over_every == crowd->take_over_every - 1) {
        agent->at = (agent->at + 1) % crowd->keepers;
        ask.call.take_over = true;
        crowd->takeovers++;
    }
    agent->ask = ask;
    ask_begin(crowd->world->keepers[agent->at], &agent->ask);
}

static void go_on(struct crowd_agent *agent)
{
    struct crowd *crowd = agent->crowd;
    struct ask *ask = &agent->ask;
    const enum ask_kind kind = ask->kind;

    if (ask->end.status.code == FB_ABORTED || ask->end.status.code == FB_UNAVAILABLE) {
        agent->at = (agent->at + 1) % crowd->keepers;
        ask_again(agent, kind, true);
        return;
    }
    assert_string_equal(ask->end.status.why, "");
    agent->steps++;
    if (kind == ASK_NEXT && ask->refusal != REFUSAL_NONE) {
        agent->busy = false; /* nothing is left */
        return;
    }
    assert_int_equal(ask->refusal, REFUSAL_NONE);
    if (kind == ASK_NEXT) {
        ask->task = ask->got_task;
        ask->fence = ask->got_fence;
        ask_again(agent, ASK_FINISH, false);
        return;
    }
    assert_true(ask->task <= CROWD_TASKS_MOST);
    crowd->finished[ask->task]++;
    crowd->done++;
    ask->task = 0;
    ask_again(agent, ASK_NEXT, false);
}

void crowd_begin(struct crowd *crowd, unsigned tasks)
{
    struct keeper *keeper = crowd->world->keepers[0];

    crowd->tasks = tasks;
    must(crowd->world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    must(crowd->world, keeper, (struct ask){.kind = ASK_PLAN, .session = "s", .count = tasks});
    for (unsigned i = 0; i < crowd->count; i++) {
        struct crowd_agent *agent = &crowd->agents[i];

        agent->crowd = crowd;
        agent->busy = true;
        snprintf(agent->name, sizeof(agent->name), "a%u", i);
        ask_again(agent, ASK_NEXT, true);
    }
}

bool crowd_turn(struct crowd *crowd)
{
    bool busy = false;

    fb_loop_turn(crowd->world->loop, 100);
    for (unsigned i = 0; i < crowd->count; i++) {
        struct crowd_agent *agent = &crowd->agents[i];

        if (agent->busy && agent->ask.ended) {
            ask_finish(&agent->ask);
            go_on(agent);
        }
        busy |= agent->busy;
    }
    return busy;
}

void crowd_check(struct crowd *crowd)
{
    struct ask seen = {.kind = ASK_LOOK, .session = "s", .call = {.take_over = true}};

    for (unsigned i = 1; i <= crowd->tasks; i++) {
        assert_int_equal(crowd->finished[i], 1);
    }
    ask_do(crowd->world, crowd->world->keepers[crowd->keepers - 1], &seen);
    assert_string_equal(seen.end.status.why, "");
    assert_false(seen.fault);
    assert_int_equal(seen.in_state[TASK_COMPLETED], crowd->tasks);
    assert_int_equal(stored_sequence(crowd->world, "s"), (int64_t)seen.events);
    ask_finish(&seen);
}

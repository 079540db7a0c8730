#include "services/worker/flow/decide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/services/worker/flow/world.h"

enum { ACTS = 8, LENGTH = 5, SEQUENCES = ACTS * ACTS * ACTS * ACTS * ACTS };

/* Two agents and one task; each agent uses the last fence that it was given, however old it is. */
struct play {
    struct world w;
    uint64_t fences[2];
    unsigned accepted;
};

static void end(struct play *play, int who, bool next)
{
    const struct done_command command = {.agent = who == 0 ? ann : bob,
                                         .task = 1,
                                         .fence = play->fences[who],
                                         .summary = FB_TEXT("done"),
                                         .next = next};
    const struct task *task = &play->w.d.session->tasks[1];
    const uint64_t held = task->lease.fence;
    const enum task_state state = task->state;

    if (!decide_done(&play->w.d, &command)) {
        return;
    }
    play->accepted++;
    /* with the fence of the lease, or without one where nobody had it */
    assert_true(command.fence == held || (command.fence == 0 && state != TASK_COMPLETED));
}

static void act(struct play *play, int what)
{
    const int who = what % 2;
    const struct fb_text agent = who == 0 ? ann : bob;

    switch (what) {
    case 0:
    case 1:
        if (next(&play->w, agent, 1)) {
            play->fences[who] = play->w.d.fence;
        }
        break;
    case 2:
    case 3:
        end(play, who, false);
        break;
    case 4: /* suspect */
        play->w.d.now_ms += 31 * MINUTE_MS;
        break;
    case 5: /* expired */
        play->w.d.now_ms += 46 * MINUTE_MS;
        (void)decide_expire(&play->w.d);
        break;
    default:
        (void)decide_pulse(&play->w.d, &(struct pulse_command){.agent = agent,
                                                               .task = 1,
                                                               .fence = play->fences[who],
                                                               .state = PULSE_HAND_BACK});
        break;
    }
}

static void a_task_is_finished_at_most_once_in_every_order_of_claims_ends_and_lapses(void **state)
{
    const struct plan_item one = item("", NULL, 0);
    unsigned finished = 0;

    (void)state;
    for (int sequence = 0; sequence < SEQUENCES; sequence++) {
        struct play play = {.accepted = 0};
        int rest = sequence;

        world_begin(&play.w);
        assert_true(plan(&play.w, &one, 1));
        for (int i = 0; i < LENGTH; i++) {
            act(&play, rest % ACTS);
            rest /= ACTS;
            expect_sound(&play.w);
            if (play.accepted > 1) {
                fail_msg("sequence %d: finished twice", sequence);
            }
        }
        finished += play.accepted;
        world_finish(&play.w);
    }
    assert_true(finished > SEQUENCES / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_is_finished_at_most_once_in_every_order_of_claims_ends_and_lapses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

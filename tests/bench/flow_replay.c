#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/arena.h"
#include "services/worker/flow/decide.h"
#include "services/worker/flow/session.h"
#include "tests/bench/flow_log.h"
#include "tests/bench/replay_remaining.h"

enum {
    SESSIONS_MOST = 512,
    TOLD = 16,
    STATE_MS = 300000,
    STATE_AHEAD_MS = 1800000,
    AHEAD = 6,
    ARENA_BYTES = 4 << 20
};

static const char help[] =
    "flow_replay: lets a session forecast itself from the log of what happened, and says how that "
    "went.\n"
    "\n"
    "    flow_replay [--without FEATURE] LOG...     - is stdin\n"
    "\n"
    "A log has a JSON object on each line, in the order of time:\n"
    "\n"
    "    t_ms      unix time\n"
    "    session   a name; what happens in one says nothing about another\n"
    "    kind      created started noted handed_back blocked unblocked completed failed cancelled\n"
    "              reopened linked seen\n"
    "    task      a number from 1, for all kinds but seen\n"
    "    agent     who; may be left out\n"
    "    weight    of created: effort, 1 to 10; else 5\n"
    "    priority  of created: 0 (first) to 4; else 2\n"
    "    phase     of created: 1 plan, 2 implement, 3 test, 4 document; else 0\n"
    "    link, on  of linked: the task hangs on another; after (waits for it), parent, from\n"
    "\n"
    "Each event is folded by the worker's own session. What that refuses is bent as little as "
    "needed: what\n"
    "is completed without having been started is claimed on the way, what held it up is unlinked.\n"
    "\n"
    "On stdout, a JSON object for each forecast, once what came of it is known:\n"
    "    {\"of\": \"forecast\"}   a tick and horizon: what model, published and baselines said, "
    "what happened\n"
    "    {\"of\": \"ranker\"}     a completion: its place among the candidates, by the ranker and "
    "each rule\n"
    "    {\"of\": \"effort\"}     a hold: absolute log errors of learned, published and prior\n"
    "    {\"of\": \"state\"}      every five minutes: the flow state, and whether a completion "
    "followed in 30\n"
    "    {\"of\": \"remaining\"}  after every 25th completion: awake minutes until what is open "
    "then is done\n"
    "    {\"of\": \"log\"}        a session: events, and how many of them no session could take\n"
    "Nothing is learned from before it has been forecast.\n"
    "\n"
    "--without N   leaves out a feature of the ranker, numbered from 0 as in ranker.h\n";

/* What was said at a tick besides what the forecast keeps itself. */
struct told {
    int64_t unix_ms;
    int64_t completed_ms; /* the last one before it */
    double rate_per_h;    /* decayed in an hour */
    double base_rate[FORECAST_HORIZONS];
    double published[FORECAST_HORIZONS];
};

struct state_tick {
    int64_t unix_ms;
    enum flow_state state;
    bool completed;
};

struct play {
    char name[FLOW_LOG_TEXT_BYTES];
    struct session *session;
    uint32_t *numbers; /* of the session, by those of the log */
    int64_t now_ms;
    uint64_t events;
    uint64_t refused;

    struct told told[TOLD];
    struct state_tick states[AHEAD];
    uint32_t state_count;
    struct replay_remaining remaining;
};

static void stop(const char *what, const char *why)
{
    fprintf(stderr, "flow_replay: %s: %s\n", what, why);
    exit(1);
}

/* --- what is said before it is known --- */

static void tell_label(void *arg, const struct forecast_label *label)
{
    const struct play *play = arg;
    const struct told *told = &play->told[label->unix_ms / FORECAST_TICK_MS % TOLD];
    const int64_t horizon_ms = forecast_horizon_ms(label->horizon);
    const double hours = (double)horizon_ms / 3600000.0;

    if (told->unix_ms != label->unix_ms) {
        stop(play->name, "a label of a tick that was not noticed");
    }
    printf("{\"of\": \"forecast\", \"session\": \"%s\", \"minutes\": %d, \"model\": %.6f, "
           "\"published\": %.6f, \"markov\": %.6f, \"base\": %.6f, \"raw\": %d, \"poisson\": %.6f, "
           "\"happened\": %d}\n",
           play->name, (int)(horizon_ms / 60000), label->model, told->published[label->horizon],
           label->baseline, told->base_rate[label->horizon],
           told->completed_ms != 0 && label->unix_ms - told->completed_ms <= horizon_ms,
           1 - exp(-told->rate_per_h * hours), label->happened);
}

static void notice_tick(struct play *play, int64_t at_ms)
{
    const struct forecast *forecast = &play->session->forecast;
    struct told *told = &play->told[at_ms / FORECAST_TICK_MS % TOLD];
    const double hours = (double)(at_ms - forecast->counted_ms[FORECAST_COMPLETION]) / 3600000.0;

    *told = (struct told){
        .unix_ms = at_ms,
        .completed_ms = forecast->completed_ms,
        .rate_per_h = forecast->decayed[1] * exp(-hours),
    };
    for (uint32_t h = 0; h < FORECAST_HORIZONS; h++) {
        const struct forecast_model *model = &forecast->models[h];

        told->published[h] = forecast_at(forecast, h, at_ms).probability;
        told->base_rate[h] =
            ((double)(model->happened[0] + model->happened[1]) + 1) / ((double)model->labels + 2);
    }
}

static void notice_state(struct play *play, int64_t at_ms)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < play->state_count; i++) {
        const struct state_tick *tick = &play->states[i];

        if (at_ms - tick->unix_ms >= STATE_AHEAD_MS) {
            printf(
                "{\"of\": \"state\", \"session\": \"%s\", \"state\": \"%s\", \"happened\": %d}\n",
                play->name, flow_state_name(tick->state), tick->completed);
        } else {
            play->states[kept++] = *tick;
        }
    }
    play->state_count = kept;
    if (at_ms - play->session->last_ms < FLOW_STATE_SILENCE_MS) {
        play->states[play->state_count++] = (struct state_tick){
            .unix_ms = at_ms, .state = session_flow_state(play->session, at_ms)};
    }
}

/* Lets time pass up to an event, which is not yet folded. */
static void pass(struct play *play, int64_t now_ms)
{
    const int64_t idle_ms = play->now_ms + 2 * FORECAST_SILENCE_MS;
    const int64_t until_ms = now_ms < idle_ms ? now_ms : idle_ms;
    int64_t at_ms = play->now_ms - play->now_ms % STATE_MS + STATE_MS;

    for (; play->session->events != 0 && at_ms <= until_ms; at_ms += STATE_MS) {
        notice_state(play, at_ms);
        if (at_ms % FORECAST_TICK_MS == 0) {
            forecast_settle(&play->session->forecast, at_ms, tell_label, play);
            notice_tick(play, at_ms);
        }
    }
    play->now_ms = now_ms;
    replay_remaining_pass(&play->remaining, play->session, session_awake_ms(play->session, now_ms));
}

static void notice_choice(const struct play *play, uint64_t ranked, bool touched)
{
    const struct ranker_lesson *lesson = &play->session->ranker.lesson;

    if (play->session->ranker.ranked == ranked) {
        return;
    }
    printf("{\"of\": \"ranker\", \"session\": \"%s\", \"candidates\": %" PRIu32
           ", \"touched\": %d, \"places\": {\"learned\": %" PRIu32,
           play->name, lesson->candidates, touched, lesson->place);
    for (enum ranker_rule rule = 0; rule < RANKER_RULES; rule++) {
        printf(", \"%s\": %" PRIu32, ranker_rule_name(rule), lesson->rule_places[rule]);
    }
    printf("}}\n");
}

static void notice_hold(const struct play *play, const struct effort *before)
{
    const struct effort *effort = &play->session->effort;
    const uint64_t at = before->seen % EFFORT_WINDOW;

    if (effort->seen != before->seen) {
        printf("{\"of\": \"effort\", \"session\": \"%s\", \"learned\": %.6f, \"published\": %.6f, "
               "\"prior\": %.6f}\n",
               play->name, effort->learned_error[at],
               before->learned_better ? effort->learned_error[at] : effort->prior_error[at],
               effort->prior_error[at]);
    }
}

/* --- what happens --- */

/* Leases whose agents were not heard for too long end first, as they do before every command. */
static void expire(struct play *play)
{
    struct fb_arena arena;
    struct decision decision = {.session = play->session, .arena = &arena, .now_ms = play->now_ms};

    if (play->session->in_state[TASK_ACTIVE] == 0) {
        return;
    }
    fb_arena_init(&arena, ARENA_BYTES);
    if (!decide_expire(&decision)) {
        stop(play->name, "leases cannot be ended");
    }
    fb_arena_finish(&arena);
}

static bool fold(struct play *play, struct event event, struct fb_text actor)
{
    event.unix_ms = play->now_ms;
    event.actor = actor;
    return fb_is_ok(session_fold(play->session, &event));
}

static struct fb_text holder_of(const struct play *play, const struct task *task)
{
    return play->session->agent_names.texts[task->lease.agent];
}

/* Takes away what holds up a task. */
static void free_task(struct play *play, uint32_t number, struct fb_text actor)
{
    const struct session *session = play->session;
    uint32_t on;

    if (session->tasks[number].state == TASK_BLOCKED && session->tasks[number].blocker == 0) {
        (void)fold(play,
                   (struct event){.kind = EVENT_REQUEUED,
                                  .task = number,
                                  .requeued = {.cause = EVENT_UNBLOCKED}},
                   fb_text_of("gatekeeper"));
    }
    while ((on = session_holds_up(session, number)) != 0) {
        static const enum event_link_kind kinds[] = {EVENT_LINK_AFTER, EVENT_LINK_PARENT};
        bool dropped = false;

        for (int i = 0; i < 2 && !dropped; i++) {
            const bool parent = kinds[i] == EVENT_LINK_PARENT;
            const struct event_link link = {.task = parent ? on : number,
                                            .on = parent ? number : on,
                                            .kind = kinds[i],
                                            .dropped = true};

            dropped = fold(
                play,
                (struct event){.kind = EVENT_LINKED, .linked = {.links = &link, .link_count = 1}},
                actor);
        }
        if (!dropped) {
            return;
        }
    }
}

static bool claim(struct play *play, uint32_t number, struct fb_text actor, bool implicit)
{
    const uint64_t ranked = play->session->ranker.ranked;
    const int64_t touched_ms = play->session->ranker.tasks[number].touched_ms;
    const bool claimed =
        fold(play,
             (struct event){.kind = EVENT_CLAIMED,
                            .task = number,
                            .claimed = {.fence = play->session->fence + 1,
                                        .lasts_ms = lease_lasts_ms(&play->session->holds),
                                        .implicit = implicit}},
             actor);

    if (claimed) {
        notice_choice(play, ranked,
                      touched_ms != 0 && play->now_ms - touched_ms <= RANKER_TOUCHED_MS);
    }
    return claimed;
}

static bool end(struct play *play, uint32_t number, struct fb_text actor,
                enum event_outcome outcome)
{
    const struct task *task = &play->session->tasks[number];
    const struct effort before = play->session->effort;

    if (task_has_ended(task->state)) {
        return false;
    }
    if (task->state == TASK_ACTIVE) {
        actor = holder_of(play, task);
    } else if (outcome != EVENT_CANCELLED) {
        free_task(play, number, actor);
        if (!claim(play, number, actor, true)) {
            return false;
        }
    }
    if (!fold(play,
              (struct event){.kind = EVENT_FINISHED,
                             .task = number,
                             .finished = {.outcome = outcome, .fence = task->lease.fence}},
              actor)) {
        return false;
    }
    if (outcome != EVENT_FAILED) {
        replay_remaining_ended(&play->remaining, play->session, play->name, number, stdout);
    }
    if (outcome == EVENT_COMPLETED) {
        for (uint32_t i = 0; i < play->state_count; i++) {
            play->states[i].completed = true;
        }
        notice_hold(play, &before);
    }
    return true;
}

static bool touch(struct play *play, uint32_t number, struct fb_text actor)
{
    const struct task *task = &play->session->tasks[number];
    char text[32];

    if (task->state == TASK_ACTIVE) {
        (void)snprintf(text, sizeof(text), "%" PRIu64, play->events);
        return fold(play,
                    (struct event){
                        .kind = EVENT_NOTED, .task = number, .noted = {.note = fb_text_of(text)}},
                    holder_of(play, task));
    }
    return fold(
        play,
        (struct event){.kind = EVENT_EDITED,
                       .task = number,
                       .edited = {.fields = EVENT_FIELD_PRIORITY, .priority = task->priority}},
        actor);
}

static bool requeue(struct play *play, uint32_t number, struct fb_text actor)
{
    static const enum event_cause causes[TASK_STATES] = {
        [TASK_ACTIVE] = EVENT_HANDED_BACK,
        [TASK_FAILED] = EVENT_RETRIED,
        [TASK_COMPLETED] = EVENT_REOPENED,
    };
    const struct task *task = &play->session->tasks[number];

    if (causes[task->state] == 0) {
        return false;
    }
    return fold(
        play,
        (struct event){.kind = EVENT_REQUEUED,
                       .task = number,
                       .requeued = {.cause = causes[task->state], .reason = fb_text_of("it was")}},
        task->state == TASK_ACTIVE ? holder_of(play, task) : actor);
}

static bool create(struct play *play, const struct flow_log_event *event, struct fb_text actor)
{
    const struct event_planned_task task = {.title = fb_text_of("a task"),
                                            .weight = event->weight,
                                            .priority = event->priority,
                                            .phase = event->phase};
    const uint32_t number = play->session->task_count + 1;

    if (play->numbers[event->task] != 0 ||
        !fold(play,
              (struct event){.kind = EVENT_PLANNED,
                             .planned = {.first_task = number, .tasks = &task, .task_count = 1}},
              actor)) {
        return false;
    }
    play->numbers[event->task] = number;
    return true;
}

static bool link(struct play *play, const struct flow_log_event *event, struct fb_text actor)
{
    static const enum event_link_kind kinds[FLOW_LOG_LINKS] = {
        [FLOW_LOG_AFTER] = EVENT_LINK_AFTER,
        [FLOW_LOG_PARENT] = EVENT_LINK_PARENT,
        [FLOW_LOG_FROM] = EVENT_LINK_FROM,
    };
    const struct event_link made = {.task = play->numbers[event->task],
                                    .on = play->numbers[event->on],
                                    .kind = kinds[event->link]};

    return made.task != 0 && made.on != 0 &&
           fold(play,
                (struct event){.kind = EVENT_LINKED, .linked = {.links = &made, .link_count = 1}},
                actor);
}

static bool happen(struct play *play, const struct flow_log_event *event)
{
    const struct fb_text actor = fb_text_of(event->agent[0] == '\0' ? "someone" : event->agent);
    const uint32_t number = play->numbers[event->task];
    const struct task *task = &play->session->tasks[number];

    if (event->kind == FLOW_LOG_CREATED) {
        return create(play, event, actor);
    }
    if (event->kind == FLOW_LOG_SEEN) {
        return fold(play, (struct event){.kind = EVENT_SEEN}, actor);
    }
    if (number == 0) {
        return false;
    }
    switch (event->kind) {
    case FLOW_LOG_STARTED:
        return (session_is_free(task) && claim(play, number, actor, false)) ||
               touch(play, number, actor);
    case FLOW_LOG_NOTED:
        return touch(play, number, actor);
    case FLOW_LOG_HANDED_BACK:
        return task->state == TASK_ACTIVE && requeue(play, number, actor);
    case FLOW_LOG_BLOCKED:
        return task->state == TASK_ACTIVE &&
               fold(play,
                    (struct event){.kind = EVENT_BLOCKED,
                                   .task = number,
                                   .blocked = {.gate = fb_text_of("something")}},
                    holder_of(play, task));
    case FLOW_LOG_UNBLOCKED:
        if (task->state == TASK_BLOCKED) {
            free_task(play, number, actor);
        }
        return true;
    case FLOW_LOG_COMPLETED:
        return end(play, number, actor, EVENT_COMPLETED);
    case FLOW_LOG_FAILED:
        return end(play, number, actor, EVENT_FAILED);
    case FLOW_LOG_CANCELLED:
        return end(play, number, actor, EVENT_CANCELLED);
    case FLOW_LOG_REOPENED:
        return task_has_ended(task->state) && requeue(play, number, actor);
    case FLOW_LOG_LINKED:
        return link(play, event, actor);
    case FLOW_LOG_CREATED:
    case FLOW_LOG_SEEN:
    case FLOW_LOG_KINDS:
        break;
    }
    return false;
}

/* --- logs --- */

static struct play plays[SESSIONS_MOST];
static size_t play_count;

static struct play *play_of(const struct flow_log_event *event, uint32_t left_out)
{
    struct play *play = plays;

    while (play < plays + play_count && strcmp(play->name, event->session) != 0) {
        play++;
    }
    if (play < plays + play_count) {
        return play;
    }
    if (play_count == SESSIONS_MOST) {
        stop(event->session, "there are more than 512 sessions");
    }
    play_count++;
    memcpy(play->name, event->session, sizeof(play->name));
    play->session = session_create();
    play->numbers = calloc(FLOW_LOG_TASKS_MOST + 1, sizeof(*play->numbers));
    if (play->session == NULL || play->numbers == NULL) {
        stop(play->name, "no memory");
    }
    play->session->ranker.left_out = left_out;
    play->now_ms = event->t_ms;
    (void)fold(play,
               (struct event){
                   .kind = EVENT_OPENED,
                   .opened = {.name = fb_text_of(play->name), .active_most = 4096, .load_most = 0}},
               fb_text_of("someone"));
    return play;
}

static void replay(const char *name, uint32_t left_out)
{
    FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");
    struct flow_log_event event;
    enum flow_log_answer answer;
    const char *why = "it cannot be opened";

    if (file == NULL) {
        stop(name, why);
    }
    while ((answer = flow_log_read(file, &event, &why)) == FLOW_LOG_EVENT) {
        struct play *play = play_of(&event, left_out);

        if (event.t_ms < play->now_ms) {
            stop(name, "time runs backwards");
        }
        pass(play, event.t_ms);
        expire(play);
        play->events++;
        play->refused += !happen(play, &event);
    }
    if (answer == FLOW_LOG_BAD) {
        stop(name, why);
    }
    if (file != stdin) {
        (void)fclose(file);
    }
}

int main(int argc, char **argv)
{
    uint32_t left_out = 0;
    int at = 1;

    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        fputs(help, argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    if (argc > 2 && strcmp(argv[1], "--without") == 0) {
        left_out = 1U << (strtoul(argv[2], NULL, 10) % RANKER_FEATURES);
        at = 3;
    }
    for (; at < argc; at++) {
        replay(argv[at], left_out);
    }
    for (size_t i = 0; i < play_count; i++) {
        printf("{\"of\": \"log\", \"session\": \"%s\", \"events\": %" PRIu64
               ", \"refused\": %" PRIu64 ", \"tasks\": %" PRIu32 ", \"unknown\": %" PRIu32
               ", \"fault\": \"%s\"}\n",
               plays[i].name, plays[i].events, plays[i].refused, plays[i].session->task_count,
               plays[i].remaining.count,
               session_fault(plays[i].session) == NULL ? "" : session_fault(plays[i].session));
        replay_remaining_finish(&plays[i].remaining);
        session_destroy(plays[i].session);
        free(plays[i].numbers);
    }
    return 0;
}

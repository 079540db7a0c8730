/*
 * Simulated projects, and what the engine's alarms say of them: of those that go well, and of those
 * where something is made to go wrong. Prints a JSON object for each project, hold and mishap.
 *
 *     flow_alarms [PROJECTS [HOURS [STOPS]]]     160, 120 and 3, unless said otherwise
 *
 * Each minute that the project is awake, and after each event, the alarms are asked for, as somebody
 * who watches it would. HOURS are of work; STOPS, how many times over an agent is stopped in each.
 */

#define _POSIX_C_SOURCE 200809L

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/worker/flow/alarms.h"
#include "tests/bench/flow_world.h"

enum {
    MINUTE = 60000,
    GRID = 96, /* fixed timeouts: from a minute, each a tenth longer than the one before */
    REPEATS = 364,
    TRIES = 2,   /* of other mishaps in each project */
    VISITS = 10, /* of a person, a day apart, after everybody has stopped */
};

enum timeout { HELD_WALL, HELD_AWAKE, SILENT_WALL, SILENT_AWAKE, TIMEOUTS };

static const char *const timeout_names[TIMEOUTS] = {"held_wall", "held_awake", "silent_wall",
                                                    "silent_awake"};

static const char *const wrong_names[WORLD_WRONGS] = {
    [WORLD_STOP] = "stop",        [WORLD_THRASH] = "thrashing", [WORLD_RETRY_STORM] = "retry_storm",
    [WORLD_STARVE] = "starved",   [WORLD_SLOW] = "rate_drop",   [WORLD_FLOOD] = "chain_flood",
    [WORLD_DOUBLE] = "duplicate",
};

static int64_t timeout_ms(int at)
{
    return (int64_t)(MINUTE * pow(1.1, at));
}

struct seen {
    struct alarm alarms[ALARMS_MOST];
    size_t count;
};

static bool has(const struct seen *seen, const struct alarm *alarm)
{
    for (size_t i = 0; i < seen->count; i++) {
        const struct alarm *other = &seen->alarms[i];

        if (other->kind == alarm->kind && other->task == alarm->task &&
            other->agent == alarm->agent) {
            return true;
        }
    }
    return false;
}

/* --- projects that go well --- */

struct watched {
    struct world world;
    struct seen now;
    uint32_t new_alarms[ALARM_KINDS];
    bool stalled[WORLD_AGENTS_MOST]; /* the hold under way was told of */
    bool silent[WORLD_AGENTS_MOST];
};

static void look(struct watched *watched, int64_t now_ms)
{
    struct world *w = &watched->world;
    struct seen before = watched->now;

    watched->now.count = session_alarms(w->session, now_ms, watched->now.alarms, ALARMS_MOST);
    for (size_t i = 0; i < watched->now.count; i++) {
        const struct alarm *alarm = &watched->now.alarms[i];

        watched->new_alarms[alarm->kind] += !has(&before, alarm);
        for (uint32_t agent = 0; agent < w->agent_count; agent++) {
            if (fb_text_is(
                    w->session->agent_names.texts[alarm->agent == NAMES_NONE ? 0 : alarm->agent],
                    w->agents[agent].name)) {
                watched->stalled[agent] |= alarm->kind == ALARM_STALLED;
                watched->silent[agent] |= alarm->kind == ALARM_SILENT_AGENT;
            }
        }
    }
}

/* Each minute until then, as long as anything can change. */
static void look_until(struct watched *watched, int64_t then_ms)
{
    const int64_t last_ms = watched->world.session->last_ms;

    for (int64_t at = last_ms + MINUTE; at < then_ms && at <= last_ms + MOMENTUM_GAP_MS + MINUTE;
         at += MINUTE) {
        look(watched, at);
    }
}

static void calls_of_act(struct world *w, uint64_t *calls)
{
    for (uint32_t i = 0; i < w->agent_count; i++) {
        struct world_agent *agent = &w->agents[i];

        if (agent->heard_ms == w->now_ms) {
            session_called(w->session, fb_text_of(agent->name), FB_TEXT("pulse"), ++*calls, false,
                           w->now_ms, NULL);
        }
    }
}

static void well(uint32_t seed, double hours, bool busy)
{
    struct watched watched = {.now = {.count = 0}};
    struct world *w = &watched.world;
    uint64_t calls = 0;
    uint32_t holds = 0;
    int64_t next_ms;

    if (!world_init(w, seed, hours, busy, WORLD_CLEAN)) {
        fprintf(stderr, "flow_alarms: no memory\n");
        exit(1);
    }
    while ((next_ms = world_next_ms(w)) != 0) {
        bool held[WORLD_AGENTS_MOST] = {false};

        look_until(&watched, next_ms);
        for (uint32_t i = 0; i < w->agent_count; i++) {
            held[i] = w->agents[i].holds;
        }
        world_act(w);
        calls_of_act(w, &calls);
        for (uint32_t i = 0; i < w->agent_count; i++) {
            if (held[i] && !w->agents[i].holds) {
                if (w->finished) {
                    holds++;
                    printf("{\"is\":\"%s\",\"project\":%u,\"held_wall\":%lld,\"held_awake\":%lld,"
                           "\"silent_wall\":%lld,\"silent_awake\":%lld,\"stalled\":%d,"
                           "\"silent\":%d}\n",
                           busy ? "busy_hold" : "hold", seed, (long long)w->hold.wall_ms,
                           (long long)w->hold.awake_ms, (long long)w->hold.silence_wall_ms,
                           (long long)w->hold.silence_awake_ms, watched.stalled[i],
                           watched.silent[i]);
                }
                watched.stalled[i] = false;
                watched.silent[i] = false;
            }
        }
        look(&watched, w->now_ms);
    }
    printf("{\"is\":\"%s\",\"project\":%u,\"agents\":%u,\"median_min\":%.2f,\"awake_h\":%.2f,"
           "\"events\":%llu,\"tasks\":%u,\"holds\":%u,\"alarms\":{",
           busy ? "busy" : "well", seed, w->agent_count, w->median_minutes,
           (double)w->session->awake_ms / 3.6e6, (unsigned long long)w->session->events,
           w->session->task_count, holds);
    for (int kind = 1; kind < ALARM_KINDS; kind++) {
        printf("%s\"%s\":%u", kind == 1 ? "" : ",", alarm_name((enum alarm_kind)kind),
               watched.new_alarms[kind]);
    }
    printf("}}\n");
    world_finish(w);
}

/* --- what goes wrong --- */

struct mishap {
    struct world world;
    enum world_wrong wrong;

    /* unix times; 0: not yet */
    int64_t from_ms;
    int64_t told_ms;
    int64_t stalled_ms;
    int64_t silent_ms;
    int64_t awake_from_ms;
    int64_t awake_told_ms;
    uint32_t told_count; /* acts of it by then */
    uint32_t found;      /* doubles */

    /* of the agent that stopped */
    int64_t claimed_ms;
    int64_t claimed_awake_ms;
    int64_t heard_awake_ms;
    int64_t fixed_ms[TIMEOUTS][GRID]; /* how long after it stopped they would tell; -1: not yet */
};

static bool is_of(const struct mishap *m, const struct alarm *alarm)
{
    const struct world *w = &m->world;

    switch (m->wrong) {
    case WORLD_STOP:
        return (alarm->kind == ALARM_STALLED && alarm->task == w->wrong_task) ||
               (alarm->kind == ALARM_SILENT_AGENT &&
                fb_text_is(w->session->agent_names.texts[alarm->agent],
                           w->agents[w->wrong_agent].name));
    case WORLD_THRASH:
        return alarm->kind == ALARM_THRASHING;
    case WORLD_RETRY_STORM:
        return alarm->kind == ALARM_RETRY_STORM;
    case WORLD_STARVE:
        return alarm->kind == ALARM_STARVED && alarm->task == w->wrong_task;
    case WORLD_SLOW:
        return alarm->kind == ALARM_RATE_DROP;
    case WORLD_FLOOD:
        return alarm->kind == ALARM_CHAIN_FLOOD;
    case WORLD_DOUBLE:
        return alarm->kind == ALARM_DUPLICATE && alarm->task == w->wrong_task;
    case WORLD_CLEAN:
    case WORLD_WRONGS:
        break;
    }
    return false;
}

static void time_out(struct mishap *m, int64_t now_ms)
{
    const int64_t awake_ms = session_awake_ms(m->world.session, now_ms);
    const int64_t spans[TIMEOUTS] = {
        [HELD_WALL] = now_ms - m->claimed_ms,
        [HELD_AWAKE] = awake_ms - m->claimed_awake_ms,
        [SILENT_WALL] = now_ms - m->from_ms,
        [SILENT_AWAKE] = awake_ms - m->heard_awake_ms,
    };

    for (int which = 0; which < TIMEOUTS; which++) {
        for (int i = 0; i < GRID; i++) {
            if (m->fixed_ms[which][i] < 0 && spans[which] >= timeout_ms(i)) {
                m->fixed_ms[which][i] = now_ms - m->from_ms;
            }
        }
    }
}

static void look_for(struct mishap *m, int64_t now_ms)
{
    struct seen seen;

    if (!m->world.went_wrong) {
        return;
    }
    if (m->wrong == WORLD_STOP) {
        time_out(m, now_ms);
    }
    seen.count = session_alarms(m->world.session, now_ms, seen.alarms, ALARMS_MOST);
    for (size_t i = 0; i < seen.count; i++) {
        if (!is_of(m, &seen.alarms[i])) {
            continue;
        }
        if (m->told_ms == 0) {
            m->told_ms = now_ms;
            m->awake_told_ms = session_awake_ms(m->world.session, now_ms);
            m->told_count = m->world.wrong_count;
        }
        if (seen.alarms[i].kind == ALARM_STALLED && m->stalled_ms == 0) {
            m->stalled_ms = now_ms;
        }
        if (seen.alarms[i].kind == ALARM_SILENT_AGENT && m->silent_ms == 0) {
            m->silent_ms = now_ms;
        }
    }
}

static void begins(struct mishap *m)
{
    const struct world *w = &m->world;
    const struct world_agent *agent = &w->agents[w->wrong_agent];

    m->from_ms = m->wrong == WORLD_STOP ? agent->heard_ms : w->wrong_ms;
    m->awake_from_ms = w->session->awake_ms;
    m->claimed_ms = agent->since_ms;
    m->claimed_awake_ms = agent->since_awake_ms;
    m->heard_awake_ms = agent->heard_awake_ms;
    for (int64_t at = m->from_ms; at < w->now_ms && at <= m->from_ms + MOMENTUM_GAP_MS;
         at += MINUTE) {
        look_for(m, at);
    }
}

/* Each minute until then, as long as anything can change but the hands of the clock. */
static void look_till(struct mishap *m, int64_t then_ms)
{
    const int64_t last_ms = m->world.session->last_ms;

    for (int64_t at = last_ms + MINUTE; at < then_ms && at <= last_ms + MOMENTUM_GAP_MS + MINUTE;
         at += MINUTE) {
        look_for(m, at);
    }
    if (m->wrong == WORLD_STOP) {
        for (int64_t at = last_ms + MOMENTUM_GAP_MS; at < then_ms; at += MINUTE) {
            time_out(m, at);
        }
    }
}

static bool is_over(const struct mishap *m)
{
    switch (m->wrong) {
    case WORLD_STOP:
        return m->stalled_ms != 0 && m->silent_ms != 0 && m->fixed_ms[HELD_AWAKE][GRID - 1] >= 0 &&
               m->fixed_ms[SILENT_AWAKE][GRID - 1] >= 0;
    case WORLD_DOUBLE:
        return m->world.wrong_count == 10;
    default:
        return m->told_ms != 0;
    }
}

static void print_time(const char *name, int64_t at_ms, int64_t from_ms)
{
    printf(",\"%s\":%.3f", name, at_ms == 0 ? -1 : (double)(at_ms - from_ms) / 60000);
}

static void goes_wrong(uint32_t seed, double hours, enum world_wrong wrong, uint32_t try)
{
    struct mishap *m = calloc(1, sizeof(*m));
    int64_t next_ms;

    if (m == NULL || !world_init(&m->world, seed, hours, false, wrong)) {
        fprintf(stderr, "flow_alarms: no memory\n");
        exit(1);
    }
    m->wrong = wrong;
    memset(m->fixed_ms, 0xff, sizeof(m->fixed_ms));
    if (wrong != WORLD_STARVE) {
        m->world.wrong_at_ms = (int64_t)(hours * 3.6e6 * (.3 + .5 * (try + .5) / 8));
    }
    while ((next_ms = world_next_ms(&m->world)) != 0 && !is_over(m)) {
        const bool had = m->world.went_wrong;
        const uint32_t doubles = m->world.wrong_count;

        if (had) {
            look_till(m, next_ms);
        }
        world_act(&m->world);
        if (!had && m->world.went_wrong) {
            begins(m);
        }
        if (wrong == WORLD_DOUBLE && doubles != m->world.wrong_count) {
            m->told_ms = 0;
            look_for(m, m->world.now_ms);
            m->found += m->told_ms != 0;
        } else {
            look_for(m, m->world.now_ms);
        }
    }
    for (int day = 0; day < VISITS && wrong == WORLD_STOP && !is_over(m); day++) {
        look_till(m, m->world.now_ms + 24 * 3600000);
        world_visit(&m->world);
    }
    if (m->world.went_wrong) {
        printf("{\"is\":\"%s\",\"project\":%u,\"agents\":%u,\"count\":%u,\"found\":%u,\"all\":%u",
               wrong_names[wrong], seed, m->world.agent_count, m->told_count, m->found,
               m->world.wrong_count);
        print_time("told", m->told_ms, m->from_ms);
        print_time("told_awake", m->awake_told_ms, m->awake_from_ms);
        if (wrong == WORLD_STOP) {
            print_time("stalled", m->stalled_ms, m->from_ms);
            print_time("silent", m->silent_ms, m->from_ms);
            for (int which = 0; which < TIMEOUTS; which++) {
                printf(",\"%s\":[", timeout_names[which]);
                for (int i = 0; i < GRID; i++) {
                    printf("%s%.3f", i == 0 ? "" : ",",
                           m->fixed_ms[which][i] < 0 ? -1 : (double)m->fixed_ms[which][i] / 60000);
                }
                printf("]");
            }
        }
        printf("}\n");
    }
    world_finish(&m->world);
    free(m);
}

/* A link that would close a cycle, and evidence that is not there any more: whether each is told. */
static void is_wrong_at_once(uint32_t seed)
{
    struct world w;
    struct seen seen;
    bool cycle = false;
    bool false_done = false;
    uint32_t done = 0;

    if (!world_init(&w, seed, 40, true, WORLD_CLEAN)) {
        fprintf(stderr, "flow_alarms: no memory\n");
        exit(1);
    }
    while (w.work_ms < 20 * 3600000 && world_next_ms(&w) != 0) {
        world_act(&w);
    }
    for (uint32_t task = 1; task <= w.session->task_count; task++) {
        done = w.session->tasks[task].state == TASK_COMPLETED ? task : done;
    }
    world_doubt(&w, done);
    world_knot(&w);
    seen.count = session_alarms(w.session, w.now_ms, seen.alarms, ALARMS_MOST);
    for (size_t i = 0; i < seen.count; i++) {
        cycle |= seen.alarms[i].kind == ALARM_CYCLE;
        false_done |= seen.alarms[i].kind == ALARM_FALSE_DONE && seen.alarms[i].task == done;
    }
    printf("{\"is\":\"at_once\",\"project\":%u,\"cycle\":%d,\"false_done\":%d}\n", seed, cycle,
           false_done);
    world_finish(&w);
}

/* One agent makes the same call each five seconds while the others go on with their work. */
static void runs_away(uint32_t seed)
{
    struct world w;
    uint32_t warned = 0;
    uint32_t refused = 0;

    if (!world_init(&w, seed, 40, true, WORLD_CLEAN)) {
        fprintf(stderr, "flow_alarms: no memory\n");
        exit(1);
    }
    while (w.work_ms < 20 * 3600000 && world_next_ms(&w) != 0) {
        world_act(&w);
    }
    for (uint32_t call = 1; call <= REPEATS; call++) {
        const int64_t at_ms = w.now_ms + 5000;
        enum runaway_answer answer;

        while (world_next_ms(&w) != 0 && world_next_ms(&w) <= at_ms) {
            world_act(&w);
        }
        w.now_ms = at_ms > w.now_ms ? at_ms : w.now_ms;
        answer = session_called(w.session, fb_text_of(w.agents[0].name), FB_TEXT("pulse"), 1, false,
                                w.now_ms, NULL);
        warned = warned == 0 && answer != RUNAWAY_OK ? call : warned;
        refused = refused == 0 && answer == RUNAWAY_REFUSED ? call : refused;
    }
    printf("{\"is\":\"runaway\",\"project\":%u,\"warned\":%u,\"refused\":%u}\n", seed, warned,
           refused);
    world_finish(&w);
}

int main(int argc, char **argv)
{
    const uint32_t projects = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 160;
    const double hours = argc > 2 ? strtod(argv[2], NULL) : 120;
    const uint32_t stops = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 3;

    for (uint32_t project = 1; project <= projects; project++) {
        well(project, hours, false);
        well(project, hours, true);
        for (uint32_t i = 0; i < stops; i++) {
            goes_wrong(project, hours, WORLD_STOP, i);
        }
        for (int wrong = WORLD_STOP + 1; wrong < WORLD_WRONGS; wrong++) {
            const uint32_t tries = wrong == WORLD_STARVE ? 1 : TRIES;

            for (uint32_t i = 0; i < tries; i++) {
                goes_wrong(project, hours, (enum world_wrong)wrong, i);
            }
        }
        is_wrong_at_once(project);
        runs_away(project);
    }
    return 0;
}

#include "services/worker/flow/alarms.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    HELD_LOOKED_AT = 256, /* active tasks */
    STARVED_LOOKED_AT = 64,
    CALLERS_LOOKED_AT = 16,
    SPAN_BYTES = 32,
};

/* --- saying it --- */

struct listing {
    const struct session *session;
    int64_t now_ms;
    int64_t awake_ms;
    int64_t busy_ms; /* as rhythm.h counts it */
    bool muted;      /* of this round */
    struct alarm *alarms;
    size_t most;
    size_t count;
};

typedef void (*alarm_fn)(struct listing *listing);

struct span {
    char text[SPAN_BYTES];
};

/* "45 s", "12 min", "3 h 20 min" or "4 d 2 h". */
static struct span span_of(int64_t ms)
{
    const int64_t minutes = ms / 60000;
    struct span span;

    if (minutes < 2) {
        snprintf(span.text, sizeof(span.text), "%d s", (int)(ms > 0 ? ms / 1000 : 0));
    } else if (minutes < 120) {
        snprintf(span.text, sizeof(span.text), "%d min", (int)minutes);
    } else if (minutes < 48 * 60) {
        snprintf(span.text, sizeof(span.text), "%d h %d min", (int)(minutes / 60),
                 (int)(minutes % 60));
    } else {
        snprintf(span.text, sizeof(span.text), "%lld d %d h", (long long)(minutes / 1440),
                 (int)(minutes / 60 % 24));
    }
    return span;
}

/* As many bytes of a name as a sentence has room for. */
static int shown(struct fb_text name)
{
    return name.size < 48 ? (int)name.size : 48;
}

static struct fb_text agent_name(const struct session *session, uint32_t agent)
{
    return agent < session->agent_names.count ? session->agent_names.texts[agent]
                                              : FB_TEXT("nobody");
}

/* When it was that awake time: exact since the last event, before it as if nobody had slept. */
static int64_t unix_of(const struct listing *listing, int64_t awake_ms)
{
    const struct session *session = listing->session;
    const int64_t unix_ms = session->last_ms + (awake_ms - session->awake_ms);

    return unix_ms < 0 ? 0 : unix_ms > listing->now_ms ? listing->now_ms : unix_ms;
}

static const char *suggestion_of(enum alarm_kind kind);

/* The alarm's kind, task, other, agent and since are set; the rest is put in. */
__attribute__((format(printf, 3, 4))) static void tell(struct listing *listing, struct alarm alarm,
                                                       const char *format, ...)
{
    va_list arguments;

    alarm.muted_until_ms =
        mutes_until(&listing->session->watch.mutes, alarm.kind, alarm.task, listing->now_ms);
    if (listing->count == listing->most || (alarm.muted_until_ms != 0) != listing->muted) {
        return;
    }
    alarm.suggestion = suggestion_of(alarm.kind);
    va_start(arguments, format);
    vsnprintf(alarm.evidence, sizeof(alarm.evidence), format, arguments);
    va_end(arguments);
    listing->alarms[listing->count++] = alarm;
}

/* --- the kinds --- */

static void false_done(struct listing *listing)
{
    const struct disproofs *disproofs = &listing->session->watch.disproofs;

    for (uint32_t i = 0; i < disproofs->count; i++) {
        const struct disproof *item = &disproofs->items[i];
        const struct task *task = session_task(listing->session, item->task);

        if (task == NULL || task->state != TASK_COMPLETED) {
            continue;
        }
        tell(listing,
             (struct alarm){.kind = ALARM_FALSE_DONE,
                            .task = item->task,
                            .agent = NAMES_NONE,
                            .since_ms = item->unix_ms},
             "#%u is completed, but of its evidence %u missing and %u changed%s%s: %s", item->task,
             item->missing, item->changed, item->host[0] != '\0' ? " on " : "", item->host,
             item->ref);
    }
}

static void runaway(struct listing *listing)
{
    const struct session *session = listing->session;
    const struct runaway_agent *agents[CALLERS_LOOKED_AT];
    const size_t count =
        runaway_agents(&session->watch.runaway, listing->now_ms, agents, CALLERS_LOOKED_AT);

    for (size_t i = 0; i < count; i++) {
        const struct fb_text name = agent_name(session, agents[i]->agent);

        tell(listing,
             (struct alarm){
                 .kind = ALARM_RUNAWAY, .agent = agents[i]->agent, .since_ms = agents[i]->first_ms},
             "%.*s made the same call %u times in a row within %s; from %d on it is refused",
             shown(name), name.data, agents[i]->times,
             span_of(agents[i]->last_ms - agents[i]->first_ms).text, RUNAWAY_REFUSE);
    }
}

static void cycle(struct listing *listing)
{
    const struct watch_cycle *refused = &listing->session->watch.cycle;
    char path[WATCH_CYCLE_NAMED * 14 + 8];
    size_t used = 0;

    if (refused->count == 0 || listing->now_ms - refused->unix_ms > ALARM_CYCLE_MS) {
        return;
    }
    for (uint32_t i = 0; i < refused->count; i++) {
        used += (size_t)snprintf(path + used, sizeof(path) - used, "#%u -> ", refused->tasks[i]);
    }
    snprintf(path + used, sizeof(path) - used, "%s",
             refused->count == WATCH_CYCLE_NAMED ? "..." : "");
    tell(listing,
         (struct alarm){.kind = ALARM_CYCLE,
                        .task = refused->tasks[0],
                        .agent = NAMES_NONE,
                        .since_ms = refused->unix_ms},
         "%s, and that was refused: %s#%u",
         refused->count == 1 ? "a task would have waited for itself"
                             : "tasks would have waited for each other",
         path, refused->tasks[0]);
}

static void retry_storm(struct listing *listing)
{
    const struct session *session = listing->session;
    const struct rhythm *rhythm = &session->watch.rhythm;
    struct rhythm_burst burst;

    if (rhythm_storms(rhythm, listing->awake_ms, &burst)) {
        tell(listing,
             (struct alarm){.kind = ALARM_RETRY_STORM,
                            .task = burst.task,
                            .agent = burst.agent,
                            .since_ms = unix_of(listing, burst.since_ms)},
             "%u further attempts within an hour where %.2f are usual; by chance that is 1 in %.0f",
             burst.count, burst.usual, 1 / (burst.chance > 1e-9 ? burst.chance : 1e-9));
    }
    for (uint64_t i = 0; i < RHYTHM_RECENT && i < rhythm->spent.seen; i++) {
        const struct rhythm_moment *moment = &rhythm->spent.last[i];
        const struct task *task = session_task(session, moment->task);

        if (task == NULL || task->state != TASK_FAILED || task->attempt < TASK_ATTEMPTS_MOST ||
            listing->awake_ms - moment->at_ms > RHYTHM_SPENT_MS) {
            continue;
        }
        tell(listing,
             (struct alarm){.kind = ALARM_RETRY_STORM,
                            .task = moment->task,
                            .agent = moment->agent,
                            .since_ms = unix_of(listing, moment->at_ms)},
             "#%u failed in each of its %d attempts, the most there are", moment->task,
             TASK_ATTEMPTS_MOST);
    }
}

static void thrashing(struct listing *listing)
{
    struct rhythm_burst burst;

    if (!rhythm_thrashes(&listing->session->watch.rhythm, listing->awake_ms, &burst)) {
        return;
    }
    tell(listing,
         (struct alarm){.kind = ALARM_THRASHING,
                        .task = burst.task,
                        .agent = burst.agent,
                        .since_ms = unix_of(listing, burst.since_ms)},
         "%u times within an hour a task was handed back or blocked, or claimed again after that, "
         "where %.1f are usual; most of them #%u",
         burst.count, burst.usual, burst.task);
}

/* Active tasks, of whom no more are looked at than there is room for. */
static size_t held(const struct session *session, uint32_t tasks[HELD_LOOKED_AT])
{
    const size_t count =
        schedule_active(session->schedule, GRAPH_NONE, tasks, (size_t)HELD_LOOKED_AT);

    return count < HELD_LOOKED_AT ? count : HELD_LOOKED_AT;
}

static int64_t silence_ms(const struct listing *listing, uint32_t agent)
{
    return listing->busy_ms - listing->session->agents[agent].heard_busy_ms;
}

static void silent_agent_of(struct listing *listing, uint32_t agent)
{
    const struct session *session = listing->session;
    const struct rhythm *rhythm = &session->watch.rhythm;
    const struct fb_text name = agent_name(session, agent);
    const int64_t silent_ms = silence_ms(listing, agent);

    if (!rhythm_is_silent(rhythm, silent_ms, listing->awake_ms)) {
        return;
    }
    tell(listing,
         (struct alarm){.kind = ALARM_SILENT_AGENT,
                        .agent = agent,
                        .since_ms = session->agents[agent].heard_ms},
         "%.*s holds %u and was not heard for %s of busy time: z is %.1f, the limit %.1f, after "
         "%llu silences",
         shown(name), name.data, session->agents[agent].held, span_of(silent_ms).text,
         outliers_z(&rhythm->silences, silent_ms),
         RHYTHM_SILENT_Z + caution_now(&rhythm->caution, listing->awake_ms),
         (unsigned long long)rhythm->silences.seen);
}

static void silent_agent(struct listing *listing)
{
    const struct session *session = listing->session;
    uint32_t tasks[HELD_LOOKED_AT];
    const size_t count = held(session, tasks);

    for (size_t i = 0; i < count; i++) {
        const struct lease *lease = &session->tasks[tasks[i]].lease;
        size_t first = 0;

        while (session->tasks[tasks[first]].lease.agent != lease->agent) {
            first++;
        }
        if (first == i) {
            silent_agent_of(listing, lease->agent);
        }
    }
}

static void stalled(struct listing *listing)
{
    const struct session *session = listing->session;
    const struct rhythm *rhythm = &session->watch.rhythm;
    uint32_t tasks[HELD_LOOKED_AT];
    const size_t count = held(session, tasks);

    for (size_t i = 0; i < count; i++) {
        const struct lease *lease = &session->tasks[tasks[i]].lease;
        const struct fb_text name = agent_name(session, lease->agent);
        const int64_t held_ms = listing->busy_ms - lease->since_busy_ms;
        const int64_t silent_ms = silence_ms(listing, lease->agent);

        if (!rhythm_is_stalled(rhythm, held_ms, silent_ms, listing->awake_ms)) {
            continue;
        }
        tell(listing,
             (struct alarm){.kind = ALARM_STALLED,
                            .task = tasks[i],
                            .agent = lease->agent,
                            .since_ms = lease->since_ms},
             "#%u has been held by %.*s for %s of busy time, the last %s without a word: z is %.1f "
             "and %.1f, the limit %.1f, after %llu holds",
             tasks[i], shown(name), name.data, span_of(held_ms).text, span_of(silent_ms).text,
             outliers_z(&rhythm->holds, held_ms), outliers_z(&rhythm->silences, silent_ms),
             RHYTHM_STALLED_Z + caution_now(&rhythm->caution, listing->awake_ms),
             (unsigned long long)rhythm->holds.seen);
    }
}

static void starved(struct listing *listing)
{
    const struct session *session = listing->session;
    const int64_t before_ms = listing->awake_ms - SCHEDULE_OLD_MS;
    uint32_t tasks[STARVED_LOOKED_AT];
    const size_t count = schedule_oldest(session->schedule, before_ms, tasks, STARVED_LOOKED_AT);
    uint32_t oldest = 0;
    uint32_t starving = 0;

    for (size_t i = 0; i < count; i++) {
        if (session->tasks[tasks[i]].held_by == 0) {
            oldest = oldest == 0 ? tasks[i] : oldest;
            starving++;
        }
    }
    if (starving == 0) {
        return;
    }
    tell(listing,
         (struct alarm){.kind = ALARM_STARVED,
                        .task = oldest,
                        .agent = NAMES_NONE,
                        .since_ms = unix_of(listing, session->tasks[oldest].created_awake_ms +
                                                         SCHEDULE_OLD_MS)},
         "#%u has been there for %s of awake time and was never claimed%s; %s%u like it", oldest,
         span_of(listing->awake_ms - session->tasks[oldest].created_awake_ms).text,
         session->tasks[oldest].needs != 0 ? " by anybody with what it needs" : "",
         starving == STARVED_LOOKED_AT ? "at least " : "", starving);
}

static void rate_drop(struct listing *listing)
{
    const struct session *session = listing->session;
    const uint32_t ready = schedule_ready_count(session->schedule);
    struct rhythm_drop drop;

    if (session_flow_state(session, listing->now_ms) == FLOW_RESTING ||
        !rhythm_drops(&session->watch.rhythm, listing->busy_ms, ready, &drop)) {
        return;
    }
    tell(listing,
         (struct alarm){
             .kind = ALARM_RATE_DROP,
             .agent = NAMES_NONE,
             .since_ms = unix_of(listing, listing->awake_ms - (listing->busy_ms - drop.since_ms))},
         "about %.1f tasks complete in an hour where %.1f are usual, while %u are ready",
         drop.average * RHYTHM_WINDOW_MS / RHYTHM_TICK_MS,
         drop.usual * RHYTHM_WINDOW_MS / RHYTHM_TICK_MS, ready);
}

static void chain_flood(struct listing *listing)
{
    const struct session *session = listing->session;
    const struct flood_level level = session_flood(session, 0, listing->now_ms);

    if (!level.ratio && !level.growth) {
        return;
    }
    tell(listing,
         (struct alarm){.kind = ALARM_CHAIN_FLOOD,
                        .agent = NAMES_NONE,
                        .since_ms = unix_of(listing, session->watch.flood.last_ms)},
         "%u tasks came within an hour, %u are queued; %llu of all are parts of chains beside %llu "
         "that somebody planned",
         level.came, session->in_state[TASK_QUEUED], (unsigned long long)level.generated,
         (unsigned long long)level.planned);
}

/* Both are open, and nobody has said yet that they are the same. */
static bool is_undecided(const struct session *session, uint32_t task, uint32_t other)
{
    const struct graph_edge edge = {.before = other, .after = task, .kind = GRAPH_DUP};
    const struct graph_edge back = {.before = task, .after = other, .kind = GRAPH_DUP};

    return session_task(session, task) != NULL && session_task(session, other) != NULL &&
           !task_has_ended(session->tasks[task].state) &&
           !task_has_ended(session->tasks[other].state) && !graph_has_edge(session->graph, edge) &&
           !graph_has_edge(session->graph, back);
}

static void duplicate(struct listing *listing)
{
    const struct session *session = listing->session;
    const struct doubles_pair *pair;

    for (uint32_t i = 0; (pair = doubles_pair(&session->watch.doubles, i)) != NULL; i++) {
        const struct alarm alarm = {.kind = ALARM_DUPLICATE,
                                    .task = pair->task,
                                    .other = pair->other,
                                    .agent = NAMES_NONE,
                                    .since_ms = pair->unix_ms};

        if (!is_undecided(session, pair->task, pair->other)) {
            continue;
        }
        if (pair->percent == 0) {
            tell(listing, alarm, "#%u and #%u are open, and two agents name the same file for them",
                 pair->task, pair->other);
        } else {
            tell(listing, alarm, "#%u and #%u are open, and %u %% of their titles is the same",
                 pair->task, pair->other, pair->percent);
        }
    }
}

/* What matters most first. */
static const struct {
    enum alarm_kind kind;
    const char *name;
    alarm_fn tell;
    const char *suggestion;
} kinds[] = {
    {ALARM_FALSE_DONE, "false_done", false_done,
     "look at the file on that machine; if the work is not there, reopen the task with the reason"},
    {ALARM_RUNAWAY, "runaway", runaway,
     "do something else: read the last answer, claim with wait_s rather than ask again, or say "
     "what "
     "is in the way with flow_pulse"},
    {ALARM_CYCLE, "cycle", cycle,
     "decide which of these tasks can begin first, and leave out its link to the one before it"},
    {ALARM_RETRY_STORM, "retry_storm", retry_storm,
     "read why the last attempt failed before there is another; block the task with that question "
     "if it needs a person"},
    {ALARM_THRASHING, "thrashing", thrashing,
     "find out what is missing, and write it into the task or add it as a task that this one comes "
     "after"},
    {ALARM_SILENT_AGENT, "silent_agent", silent_agent,
     "look whether the agent still runs; what it holds goes back to the queue by itself when the "
     "lease expires, or at once to who names it when the lease is suspect"},
    {ALARM_STALLED, "stalled", stalled,
     "ask its holder how far it is; if it is too large, plan the rest as tasks of its own"},
    {ALARM_STARVED, "starved", starved,
     "claim it by name, raise its priority, or say in it why it can wait and defer it"},
    {ALARM_RATE_DROP, "rate_drop", rate_drop,
     "look at what is active and blocked: flow_status names who holds what and for how long"},
    {ALARM_CHAIN_FLOOD, "chain_flood", chain_flood,
     "plan no more chains for now; work off or defer what is queued"},
    {ALARM_DUPLICATE, "duplicate", duplicate,
     "read both; if they are the same, link one to the other as dup and keep what only it says"},
};

enum { KINDS = sizeof(kinds) / sizeof(*kinds) };

static_assert((int)ALARM_KINDS == (int)EVENT_ALARM_KINDS, "events mute each kind of alarm");

static const char *suggestion_of(enum alarm_kind kind)
{
    size_t at = 0;

    while (kinds[at].kind != kind) {
        at++;
        assert(at < KINDS);
    }
    return kinds[at].suggestion;
}

const char *alarm_name(enum alarm_kind kind)
{
    size_t at = 0;

    while (kinds[at].kind != kind) {
        at++;
        assert(at < KINDS);
    }
    return kinds[at].name;
}

enum alarm_kind alarm_kind_of(struct fb_text name)
{
    for (size_t i = 0; i < KINDS; i++) {
        if (fb_text_is(name, kinds[i].name)) {
            return kinds[i].kind;
        }
    }
    return (enum alarm_kind)0;
}

size_t session_alarms(const struct session *session, int64_t now_ms, struct alarm *alarms,
                      size_t most)
{
    struct listing listing = {
        .session = session,
        .now_ms = now_ms > session->last_ms ? now_ms : session->last_ms,
        .awake_ms = session_awake_ms(session, now_ms),
        .busy_ms = rhythm_busy_ms(&session->watch.rhythm, now_ms - session->last_ms),
        .alarms = alarms,
        .most = most,
    };

    for (int round = 0; round < 2; round++) {
        listing.muted = round == 1;
        for (size_t i = 0; i < KINDS && session->name != NULL; i++) {
            kinds[i].tell(&listing);
        }
    }
    return listing.count;
}

struct flood_level session_flood(const struct session *session, uint32_t more, int64_t now_ms)
{
    return flood_level(&session->watch.flood, more, session->in_state[TASK_QUEUED],
                       session_awake_ms(session, now_ms));
}

enum runaway_answer session_called(struct session *session, struct fb_text agent,
                                   struct fb_text operation, uint64_t arguments, bool reads,
                                   int64_t now_ms, uint32_t *times)
{
    return runaway_seen(&session->watch.runaway,
                        &(struct runaway_call){.agent = session_agent_of(session, agent),
                                               .operation = operation,
                                               .arguments = arguments,
                                               .reads = reads},
                        now_ms, times);
}

#define _XOPEN_SOURCE 700 /* erand48 */

#include "tests/bench/flow_world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS 60000.0
#define HOUR_MS   3600000.0
#define BEGINS_MS INT64_C(1700000000000)
#define PI        3.14159265358979323846

enum { OFFERED = 8, READY_LEAST = 12, PAUSES_MOST = 400 };

static double uniform(struct world *w)
{
    return erand48(w->seed);
}

static uint32_t below(struct world *w, uint32_t count)
{
    return (uint32_t)(uniform(w) * count) % count;
}

static bool chance(struct world *w, double probability)
{
    return uniform(w) < probability;
}

static double normal(struct world *w)
{
    return sqrt(-2 * log(1 - uniform(w))) * cos(2 * PI * uniform(w));
}

static int64_t spread(struct world *w, double median_minutes, double sigma)
{
    const double ms = median_minutes * MINUTE_MS * exp(sigma * normal(w));

    return (int64_t)fmin(fmax(ms, 2000), 200 * HOUR_MS);
}

/* --- time --- */

/* Days of four to eleven hours with a break or two; then a night, or a night and days. */
static bool make_pauses(struct world *w, double hours)
{
    double at = 0;

    w->pauses = calloc(PAUSES_MOST, sizeof(*w->pauses));
    if (w->pauses == NULL) {
        return false;
    }
    while (at < hours && w->pause_count + 3 < PAUSES_MOST) {
        const double day = 4 + 7 * uniform(w);
        const double home = (24 - day - 1) + (chance(w, .15) ? 48 : 0);

        if (chance(w, .7)) {
            w->pauses[w->pause_count++] =
                (struct world_pause){(int64_t)((at + day * (.35 + .3 * uniform(w))) * HOUR_MS),
                                     (int64_t)((.3 + .9 * uniform(w)) * HOUR_MS)};
        }
        at += day;
        w->pauses[w->pause_count++] =
            (struct world_pause){(int64_t)(at * HOUR_MS), (int64_t)(home * HOUR_MS)};
    }
    return true;
}

/* --- telling the session --- */

static struct fb_text name_of(const struct world_agent *agent)
{
    return fb_text_of(agent->name);
}

static void tell(struct world *w, struct world_agent *agent, struct event event)
{
    struct fb_status status;

    event.unix_ms = w->now_ms;
    event.actor = agent == NULL ? (struct fb_text){.size = 0} : name_of(agent);
    status = session_fold(w->session, &event);
    if (!fb_is_ok(status)) {
        fprintf(stderr, "flow_world: kind %d at %lld: %s\n", (int)event.kind, (long long)w->work_ms,
                status.why);
        exit(1);
    }
    if (agent != NULL) {
        if (agent->holds) {
            const int64_t wall = w->now_ms - agent->heard_ms;
            const int64_t awake = w->session->awake_ms - agent->heard_awake_ms;

            agent->hold.silence_wall_ms =
                wall > agent->hold.silence_wall_ms ? wall : agent->hold.silence_wall_ms;
            agent->hold.silence_awake_ms =
                awake > agent->hold.silence_awake_ms ? awake : agent->hold.silence_awake_ms;
        }
        agent->heard_ms = w->now_ms;
        agent->heard_awake_ms = w->session->awake_ms;
    }
}

static const char *const verbs[] = {
    "Add",    "Fix",      "Remove",   "Measure",  "Document", "Test",    "Refactor", "Review",
    "Rename", "Simplify", "Speed up", "Validate", "Extend",   "Migrate", "Replace",  "Design",
};
static const char *const things[] = {
    "parser",      "error messages", "retry logic",  "login form",    "cache eviction",
    "config file", "index rebuild",  "scheduler",    "unit tests",    "import path",
    "metrics",     "log rotation",   "command line", "pagination",    "access checks",
    "connections", "build file",     "type hints",   "release notes", "rate limits",
    "colours",     "date formats",   "sorting",      "upload limits", "time zones",
};
static const char *const places[] = {
    "in the gateway",        "of the store",        "for uploads",         "behind the proxy",
    "in the admin page",     "on start-up",         "for large files",     "of the public client",
    "under heavy load",      "for anonymous users", "in the mobile app",   "of the billing service",
    "when the disk is full", "for nightly jobs",    "in the test harness", "after an upgrade",
};
static const char *const syllables[] = {
    "ka",  "lo", "mi", "ter", "ven", "dra", "sol", "pi",  "qu", "nor",
    "bel", "zu", "fa", "rin", "gos", "ta",  "chi", "wen", "or", "ux",
};

#define PICK(world, list) ((list)[below((world), (uint32_t)(sizeof(list) / sizeof(*(list))))])

static size_t count_of_words(const char *text)
{
    size_t words = 1;

    for (; *text != '\0'; text++) {
        words += *text == ' ';
    }
    return words;
}

static char *title_of(struct world *w)
{
    char text[160];

    snprintf(text, sizeof(text), "%s %s of the %s%s%s%s module %s", PICK(w, verbs), PICK(w, things),
             PICK(w, syllables), PICK(w, syllables), PICK(w, syllables), PICK(w, syllables),
             PICK(w, places));
    return fb_arena_copy(&w->arena, text, strlen(text));
}

/* Nearly the same words: one is left out, or there is one more. */
static char *paraphrase(struct world *w, const char *title)
{
    const size_t words = count_of_words(title);
    const uint32_t gone = below(w, (uint32_t)words);
    char text[200] = "";
    char *copy = fb_arena_copy(&w->arena, title, strlen(title));
    char *rest = NULL;
    uint32_t i = 0;

    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        if (i++ == gone && words > 5) {
            continue;
        }
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ", word);
        if (i == gone && words <= 5) {
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "all ");
        }
    }
    return fb_arena_copy(&w->arena, text, strlen(text));
}

static void plan(struct world *w, struct world_agent *agent, uint32_t count)
{
    struct event_planned_task *tasks = fb_arena_zalloc(&w->arena, count, sizeof(*tasks));
    struct event_link *links = fb_arena_zalloc(&w->arena, count, sizeof(*links));
    const uint32_t first = w->session->task_count + 1;
    size_t link_count = 0;

    for (uint32_t i = 0; i < count; i++) {
        tasks[i] = (struct event_planned_task){
            .title = fb_text_of(title_of(w)), .weight = 1 + below(w, 10), .priority = below(w, 5)};
        if (i > 0 && chance(w, .3)) {
            links[link_count++] = (struct event_link){
                .task = first + i, .on = first + below(w, i), .kind = EVENT_LINK_AFTER};
        }
    }
    tell(w, agent,
         (struct event){.kind = EVENT_PLANNED,
                        .planned = {.first_task = first,
                                    .tasks = tasks,
                                    .task_count = count,
                                    .links = links,
                                    .link_count = link_count}});
    fb_arena_reset(&w->arena);
}

/* --- what agents do --- */

static double pace(const struct world *w)
{
    return w->wrong == WORLD_SLOW && w->went_wrong ? 4 : 1;
}

static void schedule_next(struct world *w, struct world_agent *agent)
{
    const int64_t note = w->work_ms + (int64_t)(pace(w) * (double)spread(w, w->note_minutes, .8));

    agent->next_ms = note < agent->ends_ms ? note : agent->ends_ms;
}

static void claim(struct world *w, struct world_agent *agent, uint32_t task)
{
    const struct session *s = w->session;
    const uint32_t weight = s->tasks[task].weight;
    const double tail = chance(w, 1.0 / 12) ? 12 : 1;
    const double minutes = w->median_minutes * exp(.12 * ((double)weight - 5)) * tail * pace(w);

    tell(w, agent,
         (struct event){.kind = EVENT_CLAIMED,
                        .task = task,
                        .claimed = {.fence = s->fence + 1, .lasts_ms = lease_lasts_ms(&s->holds)}});
    agent->holds = true;
    agent->task = task;
    agent->fence = s->fence;
    agent->hold = (struct world_hold){.task = task, .fence = s->fence};
    agent->since_ms = w->now_ms;
    agent->since_awake_ms = s->awake_ms;
    agent->ends_ms = w->work_ms + spread(w, minutes, 1);
    schedule_next(w, agent);
}

static void idle(struct world *w, struct world_agent *agent, double minutes)
{
    agent->holds = false;
    agent->next_ms = w->work_ms + spread(w, minutes, 1);
}

static void look_for_work(struct world *w, struct world_agent *agent)
{
    uint32_t ready[OFFERED];
    size_t count;

    if (schedule_ready_count(w->session->schedule) < READY_LEAST && chance(w, .35)) {
        plan(w, agent, 1 + below(w, 12));
    }
    count = schedule_peek(w->session->schedule, (struct schedule_agent){.agent = 0}, 4,
                          w->session->awake_ms, ready, OFFERED);
    if (count == 0) {
        idle(w, agent, w->idle_minutes);
        return;
    }
    claim(w, agent, ready[chance(w, .7) ? 0 : below(w, (uint32_t)count)]);
}

static void note(struct world *w, struct world_agent *agent)
{
    char file[48];
    struct event_evidence shown;

    snprintf(file, sizeof(file), "src/part%03u/file%u.c",
             chance(w, .01) ? 0 : agent->task % WORLD_MODULES, below(w, 8));
    shown = (struct event_evidence){.kind = EVENT_EVIDENCE_FILE, .ref = fb_text_of(file)};
    tell(w, agent,
         (struct event){.kind = EVENT_NOTED,
                        .task = agent->task,
                        .noted = {.note = FB_TEXT("it goes on"),
                                  .evidence = {.items = &shown, .count = chance(w, .5)}}});
    schedule_next(w, agent);
}

static void give_back(struct world *w, struct world_agent *agent)
{
    tell(w, agent,
         (struct event){.kind = EVENT_REQUEUED,
                        .task = agent->task,
                        .requeued = {.cause = EVENT_HANDED_BACK}});
}

static void end(struct world *w, struct world_agent *agent, enum event_outcome outcome)
{
    tell(w, agent,
         (struct event){.kind = EVENT_FINISHED,
                        .task = agent->task,
                        .finished = {.outcome = outcome, .fence = agent->fence}});
    w->finished = true;
    w->hold = agent->hold;
    w->hold.wall_ms = w->now_ms - agent->since_ms;
    w->hold.awake_ms = w->session->awake_ms - agent->since_awake_ms;
}

/* Another agent answers gates and tries again what failed. */
static void look_after(struct world *w, struct world_agent *agent)
{
    const struct session *s = w->session;

    for (uint32_t task = s->task_count > 400 ? s->task_count - 400 : 1; task <= s->task_count;
         task++) {
        const struct task *found = &s->tasks[task];

        if (found->state == TASK_FAILED && found->attempt < TASK_ATTEMPTS_MOST) {
            tell(w, agent,
                 (struct event){
                     .kind = EVENT_REQUEUED, .task = task, .requeued = {.cause = EVENT_RETRIED}});
            return;
        }
        if (found->state == TASK_BLOCKED && found->blocker == 0) {
            tell(w, NULL,
                 (struct event){
                     .kind = EVENT_REQUEUED, .task = task, .requeued = {.cause = EVENT_UNBLOCKED}});
            return;
        }
    }
}

static void end_hold(struct world *w, struct world_agent *agent)
{
    const double how = uniform(w);

    if (how < .02) {
        give_back(w, agent);
    } else if (how < .04) {
        tell(w, agent,
             (struct event){.kind = EVENT_BLOCKED,
                            .task = agent->task,
                            .blocked = {.gate = FB_TEXT("which of the two?")}});
    } else {
        end(w, agent, how < .065 ? EVENT_FAILED : EVENT_COMPLETED);
    }
    agent->holds = false;
    if (chance(w, .3)) {
        look_after(w, agent);
    }
    idle(w, agent, w->idle_minutes);
}

/* People, or agents that claim nothing: they plan, edit, and finish what is done. */
static void visit(struct world *w, struct world_agent *agent)
{
    const uint32_t acts = 1 + below(w, 5);

    for (uint32_t i = 0; i < acts; i++) {
        const double what = uniform(w);
        uint32_t ready[OFFERED];
        const size_t count =
            schedule_peek(w->session->schedule, (struct schedule_agent){.agent = 0}, 4,
                          w->session->awake_ms, ready, OFFERED);

        if (count == 0 || (what < .4 && schedule_ready_count(w->session->schedule) <
                                            (size_t)READY_LEAST + READY_LEAST)) {
            plan(w, agent, 1 + below(w, 3));
        } else if (what < .7) {
            const uint32_t task = ready[below(w, (uint32_t)count)];
            const struct session *s = w->session;

            tell(w, agent,
                 (struct event){.kind = EVENT_CLAIMED,
                                .task = task,
                                .claimed = {.fence = s->fence + 1,
                                            .lasts_ms = lease_lasts_ms(&s->holds),
                                            .implicit = true}});
            tell(w, agent,
                 (struct event){.kind = EVENT_FINISHED,
                                .task = task,
                                .finished = {.outcome = EVENT_COMPLETED, .fence = s->fence}});
        } else {
            tell(w, agent,
                 (struct event){
                     .kind = EVENT_EDITED,
                     .task = ready[below(w, (uint32_t)count)],
                     .edited = {.fields = EVENT_FIELD_PRIORITY, .priority = below(w, 5)}});
        }
    }
    agent->next_ms = w->work_ms + (int64_t)(pace(w) * (double)spread(w, 8, 1));
}

/* --- what goes wrong --- */

static bool is_open(const struct task *task)
{
    return !task_has_ended(task->state);
}

static void thrash(struct world *w, struct world_agent *agent)
{
    if (agent->holds) {
        give_back(w, agent);
        agent->holds = false;
        w->wrong_task = agent->task;
    } else {
        const struct task *task = session_task(w->session, w->wrong_task);
        uint32_t ready = 0;

        if (task != NULL && session_is_free(task)) {
            ready = w->wrong_task;
        } else {
            (void)schedule_peek(w->session->schedule, (struct schedule_agent){.agent = 0}, 4,
                                w->session->awake_ms, &ready, 1);
        }
        if (ready != 0) {
            claim(w, agent, ready);
        }
    }
    w->wrong_count++;
    agent->next_ms = w->work_ms + spread(w, 2, .5);
}

/* Claims, fails, tries again: each of these counts. */
static void storm(struct world *w, struct world_agent *agent)
{
    if (!agent->holds) {
        look_for_work(w, agent);
    } else {
        const uint32_t task = agent->task;

        tell(w, agent,
             (struct event){.kind = EVENT_FINISHED,
                            .task = task,
                            .finished = {.outcome = EVENT_FAILED, .fence = agent->fence}});
        agent->holds = false;
        if (w->session->tasks[task].attempt < TASK_ATTEMPTS_MOST) {
            tell(w, agent,
                 (struct event){
                     .kind = EVENT_REQUEUED, .task = task, .requeued = {.cause = EVENT_RETRIED}});
            w->wrong_count++;
        }
    }
    agent->next_ms = w->work_ms + spread(w, 1, .5);
}

static void flood(struct world *w, struct world_agent *agent)
{
    static const char *const parts[] = {"Plan", "Implement", "Test", "Document"};
    struct event_planned_task tasks[5];
    struct event_link links[4];
    const uint32_t first = w->session->task_count + 1;
    char *title = title_of(w);

    tasks[0] = (struct event_planned_task){.title = fb_text_of(title), .weight = 5, .priority = 2};
    for (uint32_t i = 0; i < 4; i++) {
        char text[200];

        snprintf(text, sizeof(text), "%s: %s", parts[i], title);
        tasks[i + 1] = (struct event_planned_task){
            .title = fb_text_of(fb_arena_copy(&w->arena, text, strlen(text))),
            .weight = 2,
            .priority = 2,
            .phase = i + 1};
        links[i] =
            (struct event_link){.task = first + i + 1, .on = first, .kind = EVENT_LINK_PARENT};
    }
    tell(w, agent,
         (struct event){.kind = EVENT_PLANNED,
                        .planned = {.first_task = first,
                                    .tasks = tasks,
                                    .task_count = 5,
                                    .links = links,
                                    .link_count = 4}});
    fb_arena_reset(&w->arena);
    w->wrong_count++;
    agent->next_ms = w->work_ms + spread(w, 1, .5);
}

static void plan_double(struct world *w, struct world_agent *agent)
{
    const struct session *s = w->session;
    struct event_planned_task task = {.weight = 5, .priority = 2};

    for (uint32_t tried = 0; tried < 200; tried++) {
        const uint32_t number = 1 + below(w, s->task_count);

        if (is_open(&s->tasks[number])) {
            task.title = fb_text_of(paraphrase(w, s->tasks[number].title));
            w->wrong_task = s->task_count + 1;
            w->wrong_count++;
            break;
        }
    }
    if (task.title.size != 0) {
        tell(w, agent,
             (struct event){
                 .kind = EVENT_PLANNED,
                 .planned = {.first_task = s->task_count + 1, .tasks = &task, .task_count = 1}});
    }
    fb_arena_reset(&w->arena);
    agent->next_ms = w->work_ms + spread(w, 20, .5);
}

static void starve(struct world *w, struct world_agent *agent)
{
    static const struct fb_text need = {.data = "welding", .size = 7};
    const struct event_planned_task task = {.title = FB_TEXT("Weld the frame of the exhibit"),
                                            .weight = 5,
                                            .priority = 0,
                                            .needs = {.items = &need, .count = 1}};

    w->wrong_task = w->session->task_count + 1;
    tell(w, agent,
         (struct event){.kind = EVENT_PLANNED,
                        .planned = {.first_task = w->session->task_count + 1,
                                    .tasks = &task,
                                    .task_count = 1}});
}

/* Begins with the agent that acts now, if it will do. */
static void begin_wrong(struct world *w, uint32_t number)
{
    struct world_agent *agent = &w->agents[number];

    if (w->wrong == WORLD_CLEAN || w->went_wrong || w->work_ms < w->wrong_at_ms || agent->visits) {
        return;
    }
    if (w->wrong == WORLD_STOP) {
        if (!agent->holds) {
            return;
        }
        agent->gone = true;
    }
    w->went_wrong = true;
    w->wrong_ms = w->now_ms;
    w->wrong_agent = number;
    w->wrong_task = agent->holds ? agent->task : 0;
    if (w->wrong == WORLD_STARVE) {
        starve(w, agent);
    }
}

static bool act_wrong(struct world *w, uint32_t number)
{
    struct world_agent *agent = &w->agents[number];

    if (!w->went_wrong || w->wrong_agent != number) {
        return false;
    }
    switch (w->wrong) {
    case WORLD_THRASH:
        thrash(w, agent);
        return true;
    case WORLD_RETRY_STORM:
        storm(w, agent);
        return true;
    case WORLD_FLOOD:
        flood(w, agent);
        return true;
    case WORLD_DOUBLE:
        plan_double(w, agent);
        return true;
    case WORLD_CLEAN:
    case WORLD_STOP:
    case WORLD_STARVE:
    case WORLD_SLOW:
    case WORLD_WRONGS:
        return false;
    }
    return false;
}

/* --- the world --- */

bool world_init(struct world *w, uint32_t seed, double hours, bool busy, enum world_wrong wrong)
{
    *w = (struct world){.seed = {(unsigned short)seed, (unsigned short)(seed >> 16), 7},
                        .wrong = wrong,
                        .session = session_create(),
                        .ends_ms = (int64_t)(hours * HOUR_MS)};
    fb_arena_init(&w->arena, 0);
    for (int i = 0; i < 10; i++) {
        (void)uniform(w); /* near seeds begin alike */
    }
    if (w->session == NULL || !make_pauses(w, hours)) {
        return false;
    }
    w->median_minutes = 10 * exp(1.3 * normal(w));
    w->note_minutes = w->median_minutes * exp(.5 + .7 * normal(w));
    w->agent_count = chance(w, .25) ? 1 : 2 + below(w, 5);
    w->idle_minutes = busy ? 2 : 60 * w->agent_count * exp(.4 * normal(w));
    w->wrong_at_ms =
        (int64_t)((wrong == WORLD_STARVE ? .02 : .35 + .4 * uniform(w)) * hours * HOUR_MS);
    w->now_ms = BEGINS_MS;
    if (!busy) {
        w->agents[w->agent_count++].visits = true;
    }
    for (uint32_t i = 0; i < w->agent_count; i++) {
        snprintf(w->agents[i].name, sizeof(w->agents[i].name), "agent%u", i);
        w->agents[i].next_ms = spread(w, 10, 1);
    }
    tell(w, &w->agents[0],
         (struct event){.kind = EVENT_OPENED, .opened = {.name = FB_TEXT("a world")}});
    plan(w, &w->agents[0], READY_LEAST + below(w, READY_LEAST));
    return true;
}

void world_finish(struct world *w)
{
    session_destroy(w->session);
    free(w->pauses);
    fb_arena_finish(&w->arena);
}

static uint32_t next_agent(const struct world *w)
{
    uint32_t next = WORLD_AGENTS_MOST;

    for (uint32_t i = 0; i < w->agent_count; i++) {
        if (!w->agents[i].gone &&
            (next == WORLD_AGENTS_MOST || w->agents[i].next_ms < w->agents[next].next_ms)) {
            next = i;
        }
    }
    return next;
}

int64_t world_next_ms(struct world *w)
{
    const uint32_t next = next_agent(w);

    if (next == WORLD_AGENTS_MOST || w->agents[next].next_ms > w->ends_ms) {
        return 0;
    }
    while (w->pauses_passed < w->pause_count &&
           w->pauses[w->pauses_passed].at_ms <= w->agents[next].next_ms) {
        w->paused_ms += w->pauses[w->pauses_passed++].lasts_ms;
    }
    return BEGINS_MS + w->agents[next].next_ms + w->paused_ms;
}

void world_act(struct world *w)
{
    const uint32_t number = next_agent(w);
    struct world_agent *agent = &w->agents[number];

    w->now_ms = world_next_ms(w);
    w->work_ms = agent->next_ms;
    w->finished = false;
    begin_wrong(w, number);
    if (agent->gone || act_wrong(w, number)) {
        return;
    }
    if (agent->visits) {
        visit(w, agent);
        return;
    }
    if (!agent->holds) {
        look_for_work(w, agent);
    } else if (w->work_ms < agent->ends_ms) {
        note(w, agent);
    } else {
        end_hold(w, agent);
    }
}

void world_visit(struct world *w)
{
    const struct event seen = {
        .kind = EVENT_SEEN, .unix_ms = w->now_ms + 24 * 3600000, .actor = FB_TEXT("person")};

    w->now_ms = seen.unix_ms;
    (void)session_fold(w->session, &seen);
}

void world_doubt(struct world *w, uint32_t task)
{
    const struct event_look look = {.ref = FB_TEXT("src/part01/file1.c"),
                                    .state = EVENT_LOOK_MISSING};

    tell(w, &w->agents[0],
         (struct event){
             .kind = EVENT_VERIFIED, .task = task, .verified = {.looks = &look, .look_count = 1}});
}

void world_knot(struct world *w)
{
    struct event_link links[2] = {{.kind = EVENT_LINK_AFTER}, {.kind = EVENT_LINK_AFTER}};
    struct event event = {.kind = EVENT_LINKED,
                          .unix_ms = w->now_ms,
                          .actor = name_of(&w->agents[0]),
                          .linked = {.links = links, .link_count = 2}};

    plan(w, &w->agents[0], 2);
    links[0].task = links[1].on = w->session->task_count;
    links[0].on = links[1].task = w->session->task_count - 1;
    (void)session_fold(w->session, &event);
}

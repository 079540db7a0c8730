#include "services/worker/flow/session.h"

#include <stdlib.h>
#include <string.h>

#include "services/worker/flow/fold.h"
#include "services/worker/flow/session_learn.h"
#include "services/worker/flow/session_life.h"

struct fb_status fold_refuse(const char *why)
{
    return fb_fail(FB_FAILED_PRECONDITION, why);
}

struct fb_status fold_exhausted(void)
{
    return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the session");
}

/* --- life --- */

struct session *session_create(void)
{
    struct session *session = calloc(1, sizeof(*session));

    if (session == NULL) {
        return NULL;
    }
    session->active_most = SESSION_ACTIVE_MOST;
    session->load_most = SESSION_LOAD_MOST;
    session->share = 1;
    session->effort = effort_unlearned();
    forecast_init(&session->forecast);
    ranker_init(&session->ranker);
    session->estimates = estimates_prior();
    session->graph = graph_create();
    if (session->graph != NULL) {
        /* How many each agent may hold is the agent's own; the session sees to it. */
        session->schedule = schedule_create(session->graph, (struct schedule_limits){
                                                                .active_per_agent = UINT32_MAX,
                                                                .active = SESSION_ACTIVE_MOST,
                                                                .load = SESSION_LOAD_MOST,
                                                            });
    }
    if (session->schedule == NULL) {
        session_destroy(session);
        return NULL;
    }
    return session;
}

void session_destroy(struct session *session)
{
    if (session == NULL) {
        return;
    }
    for (uint32_t i = 1; i <= session->task_count; i++) {
        task_finish(&session->tasks[i]);
    }
    if (session->schedule != NULL) {
        schedule_destroy(session->schedule);
    }
    if (session->graph != NULL) {
        graph_destroy(session->graph);
    }
    watch_finish(&session->watch);
    heap_finish(&session->deferred);
    ranker_finish(&session->ranker);
    kept_finish(&session->kept);
    names_finish(&session->agent_names);
    names_finish(&session->caps);
    names_finish(&session->keys);
    names_finish(&session->plan_keys);
    recent_finish(&session->recent);
    changes_finish(&session->changes);
    free(session->plans);
    free(session->key_tasks);
    free(session->agents);
    free(session->tasks);
    free(session->name);
    free(session);
}

void session_agent_touches(struct session_agent *agent, struct fb_text path)
{
    const uint64_t hash = fb_hash(path.data, path.size);

    if (!session_agent_touched(agent, path)) {
        agent->paths[agent->paths_seen++ % SESSION_PATHS] = hash;
    }
}

bool session_agent_touched(const struct session_agent *agent, struct fb_text path)
{
    const uint64_t hash = fb_hash(path.data, path.size);
    bool touched = false;

    for (uint32_t i = 0; i < SESSION_PATHS && i < agent->paths_seen; i++) {
        touched |= agent->paths[i] == hash;
    }
    return touched;
}

/* --- looking things up --- */

const struct task *session_task(const struct session *session, uint32_t task)
{
    return task >= 1 && task <= session->task_count ? &session->tasks[task] : NULL;
}

uint32_t session_task_of_key(const struct session *session, struct fb_text key)
{
    const uint32_t number = names_find(&session->keys, key);

    return number == NAMES_NONE ? 0 : session->key_tasks[number];
}

const struct session_plan *session_plan_of(const struct session *session, struct fb_text key)
{
    const uint32_t number = names_find(&session->plan_keys, key);

    return number == NAMES_NONE ? NULL : &session->plans[number];
}

const struct recent_outcome *session_recent(const struct session *session, struct fb_text agent,
                                            struct fb_text request_id)
{
    const uint32_t number = session_agent_of(session, agent);

    return number == NAMES_NONE || request_id.size == 0
               ? NULL
               : recent_find(&session->recent, number, request_id);
}

uint32_t session_agent_of(const struct session *session, struct fb_text name)
{
    return names_find(&session->agent_names, name);
}

struct graph_edge session_edge_of(const struct event_link *link)
{
    static const enum graph_kind kinds[EVENT_LINK_KINDS] = {
        [EVENT_LINK_AFTER] = GRAPH_AFTER,     [EVENT_LINK_ENDS] = GRAPH_ENDS,
        [EVENT_LINK_ON_FAIL] = GRAPH_ON_FAIL, [EVENT_LINK_PARENT] = GRAPH_PARENT,
        [EVENT_LINK_FROM] = GRAPH_FROM,       [EVENT_LINK_DUP] = GRAPH_DUP,
    };
    const bool parent = link->kind == EVENT_LINK_PARENT;

    return (struct graph_edge){
        .before = parent ? link->task : link->on,
        .after = parent ? link->on : link->task,
        .kind = kinds[link->kind],
    };
}

int64_t session_awake_ms(const struct session *session, int64_t now_ms)
{
    const int64_t gap = now_ms - session->last_ms;

    if (gap <= 0 || session->events == 0) {
        return session->awake_ms;
    }
    return session->awake_ms + (gap > MOMENTUM_GAP_MS ? MOMENTUM_GAP_MS : gap);
}

enum flow_state session_flow_state(const struct session *session, int64_t now_ms)
{
    const double momentum = momentum_at(&session->momentum, session_awake_ms(session, now_ms));
    const int64_t silent_ms = now_ms > session->last_ms ? now_ms - session->last_ms : 0;

    return flow_state_next(session->flow_state, momentum, silent_ms);
}

uint32_t session_effort_ms(const struct session *session, const struct task *task)
{
    return estimates_ms(&session->estimates, task->weight, task->attempt, task->phase);
}

uint32_t session_progress(const struct session *session)
{
    if (session->leaf_weight == 0) {
        return 0;
    }
    return (uint32_t)((session->leaf_progress + session->leaf_weight / 2) / session->leaf_weight);
}

/* --- texts --- */

void fold_keep(struct session *session, char **at, struct fb_text text)
{
    char *copy = NULL;

    if (text.size != 0) {
        copy = malloc(text.size + 1);
        if (copy == NULL) {
            session->broken = true;
            return;
        }
        memcpy(copy, text.data, text.size);
        copy[text.size] = '\0';
    }
    free(*at);
    *at = copy;
}

/* --- folding --- */

typedef struct fb_status (*fold_fn)(struct session *session, const struct event *event);

static const struct {
    fold_fn fold;
    bool about_task; /* `task` must be there */
} kinds[EVENT_CONFLICT + 1] = {
    [EVENT_OPENED] = {fold_opened, false},       [EVENT_SEEN] = {fold_seen, false},
    [EVENT_PLANNED] = {fold_planned, false},     [EVENT_LINKED] = {fold_linked, false},
    [EVENT_CLAIMED] = {fold_claimed, true},      [EVENT_NOTED] = {fold_noted, true},
    [EVENT_RESTED] = {fold_rested, true},        [EVENT_BLOCKED] = {fold_blocked, true},
    [EVENT_REQUEUED] = {fold_requeued, true},    [EVENT_FINISHED] = {fold_finished, true},
    [EVENT_EDITED] = {fold_edited, true},        [EVENT_UNATTACHED] = {fold_unattached, true},
    [EVENT_VERIFIED] = {fold_verified, true},    [EVENT_MUTED] = {fold_muted, false},
    [EVENT_DOCUMENT] = {fold_document, false},   [EVENT_IMPORTED] = {fold_imported, false},
    [EVENT_COMPACTED] = {fold_compacted, false}, [EVENT_EXPANDED] = {fold_expanded, false},
    [EVENT_MERGED] = {fold_merged, false},       [EVENT_CONFLICT] = {fold_conflict, false},
};

/* What holds for any kind. */
static struct fb_status check(const struct session *session, const struct event *event)
{
    const struct fb_status status = event_check(event);

    if (!fb_is_ok(status)) {
        return status;
    }
    if (session->broken) {
        return fold_exhausted();
    }
    if (event->unix_ms < session->last_ms) {
        return fold_refuse("time runs backwards");
    }
    if (event->kind == EVENT_UNKNOWN) {
        return fb_ok;
    }
    if (session->name == NULL && event->kind != EVENT_OPENED && event->kind != EVENT_MERGED) {
        return fold_refuse("a session begins with being opened");
    }
    if (kinds[event->kind].about_task && session_task(session, event->task) == NULL) {
        return fold_refuse("an event is about a task that there is not");
    }
    if (event->actor.size != 0 && session->agent_names.count == SESSION_AGENTS_MOST &&
        session_agent_of(session, event->actor) == NAMES_NONE) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "a session knows at most 4,096 agents");
    }
    return fb_ok;
}

/* What a mutation that comes again is to be answered with. */
static void remember(struct session *session, const struct event *event)
{
    const uint32_t agent = session_agent_of(session, event->actor);
    struct recent_outcome *outcome;

    if (event->request_id.size == 0 || agent == NAMES_NONE) {
        return;
    }
    outcome = recent_keep(&session->recent, agent, event->request_id);
    if (outcome == NULL) {
        session->broken = true;
        return;
    }
    outcome->command = event->command;
    if (event->kind == EVENT_PLANNED && outcome->task == 0) {
        outcome->task = event->planned.first_task;
        outcome->count = event->planned.items;
    } else if (event->kind == EVENT_CLAIMED && !event->claimed.implicit) {
        outcome->task = outcome->task == 0 ? event->task : outcome->task;
        outcome->fence = outcome->fence == 0 ? event->claimed.fence : outcome->fence;
        outcome->count++;
    } else if (outcome->about == 0) {
        outcome->about = event->kind == EVENT_LINKED && event->linked.link_count != 0
                             ? event->linked.links[0].task
                             : event->task;
    }
    if (outcome->about != 0) {
        outcome->rev = session->tasks[outcome->about].rev;
    } else if (outcome->command == EVENT_COMMAND_NEXT && outcome->task != 0) {
        outcome->rev = session->tasks[outcome->task].rev;
    }
}

static uint32_t effort_of(const void *arg, uint32_t node)
{
    const struct session *session = arg;

    return session_effort_ms(session, &session->tasks[node]);
}

struct fb_status session_fold(struct session *session, const struct event *event)
{
    struct fb_status status = check(session, event);
    const int64_t awake_ms = session->awake_ms;
    const int64_t last_ms = session->last_ms;
    const enum flow_state flow_state = session->flow_state;
    struct change change;
    struct fold_before before;
    uint32_t agents;
    bool changes;

    session->cycle_count = 0;
    if (!fb_is_ok(status)) {
        return status;
    }
    /* An agent that is not known yet is needed by the kinds; if refused, it is forgotten again. */
    agents = session->agent_names.count;
    if (event->actor.size != 0 && event->kind != EVENT_UNKNOWN &&
        fold_meet(session, event->actor) == NAMES_NONE) {
        return fold_exhausted();
    }
    session->awake_ms = session_awake_ms(session, event->unix_ms);
    session_settle(session, event->unix_ms);
    changes = fold_change_begin(session, event, &change);
    before = fold_before(session, event);
    if (event->kind == EVENT_UNKNOWN) {
        session->unknown_events++;
    } else {
        session->flow_state = session_flow_state(session, event->unix_ms);
        session->last_ms = event->unix_ms;
        status = kinds[event->kind].fold(session, event);
    }
    if (!fb_is_ok(status)) {
        change_finish(&change);
        session->awake_ms = awake_ms;
        session->last_ms = last_ms;
        session->flow_state = flow_state;
        names_truncate(&session->agent_names, agents);
        fold_watch_refused(session, event);
        return status;
    }
    session->broken |= changes && !changes_keep(&session->changes, change);
    session->command = change.command;
    fold_watch(session, event, &before);
    session->last_ms = event->unix_ms;
    session->events++;
    learn_event(session, event);
    if (event->actor.size != 0 && event->kind != EVENT_UNKNOWN) {
        session->agents[session_agent_of(session, event->actor)].heard_ms = event->unix_ms;
        remember(session, event);
    }
    session->flow_state =
        flow_state_next(session->flow_state, momentum_at(&session->momentum, session->awake_ms), 0);
    if (estimates_revise(&session->estimates, &session->effort, session->events,
                         session->task_count)) {
        graph_set_efforts(session->graph, effort_of, session);
    }
    return session->broken ? fold_exhausted() : fb_ok;
}

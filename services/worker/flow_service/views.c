#include "services/worker/flow_service/views.h"

#include <assert.h>

#include "services/worker/flow/ties.h"

static char *text_or_empty(char *text)
{
    return text == NULL ? (char *)"" : text;
}

static char *name_of(const struct names *names, uint32_t number)
{
    return (char *)names->texts[number].data;
}

struct view view_of(const struct decision *decision)
{
    const struct view view = {
        .session = decision->session,
        .arena = decision->arena,
        .now_ms = decision->now_ms < decision->session->last_ms ? decision->session->last_ms
                                                                : decision->now_ms,
    };

    session_settle(view.session, view.now_ms);
    return view;
}

Flowbalancer__V1__FlowTaskState view_task_state(enum task_state state)
{
    static const Flowbalancer__V1__FlowTaskState states[TASK_STATES] = {
        [TASK_QUEUED] = FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_QUEUED,
        [TASK_ACTIVE] = FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_ACTIVE,
        [TASK_BLOCKED] = FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_BLOCKED,
        [TASK_RESTING] = FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_RESTING,
        [TASK_COMPLETED] = FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_COMPLETED,
        [TASK_FAILED] = FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_FAILED,
        [TASK_CANCELLED] = FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_CANCELLED,
    };

    assert(state < TASK_STATES);
    return states[state];
}

Flowbalancer__V1__FlowState view_flow_state(enum flow_state state)
{
    static const Flowbalancer__V1__FlowState states[FLOW_STATES] = {
        [FLOW_RESTING] = FLOWBALANCER__V1__FLOW_STATE__FLOW_STATE_RESTING,
        [FLOW_WARMING] = FLOWBALANCER__V1__FLOW_STATE__FLOW_STATE_WARMING,
        [FLOW_FLOWING] = FLOWBALANCER__V1__FLOW_STATE__FLOW_STATE_FLOWING,
        [FLOW_SURGING] = FLOWBALANCER__V1__FLOW_STATE__FLOW_STATE_SURGING,
    };

    assert(state < FLOW_STATES);
    return states[state];
}

/* --- a task --- */

static int percent_of(const struct view *view, const struct momentum *momentum)
{
    return momentum_percent(momentum_at(momentum, session_awake_ms(view->session, view->now_ms)));
}

static bool put_needs(const struct view *view, const struct task *task,
                      Flowbalancer__V1__FlowTask *shown)
{
    const struct names *caps = &view->session->caps;

    shown->needs = fb_arena_zalloc(view->arena, EVENT_CAPS, sizeof(char *));
    for (uint32_t i = 0; shown->needs != NULL && i < caps->count && i < EVENT_CAPS; i++) {
        if ((task->needs >> i & 1) != 0) {
            shown->needs[shown->n_needs++] = name_of(caps, i);
        }
    }
    return shown->needs != NULL;
}

static bool put_evidence(const struct view *view, const struct task *task,
                         Flowbalancer__V1__FlowTask *shown)
{
    Flowbalancer__V1__FlowEvidence *all =
        fb_arena_zalloc(view->arena, (size_t)task->evidence_count + 1, sizeof(*all));

    shown->evidence =
        fb_arena_zalloc(view->arena, (size_t)task->evidence_count + 1, sizeof(*shown->evidence));
    if (all == NULL || shown->evidence == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < task->evidence_count; i++) {
        const struct task_evidence *evidence = &task->evidence[i];

        flowbalancer__v1__flow_evidence__init(&all[i]);
        all[i].kind = (Flowbalancer__V1__FlowEvidenceKind)evidence->kind;
        all[i].ref = text_or_empty(evidence->ref);
        all[i].host = text_or_empty(evidence->host);
        all[i].size = evidence->size;
        if (evidence->digested) {
            all[i].sha256.data = (uint8_t *)evidence->sha256;
            all[i].sha256.len = sizeof(evidence->sha256);
        }
        shown->evidence[i] = &all[i];
    }
    shown->n_evidence = task->evidence_count;
    return true;
}

/* Adds the links of one way to `all`, or only counts them for NULL. */
static uint32_t put_ways(const struct view *view, uint32_t task, bool out,
                         Flowbalancer__V1__FlowLink *all, uint32_t count)
{
    const struct graph *graph = view->session->graph;
    uint32_t cursor = out ? graph_first_out(graph, task) : graph_first_in(graph, task);

    for (; cursor != GRAPH_NONE && count < VIEW_LINKS_MOST; count++) {
        const struct graph_edge edge = graph_edge_at(graph, cursor);
        /* A parent waits for its child, while the child hangs on its parent. */
        const bool turned = edge.kind == GRAPH_PARENT;

        if (all != NULL) {
            flowbalancer__v1__flow_link__init(&all[count]);
            all[count].task = turned ? edge.before : edge.after;
            all[count].on = turned ? edge.after : edge.before;
            all[count].kind = (Flowbalancer__V1__FlowLinkKind)(edge.kind + 1);
        }
        cursor = out ? graph_next_out(graph, cursor) : graph_next_in(graph, cursor);
    }
    return count;
}
_Static_assert((int)GRAPH_DUP + 1 == (int)FLOWBALANCER__V1__FLOW_LINK_KIND__FLOW_LINK_KIND_DUP, "");

static bool put_links(const struct view *view, uint32_t task, Flowbalancer__V1__FlowTask *shown)
{
    const uint32_t count = put_ways(view, task, true, NULL, put_ways(view, task, false, NULL, 0));
    Flowbalancer__V1__FlowLink *all = fb_arena_zalloc(view->arena, (size_t)count + 1, sizeof(*all));

    shown->links = fb_arena_zalloc(view->arena, (size_t)count + 1, sizeof(*shown->links));
    if (all == NULL || shown->links == NULL) {
        return false;
    }
    (void)put_ways(view, task, true, all, put_ways(view, task, false, all, 0));
    for (uint32_t i = 0; i < count; i++) {
        shown->links[i] = &all[i];
    }
    shown->n_links = count;
    return true;
}

static bool put_rest(const struct view *view, uint32_t number, Flowbalancer__V1__FlowTask *shown)
{
    const struct task *task = &view->session->tasks[number];

    shown->body = text_or_empty(task->body);
    shown->accept = text_or_empty(task->accept);
    shown->defer_until_unix_ms = task->defer_until_ms;
    shown->gate = text_or_empty(task->gate);
    shown->note = text_or_empty(task->note);
    shown->summary = text_or_empty(task->summary);
    shown->cold = task->cold != 0;
    return put_needs(view, task, shown) && put_evidence(view, task, shown) &&
           put_links(view, number, shown);
}

static uint32_t waits_for(const struct view *view, uint32_t number)
{
    const struct task *task = &view->session->tasks[number];

    if (task->state == TASK_BLOCKED) {
        return task->blocker;
    }
    return task->state == TASK_QUEUED && task->unmet != 0 ? session_holds_up(view->session, number)
                                                          : 0;
}

Flowbalancer__V1__FlowTask *view_task(const struct view *view, uint32_t number, bool full)
{
    const struct session *session = view->session;
    const struct task *task = session_task(session, number);
    Flowbalancer__V1__FlowTask *shown = fb_arena_alloc(view->arena, sizeof(*shown));

    assert(task != NULL);
    if (shown == NULL) {
        return NULL;
    }
    flowbalancer__v1__flow_task__init(shown);
    shown->task = number;
    shown->key = text_or_empty(task->key);
    shown->title = text_or_empty(task->title);
    shown->state = view_task_state(task->state);
    shown->ready = schedule_is_ready(session->schedule, number);
    shown->percent = task->percent;
    shown->momentum = (uint32_t)percent_of(view, &task->momentum);
    shown->weight = task->weight;
    shown->priority = task->priority;
    shown->rev = task->rev;
    shown->parent = task->parent;
    shown->phase = (Flowbalancer__V1__FlowPhase)task->phase;
    shown->attempt = task->attempt;
    shown->created_unix_ms = task->created_ms;
    shown->updated_unix_ms = task->changed_ms;
    shown->waits_for = waits_for(view, number);
    shown->stale_input = task->stale_input;
    if (task->lease.fence != 0) {
        shown->agent = name_of(&session->agent_names, task->lease.agent);
        shown->suspect = lease_phase(&task->lease, session->agents[task->lease.agent].heard_ms,
                                     view->now_ms) != LEASE_LIVE;
    }
    return full && !put_rest(view, number, shown) ? NULL : shown;
}

Flowbalancer__V1__FlowTask **view_tasks(const struct view *view, const uint32_t *tasks,
                                        size_t count)
{
    Flowbalancer__V1__FlowTask **shown = fb_arena_zalloc(view->arena, count + 1, sizeof(*shown));

    for (size_t i = 0; shown != NULL && i < count; i++) {
        shown[i] = view_task(view, tasks[i], false);
        if (shown[i] == NULL) {
            return NULL;
        }
    }
    return shown;
}

/* --- a claim --- */

/* What came before it: number, title, how it ended, and what was said then. */
static Flowbalancer__V1__FlowTask *view_finished(const struct view *view, uint32_t number)
{
    const struct task *task = &view->session->tasks[number];
    Flowbalancer__V1__FlowTask *shown = fb_arena_alloc(view->arena, sizeof(*shown));

    if (shown != NULL) {
        flowbalancer__v1__flow_task__init(shown);
        shown->task = number;
        shown->title = text_or_empty(task->title);
        shown->key = text_or_empty(task->key);
        shown->state = view_task_state(task->state);
        shown->summary = text_or_empty(task->summary);
    }
    return shown;
}

static bool put_finished(const struct view *view, uint32_t number,
                         Flowbalancer__V1__FlowClaim *claim)
{
    const struct graph *graph = view->session->graph;

    claim->finished = fb_arena_zalloc(view->arena, VIEW_FINISHED_MOST, sizeof(*claim->finished));
    if (claim->finished == NULL) {
        return false;
    }
    for (uint32_t cursor = graph_first_in(graph, number);
         cursor != GRAPH_NONE && claim->n_finished < VIEW_FINISHED_MOST;
         cursor = graph_next_in(graph, cursor)) {
        const struct graph_edge edge = graph_edge_at(graph, cursor);

        if (graph_holds_up(edge.kind) && task_has_ended(view->session->tasks[edge.before].state)) {
            Flowbalancer__V1__FlowTask *shown = view_finished(view, edge.before);

            if (shown == NULL) {
                return false;
            }
            claim->finished[claim->n_finished++] = shown;
        }
    }
    return true;
}

Flowbalancer__V1__FlowClaim *view_claim(const struct view *view, uint32_t number, bool held)
{
    const struct task *task = &view->session->tasks[number];
    Flowbalancer__V1__FlowClaim *claim = fb_arena_alloc(view->arena, sizeof(*claim));

    if (claim == NULL) {
        return NULL;
    }
    flowbalancer__v1__flow_claim__init(claim);
    claim->task = view_task(view, number, true);
    claim->fence = task->lease.fence;
    claim->lease_ms = task->lease.lasts_ms;
    claim->held = held;
    if (task->note != NULL) {
        claim->notes = fb_arena_zalloc(view->arena, 1, sizeof(*claim->notes));
        if (claim->notes == NULL) {
            return NULL;
        }
        claim->notes[claim->n_notes++] = task->note;
    }
    return claim->task != NULL && put_finished(view, number, claim) ? claim : NULL;
}

/* --- the session --- */

uint32_t view_agents_alive(const struct view *view)
{
    const struct session *session = view->session;
    uint32_t alive = 0;

    for (uint32_t i = 0; i < session->agent_names.count; i++) {
        alive += session->agents[i].held != 0 ||
                 view->now_ms - session->agents[i].heard_ms < lease_lasts_ms(&session->holds);
    }
    return alive;
}

Flowbalancer__V1__FlowSessionLine *view_line(const struct view *view, const char *id)
{
    const struct session *session = view->session;
    Flowbalancer__V1__FlowSessionLine *line = fb_arena_alloc(view->arena, sizeof(*line));

    if (line == NULL) {
        return NULL;
    }
    flowbalancer__v1__flow_session_line__init(line);
    line->session = (char *)id;
    line->name = text_or_empty(session->name);
    line->state = view_flow_state(session_flow_state(session, view->now_ms));
    line->momentum = (uint32_t)percent_of(view, &session->momentum);
    line->progress = session_progress(session);
    line->tasks = session->task_count;
    line->ready = schedule_ready_count(session->schedule);
    line->active = session->in_state[TASK_ACTIVE];
    line->blocked = session->in_state[TASK_BLOCKED];
    line->resting = session->in_state[TASK_RESTING];
    line->completed = session->in_state[TASK_COMPLETED];
    line->failed = session->in_state[TASK_FAILED];
    line->cancelled = session->in_state[TASK_CANCELLED];
    line->agents = view_agents_alive(view);
    line->seq = (int64_t)session->events;
    line->created_unix_ms = session->opened_ms;
    line->updated_unix_ms = session->last_ms;
    line->load = schedule_load(session->schedule);
    line->load_most = session->load_most;
    return line;
}

Flowbalancer__V1__FlowAgent *view_agent(const struct view *view, uint32_t number)
{
    const struct session *session = view->session;
    const struct session_agent *agent = &session->agents[number];
    Flowbalancer__V1__FlowAgent *shown = fb_arena_alloc(view->arena, sizeof(*shown));

    if (shown == NULL) {
        return NULL;
    }
    flowbalancer__v1__flow_agent__init(shown);
    shown->agent = name_of(&session->agent_names, number);
    shown->wip = agent->held_most;
    shown->held = agent->held;
    shown->heard_unix_ms = agent->heard_ms;
    shown->caps = fb_arena_zalloc(view->arena, EVENT_CAPS, sizeof(char *));
    for (uint32_t i = 0; shown->caps != NULL && i < session->caps.count && i < EVENT_CAPS; i++) {
        if ((agent->caps >> i & 1) != 0) {
            shown->caps[shown->n_caps++] = name_of(&session->caps, i);
        }
    }
    return shown->caps == NULL ? NULL : shown;
}

/* --- what an agent may do --- */

size_t view_ready(const struct view *view, struct fb_text agent, uint32_t *tasks, size_t most)
{
    const uint32_t number = session_agent_of(view->session, agent);
    const struct ties ties = {.session = view->session, .agent = number};
    const struct schedule_agent nobody = {.agent = GRAPH_NONE};

    return schedule_peek(view->session->schedule, number == NAMES_NONE ? nobody : ties_agent(&ties),
                         session_workers(view->session, view->now_ms),
                         session_awake_ms(view->session, view->now_ms), tasks, most);
}

size_t view_held(const struct view *view, struct fb_text agent, uint32_t *tasks, size_t most)
{
    const uint32_t number = session_agent_of(view->session, agent);
    const size_t count =
        number == NAMES_NONE ? 0 : schedule_active(view->session->schedule, number, tasks, most);

    return count < most ? count : most;
}

bool view_is_finished(const struct view *view)
{
    const struct session *session = view->session;

    return session->task_count != 0 && session->in_state[TASK_COMPLETED] +
                                               session->in_state[TASK_FAILED] +
                                               session->in_state[TASK_CANCELLED] ==
                                           session->task_count;
}

const char *view_why(const struct view *view, struct fb_text agent)
{
    const struct session *session = view->session;
    const uint32_t ready = schedule_ready_count(session->schedule);
    const char *why;
    uint32_t first;

    if (session->task_count == 0) {
        return "there are no tasks yet: plan some";
    }
    if (view_is_finished(view)) {
        return "all tasks have ended";
    }
    if (ready == 0) {
        why =
            fb_arena_printf(view->arena,
                            "nothing is ready: %u active, %u blocked, %u resting, %u queued behind "
                            "others or until later; wait, or plan more",
                            session->in_state[TASK_ACTIVE], session->in_state[TASK_BLOCKED],
                            session->in_state[TASK_RESTING], session->in_state[TASK_QUEUED]);
    } else if (view_ready(view, agent, &first, 1) == 0) {
        why = fb_arena_printf(
            view->arena,
            "%u ready, but all need what you did not declare: open the session with "
            "more caps, or wait",
            ready);
    } else {
        why = fb_arena_printf(view->arena,
                              "%u ready, but you or the session hold as much as may be: finish "
                              "something, hand it back, or wait",
                              ready);
    }
    return why == NULL ? "nothing is ready" : why;
}

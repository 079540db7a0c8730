#include "services/worker/flow/snapshot.h"

#include <stdlib.h>

#include "services/worker/flow/coder.h"
#include "services/worker/flow/snapshot_learned.h"

static void code_momentum(struct coder *coder, struct momentum *momentum)
{
    coder_double(coder, &momentum->value);
    coder_time(coder, &momentum->at_ms);
    coder_bool(coder, &momentum->frozen);
    coder->failed |= !(momentum->value >= 0 && momentum->value <= 1);
}

static void code_lease(struct coder *coder, struct task *task, uint32_t agents)
{
    coder_u64(coder, &task->lease.fence);
    if (task->lease.fence == 0 || coder->failed) {
        return;
    }
    coder_u32(coder, &task->lease.agent, agents == 0 ? 0 : agents - 1);
    coder_time(coder, &task->lease.since_ms);
    coder_time(coder, &task->lease.lasts_ms);
    coder_time(coder, &task->lease.since_busy_ms);
    coder_bool(coder, &task->implicit);
}

static void code_evidence(struct coder *coder, struct task *task)
{
    uint32_t count = task->evidence_count;

    coder_u32(coder, &count, TASK_EVIDENCE_MOST);
    if (coder->out == NULL && count != 0) {
        task->evidence = calloc(count, sizeof(*task->evidence));
        coder->failed |= task->evidence == NULL;
    }
    for (uint32_t i = 0; i < count && !coder->failed; i++) {
        struct task_evidence *item = &task->evidence[i];
        uint32_t kind = item->kind;

        task->evidence_count = i + 1;
        coder_u32(coder, &kind, EVENT_EVIDENCE_KINDS - 1);
        item->kind = (uint8_t)kind;
        coder_text(coder, &item->ref, EVENT_EVIDENCE_BYTES);
        coder_text(coder, &item->host, EVENT_HOST_BYTES);
        coder_bool(coder, &item->digested);
        if (item->digested) {
            coder_bytes(coder, item->sha256, sizeof(item->sha256));
        }
        coder_time(coder, &item->size);
        coder->failed |= item->ref == NULL;
    }
}

static void code_task(struct coder *coder, struct session *session, struct task *task)
{
    uint32_t state = task->state;

    coder_text(coder, &task->title, EVENT_TITLE_BYTES);
    coder_text(coder, &task->key, EVENT_KEY_BYTES);
    coder_text(coder, &task->body, EVENT_BODY_BYTES);
    coder_text(coder, &task->accept, EVENT_ACCEPT_BYTES);
    coder_u64(coder, &task->needs);
    coder_u32(coder, &task->weight, EVENT_WEIGHT_MOST);
    coder_u32(coder, &task->priority, EVENT_PRIORITY_MOST);
    coder_u32(coder, &task->phase, EVENT_PHASES - 1);
    coder_time(coder, &task->defer_until_ms);
    coder_u32(coder, &state, TASK_STATES - 1);
    task->state = (enum task_state)state;
    coder_u32(coder, &task->attempt, TASK_ATTEMPTS_MOST);
    coder_u32(coder, &task->percent, 100);
    coder_u32(coder, &task->rev, UINT32_MAX);
    coder_time(coder, &task->created_ms);
    coder_time(coder, &task->changed_ms);
    coder_u64(coder, &task->changed_event);
    coder_time(coder, &task->created_awake_ms);
    code_lease(coder, task, session->agent_names.count);
    coder_bool(coder, &task->stale_input);
    coder_u32(coder, &task->blocker, session->task_count);
    coder_u32(coder, &task->blocked_by, session->agent_names.count);
    coder_bool(coder, &task->orphaned);
    coder_text(coder, &task->gate, EVENT_REASON_BYTES);
    coder_text(coder, &task->note, EVENT_NOTE_BYTES);
    coder_text(coder, &task->summary, EVENT_SUMMARY_BYTES);
    coder_u32(coder, &task->held_by, session->agent_names.count);
    code_evidence(coder, task);
    coder_u32(coder, &task->unattached, UINT32_MAX);
    coder_time(coder, &task->ended_ms);
    coder_u32(coder, &task->cold, session->kept.segments.count);
    code_momentum(coder, &task->momentum);
    coder->failed |= task->title == NULL || task->weight == 0 || task->attempt == 0;
}

/* All but tasks and links. */
static void code_head(struct coder *coder, struct session *session)
{
    uint32_t flow_state = session->flow_state;

    coder_text(coder, &session->name, EVENT_NAME_BYTES);
    coder_u32(coder, &session->active_most, UINT32_MAX);
    coder_u32(coder, &session->load_most, UINT32_MAX);
    coder_bool(coder, &session->automatic);
    coder_time(coder, &session->lease_ms);
    coder_u32(coder, &session->share, EVENT_SHARE_MOST);
    coder_time(coder, &session->opened_ms);
    coder_u64(coder, &session->events);
    coder_u64(coder, &session->unknown_events);
    coder_time(coder, &session->last_ms);
    coder_time(coder, &session->awake_ms);
    coder_u64(coder, &session->fence);
    code_momentum(coder, &session->momentum);
    coder_u32(coder, &flow_state, FLOW_STATES - 1);
    session->flow_state = (enum flow_state)flow_state;
    snapshot_code_learned(coder, session);
    watch_code(coder, &session->watch);
    estimates_code(coder, &session->estimates);
    kept_code(coder, &session->kept, SESSION_TASKS_MOST);
    coder_names(coder, &session->caps, EVENT_CAPS, EVENT_CAP_BYTES);
    coder_names(coder, &session->agent_names, SESSION_AGENTS_MOST, EVENT_ACTOR_BYTES);
    if (coder->failed || (coder->out == NULL && !session_agents_room(session))) {
        coder->failed = true;
        return;
    }
    for (uint32_t i = 0; i < session->agent_names.count; i++) {
        struct session_agent *agent = &session->agents[i];

        if (coder->out == NULL) {
            *agent = (struct session_agent){.held = 0};
        }
        coder_u64(coder, &agent->caps);
        coder_u32(coder, &agent->held_most, UINT32_MAX);
        coder_time(coder, &agent->heard_ms);
        coder_time(coder, &agent->heard_busy_ms);
        coder_bool(coder, &agent->declared);
        coder_u32(coder, &agent->last_task, SESSION_TASKS_MOST);
        coder_u64(coder, &agent->last_fence);
        coder_u32(coder, &agent->paths_seen, UINT32_MAX);
        for (uint32_t j = 0; j < SESSION_PATHS && j < agent->paths_seen; j++) {
            coder_u64(coder, &agent->paths[j]);
        }
    }
}

static void code_plans(struct coder *coder, struct session *session)
{
    coder_names(coder, &session->plan_keys, SESSION_PLANS_MOST, EVENT_KEY_BYTES);
    if (coder->failed || (coder->out == NULL && !session_plans_room(session))) {
        coder->failed = true;
        return;
    }
    for (uint32_t i = 0; i < session->plan_keys.count; i++) {
        coder_u32(coder, &session->plans[i].first, SESSION_TASKS_MOST);
        coder_u32(coder, &session->plans[i].items, UINT32_MAX);
    }
}

/* --- links: into each task, by what is before and by kind --- */

static int by_edge(const void *a, const void *b)
{
    const struct graph_edge *x = a;
    const struct graph_edge *y = b;

    if (x->before != y->before) {
        return x->before < y->before ? -1 : 1;
    }
    return (x->kind > y->kind) - (x->kind < y->kind);
}

static void write_links_into(struct coder *coder, const struct session *session, uint32_t number,
                             struct graph_edge *edges)
{
    uint32_t count = 0;

    for (uint32_t at = graph_first_in(session->graph, number); at != GRAPH_NONE;
         at = graph_next_in(session->graph, at)) {
        edges[count++] = graph_edge_at(session->graph, at);
    }
    qsort(edges, count, sizeof(*edges), by_edge);
    coder_u32(coder, &count, GRAPH_EDGES_MOST);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t kind = edges[i].kind;

        coder_u32(coder, &edges[i].before, session->task_count);
        coder_u32(coder, &kind, GRAPH_KINDS - 1);
    }
}

bool snapshot_write(struct session *session, struct fb_buffer *bytes)
{
    struct coder coder = {.out = bytes};
    struct graph_edge *edges = calloc(graph_edge_count(session->graph) + 1, sizeof(*edges));
    uint64_t version = SNAPSHOT_VERSION;

    if (edges == NULL) {
        return false;
    }
    coder_u64(&coder, &version);
    code_head(&coder, session);
    coder_u32(&coder, &session->task_count, SESSION_TASKS_MOST);
    for (uint32_t i = 1; i <= session->task_count; i++) {
        code_task(&coder, session, &session->tasks[i]);
    }
    snapshot_code_ranker(&coder, session);
    for (uint32_t i = 1; i <= session->task_count; i++) {
        write_links_into(&coder, session, i, edges);
    }
    code_plans(&coder, session);
    recent_code(&coder, &session->recent, session->agent_names.count, session->task_count);
    coder_u64(&coder, &session->command);
    changes_code(&coder, &session->changes, session->agent_names.count, session->task_count);
    free(edges);
    return !bytes->failed;
}

/* Gives all links, at least room for one. */
static struct graph_edge *read_links(struct coder *coder, const struct session *session,
                                     size_t *count)
{
    size_t room = 64;
    struct graph_edge *edges = malloc(room * sizeof(*edges));

    *count = 0;
    for (uint32_t after = 1; after <= session->task_count && edges != NULL; after++) {
        uint32_t into = 0;

        coder_u32(coder, &into, GRAPH_EDGES_MOST);
        for (uint32_t i = 0; i < into && !coder->failed && edges != NULL; i++) {
            uint32_t before = 0;
            uint32_t kind = 0;

            coder_u32(coder, &before, session->task_count);
            coder_u32(coder, &kind, GRAPH_KINDS - 1);
            coder->failed |= before == 0;
            if (*count == room) {
                struct graph_edge *more = realloc(edges, 2 * room * sizeof(*edges));

                if (more == NULL) {
                    free(edges);
                    edges = NULL;
                    break;
                }
                edges = more;
                room *= 2;
            }
            edges[(*count)++] = (struct graph_edge){
                .before = before, .after = after, .kind = (enum graph_kind)kind};
        }
    }
    return edges;
}

static void read_tasks(struct coder *coder, struct session *session)
{
    uint32_t count = 0;

    coder_u32(coder, &count, SESSION_TASKS_MOST);
    while (session->task_count < count && !coder->failed) {
        struct task *task = session_task_room(session);

        if (task == NULL) {
            coder->failed = true;
            return;
        }
        session->task_count++;
        /* A blocker may come later: it is held against the count once all are there. */
        const uint32_t known = session->task_count;

        session->task_count = count;
        code_task(coder, session, task);
        session->task_count = known;
    }
}

struct fb_status snapshot_read(struct fb_text bytes, struct session **session)
{
    struct coder coder = {
        .at = (const unsigned char *)bytes.data,
        .end = (const unsigned char *)bytes.data + bytes.size,
    };
    struct session *made = session_create();
    struct graph_edge *edges = NULL;
    uint64_t version = 0;
    size_t edge_count = 0;
    bool whole = false;

    *session = NULL;
    if (made == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the session");
    }
    coder_u64(&coder, &version);
    if (!coder.failed && version != SNAPSHOT_VERSION) {
        session_destroy(made);
        return fb_fail(FB_UNIMPLEMENTED, "a snapshot of another version; fold the events");
    }
    code_head(&coder, made);
    read_tasks(&coder, made);
    if (!coder.failed) {
        snapshot_code_ranker(&coder, made);
    }
    if (!coder.failed) {
        edges = read_links(&coder, made, &edge_count);
        code_plans(&coder, made);
        recent_code(&coder, &made->recent, made->agent_names.count, made->task_count);
        coder_u64(&coder, &made->command);
        changes_code(&coder, &made->changes, made->agent_names.count, made->task_count);
        whole = edges != NULL && !coder.failed && coder.at == coder.end &&
                session_derive(made, edges, edge_count);
    }
    free(edges);
    if (!whole) {
        session_destroy(made);
        return fb_fail(FB_DATA_LOSS, "the bytes are no snapshot of a session; fold the events");
    }
    *session = made;
    return fb_ok;
}

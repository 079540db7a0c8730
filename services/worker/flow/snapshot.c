#include "services/worker/flow/snapshot.h"

#include <stdlib.h>
#include <string.h>

/*
 * One list of fields serves both ways, so that they cannot part: every code_ function writes its
 * value, or reads it, as the coder says.
 */
struct coder {
    struct fb_buffer *out; /* NULL: reading */
    const unsigned char *at;
    const unsigned char *end;
    bool failed;
};

static void code_u64(struct coder *coder, uint64_t *value)
{
    uint64_t rest = *value;
    unsigned shift = 0;

    if (coder->out != NULL) {
        unsigned char bytes[10];
        size_t count = 0;

        do {
            bytes[count++] = (unsigned char)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
            rest >>= 7;
        } while (rest != 0);
        fb_buffer_append(coder->out, bytes, count);
        return;
    }
    rest = 0;
    while (!coder->failed) {
        unsigned char byte;

        if (coder->at == coder->end || shift > 63) {
            coder->failed = true;
            break;
        }
        byte = *coder->at++;
        rest |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
        if ((byte & 0x80) == 0) {
            break;
        }
    }
    *value = coder->failed ? 0 : rest;
}

/* At most `most`. */
static void code_u32(struct coder *coder, uint32_t *value, uint32_t most)
{
    uint64_t wide = *value;

    code_u64(coder, &wide);
    coder->failed |= wide > most;
    *value = coder->failed ? 0 : (uint32_t)wide;
}

/* Times and spans: never negative. */
static void code_time(struct coder *coder, int64_t *value)
{
    uint64_t wide = (uint64_t)*value;

    code_u64(coder, &wide);
    coder->failed |= wide > (uint64_t)1 << 53;
    *value = coder->failed ? 0 : (int64_t)wide;
}

static void code_bool(struct coder *coder, bool *value)
{
    uint32_t wide = *value;

    code_u32(coder, &wide, 1);
    *value = wide != 0;
}

/* Its eight bytes, lowest first. */
static void code_double(struct coder *coder, double *value)
{
    uint64_t bits;
    unsigned char bytes[8];

    memcpy(&bits, value, sizeof(bits));
    if (coder->out != NULL) {
        for (unsigned i = 0; i < 8; i++) {
            bytes[i] = (unsigned char)(bits >> (8 * i));
        }
        fb_buffer_append(coder->out, bytes, sizeof(bytes));
        return;
    }
    if (coder->failed || coder->end - coder->at < 8) {
        coder->failed = true;
        return;
    }
    bits = 0;
    for (unsigned i = 0; i < 8; i++) {
        bits |= (uint64_t)*coder->at++ << (8 * i);
    }
    memcpy(value, &bits, sizeof(bits));
    coder->failed |= !(*value > -1e18 && *value < 1e18);
}

/* A text up to `most` bytes; NULL when empty. */
static void code_text(struct coder *coder, char **text, size_t most)
{
    uint64_t size = *text == NULL ? 0 : strlen(*text);

    code_u64(coder, &size);
    if (coder->out != NULL) {
        fb_buffer_append(coder->out, *text, (size_t)size);
        return;
    }
    *text = NULL;
    if (coder->failed || size > most || size > (uint64_t)(coder->end - coder->at) ||
        memchr(coder->at, '\0', (size_t)size) != NULL) {
        coder->failed = true;
        return;
    }
    if (size == 0) {
        return;
    }
    *text = malloc((size_t)size + 1);
    if (*text == NULL) {
        coder->failed = true;
        return;
    }
    memcpy(*text, coder->at, (size_t)size);
    (*text)[size] = '\0';
    coder->at += size;
}

static void code_names(struct coder *coder, struct names *names, uint32_t most, size_t bytes_most)
{
    uint32_t count = names->count;

    code_u32(coder, &count, most);
    for (uint32_t i = 0; i < count && !coder->failed; i++) {
        char *text = coder->out != NULL ? (char *)names->texts[i].data : NULL;

        code_text(coder, &text, bytes_most);
        if (coder->out == NULL) {
            coder->failed |= text == NULL || names_add(names, fb_text_of(text)) != i;
            free(text);
        }
    }
}

static void code_momentum(struct coder *coder, struct momentum *momentum)
{
    code_double(coder, &momentum->value);
    code_time(coder, &momentum->at_ms);
    code_bool(coder, &momentum->frozen);
    coder->failed |= !(momentum->value >= 0 && momentum->value <= 1);
}

static void code_lease(struct coder *coder, struct task *task, uint32_t agents)
{
    code_u64(coder, &task->lease.fence);
    if (task->lease.fence == 0 || coder->failed) {
        return;
    }
    code_u32(coder, &task->lease.agent, agents == 0 ? 0 : agents - 1);
    code_time(coder, &task->lease.since_ms);
    code_time(coder, &task->lease.lasts_ms);
    code_bool(coder, &task->implicit);
}

static void code_task(struct coder *coder, struct session *session, struct task *task)
{
    uint32_t state = task->state;

    code_text(coder, &task->title, EVENT_TITLE_BYTES);
    code_text(coder, &task->key, EVENT_KEY_BYTES);
    code_text(coder, &task->body, EVENT_BODY_BYTES);
    code_text(coder, &task->accept, EVENT_ACCEPT_BYTES);
    code_u64(coder, &task->needs);
    code_u32(coder, &task->weight, EVENT_WEIGHT_MOST);
    code_u32(coder, &task->priority, EVENT_PRIORITY_MOST);
    code_u32(coder, &task->phase, EVENT_PHASES - 1);
    code_time(coder, &task->defer_until_ms);
    code_u32(coder, &state, TASK_STATES - 1);
    task->state = (enum task_state)state;
    code_u32(coder, &task->attempt, TASK_ATTEMPTS_MOST);
    code_u32(coder, &task->percent, 100);
    code_u32(coder, &task->rev, UINT32_MAX);
    code_time(coder, &task->created_ms);
    code_time(coder, &task->created_awake_ms);
    code_lease(coder, task, session->agent_names.count);
    code_bool(coder, &task->stale_input);
    code_u32(coder, &task->blocker, session->task_count);
    code_u32(coder, &task->blocked_by, session->agent_names.count);
    code_text(coder, &task->gate, EVENT_REASON_BYTES);
    code_text(coder, &task->note, EVENT_NOTE_BYTES);
    code_text(coder, &task->summary, EVENT_SUMMARY_BYTES);
    code_u32(coder, &task->evidence_seen, UINT32_MAX);
    for (uint32_t i = 0; i < TASK_EVIDENCE && i < task->evidence_seen; i++) {
        code_u64(coder, &task->evidence[i]);
    }
    code_u32(coder, &task->unattached, UINT32_MAX);
    code_momentum(coder, &task->momentum);
    coder->failed |= task->title == NULL || task->weight == 0 || task->attempt == 0;
}

static void code_learned(struct coder *coder, struct session *session)
{
    struct effort *effort = &session->effort;

    for (int i = 0; i < EFFORT_INPUTS; i++) {
        code_double(coder, &effort->weights[i]);
        for (int j = 0; j < EFFORT_INPUTS; j++) {
            code_double(coder, &effort->inverse[i][j]);
        }
    }
    code_u64(coder, &effort->seen);
    for (uint64_t i = 0; i < EFFORT_WINDOW && i < effort->seen; i++) {
        code_double(coder, &effort->learned_error[i]);
        code_double(coder, &effort->prior_error[i]);
    }
    code_bool(coder, &effort->learned_better);
    code_u64(coder, &session->holds.seen);
    for (uint64_t i = 0; i < LEASE_HOLDS && i < session->holds.seen; i++) {
        code_time(coder, &session->holds.holds_ms[i]);
    }
    code_time(coder, &session->holds.lasts_ms);
}

/* All but tasks and links. */
static void code_head(struct coder *coder, struct session *session)
{
    uint32_t flow_state = session->flow_state;

    code_text(coder, &session->name, EVENT_NAME_BYTES);
    code_u32(coder, &session->active_most, UINT32_MAX);
    code_u32(coder, &session->load_most, UINT32_MAX);
    code_u64(coder, &session->events);
    code_u64(coder, &session->unknown_events);
    code_time(coder, &session->last_ms);
    code_time(coder, &session->awake_ms);
    code_u64(coder, &session->fence);
    code_momentum(coder, &session->momentum);
    code_u32(coder, &flow_state, FLOW_STATES - 1);
    session->flow_state = (enum flow_state)flow_state;
    code_learned(coder, session);
    code_names(coder, &session->caps, EVENT_CAPS, EVENT_CAP_BYTES);
    code_names(coder, &session->agent_names, SESSION_AGENTS_MOST, EVENT_ACTOR_BYTES);
    if (coder->failed || (coder->out == NULL && !session_agents_room(session))) {
        coder->failed = true;
        return;
    }
    for (uint32_t i = 0; i < session->agent_names.count; i++) {
        struct session_agent *agent = &session->agents[i];

        if (coder->out == NULL) {
            *agent = (struct session_agent){.held = 0};
        }
        code_u64(coder, &agent->caps);
        code_u32(coder, &agent->held_most, UINT32_MAX);
        code_time(coder, &agent->heard_ms);
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
    code_u32(coder, &count, GRAPH_EDGES_MOST);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t kind = edges[i].kind;

        code_u32(coder, &edges[i].before, session->task_count);
        code_u32(coder, &kind, GRAPH_KINDS - 1);
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
    code_u64(&coder, &version);
    code_head(&coder, session);
    code_u32(&coder, &session->task_count, SESSION_TASKS_MOST);
    for (uint32_t i = 1; i <= session->task_count; i++) {
        code_task(&coder, session, &session->tasks[i]);
    }
    for (uint32_t i = 1; i <= session->task_count; i++) {
        write_links_into(&coder, session, i, edges);
    }
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

        code_u32(coder, &into, GRAPH_EDGES_MOST);
        for (uint32_t i = 0; i < into && !coder->failed && edges != NULL; i++) {
            uint32_t before = 0;
            uint32_t kind = 0;

            code_u32(coder, &before, session->task_count);
            code_u32(coder, &kind, GRAPH_KINDS - 1);
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

    code_u32(coder, &count, SESSION_TASKS_MOST);
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
    code_u64(&coder, &version);
    if (!coder.failed && version != SNAPSHOT_VERSION) {
        session_destroy(made);
        return fb_fail(FB_UNIMPLEMENTED, "a snapshot of another version; fold the events");
    }
    code_head(&coder, made);
    read_tasks(&coder, made);
    if (!coder.failed) {
        edges = read_links(&coder, made, &edge_count);
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

#include "services/worker/flow/deciding.h"

#include <stdio.h>
#include <string.h>

#include "services/worker/flow/alarms.h"

static const struct {
    const char *title;
    uint32_t percent; /* of the parent's weight */
} phases[CHAIN_PHASES] = {{"Plan", 15}, {"Implement", 45}, {"Test", 25}, {"Document", 15}};

/* Whole weights that make up the parent's, the largest remainders rounded up; ties to the earlier. */
static void split_weight(uint32_t weight, uint32_t shares[CHAIN_PHASES])
{
    uint32_t rest[CHAIN_PHASES];
    uint32_t left = weight;

    for (uint32_t i = 0; i < CHAIN_PHASES; i++) {
        shares[i] = weight * phases[i].percent / 100;
        rest[i] = weight * phases[i].percent % 100;
        left -= shares[i];
    }
    for (; left > 0; left--) {
        uint32_t most = 0;

        for (uint32_t i = 1; i < CHAIN_PHASES; i++) {
            most = rest[i] > rest[most] ? i : most;
        }
        shares[most]++;
        rest[most] = 0;
    }
    for (uint32_t i = 0; i < CHAIN_PHASES; i++) {
        shares[i] = shares[i] == 0 ? 1 : shares[i];
    }
}

/* The text's beginning, no longer than `most` bytes, no character cut in two. */
static struct fb_text beginning_of(struct fb_text text, size_t most)
{
    size_t size = text.size < most ? text.size : most;

    while (size < text.size && size > 0 && ((unsigned char)text.data[size] & 0xc0) == 0x80) {
        size--;
    }
    return (struct fb_text){.data = text.data, .size = size};
}

/* The same for the same parent and phase, whoever expands it and whenever. */
static struct fb_text key_of(struct decision *d, uint32_t parent, struct fb_text parent_key,
                             uint32_t phase)
{
    const uint64_t who = parent_key.size != 0 ? fb_hash(parent_key.data, parent_key.size) : parent;

    return fb_text_of(
        fb_arena_printf(d->arena, "chain-%016llx", (unsigned long long)fb_hash_mix(who, phase)));
}

bool deciding_chain_tasks(struct decision *d, uint32_t parent,
                          const struct event_planned_task *task,
                          struct event_planned_task parts[CHAIN_PHASES])
{
    uint32_t weights[CHAIN_PHASES];

    split_weight(task->weight, weights);
    for (uint32_t i = 0; i < CHAIN_PHASES; i++) {
        const size_t head = strlen(phases[i].title) + 2;
        const struct fb_text rest = beginning_of(task->title, EVENT_TITLE_BYTES - head);
        const char *title =
            fb_arena_printf(d->arena, "%s: %.*s", phases[i].title, (int)rest.size, rest.data);

        parts[i] = (struct event_planned_task){
            .title = fb_text_of(title),
            .key = key_of(d, parent, task->key, i + 1),
            .weight = weights[i],
            .priority = task->priority,
            .phase = i + 1,
            .needs = task->needs,
            .defer_until_unix_ms = i == 0 ? task->defer_until_unix_ms : 0,
        };
        if (i + 1 == CHAIN_TESTS) {
            parts[i].accept = task->accept;
        }
        if (title == NULL || parts[i].key.size == 0) {
            return refusal_set(d, REFUSAL_BUDGET, parent, 0, "no memory; plan in smaller parts");
        }
    }
    return true;
}

size_t deciding_chain_links(uint32_t parent, uint32_t first, struct event_link *links)
{
    size_t count = 0;

    for (uint32_t i = 0; i < CHAIN_PHASES; i++) {
        links[count++] =
            (struct event_link){.task = first + i, .on = parent, .kind = EVENT_LINK_PARENT};
        if (i > 0) {
            links[count++] = (struct event_link){
                .task = first + i, .on = first + i - 1, .kind = EVENT_LINK_AFTER};
        }
    }
    return count;
}

/* "#3, #8", as far as it fits. */
static void name_open_chains(const struct session *s, char *named, size_t size)
{
    size_t used = 0;

    named[0] = '\0';
    for (uint32_t i = 1; i <= s->task_count && used < size - 16; i++) {
        if (s->tasks[i].phases != 0 && !task_has_ended(s->tasks[i].state)) {
            used += (size_t)snprintf(named + used, size - used, "%s#%u", used == 0 ? "" : ", ", i);
        }
    }
}

bool deciding_chains_fit(struct decision *d, uint32_t more, uint32_t most)
{
    const struct session *s = d->session;
    const struct flood_level flood = session_flood(s, 0, d->now_ms);
    char named[96];

    if (more != 0 && (flood.growth || flood.ratio)) {
        return refusal_set(d, REFUSAL_BUDGET, 0, 0,
                           "chain: %u tasks came within the hour, %u are queued, and %llu of all "
                           "are parts of chains "
                           "beside %llu planned ones; finish some first, or plan without a chain",
                           flood.came, s->in_state[TASK_QUEUED],
                           (unsigned long long)flood.generated, (unsigned long long)flood.planned);
    }
    most = most == 0 ? PLAN_CHAINS_MOST : most;
    if (more == 0 || (more <= most && s->open_chains <= most - more)) {
        return true;
    }
    name_open_chains(s, named, sizeof(named));
    return refusal_set(
        d, REFUSAL_BUDGET, 0, 0,
        "chain: at most %u are open at once, and %u are (%s); finish one first, plan "
        "without a chain, or ask for more with chains_most",
        most, s->open_chains, named);
}

/* --- expanding a task that is there --- */

/* What holds up the parent holds up the first part. */
static size_t copy_links(const struct session *s, uint32_t parent, uint32_t first,
                         struct event_link *links, size_t most)
{
    size_t count = 0;

    for (uint32_t at = graph_first_in(s->graph, parent); at != GRAPH_NONE && count < most;
         at = graph_next_in(s->graph, at)) {
        const struct graph_edge edge = graph_edge_at(s->graph, at);

        if (edge.kind <= GRAPH_ON_FAIL) {
            links[count++] = (struct event_link){
                .task = first,
                .on = edge.before,
                .kind = edge.kind == GRAPH_AFTER  ? EVENT_LINK_AFTER
                        : edge.kind == GRAPH_ENDS ? EVENT_LINK_ENDS
                                                  : EVENT_LINK_ON_FAIL,
            };
        }
    }
    return count;
}

bool deciding_expand(struct decision *d, struct fb_text agent, uint32_t parent, uint32_t most)
{
    const struct session *s = d->session;
    const struct task *task = &s->tasks[parent];
    const struct event_planned_task as_planned = {
        .title = fb_text_of(task->title),
        .key = fb_text_of(task->key),
        .accept = fb_text_of(task->accept),
        .weight = task->weight,
        .priority = task->priority,
        .defer_until_unix_ms = task->defer_until_ms,
    };
    struct event_planned_task *parts = fb_arena_zalloc(d->arena, CHAIN_PHASES, sizeof(*parts));
    struct event_link *links =
        fb_arena_zalloc(d->arena, CHAIN_LINKS + DECIDE_LINKS_MOST, sizeof(*links));
    struct fb_text needs[EVENT_CAPS];
    size_t need_count = 0;
    size_t link_count;

    if (task->phases != 0) {
        return deciding_emit(d, (struct event){.kind = EVENT_SEEN, .actor = agent});
    }
    if (task->state != TASK_QUEUED) {
        return refusal_set(d, REFUSAL_CONFLICT, parent, 0,
                           "task %u is %s; only a queued task is taken apart", parent,
                           task_state_name(task->state));
    }
    if (!deciding_chains_fit(d, 1, most)) {
        return false;
    }
    if (parts == NULL || links == NULL || !deciding_chain_tasks(d, parent, &as_planned, parts)) {
        return refusal_set(d, REFUSAL_BUDGET, parent, 0, "no memory; try again");
    }
    for (uint32_t cap = 0; cap < s->caps.count; cap++) {
        if ((task->needs >> cap & 1) != 0) {
            needs[need_count++] = s->caps.texts[cap];
        }
    }
    if (need_count != 0) {
        struct fb_text *kept = fb_arena_zalloc(d->arena, need_count, sizeof(*kept));

        if (kept == NULL) {
            return refusal_set(d, REFUSAL_BUDGET, parent, 0, "no memory; try again");
        }
        memcpy(kept, needs, need_count * sizeof(*kept));
        for (uint32_t i = 0; i < CHAIN_PHASES; i++) {
            parts[i].needs = (struct event_texts){.items = kept, .count = need_count};
        }
    }
    link_count = deciding_chain_links(parent, s->task_count + 1, links);
    link_count += copy_links(s, parent, s->task_count + 1, links + link_count, DECIDE_LINKS_MOST);
    d->task = s->task_count + 1;
    d->task_count = CHAIN_PHASES;
    return deciding_emit(d, (struct event){.kind = EVENT_PLANNED,
                                           .actor = agent,
                                           .planned = {.first_task = s->task_count + 1,
                                                       .tasks = parts,
                                                       .task_count = CHAIN_PHASES,
                                                       .links = links,
                                                       .link_count = link_count,
                                                       .items = CHAIN_PHASES}});
}

/* --- ending with the parts --- */

/* Whether the task or a part of it showed something. */
static bool has_evidence(const struct session *s, uint32_t number)
{
    if (s->tasks[number].evidence_count != 0) {
        return true;
    }
    for (uint32_t at = graph_first_in(s->graph, number); at != GRAPH_NONE;
         at = graph_next_in(s->graph, at)) {
        const struct graph_edge edge = graph_edge_at(s->graph, at);

        if (edge.kind == GRAPH_PARENT && s->tasks[edge.before].evidence_count != 0) {
            return true;
        }
    }
    return false;
}

static bool end_those_after(struct decision *d, uint32_t number)
{
    const struct session *s = d->session;

    for (uint32_t at = graph_first_out(s->graph, number); at != GRAPH_NONE;
         at = graph_next_out(s->graph, at)) {
        const uint32_t parent = graph_edge_at(s->graph, at).after;

        if (session_chain_is_done(s, parent) &&
            (!task_demands_evidence(&s->tasks[parent]) || has_evidence(s, parent)) &&
            !deciding_emit(d, (struct event){.kind = EVENT_FINISHED,
                                             .task = parent,
                                             .finished = {.outcome = EVENT_COMPLETED}})) {
            return false;
        }
    }
    return true;
}

bool deciding_end_chains(struct decision *d)
{
    for (size_t i = d->command_from; i < d->event_count; i++) {
        if (d->events[i].kind == EVENT_FINISHED && !end_those_after(d, d->events[i].task)) {
            return false;
        }
    }
    return true;
}

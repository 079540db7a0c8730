#include "services/worker/flow/runaway.h"

/* NULL when it is not remembered. */
static struct runaway_agent *find(struct runaway *runaway, uint32_t agent)
{
    for (size_t i = 0; i < RUNAWAY_AGENTS; i++) {
        if (runaway->agents[i].times != 0 && runaway->agents[i].agent == agent) {
            return &runaway->agents[i];
        }
    }
    return NULL;
}

/* A free place, or that of who has been quiet for longest. */
static struct runaway_agent *place_for(struct runaway *runaway)
{
    struct runaway_agent *quietest = &runaway->agents[0];

    for (size_t i = 0; i < RUNAWAY_AGENTS; i++) {
        struct runaway_agent *place = &runaway->agents[i];

        if (place->times == 0) {
            return place;
        }
        if (place->last_ms < quietest->last_ms) {
            quietest = place;
        }
    }
    return quietest;
}

static bool repeats(const struct runaway *runaway, const struct runaway_agent *agent,
                    const struct runaway_call *call, uint64_t hash, int64_t now_ms)
{
    return agent->call == hash && now_ms - agent->last_ms <= RUNAWAY_GAP_MS &&
           (!call->reads || agent->others == runaway->events - agent->own);
}

enum runaway_answer runaway_seen(struct runaway *runaway, const struct runaway_call *call,
                                 int64_t now_ms, uint32_t *times)
{
    const uint64_t hash =
        fb_hash_mix(fb_hash(call->operation.data, call->operation.size), call->arguments);
    struct runaway_agent *agent = find(runaway, call->agent);
    uint32_t row = 1;

    if (call->agent != NAMES_NONE) {
        if (agent == NULL) {
            agent = place_for(runaway);
            *agent = (struct runaway_agent){.agent = call->agent};
        }
        if (!repeats(runaway, agent, call, hash, now_ms)) {
            agent->times = 0;
            agent->first_ms = now_ms;
        }
        agent->call = hash;
        agent->others = runaway->events - agent->own;
        agent->last_ms = now_ms;
        row = ++agent->times;
    }
    if (times != NULL) {
        *times = row;
    }
    return row >= RUNAWAY_REFUSE ? RUNAWAY_REFUSED
           : row >= RUNAWAY_WARN ? RUNAWAY_WARNED
                                 : RUNAWAY_OK;
}

void runaway_event(struct runaway *runaway, uint32_t agent)
{
    struct runaway_agent *known = find(runaway, agent);

    runaway->events++;
    if (known != NULL) {
        known->own++;
    }
}

size_t runaway_agents(const struct runaway *runaway, int64_t now_ms,
                      const struct runaway_agent **agents, size_t most)
{
    size_t count = 0;

    for (size_t i = 0; i < RUNAWAY_AGENTS && count < most; i++) {
        const struct runaway_agent *agent = &runaway->agents[i];

        if (agent->times >= RUNAWAY_WARN && now_ms - agent->last_ms <= RUNAWAY_GAP_MS) {
            agents[count++] = agent;
        }
    }
    return count;
}

#include "services/worker/flow/ties.h"

enum { LINKS_MOST = 16, EVIDENCE_MOST = 16 };

struct schedule_agent ties_agent(const struct ties *ties)
{
    return (struct schedule_agent){
        .agent = ties->agent,
        .caps = ties->session->agents[ties->agent].caps,
        .ties = ties_of,
        .ties_arg = ties,
    };
}

static bool shares_evidence(const struct session_agent *agent, const struct task *task,
                            uint32_t *left)
{
    for (uint32_t i = task->evidence_count; i > 0 && *left > 0; i--, (*left)--) {
        const struct task_evidence *evidence = &task->evidence[i - 1];

        if (evidence->kind == EVENT_EVIDENCE_FILE &&
            session_agent_touched(agent, fb_text_of(evidence->ref))) {
            return true;
        }
    }
    return false;
}

unsigned ties_of(const void *arg, uint32_t number)
{
    const struct ties *ties = arg;
    const struct session *session = ties->session;
    const struct session_agent *agent = &session->agents[ties->agent];
    const struct task *task = &session->tasks[number];
    const struct task *last = session_task(session, agent->last_task);
    uint32_t evidence = agent->paths_seen == 0 ? 0 : EVIDENCE_MOST;
    uint32_t links = LINKS_MOST;
    unsigned set = 0;

    if (last != NULL && task->parent != 0 &&
        (task->parent == last->parent || task->parent == agent->last_task)) {
        set |= SCHEDULE_SAME_PARENT;
    }
    if (shares_evidence(agent, task, &evidence)) {
        set |= SCHEDULE_SHARED_EVIDENCE;
    }
    for (uint32_t at = graph_first_in(session->graph, number); at != GRAPH_NONE && links > 0;
         at = graph_next_in(session->graph, at), links--) {
        const struct graph_edge edge = graph_edge_at(session->graph, at);
        const struct task *before = &session->tasks[edge.before];

        if (edge.kind <= GRAPH_ON_FAIL && before->held_by == ties->agent + 1) {
            set |= SCHEDULE_HELD_PREDECESSOR;
        }
        if ((edge.kind <= GRAPH_ON_FAIL || edge.kind == GRAPH_FROM) &&
            shares_evidence(agent, before, &evidence)) {
            set |= SCHEDULE_SHARED_EVIDENCE;
        }
    }
    return set;
}

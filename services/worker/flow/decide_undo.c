#include "services/worker/flow/deciding.h"

#include <string.h>

enum { CANCELLED_MOST = 3000 /* tasks of a plan that is taken back */ };

static const struct fb_text undone = {.data = "taken back", .size = 10};

/* What is about to be taken back: the changes of one command. */
struct undoing {
    struct fb_text agent;
    uint32_t self;   /* the number of the agent, or NAMES_NONE */
    uint32_t number; /* of whose command it is */
    uint32_t from;   /* the first and the last of them, among the session's */
    uint32_t last;
    uint32_t
        first_task; /* tasks that were planned, whose links go with them: up to before `end_task` */
    uint32_t end_task;
    bool linked; /* links were changed */
};

static const struct change *change_at(const struct decision *d, uint32_t i)
{
    return changes_at(&d->session->changes, i);
}

static bool touches(const struct change *change, uint32_t task)
{
    if (change->kind == EVENT_PLANNED) {
        return task >= change->task && task - change->task < change->count;
    }
    return change->task == task;
}

/* Of the command, what is its agent's, and what the engine concluded from it. */
static bool belongs(const struct undoing *undoing, const struct change *change)
{
    return change->agent == undoing->number + 1 ||
           (change->agent == 0 && change->kind == EVENT_FINISHED);
}

/* The last command of the agent, or of whoever changed `task` last. */
static bool find_command(struct decision *d, uint32_t task, struct undoing *undoing)
{
    const struct changes *changes = &d->session->changes;
    uint32_t i = changes->count;

    while (i > 0 && !(change_at(d, i - 1)->agent != 0 &&
                      (task != 0 ? touches(change_at(d, i - 1), task)
                                 : change_at(d, i - 1)->agent == undoing->number + 1))) {
        i--;
    }
    if (i == 0 || change_at(d, i - 1)->command <= changes->forgotten) {
        return refusal_set(d, REFUSAL_NOT_READY, task, 0,
                           "nothing to take back: the last %d changes of the session have none of "
                           "yours that is whole; flow_edit changes what it should be",
                           CHANGES_MOST);
    }
    undoing->number = change_at(d, i - 1)->agent - 1;
    undoing->from = i - 1;
    undoing->last = i - 1;
    while (undoing->from > 0 &&
           change_at(d, undoing->from - 1)->command == change_at(d, i - 1)->command) {
        undoing->from--;
    }
    while (undoing->last + 1 < changes->count &&
           change_at(d, undoing->last + 1)->command == change_at(d, i - 1)->command) {
        undoing->last++;
    }
    for (i = undoing->from; i <= undoing->last; i++) {
        const struct change *change = change_at(d, i);

        if (!belongs(undoing, change)) {
            continue;
        }
        undoing->linked |= change->kind == EVENT_LINKED && change->link_count != 0;
        if (change->kind == EVENT_PLANNED) {
            undoing->first_task = undoing->first_task == 0 ? change->task : undoing->first_task;
            undoing->end_task = change->task + change->count;
        }
    }
    return true;
}

/* --- whether it can be --- */

static bool refuse(struct decision *d, const struct change *change, const char *why)
{
    const struct task *task = session_task(d->session, change->task);

    return refusal_set(d, REFUSAL_NOT_READY, change->task, 0,
                       "task %u is %s: %s; nothing was taken back", change->task,
                       task == NULL ? "not there" : task_state_name(task->state), why);
}

/* Whether a later command has changed what the edit or the links say. */
static bool is_covered(const struct decision *d, const struct undoing *undoing,
                       const struct change *change)
{
    for (uint32_t i = undoing->last + 1; i < d->session->changes.count; i++) {
        const struct change *later = change_at(d, i);

        if (later->kind == change->kind && later->task == change->task &&
            (change->kind == EVENT_LINKED || (later->fields & change->fields) != 0)) {
            return true;
        }
    }
    return false;
}

/* Whether a later command, or the end of a lease, has moved the task on. */
static bool has_moved_on(const struct decision *d, const struct undoing *undoing,
                         const struct change *change)
{
    for (uint32_t i = undoing->last + 1; i < d->session->changes.count; i++) {
        const struct change *later = change_at(d, i);

        if (later->task == change->task &&
            (later->kind == EVENT_CLAIMED || later->kind == EVENT_RESTED ||
             later->kind == EVENT_BLOCKED || later->kind == EVENT_REQUEUED ||
             later->kind == EVENT_FINISHED)) {
            return true;
        }
    }
    return false;
}

/* A task that is not of the plan but hangs on this one of it, or 0. */
static uint32_t stands_on(const struct session *s, const struct undoing *undoing, uint32_t task)
{
    for (uint32_t at = graph_first_out(s->graph, task); at != GRAPH_NONE;
         at = graph_next_out(s->graph, at)) {
        const struct graph_edge edge = graph_edge_at(s->graph, at);

        if (edge.kind <= GRAPH_ON_FAIL &&
            (edge.after < undoing->first_task || edge.after >= undoing->end_task)) {
            return edge.after;
        }
    }
    for (uint32_t at = graph_first_in(s->graph, task); at != GRAPH_NONE;
         at = graph_next_in(s->graph, at)) {
        const struct graph_edge edge = graph_edge_at(s->graph, at);

        if (edge.kind == GRAPH_PARENT &&
            (edge.before < undoing->first_task || edge.before >= undoing->end_task)) {
            return edge.before;
        }
    }
    return 0;
}

static bool may_cancel_plan(struct decision *d, const struct undoing *undoing,
                            const struct change *change)
{
    const struct session *s = d->session;

    if (undoing->end_task - undoing->first_task > CANCELLED_MOST) {
        return refusal_set(d, REFUSAL_BUDGET, change->task, 0,
                           "the plan has %u tasks; at most %d are taken back at once",
                           undoing->end_task - undoing->first_task, CANCELLED_MOST);
    }
    for (uint32_t i = change->task; i < change->task + change->count; i++) {
        const struct task *task = &s->tasks[i];

        if (task->held_by != 0 || task_has_ended(task->state)) {
            return refusal_set(d, REFUSAL_NOT_READY, i, 0,
                               "task %u of the plan is %s and was begun; cancel the others with "
                               "flow_edit; nothing was taken back",
                               i, task_state_name(task->state));
        }
        if (stands_on(s, undoing, i) != 0) {
            return refusal_set(d, REFUSAL_NOT_READY, i, stands_on(s, undoing, i),
                               "task %u hangs on task %u of the plan; drop that link first; "
                               "nothing was taken back",
                               stands_on(s, undoing, i), i);
        }
    }
    return true;
}

/* Whether the task may be the agent's again. */
static bool may_hold_again(struct decision *d, const struct undoing *undoing,
                           const struct change *change)
{
    const struct session *s = d->session;

    if (undoing->self == NAMES_NONE) {
        return refuse(d, change, "claim it with flow_next");
    }
    if (s->agents[undoing->self].held >= s->agents[undoing->self].held_most) {
        return refusal_wip(d, undoing->self);
    }
    return s->tasks[change->task].state == TASK_RESTING || deciding_may_claim(d, change->task);
}

static bool may_requeue_back(struct decision *d, const struct undoing *undoing,
                             const struct change *change)
{
    const struct task *task = &d->session->tasks[change->task];

    if (task->state != TASK_QUEUED || has_moved_on(d, undoing, change)) {
        return refuse(d, change, "it has moved on since");
    }
    switch (change->state) {
    case TASK_ACTIVE:
        return may_hold_again(d, undoing, change);
    case TASK_COMPLETED:
        return task->unmet == 0 || refuse(d, change, "something holds it up now");
    case TASK_CANCELLED:
        return true;
    default:
        return refuse(d, change, "a retry or an opened gate stays; claim it, or cancel it");
    }
}

static bool may_undo(struct decision *d, const struct undoing *undoing, const struct change *change)
{
    const struct task *task = session_task(d->session, change->task);

    switch (change->kind) {
    case EVENT_PLANNED:
        return may_cancel_plan(d, undoing, change);
    case EVENT_LINKED:
        if (undoing->first_task != 0) {
            return true;
        }
        if (change->links == NULL && change->link_count != 0) {
            return refuse(d, change, "too many links were changed at once");
        }
        return !is_covered(d, undoing, change) || refuse(d, change, "its links were changed since");
    case EVENT_EDITED:
        return !is_covered(d, undoing, change) || refuse(d, change, "it was edited since");
    case EVENT_CLAIMED:
        if (change->implicit) {
            return true;
        }
        if (task->state != TASK_ACTIVE || task->lease.fence != change->fence) {
            return refuse(d, change, "it has moved on since");
        }
        return undoing->self == undoing->number || refusal_held(d, change->task);
    case EVENT_RESTED:
        return (task->state == TASK_RESTING || refuse(d, change, "it has moved on since")) &&
               may_hold_again(d, undoing, change);
    case EVENT_BLOCKED:
        if (task->state == TASK_BLOCKED && task->blocker != 0 && !undoing->linked) {
            return refuse(d, change, "it was linked to its blocker before; drop the link");
        }
        return task->state == TASK_BLOCKED || refuse(d, change, "it has moved on since");
    case EVENT_REQUEUED:
        return may_requeue_back(d, undoing, change);
    case EVENT_FINISHED:
        return (task_has_ended(task->state) && !has_moved_on(d, undoing, change)) ||
               refuse(d, change, "it has moved on since");
    default:
        return true; /* a note stays said */
    }
}

/* --- taking it back --- */

static bool emit_links(struct decision *d, const struct undoing *undoing,
                       const struct change *change)
{
    struct event_link *links;

    if (undoing->first_task != 0 || change->link_count == 0) {
        return true;
    }
    links = fb_arena_zalloc(d->arena, change->link_count, sizeof(*links));
    if (links == NULL) {
        return refusal_set(d, REFUSAL_BUDGET, change->task, 0, "no memory; try again");
    }
    for (uint32_t i = 0; i < change->link_count; i++) {
        links[i] = change->links[i];
        links[i].dropped = !links[i].dropped;
    }
    return deciding_emit(
        d, (struct event){.kind = EVENT_LINKED,
                          .actor = undoing->agent,
                          .linked = {.links = links, .link_count = change->link_count}});
}

static bool emit_finished(struct decision *d, struct fb_text agent, uint32_t task,
                          enum event_outcome outcome)
{
    if (outcome != EVENT_CANCELLED && !deciding_claim_implied(d, agent, task)) {
        return false;
    }
    return deciding_emit(
        d, (struct event){
               .kind = EVENT_FINISHED,
               .actor = agent,
               .task = task,
               .finished = {.outcome = outcome, .fence = d->session->tasks[task].lease.fence}});
}

static bool emit_requeued(struct decision *d, struct fb_text agent, uint32_t task,
                          enum event_cause cause)
{
    return deciding_emit(d, (struct event){.kind = EVENT_REQUEUED,
                                           .actor = agent,
                                           .task = task,
                                           .requeued = {.cause = cause, .reason = undone}});
}

/* The last first, so that what goes holds up nobody who stays. */
static bool emit_cancelled(struct decision *d, struct fb_text agent, const struct change *change)
{
    for (uint32_t i = change->task + change->count; i-- > change->task;) {
        if (!emit_finished(d, agent, i, EVENT_CANCELLED)) {
            return false;
        }
    }
    return true;
}

static bool emit_edited(struct decision *d, struct fb_text agent, const struct change *change)
{
    return deciding_emit(d,
                         (struct event){.kind = EVENT_EDITED,
                                        .actor = agent,
                                        .task = change->task,
                                        .edited = {.fields = change->fields,
                                                   .title = fb_text_of(change->title),
                                                   .body = fb_text_of(change->body),
                                                   .accept = fb_text_of(change->accept),
                                                   .weight = change->weight,
                                                   .priority = change->priority,
                                                   .defer_until_unix_ms = change->defer_until_ms}});
}

/* Back from the queue to what it was. */
static bool emit_requeued_back(struct decision *d, struct fb_text agent,
                               const struct change *change)
{
    switch (change->state) {
    case TASK_ACTIVE:
        return deciding_claim(d, agent, change->task);
    case TASK_COMPLETED:
        return emit_finished(d, agent, change->task, EVENT_COMPLETED);
    default:
        return emit_finished(d, agent, change->task, EVENT_CANCELLED);
    }
}

static bool emit_opposite(struct decision *d, const struct undoing *undoing,
                          const struct change *change)
{
    const struct task *task = session_task(d->session, change->task);

    switch (change->kind) {
    case EVENT_PLANNED:
        return emit_cancelled(d, undoing->agent, change);
    case EVENT_EDITED:
        return emit_edited(d, undoing->agent, change);
    case EVENT_CLAIMED:
        /* What was finished with it is in the queue again by now. */
        return task->state != TASK_ACTIVE ||
               emit_requeued(d, undoing->agent, change->task, EVENT_HANDED_BACK);
    case EVENT_RESTED:
        return deciding_claim(d, undoing->agent, change->task);
    case EVENT_BLOCKED:
        /* With the link to its blocker gone it is in the queue already. */
        return task->state != TASK_BLOCKED || task->blocker != 0 ||
               emit_requeued(d, undoing->agent, change->task, EVENT_RESTORED);
    case EVENT_REQUEUED:
        return emit_requeued_back(d, undoing->agent, change);
    case EVENT_FINISHED:
        return emit_requeued(d, undoing->agent, change->task,
                             task->state == TASK_COMPLETED ? EVENT_REOPENED : EVENT_RESTORED);
    default:
        return true;
    }
}

static bool is_only_said(const struct decision *d, const struct undoing *undoing)
{
    for (uint32_t i = undoing->from; i <= undoing->last; i++) {
        if (belongs(undoing, change_at(d, i)) && change_at(d, i)->kind != EVENT_NOTED) {
            return false;
        }
    }
    return true;
}

static const char *sentence_of(struct decision *d, const struct undoing *undoing)
{
    static const struct {
        const char *what;
        enum event_kind kind;
    } said[] = {
        /* the first that occurs says it best */
        {"the plan", EVENT_PLANNED},    {"the end", EVENT_FINISHED},
        {"the rest", EVENT_RESTED},     {"the block", EVENT_BLOCKED},
        {"the return", EVENT_REQUEUED}, {"the claim", EVENT_CLAIMED},
        {"the edit", EVENT_EDITED},     {"the change of links", EVENT_LINKED},
    };

    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        for (uint32_t j = undoing->from; j <= undoing->last; j++) {
            const struct change *change = change_at(d, j);

            if (belongs(undoing, change) && change->kind == said[i].kind) {
                return fb_arena_printf(d->arena, "%s of task %u by %.*s was taken back",
                                       said[i].what, change->task,
                                       (int)d->session->agent_names.texts[undoing->number].size,
                                       d->session->agent_names.texts[undoing->number].data);
            }
        }
    }
    return "";
}

static char *copy_text(struct decision *d, const char *text, bool *failed)
{
    char *copy = text == NULL ? NULL : fb_arena_copy(d->arena, text, strlen(text));

    *failed |= text != NULL && copy == NULL;
    return copy;
}

/* The changes as they are now: what takes them back pushes them out of the session's. */
static bool copy_changes(struct decision *d, const struct undoing *undoing, struct change *copies)
{
    bool failed = false;

    for (uint32_t i = undoing->from; i <= undoing->last; i++) {
        struct change *copy = &copies[i - undoing->from];

        *copy = *change_at(d, i);
        copy->title = copy_text(d, copy->title, &failed);
        copy->body = copy_text(d, copy->body, &failed);
        copy->accept = copy_text(d, copy->accept, &failed);
        if (copy->links != NULL) {
            const size_t size = copy->link_count * sizeof(*copy->links);
            struct event_link *links = fb_arena_alloc(d->arena, size);

            failed |= links == NULL;
            if (links != NULL) {
                memcpy(links, copy->links, size);
            }
            copy->links = links;
        }
    }
    return !failed || refusal_set(d, REFUSAL_BUDGET, 0, 0, "no memory; try again");
}

static bool undo(struct decision *d, const struct undo_command *command)
{
    struct undoing undoing = {.agent = command->agent,
                              .self = session_agent_of(d->session, command->agent)};
    struct change *changes;
    uint32_t count;

    if (command->task != 0 && !deciding_knows(d, command->task)) {
        return false;
    }
    undoing.number = undoing.self;
    if (undoing.self == NAMES_NONE && command->task == 0) {
        return refusal_set(d, REFUSAL_NOT_READY, 0, 0,
                           "nothing to take back: you have done nothing in this session yet");
    }
    if (!find_command(d, command->task, &undoing)) {
        return false;
    }
    if (is_only_said(d, &undoing)) {
        return refusal_set(d, REFUSAL_NOT_READY, change_at(d, undoing.last)->task, 0,
                           "a note stays said; say what is so now with flow_pulse");
    }
    for (uint32_t i = undoing.last + 1; i-- > undoing.from;) {
        if (belongs(&undoing, change_at(d, i)) && !may_undo(d, &undoing, change_at(d, i))) {
            return false;
        }
    }
    count = undoing.last - undoing.from + 1;
    changes = fb_arena_zalloc(d->arena, count, sizeof(*changes));
    d->undone = sentence_of(d, &undoing);
    if (changes == NULL || d->undone == NULL) {
        return refusal_set(d, REFUSAL_BUDGET, 0, 0, "no memory; try again");
    }
    if (!copy_changes(d, &undoing, changes)) {
        return false;
    }
    /* Links first: only they can still fail, and then nothing has happened yet. */
    for (uint32_t i = count; i-- > 0;) {
        if (belongs(&undoing, &changes[i]) && changes[i].kind == EVENT_LINKED &&
            !emit_links(d, &undoing, &changes[i])) {
            return false;
        }
    }
    for (uint32_t i = count; i-- > 0;) {
        if (belongs(&undoing, &changes[i]) && !emit_opposite(d, &undoing, &changes[i])) {
            return false;
        }
    }
    d->task = d->task == 0 ? changes[0].task : d->task;
    return true;
}

bool decide_undo(struct decision *d, const struct undo_command *command)
{
    uint32_t about = 0;
    bool done;

    d->undone = "";
    if (!deciding_begin(d, command->agent, EVENT_COMMAND_UNDO)) {
        return d->repeated;
    }
    done = undo(d, command);
    about = d->task;
    return deciding_end(d, command->agent, about, done);
}

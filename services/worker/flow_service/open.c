/*
 * open: OpenSession, which tells an agent that knows nothing what it needs to go on.
 */
#include "services/worker/flow_service/flow_call.h"
#include "services/worker/flow_service/serve.h"
#include "services/worker/flow_service/warnings.h"

enum { HELD_MOST = 16, READY_MOST = 3, CONFLICTS_MOST = 8 };

static bool put_held(struct flow_call *f, const struct view *view,
                     Flowbalancer__V1__OpenSessionResponse *answer)
{
    uint32_t tasks[HELD_MOST];
    const size_t count = view_held(view, f->actor, tasks, HELD_MOST);

    answer->held = fb_arena_zalloc(f->arena, HELD_MOST, sizeof(*answer->held));
    for (size_t i = 0; answer->held != NULL && i < count; i++) {
        answer->held[i] = view_claim(view, tasks[i], true);
        if (answer->held[i] == NULL) {
            return false;
        }
    }
    answer->n_held = count;
    return answer->held != NULL;
}

static bool put_ready(struct flow_call *f, const struct view *view,
                      Flowbalancer__V1__OpenSessionResponse *answer)
{
    uint32_t tasks[READY_MOST];

    answer->n_ready = view_ready(view, f->actor, tasks, READY_MOST);
    answer->ready = view_tasks(view, tasks, answer->n_ready);
    return answer->ready != NULL;
}

static bool put_alarms(const struct view *view, Flowbalancer__V1__OpenSessionResponse *answer)
{
    answer->alarms = warnings_of(view, &answer->n_alarms);
    answer->line->alarms = (uint32_t)answer->n_alarms;
    return answer->alarms != NULL;
}

/* Both sides of merged changes; the newest are the ones to settle first. */
static bool put_conflicts(struct flow_call *f, const struct session *session,
                          Flowbalancer__V1__OpenSessionResponse *answer)
{
    const struct kept *kept = &session->kept;

    answer->conflicts = fb_arena_zalloc(f->arena, CONFLICTS_MOST, sizeof(char *));
    for (uint32_t i = kept->conflict_count;
         answer->conflicts != NULL && i > 0 && answer->n_conflicts < CONFLICTS_MOST; i--) {
        const struct kept_conflict *conflict = &kept->conflicts[i - 1];
        char *sentence =
            fb_arena_printf(f->arena,
                            "#%u: %s was changed on both sides; the other says \"%s\"; "
                            "Edit settles it",
                            conflict->task, conflict->field, conflict->other);

        if (sentence == NULL) {
            return false;
        }
        answer->conflicts[answer->n_conflicts++] = sentence;
    }
    return answer->conflicts != NULL;
}

static enum keeper_verdict decide(struct flow_call *f, struct decision *d)
{
    const Flowbalancer__V1__OpenSessionRequest *request =
        (const Flowbalancer__V1__OpenSessionRequest *)f->request;
    Flowbalancer__V1__OpenSessionResponse answer = FLOWBALANCER__V1__OPEN_SESSION_RESPONSE__INIT;
    struct open_command command = {
        .name = fb_text_of(request->name[0] == '\0' ? f->session : request->name),
        .agent = f->actor,
        .declares = request->declares,
        .held_most = request->wip,
        .active_most = request->active_most,
        .load_most = request->load_most,
        .automatic = request->auto_,
        .lease_ms = request->lease_ms,
        .share = request->share,
    };
    struct view view;

    if (!flow_texts(f, request->caps, request->n_caps, &command.caps)) {
        return flow_exhausted(f);
    }
    if (!decide_open(d, &command)) {
        return flow_refuse(f, d);
    }
    view = view_of(d);
    flow_meet_twins(f, d->session);
    answer.committed = flow_committed(f, d);
    answer.line = view_line(&view, f->session);
    answer.created = f->keeper.created;
    if (answer.committed == NULL || answer.line == NULL || !put_held(f, &view, &answer) ||
        !put_ready(f, &view, &answer) || !put_alarms(&view, &answer) ||
        !put_conflicts(f, d->session, &answer)) {
        return flow_exhausted(f);
    }
    return flow_answer(f, &answer.base);
}

static const struct flow_method method = {.decide = decide, .asks = true};

void serve_open_session(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__OpenSessionRequest *request =
        (const Flowbalancer__V1__OpenSessionRequest *)message;
    struct flow_call *f =
        flow_call_create(call, message, request->context, request->by, true, &method);

    if (f != NULL) {
        f->keeper.create = !request->must_exist;
        f->keeper.name = fb_text_of(request->name);
        flow_call_begin(f);
    }
}

/*
 * undo: Undo, which takes a whole mutation back.
 */
#include "services/worker/flow_service/effects.h"
#include "services/worker/flow_service/flow_call.h"
#include "services/worker/flow_service/serve.h"

static enum keeper_verdict answer_undo(struct flow_call *f, const struct decision *d,
                                       uint64_t before)
{
    Flowbalancer__V1__UndoResponse answer = FLOWBALANCER__V1__UNDO_RESPONSE__INIT;
    const struct view view = view_of(d);

    answer.committed = flow_committed(f, d);
    answer.undone = (char *)(d->undone == NULL ? "" : d->undone);
    if (d->task != 0) {
        answer.effects = effects_of(&view, d->task, before, true, &answer.n_effects);
    }
    return answer.committed == NULL || (d->task != 0 && answer.effects == NULL)
               ? flow_exhausted(f)
               : flow_answer(f, &answer.base);
}

static enum keeper_verdict decide(struct flow_call *f, struct decision *d)
{
    const Flowbalancer__V1__UndoRequest *request =
        (const Flowbalancer__V1__UndoRequest *)f->request;
    const uint64_t before = d->session->events;
    struct undo_command command = {.agent = f->actor};

    if (!flow_task(f, d, request->task, "task", true, &command.task)) {
        return KEEPER_ANSWER;
    }
    if (!decide_undo(d, &command)) {
        return flow_refuse(f, d);
    }
    return answer_undo(f, d, before);
}

static const struct flow_method method = {.decide = decide};

void serve_undo(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__UndoRequest *request = (const Flowbalancer__V1__UndoRequest *)message;
    struct flow_call *f =
        flow_call_create(call, message, request->context, request->by, true, &method);

    if (f != NULL) {
        flow_call_begin(f);
    }
}

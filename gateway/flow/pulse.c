#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "gateway/flow/verbs.h"
#include "gateway/values.h"

enum { SECOND_MS = 1000 };

struct pulse_args {
    const char *session;
    struct flow_ref task;
    int64_t fence;
    const char *note;
    int64_t pct;
    int state;
    const char *blocker;
};

static const char *const states[] = {"active", "resting", "blocked", "queued", NULL};

static const Flowbalancer__V1__FlowPulse pulses[] = {
    FLOWBALANCER__V1__FLOW_PULSE__FLOW_PULSE_ACTIVE,
    FLOWBALANCER__V1__FLOW_PULSE__FLOW_PULSE_RESTING,
    FLOWBALANCER__V1__FLOW_PULSE__FLOW_PULSE_BLOCKED,
    FLOWBALANCER__V1__FLOW_PULSE__FLOW_PULSE_HAND_BACK,
};

static const struct flow_arg pulse_table[] = {
    {.name = "session",
     .kind = FLOW_ARG_TEXT,
     .at = offsetof(struct pulse_args, session),
     .required = true},
    {.name = "task",
     .kind = FLOW_ARG_TASK,
     .at = offsetof(struct pulse_args, task),
     .required = true},
    {.name = "fence",
     .kind = FLOW_ARG_WHOLE,
     .at = offsetof(struct pulse_args, fence),
     .required = true,
     .least = 0,
     .most = INT64_MAX},
    {.name = "note", .kind = FLOW_ARG_TEXT, .at = offsetof(struct pulse_args, note)},
    {.name = "pct",
     .kind = FLOW_ARG_WHOLE,
     .at = offsetof(struct pulse_args, pct),
     .least = 0,
     .most = 100},
    {.name = "state",
     .kind = FLOW_ARG_CHOICE,
     .at = offsetof(struct pulse_args, state),
     .choices = states},
    {.name = "blocker", .kind = FLOW_ARG_TEXT, .at = offsetof(struct pulse_args, blocker)},
    {.name = NULL},
};

/* A number or a key is one plain word; a question to somebody has several, or is no plain one. */
static bool is_word(const char *text)
{
    const char *c = text;

    while (*c > ' ' && *c <= '~' && *c != '?') {
        c++;
    }
    return *c == '\0' && c != text;
}

static void say_pulse(struct work *work)
{
    const Flowbalancer__V1__PulseResponse *reply = work_reply(work);
    struct fb_buffer *text = &work->text;
    struct fb_buffer *json = &work->json;

    if (reply->lease_ms > 0) {
        fb_buffer_string(text, "lease ");
        words_span(text, reply->lease_ms);
    } else {
        fb_buffer_string(text, "released");
    }
    fb_buffer_printf(text, ", momentum %" PRIu32, reply->momentum);
    fb_buffer_string(json, "{");
    words_number(json, "lease_s", reply->lease_ms / SECOND_MS);
    words_number(json, "momentum", reply->momentum);
    for (size_t i = 0; i < reply->n_alarms; i++) {
        fb_buffer_string(text, "\nalarm: ");
        words_alarm(text, reply->alarms[i]);
    }
    if (reply->n_alarms > 0) {
        words_alarms_json(json, reply->alarms, reply->n_alarms);
    }
    fb_buffer_string(json, "}");
    work_answer(work);
}

void verb_pulse(struct work *work, struct fb_text arguments)
{
    Flowbalancer__V1__PulseRequest request = FLOWBALANCER__V1__PULSE_REQUEST__INIT;
    struct pulse_args args = {.note = ""};
    struct flow_ref blocker = {.task = 0};

    if (!verb_read(work, pulse_table, arguments, &args)) {
        return;
    }
    if (args.blocker != NULL && is_word(args.blocker) && !flow_ref_of(args.blocker, &blocker)) {
        work_invalid(work, "blocker: wanted a task as \"#12\" or a key, or a question in words");
        return;
    }
    if (args.blocker != NULL && pulses[args.state] != pulses[2]) {
        if (args.state != 0) {
            work_invalid(work, "blocker: it goes with state blocked");
            return;
        }
        args.state = 2; /* who names a blocker is blocked */
    }
    request.context = work_context(work);
    request.by = work_by(work, (uint64_t)args.fence, 0);
    request.task = work_ref(work, &args.task);
    request.note = value_unconst(args.note);
    request.percent = (uint32_t)args.pct;
    request.state = pulses[args.state];
    request.blocker = work_ref(work, &blocker);
    if (args.blocker != NULL && request.blocker == NULL) {
        request.gate = value_unconst(args.blocker);
    }
    work_ask(work, &method_pulse, &request.base, say_pulse);
}

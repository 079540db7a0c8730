#include "clients/flowctl/sessions/session_call.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "clients/flowctl/connect.h"
#include "clients/flowctl/message_json.h"
#include "clients/flowctl/table.h"
#include "clients/flowctl/terminal.h"
#include "clients/flowctl/units.h"
#include "clients/session_id/session_id.h"
#include "runtime/base/clock.h"

enum { WORD_BYTES = 32 };

static char *unconst(const char *text)
{
    return (char *)(uintptr_t)text;
}

char *session_call_id(const struct run *run, const char *session)
{
    char id[FB_SESSION_ID_BYTES + 1];
    const char *agent;

    if (!fb_session_id_of_handle(session, id, &agent)) {
        terminal_complain("flowctl sessions ls lists those there are",
                          "a session is known by its id, a handle or its name");
        return NULL;
    }
    return fb_arena_copy(run->arena, id, strlen(id));
}

int session_call_begin(struct session_call *call, const struct run *run, const char *session,
                       const char *actor)
{
    *call = (struct session_call){.run = run, .answer = {.status = fb_ok}};
    flowbalancer__v1__call_context__init(&call->context);
    flowbalancer__v1__flow_mutation__init(&call->by);
    call->context.session = session == NULL ? unconst("") : session_call_id(run, session);
    if (call->context.session == NULL) {
        return EXIT_USAGE;
    }
    call->context.agent = fb_arena_printf(run->arena, "flowctl-%ld", (long)getpid());
    call->by.actor = unconst(actor == NULL ? "flowctl" : actor);
    call->by.request_id =
        fb_arena_printf(run->arena, "flowctl-%ld-%" PRId64, (long)getpid(), fb_clock_unix_ms());
    if (call->context.agent == NULL || call->by.request_id == NULL) {
        return EXIT_INTERNAL;
    }
    return connect_or_complain(run, "the router", run->router, &call->client);
}

int session_call_complain(struct session_call *call, struct fb_answer *answer)
{
    return connect_complain(call->run, "the router", call->run->router, answer);
}

int session_call_end_stream(struct session_call *call, struct fb_stream *stream)
{
    int code = EXIT_DONE;

    if (stream == NULL) {
        return EXIT_INTERNAL;
    }
    if (!fb_is_ok(fb_stream_answer(stream)->status)) {
        code = session_call_complain(call, fb_stream_answer(stream));
    }
    fb_stream_close(stream);
    return code;
}

void session_call_end(struct session_call *call)
{
    fb_answer_finish(&call->answer);
    fb_client_close(call->client);
}

void session_call_task(const char *word, Flowbalancer__V1__FlowTaskRef *ref)
{
    const char *digits = word + (word[0] == '#');
    uint64_t number;

    flowbalancer__v1__flow_task_ref__init(ref);
    if (fb_text_to_u64(fb_text_of(digits), &number) && number <= UINT32_MAX) {
        ref->ref_case = FLOWBALANCER__V1__FLOW_TASK_REF__REF_TASK;
        ref->task = (uint32_t)number;
    } else {
        ref->ref_case = FLOWBALANCER__V1__FLOW_TASK_REF__REF_KEY;
        ref->key = unconst(word);
    }
}

const char *session_state_word(Flowbalancer__V1__FlowState state)
{
    static const char *const words[] = {"", "resting", "warming", "flowing", "surging"};

    return (size_t)state < sizeof(words) / sizeof(words[0]) ? words[state] : "?";
}

const char *session_task_word(Flowbalancer__V1__FlowTaskState state)
{
    static const char *const words[] = {
        "", "queued", "active", "blocked", "resting", "completed", "failed", "cancelled",
    };

    return (size_t)state < sizeof(words) / sizeof(words[0]) ? words[state] : "?";
}

enum terminal_colour session_task_colour(const Flowbalancer__V1__FlowTask *task)
{
    switch (task->state) {
    case FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_ACTIVE:
        return task->suspect ? TERMINAL_WARN : TERMINAL_BOLD;
    case FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_BLOCKED:
        return TERMINAL_WARN;
    case FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_FAILED:
        return TERMINAL_BAD;
    case FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_COMPLETED:
        return TERMINAL_GOOD;
    case FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_CANCELLED:
        return TERMINAL_DIM;
    default:
        return TERMINAL_PLAIN;
    }
}

void session_print_line(const Flowbalancer__V1__FlowSessionLine *line)
{
    const bool is_named = line->name[0] != '\0' && strcmp(line->name, line->session) != 0;

    terminal_print("%s%s%s%s%s%s  %s %" PRIu32 "  progress %" PRIu32 " %%\n",
                   terminal_colour(TERMINAL_BOLD), line->session, terminal_colour(TERMINAL_PLAIN),
                   is_named ? " (" : "", is_named ? line->name : "", is_named ? ")" : "",
                   session_state_word(line->state), line->momentum, line->progress);
    terminal_print("%" PRIu32 " tasks: %" PRIu32 " ready, %" PRIu32 " active (load %" PRIu32
                   " of %" PRIu32 "), %" PRIu32 " blocked, %" PRIu32 " resting, %" PRIu32
                   " completed, %" PRIu32 " failed, %" PRIu32 " cancelled; %" PRIu32
                   " agent%s, event %" PRId64 "\n",
                   line->tasks, line->ready, line->active, line->load, line->load_most,
                   line->blocked, line->resting, line->completed, line->failed, line->cancelled,
                   line->agents, line->agents == 1 ? "" : "s", line->seq);
}

/* What a task waits for, or what stands about it that the state does not say. */
static void put_remark(struct table *table, const Flowbalancer__V1__FlowTask *task)
{
    if (task->suspect) {
        table_put(table, TERMINAL_WARN, "silent beyond its lease");
    } else if (task->stale_input) {
        table_put(table, TERMINAL_WARN, "builds on what was reopened");
    } else if (task->ready) {
        table_put(table, TERMINAL_PLAIN, "ready");
    } else if (task->waits_for != 0) {
        table_put(table, TERMINAL_DIM, "waits for #%" PRIu32, task->waits_for);
    } else if (task->gate[0] != '\0') {
        table_put(table, TERMINAL_WARN, "asks: %s", task->gate);
    } else {
        table_put(table, TERMINAL_PLAIN, "%s", "");
    }
}

/* What was declared; nobody has to declare that what is completed is so wholly. */
static uint32_t percent_of(const Flowbalancer__V1__FlowTask *task)
{
    return task->state == FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_COMPLETED
               ? 100
               : task->percent;
}

void session_print_tasks(Flowbalancer__V1__FlowTask *const *tasks, size_t count, int64_t now_ms)
{
    struct table table = {
        .headings = {"TASK", "STATE", "%", "M", "W", "P", "AGENT", "CHANGED", "", "TITLE"},
        .right = {true, false, true, true, true, true, false, true},
    };
    struct fb_buffer text = {.data = NULL};
    char room[UNITS_ROOM];

    for (size_t i = 0; i < count; i++) {
        const Flowbalancer__V1__FlowTask *task = tasks[i];
        const int64_t ago_ms = now_ms - task->updated_unix_ms;

        table_put(&table, TERMINAL_PLAIN, "#%" PRIu32, task->task);
        table_put(&table, session_task_colour(task), "%s", session_task_word(task->state));
        table_put(&table, TERMINAL_PLAIN, "%" PRIu32, percent_of(task));
        table_put(&table, TERMINAL_PLAIN, "%" PRIu32, task->momentum);
        table_put(&table, TERMINAL_PLAIN, "%" PRIu32, task->weight);
        table_put(&table, TERMINAL_PLAIN, "%" PRIu32, task->priority);
        table_put(&table, TERMINAL_PLAIN, "%s", task->agent);
        table_put(&table, TERMINAL_DIM, "%s", units_ms(ago_ms < 0 ? 0 : ago_ms, room));
        put_remark(&table, task);
        table_put(&table, TERMINAL_PLAIN, "%s", task->title);
    }
    table_render(&table, &text);
    terminal_write((struct fb_text){.data = text.data, .size = text.size});
    fb_buffer_finish(&text);
    table_finish(&table);
}

void session_print_alarms(Flowbalancer__V1__FlowAlarm *const *alarms, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const Flowbalancer__V1__FlowAlarm *alarm = alarms[i];
        char task[WORD_BYTES] = "";

        if (alarm->task != 0) {
            snprintf(task, sizeof(task), " #%" PRIu32, alarm->task);
        }
        terminal_print("%s%s%s%s%s%s: %s; %s\n", terminal_colour(TERMINAL_WARN), alarm->kind,
                       terminal_colour(TERMINAL_PLAIN), task, alarm->agent[0] == '\0' ? "" : " ",
                       alarm->agent, alarm->evidence, alarm->suggestion);
    }
}

static bool is_learned(const Flowbalancer__V1__FlowForecast *forecast)
{
    for (size_t i = 0; i < forecast->n_completion; i++) {
        if (forecast->completion[i]->labels > 0) {
            return true;
        }
    }
    return false;
}

void session_print_forecast(const Flowbalancer__V1__FlowForecast *forecast)
{
    char half[UNITS_ROOM];
    char most[UNITS_ROOM];

    if (forecast == NULL) {
        return;
    }
    for (size_t i = 0; i < forecast->n_completion; i++) {
        const Flowbalancer__V1__FlowCompletionForecast *one = forecast->completion[i];

        terminal_print("%s%s: %.0f %%", i == 0 ? "a completion within " : ", ",
                       units_ms(one->horizon_ms, half), 100 * one->probability);
        if (one->model) {
            terminal_print(" (skill %.2f)", one->skill);
        }
    }
    if (forecast->n_completion > 0) {
        terminal_print("%s\n", is_learned(forecast) ? "" : "; nothing is learned yet");
    }
    if (forecast->remaining_p50_ms > 0) {
        terminal_print("time left: %s, nine times in ten less than %s\n",
                       units_ms(forecast->remaining_p50_ms, half),
                       units_ms(forecast->remaining_p90_ms, most));
    }
}

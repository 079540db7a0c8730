#include "services/worker/flow_service/across.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/rpc/message.h"
#include "services/worker/flow_service/flow_call.h"
#include "services/worker/flow_service/serve.h"
#include "services/worker/sessions/store_id.h"
#include "services/worker/sessions/unsaid.h"

enum {
    STORE_MS = 10000, /* for an answer of the store, unless the caller's deadline is earlier */
    PAGE = 100,
    PAGE_MOST = 1000,
    SKIPPED_MOST = 9000, /* of a page that is begun in its midst */
};

/* In the arena of its call. */
struct across {
    struct flow_service *service;
    struct fb_call *call;
    struct fb_client_call *sent;

    /* of Find */
    const char *token; /* of the page; "" for the first */
    uint32_t skip;     /* tasks of it that were told before */
    uint32_t told;     /* of the page, those left out counted */
    bool failed;
};

/* --- what both share --- */

static int64_t deadline_of(const struct across *across)
{
    const int64_t own_ms = fb_loop_now_ms(across->service->loop) + STORE_MS;
    const int64_t caller_ms = fb_call_deadline_ms(across->call);

    return caller_ms < own_ms ? caller_ms : own_ms;
}

static void on_cancel(struct fb_call *call, void *arg)
{
    struct across *across = arg;

    if (across->sent != NULL) {
        fb_client_call_cancel(across->sent);
    }
    fb_call_finish(call, fb_fail(FB_CANCELLED, "the caller cancelled"));
}

static void on_drain(struct fb_call *call, void *arg)
{
    struct across *across = arg;

    (void)call;
    if (across->sent != NULL) {
        fb_client_call_resume(across->sent);
    }
}

static const struct fb_call_events call_events = {.on_cancel = on_cancel, .on_drain = on_drain};

static struct across *create(struct fb_call *call, const Flowbalancer__V1__CallContext *context,
                             struct fb_status status)
{
    struct across *across = fb_arena_zalloc(fb_call_arena(call), 1, sizeof(*across));

    if (fb_is_ok(status)) {
        status = flow_check_context(context, false);
    }
    if (fb_is_ok(status)) {
        status = flow_check_service(fb_call_self(call));
    }
    if (fb_is_ok(status) && across == NULL) {
        status = fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for another call");
    }
    if (!fb_is_ok(status)) {
        fb_call_finish(call, status);
        return NULL;
    }
    across->service = fb_call_self(call);
    across->call = call;
    return across;
}

/* --- a session --- */

static double decayed(const Flowbalancer__V1__SessionLine *line, int64_t now_ms)
{
    const int64_t silent_ms = now_ms > line->as_of_unix_ms ? now_ms - line->as_of_unix_ms : 0;
    const struct momentum momentum = {.value = line->momentum_permille / 1000.0};

    return momentum_at(&momentum, silent_ms < MOMENTUM_GAP_MS ? silent_ms : MOMENTUM_GAP_MS);
}

static void put_line(Flowbalancer__V1__FlowSessionLine *shown,
                     const Flowbalancer__V1__SessionLine *line, int64_t now_ms)
{
    uint32_t *const places[TASK_STATES] = {
        [TASK_ACTIVE] = &shown->active,   [TASK_BLOCKED] = &shown->blocked,
        [TASK_RESTING] = &shown->resting, [TASK_COMPLETED] = &shown->completed,
        [TASK_FAILED] = &shown->failed,   [TASK_CANCELLED] = &shown->cancelled,
    };
    const double momentum = decayed(line, now_ms);
    const enum flow_state state =
        line->flow_state < FLOW_STATES ? (enum flow_state)line->flow_state : FLOW_RESTING;

    for (size_t i = 0; i < line->n_tasks_by_state; i++) {
        shown->tasks += line->tasks_by_state[i];
        if (i < TASK_STATES && places[i] != NULL) {
            *places[i] = line->tasks_by_state[i];
        }
    }
    shown->momentum = (uint32_t)momentum_percent(momentum);
    shown->state = view_flow_state(flow_state_next(
        state, momentum, now_ms > line->as_of_unix_ms ? now_ms - line->as_of_unix_ms : 0));
    shown->progress = (line->progress_permille + 5) / 10;
    shown->ready = line->ready;
    shown->agents = line->agents;
    shown->alarms = (uint32_t)line->n_alarms;
}

Flowbalancer__V1__FlowSessionLine *across_line(const Flowbalancer__V1__SessionInfo *info,
                                               int64_t now_ms, struct fb_arena *arena)
{
    Flowbalancer__V1__FlowSessionLine *shown = fb_arena_alloc(arena, sizeof(*shown));

    if (shown == NULL) {
        return NULL;
    }
    flowbalancer__v1__flow_session_line__init(shown);
    shown->session = (char *)store_id_session(info->session_id);
    shown->name = info->name[0] == '\0' ? shown->session : info->name;
    shown->seq = info->last_sequence;
    shown->created_unix_ms = info->created_unix_ms;
    shown->updated_unix_ms = info->updated_unix_ms;
    if (info->line != NULL) {
        put_line(shown, info->line, now_ms);
    }
    return shown;
}

/* --- ListSessions --- */

static void on_list(void *arg, const struct fb_call_end *end, const ProtobufCMessage *reply)
{
    const Flowbalancer__V1__ListSessionsResponse *list =
        (const Flowbalancer__V1__ListSessionsResponse *)reply;
    struct across *across = arg;
    struct fb_arena *arena = fb_call_arena(across->call);
    Flowbalancer__V1__ListFlowSessionsResponse answer =
        FLOWBALANCER__V1__LIST_FLOW_SESSIONS_RESPONSE__INIT;

    across->sent = NULL;
    if (list == NULL) {
        fb_call_finish(across->call, end->status);
        return;
    }
    answer.next_page_token = list->next_page_token;
    answer.sessions = fb_arena_zalloc(arena, list->n_sessions + 1, sizeof(*answer.sessions));
    for (size_t i = 0; answer.sessions != NULL && i < list->n_sessions; i++) {
        answer.sessions[i] = across_line(list->sessions[i], fb_clock_unix_ms(), arena);
        if (answer.sessions[i] == NULL) {
            answer.sessions = NULL;
            break;
        }
        answer.n_sessions++;
    }
    if (answer.sessions == NULL) {
        fb_call_finish(across->call, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the answer"));
        return;
    }
    fb_call_reply(across->call, &answer.base);
}

void serve_list_sessions(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__ListFlowSessionsRequest *request =
        (const Flowbalancer__V1__ListFlowSessionsRequest *)message;
    Flowbalancer__V1__ListSessionsRequest asked = FLOWBALANCER__V1__LIST_SESSIONS_REQUEST__INIT;
    struct across *across = create(call, request->context,
                                   request->page_size > PAGE_MOST
                                       ? fb_fail(FB_INVALID_ARGUMENT, "page_size is at most 1,000")
                                       : fb_ok);
    struct fb_call_plan plan = {
        .path = "/flowbalancer.v1.SessionStoreService/ListSessions",
        .wait_for_ready = true,
    };

    if (across == NULL) {
        return;
    }
    asked.scope = request->context->scope;
    asked.name_prefix = request->prefix;
    asked.page_size = request->page_size;
    asked.page_token = request->page_token;
    asked.order = FLOWBALANCER__V1__SESSION_ORDER__SESSION_ORDER_UPDATED;
    plan.deadline_ms = deadline_of(across);
    fb_call_watch(call, &call_events, across);
    across->sent =
        fb_channel_unary(keeper_channel(across->service->keeper), &plan, &asked.base,
                         &flowbalancer__v1__list_sessions_response__descriptor, on_list, across);
    if (across->sent == NULL) {
        fb_call_finish(call, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for another call"));
    }
}

/* --- Find --- */

struct fb_status across_check(const struct search *search)
{
    const struct where *where = &search->where;

    if (where->parent != 0 || where->after != 0 || where->before != 0 || where->number.asked ||
        where->has != 0) {
        return fb_fail(FB_INVALID_ARGUMENT,
                       "where: parent: after: before: #: and has: are of one session; name the "
                       "session, or leave them out");
    }
    if (search->order == SEARCH_SCHEDULE || search->order == SEARCH_NUMBER) {
        return fb_fail(
            FB_INVALID_ARGUMENT,
            "order: across sessions it is rank or updated; name a session for the others");
    }
    if (search->order == SEARCH_RANK && search->words.count == 0) {
        return fb_fail(FB_INVALID_ARGUMENT, "order: rank needs words in q");
    }
    return fb_ok;
}

/* A cursor is how many tasks of a page were told, a colon, and the store's token of that page. */
static bool read_cursor(struct across *across, const char *cursor)
{
    const char *colon = strchr(cursor, ':');
    uint64_t skip;

    across->token = "";
    if (cursor[0] == '\0') {
        return true;
    }
    if (colon == NULL ||
        !fb_text_to_u64((struct fb_text){.data = cursor, .size = (size_t)(colon - cursor)},
                        &skip) ||
        skip > SKIPPED_MOST) {
        return false;
    }
    across->skip = (uint32_t)skip;
    across->token = colon + 1;
    return true;
}

/* Matches are marked by the store, and not by us; its snippets are as long as their words. */
static char *unmarked(const char *snippet, struct fb_arena *arena)
{
    char *copy = fb_arena_copy(arena, snippet, strlen(snippet));
    size_t size = 0;

    for (const char *from = copy; copy != NULL && *from != '\0'; from++) {
        if (*from != '\x02' && *from != '\x03') {
            copy[size++] = *from;
        }
    }
    return copy == NULL ? NULL
                        : words_snippet((struct fb_text){.data = copy, .size = size}, 0, arena);
}

static Flowbalancer__V1__FlowTask *show_task(const Flowbalancer__V1__TaskLine *line,
                                             struct fb_arena *arena)
{
    Flowbalancer__V1__FlowTask *shown = fb_arena_alloc(arena, sizeof(*shown));

    if (shown == NULL) {
        return NULL;
    }
    flowbalancer__v1__flow_task__init(shown);
    shown->task = line->number;
    shown->ready = line->state == UNSAID_READY;
    shown->state = shown->ready ? FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_QUEUED
                   : line->state < TASK_STATES
                       ? view_task_state((enum task_state)line->state)
                       : FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_UNSPECIFIED;
    shown->weight = line->weight;
    shown->priority = line->priority;
    shown->percent = line->percent;
    shown->parent = line->parent;
    shown->agent = line->agent;
    shown->updated_unix_ms = line->updated_unix_ms;
    if (line->texts != NULL) {
        shown->key = line->texts->key;
        shown->title = line->texts->title;
    }
    return shown;
}

static bool tell(struct across *across, const Flowbalancer__V1__SearchTasksResponse *part,
                 struct fb_arena *arena)
{
    Flowbalancer__V1__FindResponse answer = FLOWBALANCER__V1__FIND_RESPONSE__INIT;
    Flowbalancer__V1__FlowFound *all = fb_arena_zalloc(arena, part->n_tasks + 1, sizeof(*all));

    answer.found = fb_arena_zalloc(arena, part->n_tasks + 1, sizeof(*answer.found));
    if (all == NULL || answer.found == NULL) {
        return false;
    }
    for (size_t i = 0; i < part->n_tasks; i++) {
        Flowbalancer__V1__FlowFound *found = &all[answer.n_found];
        const bool last = part->done && i + 1 == part->n_tasks;

        if (++across->told <= across->skip) {
            continue;
        }
        flowbalancer__v1__flow_found__init(found);
        found->session = (char *)store_id_session(part->tasks[i]->session_id);
        found->task = show_task(part->tasks[i]->task, arena);
        found->snippet = unmarked(part->tasks[i]->snippet, arena);
        if (!last) {
            found->cursor = fb_arena_printf(arena, "%u:%s", across->told, across->token);
        } else if (part->next_page_token[0] != '\0') {
            found->cursor = fb_arena_printf(arena, "0:%s", part->next_page_token);
        }
        if (found->task == NULL || found->snippet == NULL || found->cursor == NULL) {
            return false;
        }
        answer.found[answer.n_found++] = found;
    }
    if ((answer.n_found > 0 || part->done) && !fb_call_send(across->call, &answer.base)) {
        fb_client_call_pause(across->sent);
    }
    return true;
}

static void on_found(struct fb_client_call *sent, void *arg, const uint8_t *data, size_t size)
{
    struct across *across = arg;
    ProtobufCMessage *message = NULL;
    struct fb_arena arena;

    (void)sent;
    fb_arena_init(&arena, 0);
    if (!across->failed &&
        (!fb_is_ok(fb_message_unpack(&flowbalancer__v1__search_tasks_response__descriptor, data,
                                     size, 0, &arena, &message)) ||
         !tell(across, (const Flowbalancer__V1__SearchTasksResponse *)message, &arena))) {
        across->failed = true;
    }
    fb_arena_finish(&arena);
}

static void on_found_end(struct fb_client_call *sent, void *arg, const struct fb_call_end *end)
{
    struct across *across = arg;

    (void)sent;
    across->sent = NULL;
    fb_call_finish(across->call, across->failed
                                     ? fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the answer")
                                     : end->status);
}

static const struct fb_client_call_events found_events = {
    .on_message = on_found,
    .on_end = on_found_end,
};

static void ask_store(struct across *across, const Flowbalancer__V1__FindRequest *request,
                      const struct search *search)
{
    const struct where *where = &search->where;
    struct fb_arena *arena = fb_call_arena(across->call);
    Flowbalancer__V1__SearchTasksRequest asked = FLOWBALANCER__V1__SEARCH_TASKS_REQUEST__INIT;
    const struct fb_call_plan plan = {
        .path = "/flowbalancer.v1.SessionStoreService/SearchTasks",
        .deadline_ms = deadline_of(across),
        .wait_for_ready = true,
    };
    uint32_t states[TASK_STATES + 1];

    asked.scope = request->context->scope;
    asked.text = request->q;
    asked.agent = fb_arena_copy(arena, where->agent.data, where->agent.size);
    asked.key_prefix = fb_arena_copy(arena, where->key.data, where->key.size);
    asked.states = states;
    for (uint32_t i = 0; i < TASK_STATES; i++) {
        if ((where->states >> i & 1) != 0) {
            states[asked.n_states++] = i;
        }
    }
    if (where->ready || (where->states >> TASK_QUEUED & 1) != 0) {
        states[asked.n_states++] = UNSAID_READY;
    }
    asked.priority_least = where->priority.least;
    asked.priority_below = where->priority.asked ? where->priority.most + 1 : 0;
    asked.weight_least = where->weight.least;
    asked.weight_most = where->weight.most;
    asked.updated_since_unix_ms = where->since_ms == 0 ? 0 : fb_clock_unix_ms() - where->since_ms;
    asked.order = search->order == SEARCH_RANK ? FLOWBALANCER__V1__TASK_ORDER__TASK_ORDER_RANK
                                               : FLOWBALANCER__V1__TASK_ORDER__TASK_ORDER_UPDATED;
    asked.page_size = across->skip + (request->page_size == 0 ? PAGE : request->page_size);
    asked.page_token = (char *)across->token;
    across->sent = asked.agent == NULL || asked.key_prefix == NULL
                       ? NULL
                       : fb_channel_call(keeper_channel(across->service->keeper), &plan,
                                         &found_events, across);
    if (across->sent == NULL) {
        fb_call_finish(across->call, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to search"));
        return;
    }
    fb_call_watch(across->call, &call_events, across);
    fb_client_call_send(across->sent, &asked.base);
    fb_client_call_half_close(across->sent);
}

void find_across(struct fb_call *call, const Flowbalancer__V1__FindRequest *request,
                 const struct search *search)
{
    struct across *across = create(call, request->context, across_check(search));

    if (across == NULL) {
        return;
    }
    if (!read_cursor(across, request->cursor)) {
        fb_call_finish(call,
                       fb_fail(FB_INVALID_ARGUMENT,
                               "cursor is not one of this search: all else has to be as it was"));
        return;
    }
    ask_store(across, request, search);
}

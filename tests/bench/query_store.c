#include "tests/bench/query_data.h"

#include <stdlib.h>
#include <string.h>

#include "clients/c/session_store.h"
#include "runtime/rpc/h2/h2.h"

static void *store_open_client(const char *where)
{
    const struct fb_client_config config = {.target = where, .transport = &fb_h2};
    struct fb_client *client = NULL;
    struct fb_status status = fb_client_open(&config, &client);

    if (!fb_is_ok(status)) {
        query_fail(where, status.why);
    }
    return client;
}

/* A session with one event, its tasks shown with it. */
static void store_put(struct fb_client *client, size_t first, size_t end, size_t count)
{
    static const struct fb_client_options patient = {.wait_for_ready = true};
    Flowbalancer__V1__AcquireSessionRequest acquire =
        FLOWBALANCER__V1__ACQUIRE_SESSION_REQUEST__INIT;
    Flowbalancer__V1__AppendEventsRequest append = FLOWBALANCER__V1__APPEND_EVENTS_REQUEST__INIT;
    Flowbalancer__V1__NewEvent event = FLOWBALANCER__V1__NEW_EVENT__INIT;
    Flowbalancer__V1__NewEvent *events[] = {&event};
    Flowbalancer__V1__Projection projection = FLOWBALANCER__V1__PROJECTION__INIT;
    Flowbalancer__V1__SessionLine line = FLOWBALANCER__V1__SESSION_LINE__INIT;
    Flowbalancer__V1__TaskLine lines[TASKS_OF_SESSION];
    Flowbalancer__V1__TaskLine *tasks[TASKS_OF_SESSION];
    Flowbalancer__V1__TaskTexts texts[TASKS_OF_SESSION];
    struct query_task made[TASKS_OF_SESSION];
    const Flowbalancer__V1__AcquireSessionResponse *acquired;
    struct fb_answer answer = {.status = fb_ok};
    uint32_t by_state[7] = {0};

    for (size_t i = first; i < end; i++) {
        size_t at = i - first;

        made[at] = query_task_of(i, count);
        flowbalancer__v1__task_line__init(&lines[at]);
        flowbalancer__v1__task_texts__init(&texts[at]);
        lines[at].number = made[at].number;
        lines[at].state = made[at].state;
        lines[at].weight = made[at].weight;
        lines[at].priority = made[at].priority;
        lines[at].agent = made[at].agent;
        lines[at].updated_unix_ms = made[at].updated_unix_ms;
        lines[at].texts = &texts[at];
        texts[at].title = made[at].title;
        texts[at].body = made[at].body;
        tasks[at] = &lines[at];
        by_state[made[at].state] += 1;
    }
    acquire.session_id = made[0].session;
    acquire.name = made[0].session;
    acquire.owner = acquire.session_id;
    acquire.create = true;
    acquired = fb_session_store_acquire_session(client, &acquire, &patient, &answer);
    if (acquired == NULL) {
        query_fail("AcquireSession", answer.status.why);
    }
    line.tasks_by_state = by_state;
    line.n_tasks_by_state = 7;
    line.progress_permille = (uint32_t)(by_state[4] * 1000 / (end - first));
    projection.sequence = 1;
    projection.line = &line;
    projection.tasks = tasks;
    projection.n_tasks = end - first;
    append.session_id = acquire.session_id;
    append.epoch = acquired->epoch;
    append.request_id = (char *)(uintptr_t) "plan";
    append.events = events;
    append.n_events = 1;
    append.projection = &projection;
    if (fb_session_store_append_events(client, &append, NULL, &answer) == NULL) {
        query_fail("AppendEvents", answer.status.why);
    }
    fb_answer_finish(&answer);
}

static void *store_open(const char *where, size_t count)
{
    struct fb_client *client = store_open_client(where);

    for (size_t first = 0; first < count; first += TASKS_OF_SESSION) {
        store_put(client, first,
                  first + TASKS_OF_SESSION < count ? first + TASKS_OF_SESSION : count, count);
    }
    return client;
}

static size_t store_list(struct fb_client *client)
{
    Flowbalancer__V1__ListSessionsRequest request = FLOWBALANCER__V1__LIST_SESSIONS_REQUEST__INIT;
    const Flowbalancer__V1__ListSessionsResponse *response;
    struct fb_answer answer = {.status = fb_ok};
    size_t count;

    request.order = FLOWBALANCER__V1__SESSION_ORDER__SESSION_ORDER_UPDATED;
    request.page_size = ANSWERS_MOST;
    response = fb_session_store_list_sessions(client, &request, NULL, &answer);
    if (response == NULL) {
        query_fail("ListSessions", answer.status.why);
    }
    count = response->n_sessions;
    fb_answer_finish(&answer);
    return count;
}

static size_t store_ask(void *self, const struct query *query)
{
    Flowbalancer__V1__SearchTasksRequest request = FLOWBALANCER__V1__SEARCH_TASKS_REQUEST__INIT;
    uint32_t state = (uint32_t)query->state;
    const Flowbalancer__V1__SearchTasksResponse *response;
    struct fb_stream *stream;
    size_t count = 0;

    if (query->of_sessions) {
        return store_list(self);
    }
    request.page_size = ANSWERS_MOST;
    if (query->word != NULL) {
        request.text = (char *)(uintptr_t)(query->text != NULL ? query->text : query->word);
    }
    if (query->session != NULL) {
        request.session_id = (char *)(uintptr_t)query->session;
    }
    if (query->agent != NULL) {
        request.agent = (char *)(uintptr_t)query->agent;
    }
    if (query->state >= 0) {
        request.states = &state;
        request.n_states = 1;
    }
    stream = fb_session_store_search_tasks(self, &request, NULL);
    while ((response = fb_session_store_search_tasks_next(stream)) != NULL) {
        count += response->n_tasks;
    }
    if (!fb_is_ok(fb_stream_answer(stream)->status)) {
        query_fail("SearchTasks", fb_stream_answer(stream)->status.why);
    }
    fb_stream_close(stream);
    return count;
}

static void store_close(void *self)
{
    fb_client_close(self);
}

const struct query_way query_store = {"store", store_open, store_ask, store_close};

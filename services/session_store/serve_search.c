#include "services/session_store/serving.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "services/session_store/search_text.h"

enum { FOUND_AT_ONCE = 256 }; /* tasks in one message, as the contract says, and in one look */

/* SearchTasks on its way: look by look until the page is full. */
struct search {
    struct stream stream;
    size_t left; /* tasks that the page has room for */
    bool done;   /* was sent */
};

/* --- where a page ends --- */

static uint64_t bits_of(double number)
{
    uint64_t bits;

    memcpy(&bits, &number, sizeof(bits));
    return bits;
}

static double number_of(uint64_t bits)
{
    double number;

    memcpy(&number, &bits, sizeof(number));
    return number;
}

/* A page token is the place of the last task: three numbers of 16 hex digits. */
static char *place_token(struct fb_arena *arena, struct engine_place place)
{
    return fb_arena_printf(arena, "%016" PRIx64 "%016" PRIx64 "%016" PRIx64, bits_of(place.first),
                           bits_of(place.second), (uint64_t)place.id);
}

/* Undoes place_token; false for what it did not make. */
static bool place_read(const char *token, struct engine_place *place)
{
    uint64_t numbers[3] = {0, 0, 0};

    if (strlen(token) != 48 || strspn(token, "0123456789abcdef") != 48) {
        return false;
    }
    for (size_t i = 0; i < 48; i++) {
        unsigned digit = (unsigned)(token[i] <= '9' ? token[i] - '0' : token[i] - 'a' + 10);

        numbers[i / 16] = numbers[i / 16] << 4 | digit;
    }
    *place =
        (struct engine_place){number_of(numbers[0]), number_of(numbers[1]), (int64_t)numbers[2]};
    return isfinite(place->first) && isfinite(place->second) && place->id >= 0;
}

/* --- the answers --- */

static void found_of(const struct engine_found *found, bool ranked,
                     Flowbalancer__V1__FoundTask *message, Flowbalancer__V1__TaskLine *task,
                     Flowbalancer__V1__TaskTexts *texts)
{
    flowbalancer__v1__found_task__init(message);
    flowbalancer__v1__task_line__init(task);
    flowbalancer__v1__task_texts__init(texts);
    /* protobuf-c has no word for borrowed text; packing only reads it. */
    message->session_id = (char *)(uintptr_t)found->session_id;
    message->session_name = (char *)(uintptr_t)found->session_name;
    message->snippet = (char *)(uintptr_t)found->snippet;
    message->rank = ranked ? -found->place.first : 0;
    message->task = task;
    task->number = found->task.number;
    task->state = found->task.state;
    task->weight = found->task.weight;
    task->priority = found->task.priority;
    task->percent = found->task.percent;
    task->parent = found->task.parent;
    task->agent = (char *)(uintptr_t)found->task.agent;
    task->updated_unix_ms = found->task.updated_unix_ms;
    task->texts = texts;
    texts->key = (char *)(uintptr_t)found->task.key;
    texts->title = (char *)(uintptr_t)found->task.title;
}

/* What a look brought as a message in its arena; false without memory. */
static bool fill_found(struct search *search, Flowbalancer__V1__SearchTasksResponse *response)
{
    const struct engine_search_tasks *look = &search->stream.asked.search_tasks;
    struct fb_arena *arena = &search->stream.asked.op.arena;
    size_t count = look->found_count;
    struct said {
        Flowbalancer__V1__FoundTask found;
        Flowbalancer__V1__TaskLine task;
        Flowbalancer__V1__TaskTexts texts;
    } *said = fb_arena_zalloc(arena, count + 1, sizeof(*said));

    response->tasks = fb_arena_zalloc(arena, count + 1, sizeof(*response->tasks));
    if (said == NULL || response->tasks == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        found_of(&look->found[i], look->order == ENGINE_TASKS_BY_RANK, &said[i].found,
                 &said[i].task, &said[i].texts);
        response->tasks[i] = &said[i].found;
    }
    response->n_tasks = count;
    return true;
}

static void search_step(struct stream *stream)
{
    struct search *search = (struct search *)stream;
    struct engine_search_tasks *look = &stream->asked.search_tasks;

    if (search->done) {
        stream_finish(stream, fb_ok);
        return;
    }
    look->most = search->left < FOUND_AT_ONCE ? search->left : FOUND_AT_ONCE;
    look->last = look->most == search->left;
    stream_ask(stream, ENGINE_SEARCH_TASKS);
}

static void search_took(struct stream *stream)
{
    struct search *search = (struct search *)stream;
    struct engine_search_tasks *look = &stream->asked.search_tasks;
    Flowbalancer__V1__SearchTasksResponse response = FLOWBALANCER__V1__SEARCH_TASKS_RESPONSE__INIT;
    bool good = fill_found(search, &response);

    search->left -= look->found_count;
    if (look->found_count > 0) {
        look->after = look->found[look->found_count - 1].place;
    }
    search->done = !look->more || search->left == 0;
    if (good && search->done) {
        response.done = true;
        response.behind_session_ids = (char **)(uintptr_t)look->behind;
        response.n_behind_session_ids = look->behind_count;
        if (look->more) {
            response.next_page_token = place_token(&stream->asked.op.arena, look->after);
            good = response.next_page_token != NULL;
        }
    }
    if (!good) {
        stream_finish(stream, fb_fail(FB_RESOURCE_EXHAUSTED, "the store is out of memory"));
        return;
    }
    stream_send(stream, &response.base);
    stream_go(stream);
}

/* --- the request --- */

static struct fb_status check_states(struct fb_arena *arena,
                                     const Flowbalancer__V1__SearchTasksRequest *request)
{
    struct fb_status status =
        limits_size(arena, "states", request->n_states, 0, LIMIT_CODES, "codes");

    for (size_t i = 0; i < request->n_states && fb_is_ok(status); i++) {
        status = limits_number(arena, "states", request->states[i], 0, LIMIT_CODES - 1);
    }
    return status;
}

static struct fb_status check_search_order(struct fb_arena *arena,
                                           const Flowbalancer__V1__SearchTasksRequest *request)
{
    if (request->order == FLOWBALANCER__V1__TASK_ORDER__TASK_ORDER_RANK &&
        request->text[0] == '\0') {
        return fb_fail(FB_INVALID_ARGUMENT, "order: by rank needs a text");
    }
    return limits_number(arena, "order", (int64_t)request->order, 0,
                         FLOWBALANCER__V1__TASK_ORDER__TASK_ORDER_PRIORITY);
}

static bool search_is_good(struct fb_call *call,
                           const Flowbalancer__V1__SearchTasksRequest *request)
{
    struct fb_arena *arena = fb_call_arena(call);

    return request_is_good(
        call, limits_scope(arena, "scope", request->scope),
        limits_scope(arena, "session_id", request->session_id),
        limits_text(arena, "session_name_prefix", request->session_name_prefix, LIMIT_NAME_BYTES),
        limits_text(arena, "text", request->text, LIMIT_SEARCH_BYTES), check_states(arena, request),
        limits_text(arena, "agent", request->agent, LIMIT_ID_BYTES),
        limits_number(arena, "updated_since_unix_ms", request->updated_since_unix_ms, 0, INT64_MAX),
        limits_text(arena, "key_prefix", request->key_prefix, LIMIT_TASK_KEY_BYTES),
        check_search_order(arena, request),
        limits_number(arena, "page_size", request->page_size, 0, LIMIT_FOUND));
}

static enum engine_task_order order_of(const Flowbalancer__V1__SearchTasksRequest *request)
{
    switch (request->order) {
    case FLOWBALANCER__V1__TASK_ORDER__TASK_ORDER_UPDATED:
        return ENGINE_TASKS_BY_UPDATED;
    case FLOWBALANCER__V1__TASK_ORDER__TASK_ORDER_PRIORITY:
        return ENGINE_TASKS_BY_PRIORITY;
    default:
        return request->text[0] != '\0' ? ENGINE_TASKS_BY_RANK : ENGINE_TASKS_BY_UPDATED;
    }
}

/* What each look asks, but how much. */
static struct fb_status look_of(struct fb_arena *arena,
                                const Flowbalancer__V1__SearchTasksRequest *request,
                                struct engine_search_tasks *look)
{
    size_t words = 0;

    look->scope = request->scope;
    look->session_id = request->session_id;
    look->session_name_prefix = request->session_name_prefix;
    look->agent = request->agent;
    look->key_prefix = request->key_prefix;
    look->priority_least = request->priority_least;
    look->priority_below = request->priority_below != 0 ? request->priority_below : INT64_MAX;
    look->weight_least = request->weight_least;
    look->weight_most = request->weight_most != 0 ? request->weight_most : INT64_MAX;
    look->updated_since_unix_ms = request->updated_since_unix_ms;
    look->order = order_of(request);
    look->snippets = !request->no_snippets;
    for (size_t i = 0; i < request->n_states; i++) {
        look->states |= UINT32_C(1) << request->states[i];
    }
    if (request->text[0] != '\0') {
        look->match = search_match(arena, request->text, &words);
        if (look->match == NULL) {
            return fb_fail(FB_RESOURCE_EXHAUSTED, "the store is out of memory");
        }
    }
    look->after = ENGINE_PLACE_BEGIN;
    if (request->page_token[0] != '\0' && !place_read(request->page_token, &look->after)) {
        return fb_fail(FB_INVALID_ARGUMENT,
                       "page_token: is none of this service; begin without one");
    }
    return limits_size(arena, "text", words, 0, LIMIT_SEARCH_WORDS, "words");
}

void serve_search_tasks(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__SearchTasksRequest *request =
        (const Flowbalancer__V1__SearchTasksRequest *)message;
    struct engine_search_tasks look = {.match = NULL};
    struct search *search;

    if (!search_is_good(call, request) ||
        !request_is_good(call, look_of(fb_call_arena(call), request, &look))) {
        return;
    }
    search = stream_create(call, sizeof(*search), search_took, search_step);
    if (search == NULL) {
        return;
    }
    look.op = search->stream.asked.op;
    search->stream.asked.search_tasks = look;
    search->left = request->page_size != 0 ? request->page_size : LIMIT_FOUND_FALLBACK;
    stream_go(&search->stream);
}

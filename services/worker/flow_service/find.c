/*
 * find: Find, in one session or in all of a scope.
 */
#include <stdio.h>
#include <string.h>

#include "services/worker/flow_service/across.h"
#include "services/worker/flow_service/flow_call.h"
#include "services/worker/flow_service/search.h"
#include "services/worker/flow_service/serve.h"
#include "services/worker/flow_service/warnings.h"

enum {
    PAGE = 100,
    PAGE_MOST = 1000,
    PAGE_BYTES = 8 << 20, /* a page ends early rather than take more */
    MESSAGE_BYTES = 512 << 10,
    CURSOR_BYTES = 64,
};

/* What was asked, in the arena of the call. */
struct finding {
    struct flow_call *f;
    struct search search;
    struct search_place after;
    bool begun; /* `after` counts */
};

static const char order_letters[] = {
    [SEARCH_SCHEDULE] = 's',
    [SEARCH_NUMBER] = 'n',
    [SEARCH_UPDATED] = 'u',
    [SEARCH_RANK] = 'r',
};

/* --- cursors --- */

static char *write_cursor(struct flow_call *f, enum search_order order,
                          const struct search_place *place)
{
    return fb_arena_printf(f->arena, "%c%llu.%llu.%u", order_letters[order],
                           (unsigned long long)place->first, (unsigned long long)place->second,
                           place->task);
}

static bool take_number(struct fb_text *text, uint64_t *number)
{
    const char *dot = memchr(text->data, '.', text->size);
    struct fb_text digits = *text;

    if (dot != NULL) {
        digits.size = (size_t)(dot - text->data);
        text->size -= digits.size + 1;
        text->data = dot + 1;
    }
    return fb_text_to_u64(digits, number);
}

static bool read_cursor(const char *cursor, enum search_order order, struct search_place *place)
{
    struct fb_text text = fb_text_of(cursor);
    uint64_t task;

    if (text.size < 6 || text.size > CURSOR_BYTES || text.data[0] != order_letters[order]) {
        return false;
    }
    text.data++;
    text.size--;
    if (!take_number(&text, &place->first) || !take_number(&text, &place->second) ||
        !take_number(&text, &task) || task > UINT32_MAX) {
        return false;
    }
    place->task = (uint32_t)task;
    return true;
}

/* --- the answer --- */

static Flowbalancer__V1__FlowFound *show(struct finding *finding, const struct view *view,
                                         const struct search_place *place, bool last)
{
    const Flowbalancer__V1__FindRequest *request =
        (const Flowbalancer__V1__FindRequest *)finding->f->request;
    Flowbalancer__V1__FlowFound *found = fb_arena_alloc(view->arena, sizeof(*found));

    if (found == NULL) {
        return NULL;
    }
    flowbalancer__v1__flow_found__init(found);
    found->session = (char *)finding->f->session;
    found->task =
        view_task(view, place->task, request->view == FLOWBALANCER__V1__FLOW_VIEW__FLOW_VIEW_FULL);
    found->snippet = search_snippet(view, &finding->search, place->task);
    if (!last) {
        found->cursor = write_cursor(finding->f, finding->search.order, place);
    }
    return found->task == NULL || found->snippet == NULL || found->cursor == NULL ? NULL : found;
}

/* As many messages as the page takes; also for an empty page there is one, which has the total. */
static enum keeper_verdict answer_page(struct finding *finding, const struct view *view,
                                       const struct search_result *result, size_t at, size_t most)
{
    struct flow_call *f = finding->f;
    Flowbalancer__V1__FlowFound **found = fb_arena_zalloc(f->arena, most + 1, sizeof(*found));
    Flowbalancer__V1__FindResponse answer = FLOWBALANCER__V1__FIND_RESPONSE__INIT;
    const size_t end = result->count - at < most ? result->count : at + most;
    size_t page_bytes = 0;
    size_t bytes = 0;

    if (found == NULL) {
        return flow_exhausted(f);
    }
    answer.total = result->count;
    answer.found = found;
    for (; at < end && page_bytes < PAGE_BYTES; at++) {
        Flowbalancer__V1__FlowFound *one =
            show(finding, view, &result->places[at], at + 1 == result->count);

        if (one == NULL) {
            return flow_exhausted(f);
        }
        found[answer.n_found++] = one;
        bytes += flowbalancer__v1__flow_found__get_packed_size(one);
        if (bytes >= MESSAGE_BYTES) {
            flow_answer(f, &answer.base);
            page_bytes += bytes;
            bytes = 0;
            answer.n_found = 0;
            answer.total = 0;
        }
    }
    return answer.n_found > 0 || f->messages == NULL ? flow_answer(f, &answer.base) : KEEPER_ANSWER;
}

static enum keeper_verdict decide(struct flow_call *f, struct decision *d)
{
    const Flowbalancer__V1__FindRequest *request =
        (const Flowbalancer__V1__FindRequest *)f->request;
    struct finding *finding = f->own;
    const struct view view = view_of(d);
    struct search_result result;
    struct fb_status status;

    if ((finding->search.where.has & WHERE_ALARM) != 0) {
        finding->search.alarmed = warnings_by_task(&view);
    }
    status = search_run(&view, &finding->search, &result);
    if (!fb_is_ok(status)) {
        return flow_fail(f, status.code, status.why);
    }
    return answer_page(finding, &view, &result,
                       finding->begun ? search_behind(&result, &finding->after) : 0,
                       request->page_size == 0 ? PAGE : request->page_size);
}

static const struct flow_method method = {.decide = decide};

/* --- the request --- */

static struct fb_status read_order(const Flowbalancer__V1__FindRequest *request,
                                   struct search *search)
{
    static const struct {
        const char *name;
        enum search_order order;
    } orders[] = {
        {"rank", SEARCH_RANK},
        {"schedule", SEARCH_SCHEDULE},
        {"number", SEARCH_NUMBER},
        {"updated", SEARCH_UPDATED},
    };

    if (request->order[0] == '\0') {
        const bool across = request->context == NULL || request->context->session[0] == '\0';

        search->order = search->words.count > 0 ? SEARCH_RANK
                        : across                ? SEARCH_UPDATED
                                                : SEARCH_SCHEDULE;
        return fb_ok;
    }
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        if (strcmp(request->order, orders[i].name) == 0) {
            search->order = orders[i].order;
            return fb_ok;
        }
    }
    return fb_fail(FB_INVALID_ARGUMENT, "order is none of rank, schedule, number and updated");
}

static struct fb_status read_search(const Flowbalancer__V1__FindRequest *request,
                                    struct fb_arena *arena, struct search *search)
{
    struct fb_status status;

    if (request->page_size > PAGE_MOST) {
        return fb_fail(FB_INVALID_ARGUMENT, "page_size is at most 1,000");
    }
    if (strlen(request->q) > WORDS_BYTES) {
        return fb_fail(FB_INVALID_ARGUMENT, "q is longer than 1,024 bytes");
    }
    if (request->q[0] != '\0' && !words_read(fb_text_of(request->q), &search->words)) {
        return fb_fail(FB_INVALID_ARGUMENT, "q has no word, or more than 32");
    }
    status = where_read(fb_text_of(request->where), arena, &search->where);
    return fb_is_ok(status) ? read_order(request, search) : status;
}

/* In one session. */
static void find_within(struct fb_call *call, const Flowbalancer__V1__FindRequest *request,
                        const struct search *search)
{
    struct flow_call *f =
        flow_call_create(call, &request->base, request->context, NULL, false, &method);
    struct finding *finding;

    if (f == NULL) {
        return;
    }
    finding = fb_arena_zalloc(f->arena, 1, sizeof(*finding));
    if (finding == NULL) {
        flow_call_refuse(f, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to search"));
        return;
    }
    finding->f = f;
    finding->search = *search;
    finding->search.agent = fb_text_of(request->context->agent);
    f->own = finding;
    if (request->cursor[0] != '\0') {
        finding->begun = read_cursor(request->cursor, search->order, &finding->after);
        if (!finding->begun) {
            flow_call_refuse(f,
                             fb_fail(FB_INVALID_ARGUMENT,
                                     "cursor is not one of this search: order and q have to be as "
                                     "they were"));
            return;
        }
    }
    flow_call_begin(f);
}

void serve_find(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__FindRequest *request = (const Flowbalancer__V1__FindRequest *)message;
    struct search *search = fb_arena_zalloc(fb_call_arena(call), 1, sizeof(*search));
    struct fb_status status = search == NULL ? fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to search")
                                             : read_search(request, fb_call_arena(call), search);

    if (fb_is_ok(status)) {
        status = flow_check_context(request->context, false);
    }
    if (!fb_is_ok(status)) {
        fb_call_finish(call, status);
    } else if (request->context->session[0] == '\0') {
        find_across(call, request, search);
    } else {
        find_within(call, request, search);
    }
}

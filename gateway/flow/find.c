#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "gateway/flow/budget.h"
#include "gateway/flow/tokens.h"
#include "gateway/flow/verbs.h"
#include "gateway/values.h"

enum view { VIEW_LINES, VIEW_FULL, VIEW_GRAPH, VIEW_EVIDENCE };

enum {
    BUDGET_USUAL = 1500,
    BUDGET_MOST = 100000,
    LINE_TOKENS = 8, /* of a short one: a page is asked for by it */
    FULL_TOKENS = 24,
    PAGE_MOST = 1000,
    TITLE_TOKENS = 32,
    SESSION_TOKENS = 60,
};

struct find_args {
    const char *session;
    const char *q;
    const char *where;
    int view;
    int64_t budget;
    const char *cursor;
};

static const char *const views[] = {"lines", "full", "graph", "evidence", NULL};

static const struct flow_arg find_table[] = {
    {.name = "session", .kind = FLOW_ARG_TEXT, .at = offsetof(struct find_args, session)},
    {.name = "q", .kind = FLOW_ARG_TEXT, .at = offsetof(struct find_args, q)},
    {.name = "where", .kind = FLOW_ARG_TEXT, .at = offsetof(struct find_args, where)},
    {.name = "view",
     .kind = FLOW_ARG_CHOICE,
     .at = offsetof(struct find_args, view),
     .choices = views},
    {.name = "budget",
     .kind = FLOW_ARG_WHOLE,
     .at = offsetof(struct find_args, budget),
     .least = 1,
     .most = BUDGET_MOST},
    {.name = "cursor", .kind = FLOW_ARG_TEXT, .at = offsetof(struct find_args, cursor)},
    {.name = NULL},
};

static uint32_t page_of(int64_t budget, int64_t each)
{
    const int64_t page = budget / each;

    return (uint32_t)(page < 1 ? 1 : page > PAGE_MOST ? PAGE_MOST : page);
}

/* --- tasks --- */

static void put_list(struct fb_buffer *out, const char *what, char *const *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fb_buffer_string(out, i == 0 ? what : ", ");
        words_put(out, items[i], 16);
    }
}

static void put_part(struct fb_buffer *out, const char *what, const char *text, size_t tokens)
{
    if (text[0] != '\0') {
        struct fb_text part = tokens_cut(fb_text_of(text), tokens);

        fb_buffer_printf(out, "\n%s", what);
        fb_buffer_text(out, part);
        fb_buffer_string(out, part.size < strlen(text) ? "…" : "");
    }
}

static void put_full(struct fb_buffer *out, const Flowbalancer__V1__FlowTask *task, size_t tokens)
{
    fb_buffer_printf(out, "\nrev %" PRIu32 ", weight %" PRIu32, task->rev, task->weight);
    if (task->attempt > 1) {
        fb_buffer_printf(out, ", attempt %" PRIu32, task->attempt);
    }
    if (task->key[0] != '\0') {
        fb_buffer_string(out, ", key ");
        words_put(out, task->key, 40);
    }
    put_list(out, ", needs ", task->needs, task->n_needs);
    for (size_t i = 0; i < task->n_links; i++) {
        const Flowbalancer__V1__FlowLink *link = task->links[i];
        static const char *const kinds[] = {"link",   "after", "ends", "on_fail",
                                            "parent", "from",  "dup"};
        const unsigned kind = (unsigned)link->kind;

        fb_buffer_printf(out, "%s#%" PRIu32 " %s #%" PRIu32, i == 0 ? "\n" : ", ", link->task,
                         kinds[kind < sizeof(kinds) / sizeof(kinds[0]) ? kind : 0], link->on);
    }
    put_part(out, "", task->body, tokens);
    put_part(out, "accept: ", task->accept, tokens);
    put_part(out, "waits for: ", task->gate, tokens);
    put_part(out, "note: ", task->note, tokens);
    put_part(out, "summary: ", task->summary, tokens);
    for (size_t i = 0; i < task->n_evidence; i++) {
        fb_buffer_string(out, i == 0 ? "\nevidence: " : ", ");
        words_put(out, task->evidence[i]->ref, 64);
    }
    fb_buffer_string(out, task->cold ? "\n(its texts are in cold storage)" : "");
}

static void say_found(struct work *work)
{
    const struct find_args *args = work->state;
    struct budget lines = budget_begin(work, (size_t)args->budget);
    const char *cursor = "";
    uint64_t total = 0;
    bool room = true;

    for (size_t r = 0; r < work->reply_count && room; r++) {
        const Flowbalancer__V1__FindResponse *reply = (const void *)work->replies[r];

        total = r == 0 ? reply->total : total;
        for (size_t i = 0; i < reply->n_found && room; i++) {
            const Flowbalancer__V1__FlowFound *found = reply->found[i];
            struct fb_buffer line = {0};

            if (found->task == NULL) {
                continue;
            }
            if (*work->session == '\0') {
                words_put(&line, found->session, SESSION_TOKENS);
                fb_buffer_string(&line, " ");
            }
            words_task(&line, found->task, TITLE_TOKENS);
            if (args->view == VIEW_FULL) {
                put_full(&line, found->task, lines.left);
            } else if (found->snippet[0] != '\0' &&
                       strstr(found->task->title, found->snippet) == NULL) {
                fb_buffer_string(&line, " | ");
                words_put(&line, found->snippet, TITLE_TOKENS);
            }
            room = budget_add(&lines, &line);
            cursor = room ? found->cursor : cursor;
        }
    }
    budget_end(&lines, total, cursor);
}

static void find_tasks(struct work *work, const struct find_args *args)
{
    Flowbalancer__V1__FindRequest request = FLOWBALANCER__V1__FIND_REQUEST__INIT;

    request.context = work_context(work);
    request.q = value_unconst(args->q);
    request.where = value_unconst(args->where);
    request.view = args->view == VIEW_FULL ? FLOWBALANCER__V1__FLOW_VIEW__FLOW_VIEW_FULL
                                           : FLOWBALANCER__V1__FLOW_VIEW__FLOW_VIEW_LINE;
    request.page_size = page_of(args->budget, args->view == VIEW_FULL ? FULL_TOKENS : LINE_TOKENS);
    request.cursor = value_unconst(args->cursor);
    work_ask(work, &method_find, &request.base, say_found);
}

/* --- sessions --- */

static void say_sessions(struct work *work)
{
    const Flowbalancer__V1__ListFlowSessionsResponse *reply = work_reply(work);
    const struct find_args *args = work->state;
    struct budget lines = budget_begin(work, (size_t)args->budget);

    for (size_t i = 0; i < reply->n_sessions; i++) {
        const Flowbalancer__V1__FlowSessionLine *session = reply->sessions[i];
        struct fb_buffer line = {0};

        words_put(&line, session->session, SESSION_TOKENS);
        if (session->name[0] != '\0' && strcmp(session->name, session->session) != 0) {
            fb_buffer_string(&line, " \"");
            words_put(&line, session->name, SESSION_TOKENS);
            fb_buffer_string(&line, "\"");
        }
        fb_buffer_string(&line, ": ");
        words_session(&line, session);
        if (!budget_add(&lines, &line)) {
            break;
        }
    }
    budget_end(&lines, reply->n_sessions, reply->next_page_token);
}

static void find_sessions(struct work *work, const struct find_args *args)
{
    Flowbalancer__V1__ListFlowSessionsRequest request =
        FLOWBALANCER__V1__LIST_FLOW_SESSIONS_REQUEST__INIT;

    request.context = work_context(work);
    request.page_size = page_of(args->budget, SESSION_TOKENS);
    request.page_token = value_unconst(args->cursor);
    work_ask(work, &method_list_sessions, &request.base, say_sessions);
}

/* --- the other views --- */

/* Words that name one task, or none. False: neither, and answered. */
static bool read_task(struct work *work, const char *q, Flowbalancer__V1__FlowTaskRef **task)
{
    struct flow_ref ref = {.task = 0};

    if (*q != '\0' && !flow_ref_of(q, &ref)) {
        work_invalid(work, "q: with this view wanted a task, by number as \"#12\" or by key");
        return false;
    }
    *task = work_ref(work, &ref);
    return true;
}

void verb_find(struct work *work, struct fb_text arguments)
{
    struct find_args *args = work_alloc(work, 1, sizeof(*args));
    Flowbalancer__V1__FlowTaskRef *task;

    if (args == NULL) {
        return;
    }
    *args = (struct find_args){.q = "", .where = "", .cursor = "", .budget = BUDGET_USUAL};
    work->state = args;
    if (!verb_read(work, find_table, arguments, args)) {
        return;
    }
    if (args->view == VIEW_GRAPH || args->view == VIEW_EVIDENCE) {
        const bool open_only = strcmp(args->where, "state:open") == 0;

        if (args->session == NULL) {
            work_invalid(work, "session: this view is of one session");
        } else if (*args->where != '\0' && (args->view != VIEW_GRAPH || !open_only)) {
            work_invalid(work, "where: view graph knows only state:open, and view evidence no "
                               "conditions; name a task in q for less");
        } else if (read_task(work, args->q, &task)) {
            if (args->view == VIEW_GRAPH) {
                verb_graph(work, task, open_only, (size_t)args->budget);
            } else {
                verb_verify(work, task, (size_t)args->budget);
            }
        }
    } else if (args->session == NULL && *args->q == '\0' && *args->where == '\0') {
        find_sessions(work, args);
    } else {
        find_tasks(work, args);
    }
}

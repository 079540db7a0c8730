#include "gateway/flow/resources.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "gateway/flow/flow.h"
#include "gateway/flow/verbs.h"
#include "gateway/values.h"
#include "runtime/json/scan.h"

enum {
    URI_BYTES = 512,
    SESSIONS_A_PAGE = 100,
    READY_SAID = 10,
    TITLE_TOKENS = 48,
    LIST_TTL_MS = 5000
};

static const char scheme[] = "flow://";

static work_fn read_brief;
static work_fn read_graph;

/* Every session has these. */
static const struct kind {
    const char *path;
    const char *title;
    const char *description;
    const char *mime;
    work_fn *read;
} kinds[RESOURCE_KINDS] = {
    [RESOURCE_BRIEF] = {"brief", "Brief", "how the session goes, and what can be done",
                        "text/markdown", read_brief},
    [RESOURCE_GRAPH] = {"graph.svg", "Graph",
                        "its tasks, what they wait for, and the critical path", "image/svg+xml",
                        read_graph},
    [RESOURCE_LOG] = {"log", "Log", "its last events", "text/plain", resource_read_log},
};

bool resource_of(const char *uri, struct resource *resource)
{
    const char *session = uri + sizeof(scheme) - 1;
    const char *slash;

    if (strncmp(uri, scheme, sizeof(scheme) - 1) != 0) {
        return false;
    }
    slash = strchr(session, '/');
    if (slash == NULL || slash - session > FB_SESSION_ID_BYTES) {
        return false;
    }
    memcpy(resource->session, session, (size_t)(slash - session));
    resource->session[slash - session] = '\0';
    for (int i = 0; i < RESOURCE_KINDS; i++) {
        if (strcmp(kinds[i].path, slash + 1) == 0) {
            resource->kind = (enum resource_kind)i;
            return fb_session_id_is(resource->session);
        }
    }
    return false;
}

void resource_put_uri(struct fb_buffer *out, const struct resource *resource)
{
    fb_buffer_printf(out, "%s%s/%s", scheme, resource->session, kinds[resource->kind].path);
}

/* --- results --- */

static struct fb_buffer *begin_result(struct work *work)
{
    struct exchange *exchange = work->exchange;
    struct fb_buffer *out = answer_begin(work->mcp, &exchange->reply);

    fb_buffer_string(out,
                     exchange->revision == REVISION_MODERN ? "{\"resultType\":\"complete\"" : "{");
    return out;
}

/* Behind the last member. */
static void end_result(struct work *work, struct fb_buffer *out, int64_t ttl_ms, bool is_public)
{
    struct exchange *exchange = work->exchange;
    struct mcp *mcp = work->mcp;

    if (exchange->revision == REVISION_MODERN) {
        fb_buffer_printf(out, ",\"ttlMs\":%" PRId64 ",\"cacheScope\":\"%s\"", ttl_ms,
                         is_public ? "public" : "private");
    }
    answer_put_server_info(mcp, out, exchange->revision);
    fb_buffer_string(out, "}");
    if (!answer_end(mcp, &exchange->reply)) {
        answer_error(mcp, &exchange->reply,
                     &(struct jsonrpc_error){.code = JSONRPC_INTERNAL_ERROR,
                                             .message = "it is too long for a line; flow_find "
                                                        "tells parts of it"});
    }
    exchange_answered(exchange);
}

static void put_resource(struct fb_buffer *out, const char *uri_key, const struct kind *kind,
                         const char *session, enum revision revision)
{
    fb_buffer_printf(out, "{\"%s\":\"%s%s/%s\",\"name\":", uri_key, scheme, session, kind->path);
    if (*session == '{') {
        fb_buffer_printf(out, "\"%s\"", kind->path);
    } else {
        fb_buffer_printf(out, "\"%s/%s\"", session, kind->path);
    }
    if (revision >= REVISION_2025_06_18) {
        fb_buffer_printf(out, ",\"title\":\"%s\"", kind->title);
    }
    fb_buffer_printf(out, ",\"description\":\"%s\",\"mimeType\":\"%s\"}", kind->description,
                     kind->mime);
}

/* --- resources/list, resources/templates/list --- */

static void say_list(struct work *work)
{
    const Flowbalancer__V1__ListFlowSessionsResponse *reply = work_reply(work);
    struct fb_buffer *out = begin_result(work);
    bool first = true;

    words_key(out, "resources");
    fb_buffer_string(out, "[");
    for (size_t i = 0; i < reply->n_sessions; i++) {
        if (!fb_session_id_is(reply->sessions[i]->session)) {
            continue;
        }
        for (int kind = 0; kind < RESOURCE_KINDS; kind++) {
            fb_buffer_string(out, first ? "" : ",");
            put_resource(out, "uri", &kinds[kind], reply->sessions[i]->session,
                         work->exchange->revision);
            first = false;
        }
    }
    fb_buffer_string(out, "]");
    if (reply->next_page_token[0] != '\0') {
        words_string(out, "nextCursor", reply->next_page_token);
    }
    end_result(work, out, LIST_TTL_MS, false);
}

void resources_list(struct mcp *mcp, const struct ask *ask)
{
    Flowbalancer__V1__ListFlowSessionsRequest request =
        FLOWBALANCER__V1__LIST_FLOW_SESSIONS_REQUEST__INIT;
    struct work *work = work_open(mcp, ask, "");
    struct fb_text cursor;

    if (work == NULL) {
        return;
    }
    if (fb_json_find(ask->params, "cursor", &cursor) && fb_json_kind_of(cursor) != FB_JSON_NULL) {
        request.page_token = value_unconst(value_string(cursor, &work->arena));
        if (request.page_token == NULL) {
            work_invalid(work, "params.cursor is none that was given out; begin without one");
            return;
        }
    }
    request.context = work_context(work);
    request.page_size = SESSIONS_A_PAGE;
    work_ask(work, &method_list_sessions, &request.base, say_list);
}

void resources_templates(struct mcp *mcp, const struct ask *ask)
{
    struct work *work = work_open(mcp, ask, "");
    struct fb_buffer *out;

    if (work == NULL) {
        return;
    }
    out = begin_result(work);
    words_key(out, "resourceTemplates");
    fb_buffer_string(out, "[");
    for (int kind = 0; kind < RESOURCE_KINDS; kind++) {
        fb_buffer_string(out, kind > 0 ? "," : "");
        put_resource(out, "uriTemplate", &kinds[kind], "{session}", ask->revision);
    }
    fb_buffer_string(out, "]");
    end_result(work, out, INT64_C(3600000), true);
}

/* --- resources/read --- */

void resource_answer(struct work *work)
{
    struct resource resource;
    struct fb_buffer *out;

    if (work->text.failed || !resource_of(work->uri, &resource)) {
        work_fail(work, FB_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    out = begin_result(work);
    words_key(out, "contents");
    fb_buffer_string(out, "[{");
    words_string(out, "uri", work->uri);
    words_string(out, "mimeType", kinds[resource.kind].mime);
    words_key(out, "text");
    fb_buffer_json_string(out, (struct fb_text){work->text.data, work->text.size});
    fb_buffer_string(out, "}]");
    end_result(work, out, 0, false);
}

static void say_graph(struct work *work)
{
    fb_buffer_text(&work->text,
                   value_text(((const Flowbalancer__V1__GraphResponse *)work_reply(work))->data));
    resource_answer(work);
}

static void read_graph(struct work *work)
{
    Flowbalancer__V1__GraphRequest request = FLOWBALANCER__V1__GRAPH_REQUEST__INIT;

    request.context = work_context(work);
    request.format = FLOWBALANCER__V1__FLOW_GRAPH_FORMAT__FLOW_GRAPH_FORMAT_SVG;
    work_ask(work, &method_graph, &request.base, say_graph);
}

static void put_tasks(struct work *work, const char *heading,
                      Flowbalancer__V1__FlowTask *const *tasks, size_t count)
{
    if (count > 0) {
        fb_buffer_printf(&work->text, "\n## %s\n\n", heading);
    }
    for (size_t i = 0; i < count; i++) {
        fb_buffer_string(&work->text, "- ");
        words_task(&work->text, tasks[i], TITLE_TOKENS);
        fb_buffer_string(&work->text, "\n");
    }
}

static void say_ready(struct work *work)
{
    Flowbalancer__V1__FlowTask *tasks[READY_SAID];
    size_t count = 0;

    for (size_t r = 0; r < work->reply_count; r++) {
        const Flowbalancer__V1__FindResponse *reply = (const void *)work->replies[r];

        for (size_t i = 0; i < reply->n_found && count < READY_SAID; i++) {
            if (reply->found[i]->task != NULL) {
                tasks[count++] = reply->found[i]->task;
            }
        }
    }
    put_tasks(work, "Ready", tasks, count);
    resource_answer(work);
}

static void on_brief_status(struct work *work)
{
    Flowbalancer__V1__FindRequest request = FLOWBALANCER__V1__FIND_REQUEST__INIT;
    const Flowbalancer__V1__StatusResponse *reply = work_reply(work);
    struct fb_buffer *text = &work->text;

    if (reply->line != NULL) {
        fb_buffer_string(text, "# ");
        words_put(text, reply->line->name[0] != '\0' ? reply->line->name : work->session, SIZE_MAX);
        fb_buffer_string(text, "\n\n");
        words_session(text, reply->line);
        fb_buffer_string(text, "\n");
    }
    if (reply->forecast != NULL) {
        words_forecast(text, reply->forecast);
        fb_buffer_string(text, "\n");
    }
    for (size_t i = 0; i < reply->n_alarms; i++) {
        fb_buffer_string(text, i == 0 ? "\n## Alarms\n\n- " : "- ");
        words_alarm(text, reply->alarms[i]);
        fb_buffer_string(text, "\n");
    }
    put_tasks(work, "Under way", reply->tasks, reply->n_tasks);
    request.context = work_context(work);
    request.where = value_unconst("state:ready");
    request.page_size = READY_SAID;
    work_ask_each(work, &method_find, &request.base, NULL, say_ready);
}

static void read_brief(struct work *work)
{
    Flowbalancer__V1__StatusRequest request = FLOWBALANCER__V1__STATUS_REQUEST__INIT;

    request.context = work_context(work);
    work_ask(work, &method_status, &request.base, on_brief_status);
}

void resources_read(struct mcp *mcp, const struct ask *ask)
{
    struct work *work = work_open(mcp, ask, "");
    struct resource resource;
    struct fb_text uri;

    if (work == NULL) {
        return;
    }
    if (!fb_json_find(ask->params, "uri", &uri) || uri.size > URI_BYTES) {
        work_invalid(work, "params.uri: wanted the URI of a resource, as resources/list gives it");
        return;
    }
    work->uri = value_string(uri, &work->arena);
    if (work->uri == NULL) {
        work->uri = "";
        work_invalid(work, "params.uri: wanted the URI of a resource, as resources/list gives it");
        return;
    }
    if (!resource_of(work->uri, &resource)) {
        work_fail(work, FB_NOT_FOUND,
                  "there is no such resource; resources/list has what there is");
        return;
    }
    work->session = fb_arena_copy(&work->arena, resource.session, strlen(resource.session));
    if (work->session == NULL) {
        work_fail(work, FB_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    kinds[resource.kind].read(work);
}

#include "services/worker/mcp/requests.h"

#include <assert.h>
#include <string.h>

#include "services/worker/mcp/era.h"
#include "services/worker/mcp/wire.h"

enum { KEEP_OUT_BYTES = 256 * 1024 }; /* kept of an output that was all written */

static const char *const log_levels[] = {
    "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency",
};

enum { LOG_LEVELS = sizeof(log_levels) / sizeof(log_levels[0]) };

int mcp_session_log_level(struct fb_text name)
{
    for (int i = 0; i < LOG_LEVELS; i++) {
        if (fb_text_is(name, log_levels[i])) {
            return i;
        }
    }
    return -1;
}

const char *mcp_session_log_level_name(int level)
{
    assert(level >= 0 && level < LOG_LEVELS);
    return log_levels[level];
}

void requests_finish(struct requests *all)
{
    fb_buffer_finish(&all->out);
}

/* --- output --- */

struct fb_text requests_output(const struct requests *all)
{
    return (struct fb_text){
        .data = all->out.data + all->out_at,
        .size = all->out.size - all->out_at,
    };
}

void requests_written(struct requests *all, size_t size)
{
    assert(size <= all->out.size - all->out_at);
    all->out_at += size;
    if (all->out_at == all->out.size) {
        fb_buffer_clear(&all->out, KEEP_OUT_BYTES);
        all->out_at = 0;
    } else if (all->out_at > KEEP_OUT_BYTES && all->out_at > all->out.size / 2) {
        /* Only when most of it is gone, so that a huge line is not moved once for each write. */
        fb_buffer_consume(&all->out, all->out_at);
        all->out_at = 0;
    }
}

static uint64_t written_bytes(const struct requests *all)
{
    return all->put_bytes - (all->out.size - all->out_at);
}

bool requests_end_line(struct requests *all, size_t start)
{
    fb_buffer_append(&all->out, "\n", 1);
    if (all->out.failed) {
        all->out.size = start;
        all->out.failed = false;
        return false;
    }
    all->put_bytes += all->out.size - start;
    return true;
}

/* --- open requests --- */

static size_t bucket_of(int64_t id)
{
    return (uint64_t)id % REQUESTS_BUCKETS;
}

struct mcp_session_request *requests_find(const struct requests *all, int64_t id)
{
    struct mcp_session_request *r = all->open[bucket_of(id)];

    while (r != NULL && r->id != id) {
        r = r->next;
    }
    return r;
}

void requests_take_out(struct requests *all, struct mcp_session_request *request)
{
    struct mcp_session_request **link = &all->open[bucket_of(request->id)];

    while (*link != request) {
        link = &(*link)->next;
    }
    *link = request->next;
    request->next = NULL;
    request->id = 0;
    if (!request->own) {
        all->of_owners--;
    }
}

void requests_answer(struct requests *all, struct mcp_session_request *request,
                     const struct mcp_session_answer *how)
{
    requests_take_out(all, request);
    request->events->on_answer(request, how);
}

static bool put(struct requests *all, struct mcp_session_request *request,
                const struct mcp_session_request_events *events,
                const struct mcp_session_plan *plan, const char *extra_params, bool own)
{
    const int64_t id = all->last_id + 1;
    const size_t start = all->out.size;
    const struct wire_meta meta = {
        .extra = plan->meta,
        .revision = all->modern ? ERA_MODERN_REVISION : NULL,
        .client_version = all->version,
        .log_level = all->modern && plan->log_level >= 0 ? log_levels[plan->log_level] : NULL,
        .token = plan->progress ? id : 0,
    };
    struct fb_buffer *out = &all->out;
    bool any = false;

    fb_buffer_printf(out, "{\"jsonrpc\":\"2.0\",\"id\":%lld,\"method\":\"%s\",\"params\":{",
                     (long long)id, plan->method);
    if (plan->name.size != 0) {
        fb_buffer_string(out, "\"name\":");
        fb_buffer_text(out, plan->name);
        any = true;
    }
    if (plan->arguments.size != 0) {
        fb_buffer_string(out, any ? ",\"arguments\":" : "\"arguments\":");
        wire_put_value(out, plan->arguments);
        any = true;
    }
    if (plan->cursor.size != 0) {
        fb_buffer_string(out, any ? ",\"cursor\":" : "\"cursor\":");
        fb_buffer_text(out, plan->cursor);
        any = true;
    }
    if (extra_params != NULL) {
        fb_buffer_string(out, any ? "," : "");
        fb_buffer_string(out, extra_params);
        any = true;
    }
    if (any) {
        const size_t before = out->size;

        fb_buffer_append(out, ",", 1);
        if (!wire_put_meta(out, &meta)) {
            out->size = before;
        }
    } else {
        wire_put_meta(out, &meta);
    }
    fb_buffer_string(out, "}}");
    if (!requests_end_line(all, start)) {
        return false;
    }
    all->last_id = id;
    *request = (struct mcp_session_request){
        .events = events,
        .id = id,
        .ends_at = all->put_bytes,
        .own = own,
        .wants_progress = plan->progress,
        .log_level = plan->log_level,
        .next = all->open[bucket_of(id)],
    };
    all->open[bucket_of(id)] = request;
    all->of_owners += own ? 0 : 1;
    return true;
}

bool requests_put(struct requests *all, struct mcp_session_request *request,
                  const struct mcp_session_request_events *events,
                  const struct mcp_session_plan *plan)
{
    return put(all, request, events, plan, NULL, false);
}

bool requests_put_own(struct requests *all, struct mcp_session_request *request,
                      const struct mcp_session_request_events *events,
                      const struct mcp_session_plan *plan, const char *extra_params)
{
    return put(all, request, events, plan, extra_params, true);
}

void requests_cancel(struct requests *all, struct mcp_session_request *request, const char *reason)
{
    const int64_t id = request->id;
    const size_t start = all->out.size;

    if (id == 0) {
        return;
    }
    requests_take_out(all, request);
    fb_buffer_printf(&all->out,
                     "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\","
                     "\"params\":{\"requestId\":%lld,\"reason\":",
                     (long long)id);
    fb_buffer_json_string(&all->out, fb_text_of(reason));
    fb_buffer_string(&all->out, "}}");
    requests_end_line(all, start);
}

struct mcp_session_request *requests_only(const struct requests *all)
{
    for (size_t b = 0; all->of_owners == 1 && b < REQUESTS_BUCKETS; b++) {
        for (struct mcp_session_request *r = all->open[b]; r != NULL; r = r->next) {
            if (!r->own) {
                return r;
            }
        }
    }
    return NULL;
}

void requests_lost(struct requests *all)
{
    const uint64_t written = written_bytes(all);

    all->lost = true;
    for (size_t b = 0; b < REQUESTS_BUCKETS; b++) {
        while (all->open[b] != NULL) {
            /* All but the line end is enough for the server to have understood it. */
            const bool whole = written + 1 >= all->open[b]->ends_at;
            const struct mcp_session_answer how = {
                .end = whole ? MCP_SESSION_LOST : MCP_SESSION_UNSENT,
                .status = fb_ok,
            };

            requests_answer(all, all->open[b], &how);
        }
    }
}

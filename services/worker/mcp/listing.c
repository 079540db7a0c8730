#include "services/worker/mcp/listing.h"

#include <stdlib.h>

#include "runtime/json/scan.h"
#include "services/worker/mcp/wire.h"

#define NEVER INT64_MAX

#define OWNER_OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static const struct kind {
    const char *method;
    const char *items; /* the member of the result that holds them */
    const char *key;   /* the member that each item must have, a string */
} kinds[MCP_SESSION_LISTS] = {
    [MCP_SESSION_TOOLS] = {"tools/list", "tools", "name"},
    [MCP_SESSION_RESOURCES] = {"resources/list", "resources", "uri"},
    [MCP_SESSION_TEMPLATES] = {"resources/templates/list", "resourceTemplates", "uriTemplate"},
    [MCP_SESSION_PROMPTS] = {"prompts/list", "prompts", "name"},
};

void listing_init(struct listing *l, enum mcp_session_list kind, struct requests *requests,
                  const struct listing_bounds *bounds, const struct listing_events *events,
                  void *self)
{
    *l = (struct listing){
        .requests = requests,
        .events = events,
        .self = self,
        .kind = kind,
        .bounds = *bounds,
        .due_ms = NEVER,
        .text.limit_bytes = bounds->items_bytes_most,
    };
}

void listing_finish(struct listing *l)
{
    fb_buffer_finish(&l->text);
    free(l->ends);
    free(l->cursors);
    l->ends = NULL;
    l->cursors = NULL;
    l->count = 0;
    l->room = 0;
    l->pages = 0;
    l->skipped = 0;
    l->ttl_ms = 0;
    l->cut = false;
    l->running = false;
    l->due_ms = NEVER;
}

static void start(struct listing *l, int64_t now_ms);

static void end(struct listing *l, struct fb_status status)
{
    struct mcp_session_items items = {.ttl_ms = l->ttl_ms, .skipped = l->skipped, .cut = l->cut};
    struct fb_text *texts = NULL;
    size_t from = 0;

    if (fb_is_ok(status) && l->count != 0) {
        texts = calloc(l->count, sizeof(*texts));
        if (texts == NULL) {
            status = fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory");
        }
    }
    for (size_t i = 0; texts != NULL && i < l->count; i++) {
        texts[i] = (struct fb_text){.data = l->text.data + from, .size = l->ends[i] - from};
        from = l->ends[i];
    }
    items.items = texts;
    items.count = texts == NULL ? 0 : l->count;
    l->due_ms = NEVER;
    /* Still running, so that asking again from within is remembered and not begun. */
    l->events->on_listed(l->self, l->kind, status, fb_is_ok(status) ? &items : NULL);
    free(texts);
    listing_finish(l);
    if (l->again && !l->requests->lost) {
        l->again = false;
        start(l, INT64_MIN);
    }
}

/* Whether the item was kept or rightly skipped; false when a bound was met. */
static bool keep_item(struct listing *l, struct fb_text item)
{
    struct fb_text name;
    const size_t before = l->text.size;

    if (fb_json_kind_of(item) != FB_JSON_OBJECT || !fb_json_find(item, kinds[l->kind].key, &name) ||
        fb_json_kind_of(name) != FB_JSON_STRING || name.size <= 2) {
        l->skipped++;
        return true;
    }
    if (l->count == l->bounds.items_most) {
        return false;
    }
    if (l->count == l->room) {
        const size_t room = l->room == 0 ? 32 : l->room * 2;
        size_t *ends = realloc(l->ends, room * sizeof(*ends));

        if (ends == NULL) {
            return false;
        }
        l->ends = ends;
        l->room = room;
    }
    wire_put_value(&l->text, item);
    if (l->text.failed) {
        l->text.failed = false;
        l->text.size = before;
        return false;
    }
    l->ends[l->count++] = l->text.size;
    return true;
}

static bool followed_before(const struct listing *l, uint64_t hash)
{
    for (uint32_t i = 0; i < l->pages; i++) {
        if (l->cursors[i] == hash) {
            return true;
        }
    }
    return false;
}

static const struct mcp_session_request_events page_events;

static bool put_page(struct listing *l, struct fb_text cursor)
{
    const struct mcp_session_plan plan = {
        .method = kinds[l->kind].method,
        .cursor = cursor,
        .log_level = -1,
    };

    return requests_put_own(l->requests, &l->request, &page_events, &plan, NULL);
}

/* Follows the cursor of a page, or ends the list. */
static void next_page(struct listing *l, struct fb_text result)
{
    struct fb_text cursor = {.data = NULL};
    uint64_t hash;

    fb_json_find(result, "nextCursor", &cursor);
    if (fb_json_kind_of(cursor) != FB_JSON_STRING) {
        end(l, fb_ok);
        return;
    }
    hash = fb_hash(cursor.data, cursor.size);
    if (l->pages + 1 >= l->bounds.pages_most || followed_before(l, hash)) {
        l->cut = true;
        end(l, fb_ok);
        return;
    }
    l->cursors[l->pages++] = hash;
    if (!put_page(l, cursor)) {
        end(l, fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory"));
    }
}

static void page_answered(struct mcp_session_request *request, const struct mcp_session_answer *how)
{
    struct listing *l = OWNER_OF(struct listing, request, request);
    struct fb_text items = {.data = NULL};
    struct fb_text ttl;
    struct fb_json_walk walk;

    switch (how->end) {
    case MCP_SESSION_RESULT:
    case MCP_SESSION_INPUT:
        break;
    case MCP_SESSION_ERROR:
        end(l, fb_fail(FB_FAILED_PRECONDITION, "the server answered the list with an error"));
        return;
    case MCP_SESSION_GARBLED:
        end(l, fb_fail(FB_RESOURCE_EXHAUSTED,
                       "a page of the list is longer than max_line of its settings allows"));
        return;
    case MCP_SESSION_UNSENT:
    case MCP_SESSION_LOST:
        end(l, fb_fail(FB_UNAVAILABLE, "the server ended while its list was read"));
        return;
    }
    if (!fb_json_find(how->body, kinds[l->kind].items, &items) ||
        fb_json_kind_of(items) != FB_JSON_ARRAY) {
        end(l, fb_fail(FB_FAILED_PRECONDITION, "the server answered the list without items"));
        return;
    }
    if (l->pages == 0 && fb_json_find(how->body, "ttlMs", &ttl) &&
        (!fb_json_to_i64(ttl, &l->ttl_ms) || l->ttl_ms < 0)) {
        l->ttl_ms = 0;
    }
    walk = fb_json_walk(items);
    while (fb_json_next(&walk)) {
        if (!keep_item(l, walk.value)) {
            l->cut = true;
            end(l, fb_ok);
            return;
        }
    }
    next_page(l, how->body);
}

static const struct mcp_session_request_events page_events = {.on_answer = page_answered};

static void start(struct listing *l, int64_t now_ms)
{
    l->running = true;
    /* Without the time at hand, the next tick sets it. */
    l->due_ms = now_ms == INT64_MIN ? INT64_MIN : now_ms + l->bounds.list_ms;
    l->cursors = calloc(l->bounds.pages_most, sizeof(*l->cursors));
    if (l->cursors == NULL || !put_page(l, (struct fb_text){.data = NULL})) {
        end(l, fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory"));
    }
}

void listing_start(struct listing *l, int64_t now_ms)
{
    if (l->running) {
        l->again = true;
        return;
    }
    start(l, now_ms);
}

void listing_tick(struct listing *l, int64_t now_ms)
{
    if (l->due_ms == INT64_MIN) {
        l->due_ms = now_ms + l->bounds.list_ms;
    } else if (l->due_ms <= now_ms) {
        requests_cancel(l->requests, &l->request, "took too long");
        end(l, fb_fail(FB_DEADLINE_EXCEEDED, "the server took too long over its list"));
    }
}

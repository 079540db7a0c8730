#include "services/worker/mcp/session.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/json/scan.h"

enum {
    BUCKETS = 256,               /* of open requests, by id */
    KEEP_OUT_BYTES = 256 * 1024, /* kept of an output that was all written */
    REPLIES_MOST_BYTES =
        1024 * 1024,              /* waiting output above which what the server asks is dropped */
    ABOUT_MOST_BYTES = 64 * 1024, /* of each thing a server says of itself */
    WHY_BYTES = 320,
    NUMBER_BYTES = 64,
    CHANGE_APART_MS = 1000, /* between two tellings of a change to the same list */
    CHANGE_DELAYS = 8,      /* debounce periods that a storm of notices may put the telling off */
    RELISTEN_MS = 1000,
};

#define NEVER INT64_MAX

static const char *const log_levels[] = {
    "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency",
};

enum { LOG_LEVELS = sizeof(log_levels) / sizeof(log_levels[0]) };

static const struct list_kind {
    const char *method;
    const char *items; /* the member of the result that holds them */
    const char *key;   /* the member that each item must have, a string */
    const char *capability;
    const char *notice;
    const char *interest; /* how a listen request asks for the notice */
} list_kinds[SESSION_LISTS] = {
    [SESSION_TOOLS] = {"tools/list", "tools", "name", "tools", "notifications/tools/list_changed",
                       "toolsListChanged"},
    [SESSION_RESOURCES] = {"resources/list", "resources", "uri", "resources",
                           "notifications/resources/list_changed", "resourcesListChanged"},
    [SESSION_TEMPLATES] = {"resources/templates/list", "resourceTemplates", "uriTemplate",
                           "resources", "notifications/resources/list_changed", NULL},
    [SESSION_PROMPTS] = {"prompts/list", "prompts", "name", "prompts",
                         "notifications/prompts/list_changed", "promptsListChanged"},
};

enum state {
    NEW,
    PROBING, /* asked, not yet answered */
    SHAKING, /* initialize is out; the probe may still be answered */
    READY,
    ENDED, /* failed or lost */
};

/* A list while it is being read. */
struct listing {
    struct session_request request;
    struct session *session;
    enum session_list kind;
    bool running;
    bool again;
    int64_t due_ms;
    struct fb_buffer text; /* items one after the other */
    size_t *ends;          /* of each item in `text` */
    size_t count;
    size_t room;
    uint64_t *cursors; /* hashes of those followed */
    uint32_t pages;
    size_t skipped;
    int64_t ttl_ms;
    bool cut;
};

struct session {
    struct session_config config;
    const struct session_events *events;
    void *self;
    enum state state;
    char why[WHY_BYTES];

    /* output */
    struct fb_buffer out;
    size_t out_at;      /* bytes of `out` already written */
    uint64_t put_bytes; /* ever put out */

    /* open requests */
    struct session_request *open[BUCKETS];
    size_t open_requests; /* of owners */
    int64_t last_id;

    /* our own */
    struct session_request probe;
    struct session_request shake;
    struct session_request listen;
    struct session_request set_level;
    bool probed_twice;
    int64_t probe_due_ms;
    int64_t start_due_ms;
    int64_t listen_due_ms;

    /* the server */
    struct session_server server;
    struct fb_buffer about[3]; /* info, capabilities, instructions */
    bool has[SESSION_LISTS];
    bool announces[SESSION_LISTS];
    bool has_log;
    int told_level; /* of logging/setLevel; -1: never told */

    struct listing lists[SESSION_LISTS];
    int64_t change_due_ms[SESSION_LISTS];
    int64_t change_first_ms[SESSION_LISTS];
    int64_t change_told_ms[SESSION_LISTS];

    struct fb_buffer scratch;
    struct session_oddities oddities;
};

#define OWNER_OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value == 0 ? fallback : value;
}

struct session *session_create(const struct session_config *config,
                               const struct session_events *events, void *self)
{
    struct session *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        return NULL;
    }
    s->config = *config;
    s->config.probe_ms = or_default(config->probe_ms, 3000);
    s->config.start_ms = or_default(config->start_ms, 60000);
    s->config.list_ms = or_default(config->list_ms, 30000);
    s->config.debounce_ms = or_default(config->debounce_ms, 250);
    s->config.pages_most = (uint32_t)or_default(config->pages_most, 1000);
    s->config.items_most = (uint32_t)or_default(config->items_most, 10000);
    s->config.items_bytes_most = (size_t)or_default((int64_t)config->items_bytes_most, 8 << 20);
    s->events = events;
    s->self = self;
    s->told_level = -1;
    s->probe_due_ms = NEVER;
    s->start_due_ms = NEVER;
    s->listen_due_ms = NEVER;
    for (int k = 0; k < SESSION_LISTS; k++) {
        s->lists[k].session = s;
        s->lists[k].kind = (enum session_list)k;
        s->lists[k].text.limit_bytes = s->config.items_bytes_most;
        s->lists[k].due_ms = NEVER;
        s->change_due_ms[k] = NEVER;
        s->change_told_ms[k] = INT64_MIN / 2;
    }
    return s;
}

static void finish_listing(struct listing *l)
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

void session_destroy(struct session *s)
{
    if (s == NULL) {
        return;
    }
    for (int k = 0; k < SESSION_LISTS; k++) {
        finish_listing(&s->lists[k]);
    }
    for (size_t i = 0; i < sizeof(s->about) / sizeof(s->about[0]); i++) {
        fb_buffer_finish(&s->about[i]);
    }
    fb_buffer_finish(&s->scratch);
    fb_buffer_finish(&s->out);
    free(s);
}

bool session_is_ready(const struct session *s)
{
    return s->state == READY;
}

bool session_is_probing(const struct session *s)
{
    return s->probe.id != 0 && s->state != READY;
}

const struct session_server *session_server(const struct session *s)
{
    return &s->server;
}

const struct session_oddities *session_oddities(const struct session *s)
{
    return &s->oddities;
}

size_t session_open_requests(const struct session *s)
{
    return s->open_requests;
}

bool session_has_list(const struct session *s, enum session_list list)
{
    return s->has[list];
}

int session_log_level(struct fb_text name)
{
    for (int i = 0; i < LOG_LEVELS; i++) {
        if (fb_text_is(name, log_levels[i])) {
            return i;
        }
    }
    return -1;
}

/* --- output --- */

struct fb_text session_output(const struct session *s)
{
    return (struct fb_text){.data = s->out.data + s->out_at, .size = s->out.size - s->out_at};
}

void session_written(struct session *s, size_t size)
{
    assert(size <= s->out.size - s->out_at);
    s->out_at += size;
    if (s->out_at == s->out.size) {
        fb_buffer_clear(&s->out, KEEP_OUT_BYTES);
        s->out_at = 0;
    } else if (s->out_at > KEEP_OUT_BYTES && s->out_at > s->out.size / 2) {
        /* Only when most of it is gone, so that a huge line is not moved once for each write. */
        fb_buffer_consume(&s->out, s->out_at);
        s->out_at = 0;
    }
}

static uint64_t written_bytes(const struct session *s)
{
    return s->put_bytes - (s->out.size - s->out_at);
}

/* Ends the line that began at `start`; false, and the line undone, when it did not fit into memory. */
static bool end_line(struct session *s, size_t start)
{
    fb_buffer_append(&s->out, "\n", 1);
    if (s->out.failed) {
        s->out.size = start;
        s->out.failed = false;
        return false;
    }
    s->put_bytes += s->out.size - start;
    return true;
}

/* --- open requests --- */

static struct session_request **bucket_of(struct session *s, int64_t id)
{
    return &s->open[(uint64_t)id % BUCKETS];
}

static struct session_request *find_request(struct session *s, int64_t id)
{
    struct session_request *r = *bucket_of(s, id);

    while (r != NULL && r->id != id) {
        r = r->next;
    }
    return r;
}

static const struct session_request_events probe_events;
static const struct session_request_events shake_events;
static const struct session_request_events listen_events;
static const struct session_request_events set_level_events;
static const struct session_request_events page_events;

static bool is_ours(const struct session_request *r)
{
    return r->events == &probe_events || r->events == &shake_events ||
           r->events == &listen_events || r->events == &set_level_events ||
           r->events == &page_events;
}

static void take_out(struct session *s, struct session_request *request)
{
    struct session_request **link = bucket_of(s, request->id);

    while (*link != request) {
        link = &(*link)->next;
    }
    *link = request->next;
    request->next = NULL;
    request->id = 0;
    if (!is_ours(request)) {
        s->open_requests--;
    }
}

static void answer(struct session *s, struct session_request *request,
                   const struct session_answer *how)
{
    take_out(s, request);
    request->events->on_answer(request, how);
}

static bool put_request(struct session *s, struct session_request *request,
                        const struct session_request_events *events,
                        const struct session_plan *plan, const char *extra_params)
{
    const int64_t id = s->last_id + 1;
    const size_t start = s->out.size;
    const bool modern = s->server.era == ERA_MODERN;
    const struct wire_meta meta = {
        .extra = plan->meta,
        .revision = modern ? ERA_MODERN_REVISION : NULL,
        .client_version = s->config.version,
        .log_level = modern && plan->log_level >= 0 ? log_levels[plan->log_level] : NULL,
        .token = plan->progress ? id : 0,
    };
    struct fb_buffer *out = &s->out;
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
    if (!end_line(s, start)) {
        return false;
    }
    s->last_id = id;
    *request = (struct session_request){
        .events = events,
        .id = id,
        .ends_at = s->put_bytes,
        .wants_progress = plan->progress,
        .log_level = plan->log_level,
        .next = *bucket_of(s, id),
    };
    *bucket_of(s, id) = request;
    return true;
}

static void put_cancel(struct session *s, int64_t id, const char *reason)
{
    const size_t start = s->out.size;

    fb_buffer_printf(&s->out,
                     "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\","
                     "\"params\":{\"requestId\":%lld,\"reason\":",
                     (long long)id);
    fb_buffer_json_string(&s->out, fb_text_of(reason));
    fb_buffer_string(&s->out, "}}");
    end_line(s, start);
}

static void fail(struct session *s, enum session_failure failure)
{
    s->state = ENDED;
    s->events->on_failed(s->self, failure, s->why);
}

static void fail_for(struct session *s, enum session_failure failure, const char *why)
{
    snprintf(s->why, sizeof(s->why), "%s", why);
    fail(s, failure);
}

/* --- finding out the era --- */

static const struct session_plan bare_plan = {.log_level = -1};

static void put_probe(struct session *s)
{
    struct session_plan plan = bare_plan;

    plan.method = "server/discover";
    s->state = PROBING;
    /* The probe carries the modern envelope, whoever it is asked of. */
    s->server.era = ERA_MODERN;
    if (!put_request(s, &s->probe, &probe_events, &plan, NULL)) {
        fail_for(s, SESSION_OUT_OF_MEMORY, "out of memory");
    }
    s->server.era = ERA_UNKNOWN;
}

static void put_shake(struct session *s)
{
    const struct session_plan plan = {.method = "initialize", .log_level = -1};
    char params[256];

    snprintf(params, sizeof(params),
             "\"protocolVersion\":\"" ERA_LEGACY_REVISION "\",\"capabilities\":{},"
             "\"clientInfo\":{\"name\":\"flow-balancer\",\"version\":\"%s\"}",
             s->config.version);
    s->state = SHAKING;
    s->probe_due_ms = NEVER;
    if (!put_request(s, &s->shake, &shake_events, &plan, params)) {
        fail_for(s, SESSION_OUT_OF_MEMORY, "out of memory");
    }
}

void session_start(struct session *s, int64_t now_ms)
{
    const bool legacy = s->config.era == ERA_LEGACY;

    assert(s->state == NEW);
    s->start_due_ms = now_ms + s->config.start_ms;
    if (legacy) {
        put_shake(s);
        return;
    }
    if (!(s->config.era_forced && s->config.era == ERA_MODERN)) {
        s->probe_due_ms = now_ms + s->config.probe_ms;
    }
    put_probe(s);
}

/* Keeps a copy of what the server says of itself, if it is within reason. */
static struct fb_text keep_about(struct fb_buffer *copy, struct fb_text value)
{
    fb_buffer_clear(copy, ABOUT_MOST_BYTES);
    if (value.size <= ABOUT_MOST_BYTES) {
        wire_put_value(copy, value);
    }
    return (struct fb_text){.data = copy->data, .size = copy->size};
}

static bool is_true(struct fb_text object, const char *key)
{
    struct fb_text value;

    return fb_json_find(object, key, &value) && fb_json_kind_of(value) == FB_JSON_TRUE;
}

static void read_capabilities(struct session *s, struct fb_text capabilities)
{
    struct fb_text value;

    for (int k = 0; k < SESSION_LISTS; k++) {
        s->has[k] = fb_json_find(capabilities, list_kinds[k].capability, &value) &&
                    fb_json_kind_of(value) == FB_JSON_OBJECT;
        s->announces[k] = s->has[k] && is_true(value, "listChanged");
    }
    s->has_log = fb_json_find(capabilities, "logging", &value);
}

static void read_about(struct session *s, struct fb_text info, struct fb_text result)
{
    struct fb_text capabilities = {.data = NULL};
    struct fb_text instructions = {.data = NULL};
    struct fb_arena arena;
    struct fb_text said = {.data = NULL};

    fb_json_find(result, "capabilities", &capabilities);
    fb_json_find(result, "instructions", &instructions);
    read_capabilities(s, capabilities);
    fb_arena_init(&arena, 0);
    if (instructions.size != 0 && !fb_is_ok(fb_json_unescape(instructions, &arena, &said, NULL))) {
        said = (struct fb_text){.data = NULL};
    }
    s->server.info = keep_about(&s->about[0], info);
    s->server.capabilities = keep_about(&s->about[1], capabilities);
    fb_buffer_clear(&s->about[2], ABOUT_MOST_BYTES);
    if (said.size <= ABOUT_MOST_BYTES) {
        fb_buffer_text(&s->about[2], said);
    }
    s->server.instructions = (struct fb_text){.data = s->about[2].data, .size = s->about[2].size};
    fb_arena_finish(&arena);
}

/* Modern servers tell of changes only to those who listen. */
static void put_listen(struct session *s)
{
    struct session_plan plan = bare_plan;
    char params[160];
    size_t size = 0;

    plan.method = "subscriptions/listen";
    s->listen_due_ms = NEVER;
    for (int k = 0; k < SESSION_LISTS; k++) {
        if (s->announces[k] && list_kinds[k].interest != NULL) {
            size +=
                (size_t)snprintf(params + size, sizeof(params) - size, "%s\"%s\":true",
                                 size == 0 ? "\"notifications\":{" : ",", list_kinds[k].interest);
        }
    }
    if (size == 0) {
        return;
    }
    snprintf(params + size, sizeof(params) - size, "}");
    /* Without memory for it changes go unnoticed until the list is read for another reason. */
    (void)put_request(s, &s->listen, &listen_events, &plan, params);
}

static void become_ready(struct session *s)
{
    s->state = READY;
    s->probe_due_ms = NEVER;
    s->start_due_ms = NEVER;
    if (s->server.era == ERA_MODERN) {
        put_listen(s);
    }
    s->events->on_ready(s->self);
}

static void become_modern(struct session *s, struct fb_text result)
{
    struct fb_text meta = {.data = NULL};
    struct fb_text info = {.data = NULL};

    if (s->shake.id != 0) {
        take_out(s, &s->shake);
    }
    fb_json_find(result, "_meta", &meta);
    fb_json_find(meta, "io.modelcontextprotocol/serverInfo", &info);
    s->server.era = ERA_MODERN;
    s->server.revision = ERA_MODERN_REVISION;
    read_about(s, info, result);
    become_ready(s);
}

static void probe_answered(struct session_request *request, const struct session_answer *how)
{
    struct session *s = OWNER_OF(struct session, probe, request);
    const bool forced = s->config.era_forced && s->config.era == ERA_MODERN;
    struct wire_message message = {.kind = WIRE_ERROR};

    if ((s->state != PROBING && s->state != SHAKING) ||
        (how->end != SESSION_RESULT && how->end != SESSION_ERROR && how->end != SESSION_GARBLED)) {
        return;
    }
    if (how->end == SESSION_RESULT) {
        message = (struct wire_message){.kind = WIRE_RESULT, .result = how->body};
    } else if (how->end == SESSION_ERROR) {
        message.error = how->body;
    }
    switch (era_judge(&message)) {
    case ERA_SAYS_MODERN:
        become_modern(s, how->body);
        return;
    case ERA_SAYS_RETRY:
        if (s->state == PROBING && !s->probed_twice) {
            s->probed_twice = true;
            put_probe(s);
        } else if (s->state == PROBING) {
            fail_for(s, SESSION_REFUSED, "it refuses the protocol revision that it lists");
        }
        return;
    case ERA_SAYS_NEITHER:
        fail_for(s, SESSION_REFUSED, "it speaks only protocol revisions later than 2026-07-28");
        return;
    case ERA_SAYS_LEGACY:
        break;
    }
    if (forced) {
        fail_for(s, SESSION_REFUSED, "it does not speak 2026-07-28, which its settings demand");
    } else if (s->state == PROBING) {
        put_shake(s);
    }
}

static const struct session_request_events probe_events = {.on_answer = probe_answered};

/* The error's own words, for a person. */
static void keep_why(struct session *s, const char *what, struct fb_text error)
{
    struct fb_arena arena;
    struct wire_error e;
    int most;

    fb_arena_init(&arena, 0);
    e = wire_error_of(error, &arena);
    most = e.message.size > 200 ? 200 : (int)e.message.size;
    snprintf(s->why, sizeof(s->why), "%s: %lld %.*s", what, (long long)e.code, most,
             e.message.size == 0 ? "" : e.message.data);
    fb_arena_finish(&arena);
    for (char *c = s->why; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ') {
            *c = ' ';
        }
    }
    /* The cut may have split a character. */
    s->why[fb_utf8_check(s->why, strlen(s->why))] = '\0';
}

static void shake_answered(struct session_request *request, const struct session_answer *how)
{
    struct session *s = OWNER_OF(struct session, shake, request);
    struct fb_text version = {.data = NULL};
    struct fb_text info = {.data = NULL};
    const size_t start = s->out.size;

    if (s->state != SHAKING) {
        return;
    }
    if (how->end == SESSION_ERROR) {
        keep_why(s, "it refused the handshake", how->body);
        fail(s, SESSION_REFUSED);
        return;
    }
    if (how->end != SESSION_RESULT) {
        fail_for(s, SESSION_REFUSED, "it answered the handshake with too long a line");
        return;
    }
    fb_json_find(how->body, "protocolVersion", &version);
    s->server.revision = era_legacy_revision(version);
    if (s->server.revision == NULL) {
        fail_for(s, SESSION_REFUSED, "it answered the handshake with an unknown protocol revision");
        return;
    }
    fb_json_find(how->body, "serverInfo", &info);
    s->server.era = ERA_LEGACY;
    read_about(s, info, how->body);
    if (s->probe.id != 0) {
        take_out(s, &s->probe);
    }
    fb_buffer_string(&s->out, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}");
    if (!end_line(s, start)) {
        fail_for(s, SESSION_OUT_OF_MEMORY, "out of memory");
        return;
    }
    become_ready(s);
}

static const struct session_request_events shake_events = {.on_answer = shake_answered};

static void tell_later(struct session *s, enum session_list list, int64_t now_ms);

static void listen_answered(struct session_request *request, const struct session_answer *how)
{
    struct session *s = OWNER_OF(struct session, listen, request);

    /* A server that ends a subscription in order may be asked again; one that cannot, may not. */
    if (s->state == READY && how->end == SESSION_RESULT) {
        s->listen_due_ms = 0;
    }
}

static const struct session_request_events listen_events = {.on_answer = listen_answered};

static void set_level_answered(struct session_request *request, const struct session_answer *how)
{
    (void)request;
    (void)how;
}

static const struct session_request_events set_level_events = {.on_answer = set_level_answered};

/* --- what the server asks --- */

static bool is_id(struct fb_text id)
{
    return fb_json_kind_of(id) == FB_JSON_STRING || fb_json_is_integer(id);
}

static void take_request(struct session *s, const struct wire_message *m)
{
    const size_t start = s->out.size;
    const bool legacy = s->state == SHAKING || (s->state == READY && s->server.era == ERA_LEGACY);

    if (!legacy || !is_id(m->id) || s->out.size - s->out_at > REPLIES_MOST_BYTES) {
        s->oddities.dropped++;
        return;
    }
    fb_buffer_string(&s->out, "{\"jsonrpc\":\"2.0\",\"id\":");
    fb_buffer_text(&s->out, m->id);
    if (fb_json_string_is(m->method, "ping")) {
        fb_buffer_string(&s->out, ",\"result\":{}}");
    } else {
        s->oddities.refused++;
        fb_buffer_string(&s->out, ",\"error\":{\"code\":-32601,\"message\":"
                                  "\"this client declared no such capability\"}}");
    }
    end_line(s, start);
}

/* --- what the server tells --- */

static bool read_number(struct fb_text value, double *number)
{
    char digits[NUMBER_BYTES];

    if (fb_json_kind_of(value) != FB_JSON_NUMBER || value.size >= sizeof(digits)) {
        return false;
    }
    memcpy(digits, value.data, value.size);
    digits[value.size] = '\0';
    *number = strtod(digits, NULL);
    return true;
}

static void take_progress(struct session *s, struct fb_text params)
{
    struct fb_text token = {.data = NULL};
    struct fb_text value = {.data = NULL};
    struct session_request *r = NULL;
    double progress;
    int64_t id;

    fb_json_find(params, "progressToken", &token);
    fb_json_find(params, "progress", &value);
    if (fb_json_to_i64(token, &id)) {
        r = find_request(s, id);
    }
    if (r == NULL || !r->wants_progress || r->events->on_progress == NULL ||
        !read_number(value, &progress) || (r->progressed && !(progress > r->progress))) {
        s->oddities.dropped++;
        return;
    }
    r->progressed = true;
    r->progress = progress;
    fb_buffer_clear(&s->scratch, KEEP_OUT_BYTES);
    wire_put_without(&s->scratch, params, "progressToken");
    if (!s->scratch.failed) {
        r->events->on_progress(r,
                               (struct fb_text){.data = s->scratch.data, .size = s->scratch.size});
    }
}

/* The one open request of an owner; NULL when there are none or several. */
static struct session_request *only_request(struct session *s)
{
    for (size_t b = 0; s->open_requests == 1 && b < BUCKETS; b++) {
        for (struct session_request *r = s->open[b]; r != NULL; r = r->next) {
            if (!is_ours(r)) {
                return r;
            }
        }
    }
    return NULL;
}

/*
 * A log message names no request. While one call is open it is that call's; otherwise nobody's: to
 * show one agent what a server logged for another would leak.
 */
static void take_log(struct session *s, struct fb_text params)
{
    struct session_request *r = only_request(s);
    struct fb_text level = {.data = NULL};
    int rank = -1;

    fb_json_find(params, "level", &level);
    if (level.size > 2) {
        rank = session_log_level((struct fb_text){.data = level.data + 1, .size = level.size - 2});
    }
    if (r != NULL && r->log_level >= 0 && r->events->on_log != NULL) {
        if (rank >= r->log_level) {
            r->events->on_log(r, params);
        }
        return;
    }
    if (s->events->on_log != NULL) {
        s->events->on_log(s->self, params);
    }
}

static void tell_later(struct session *s, enum session_list list, int64_t now_ms)
{
    const int64_t soonest = s->change_told_ms[list] + CHANGE_APART_MS;
    int64_t due = now_ms + s->config.debounce_ms;

    if (s->state != READY || !s->has[list]) {
        return;
    }
    if (s->change_due_ms[list] == NEVER) {
        s->change_first_ms[list] = now_ms;
    }
    if (due > s->change_first_ms[list] + CHANGE_DELAYS * s->config.debounce_ms) {
        due = s->change_first_ms[list] + CHANGE_DELAYS * s->config.debounce_ms;
    }
    s->change_due_ms[list] = due < soonest ? soonest : due;
}

static void take_notification(struct session *s, const struct wire_message *m, int64_t now_ms)
{
    if (fb_json_string_is(m->method, "notifications/progress")) {
        take_progress(s, m->params);
        return;
    }
    if (fb_json_string_is(m->method, "notifications/message")) {
        if (m->params.size != 0) {
            take_log(s, m->params);
        }
        return;
    }
    for (int k = 0; k < SESSION_LISTS; k++) {
        if (fb_json_string_is(m->method, list_kinds[k].notice)) {
            tell_later(s, (enum session_list)k, now_ms);
        }
    }
}

/* --- answers --- */

static struct session_answer answer_of(const struct session *s, const struct session_request *r,
                                       const struct wire_message *m)
{
    struct fb_text type;

    if (m->kind == WIRE_ERROR) {
        return (struct session_answer){.end = SESSION_ERROR, .body = m->error, .status = fb_ok};
    }
    if (is_ours(r) || s->server.era != ERA_MODERN ||
        !fb_json_find(m->result, "resultType", &type) || fb_json_string_is(type, "complete")) {
        return (struct session_answer){.end = SESSION_RESULT, .body = m->result, .status = fb_ok};
    }
    if (fb_json_string_is(type, "input_required")) {
        return (struct session_answer){.end = SESSION_INPUT, .body = m->result, .status = fb_ok};
    }
    return (struct session_answer){
        .end = SESSION_GARBLED,
        .status = {.code = FB_UNKNOWN, .why = "the server answered with an unknown resultType"},
    };
}

static void take_answer(struct session *s, const struct wire_message *m)
{
    struct session_request *r = NULL;
    struct session_answer how;
    int64_t id;

    if (fb_json_to_i64(m->id, &id)) {
        r = find_request(s, id);
    }
    if (r == NULL) {
        s->oddities.strays++;
        return;
    }
    how = answer_of(s, r, m);
    answer(s, r, &how);
}

static void take_message(struct session *s, struct fb_text object, int64_t now_ms)
{
    struct wire_message m;

    if (!fb_is_ok(wire_read(object, &m))) {
        s->oddities.noise++;
        return;
    }
    switch (m.kind) {
    case WIRE_REQUEST:
        take_request(s, &m);
        break;
    case WIRE_NOTIFICATION:
        take_notification(s, &m, now_ms);
        break;
    case WIRE_RESULT:
    case WIRE_ERROR:
        take_answer(s, &m);
        break;
    }
}

void session_line(struct session *s, struct fb_text line, int64_t now_ms)
{
    if (fb_text_begins(line, "\xef\xbb\xbf")) {
        line.data += 3;
        line.size -= 3;
    }
    line = fb_json_trim(line);
    if (line.size == 0 || s->state == NEW || s->state == ENDED) {
        return;
    }
    if (!fb_is_ok(wire_check(line))) {
        s->oddities.noise++;
        return;
    }
    if (line.data[0] == '[') {
        struct fb_json_walk walk = fb_json_walk(line);

        /* Batches exist in one revision only. */
        if (s->server.revision == NULL || strcmp(s->server.revision, "2025-03-26") != 0) {
            s->oddities.noise++;
            return;
        }
        while (s->state != ENDED && fb_json_next(&walk)) {
            take_message(s, walk.value, now_ms);
        }
        return;
    }
    take_message(s, line, now_ms);
}

void session_long_line(struct session *s, struct fb_text head, struct fb_text tail)
{
    const struct session_answer how = {
        .end = SESSION_GARBLED,
        .status = {.code = FB_RESOURCE_EXHAUSTED,
                   .why = "the server has answered, but longer than max_line of its settings "
                          "allows; ask for less at once"},
    };
    struct session_request *r = NULL;
    int64_t id;

    if (wire_guess_id(head, tail, &id)) {
        r = find_request(s, id);
    }
    if (r == NULL) {
        s->oddities.noise++;
        return;
    }
    answer(s, r, &how);
}

/* --- requests of owners --- */

/* A legacy server is told a log level once for all; the most talkative that anyone wants. */
static void lower_level(struct session *s, int level)
{
    const struct session_plan plan = {.method = "logging/setLevel", .log_level = -1};
    char params[40];

    if (s->server.era != ERA_LEGACY || !s->has_log || level < 0 || s->set_level.id != 0 ||
        (s->told_level >= 0 && s->told_level <= level)) {
        return;
    }
    snprintf(params, sizeof(params), "\"level\":\"%s\"", log_levels[level]);
    if (put_request(s, &s->set_level, &set_level_events, &plan, params)) {
        s->told_level = level;
    }
}

struct fb_status session_request(struct session *s, struct session_request *request,
                                 const struct session_request_events *events,
                                 const struct session_plan *plan)
{
    assert(s->state == READY);
    lower_level(s, plan->log_level);
    if (!put_request(s, request, events, plan, NULL)) {
        *request = (struct session_request){.id = 0};
        return fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory");
    }
    s->open_requests++;
    return fb_ok;
}

void session_cancel(struct session *s, struct session_request *request, const char *reason)
{
    const int64_t id = request->id;

    if (id == 0) {
        return;
    }
    take_out(s, request);
    if (s->state == READY) {
        put_cancel(s, id, reason);
    }
}

/* --- lists --- */

static void start_listing(struct listing *l, int64_t now_ms);

static void end_listing(struct listing *l, struct fb_status status)
{
    struct session *s = l->session;
    struct session_items items = {.ttl_ms = l->ttl_ms, .skipped = l->skipped, .cut = l->cut};
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
    s->events->on_listed(s->self, l->kind, status, fb_is_ok(status) ? &items : NULL);
    free(texts);
    finish_listing(l);
    if (l->again && s->state == READY) {
        l->again = false;
        start_listing(l, INT64_MIN);
    }
}

/* Whether the item was kept or rightly skipped; false when a bound was met. */
static bool keep_item(struct listing *l, struct fb_text item)
{
    struct fb_text name;
    const size_t before = l->text.size;

    if (fb_json_kind_of(item) != FB_JSON_OBJECT ||
        !fb_json_find(item, list_kinds[l->kind].key, &name) ||
        fb_json_kind_of(name) != FB_JSON_STRING || name.size <= 2) {
        l->skipped++;
        return true;
    }
    if (l->count == l->session->config.items_most) {
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

static bool put_page(struct listing *l, struct fb_text cursor)
{
    struct session_plan plan = bare_plan;

    plan.method = list_kinds[l->kind].method;
    plan.cursor = cursor;
    return put_request(l->session, &l->request, &page_events, &plan, NULL);
}

/* Follows the cursor of a page, or ends the list. */
static void next_page(struct listing *l, struct fb_text result)
{
    struct fb_text cursor = {.data = NULL};
    uint64_t hash;

    fb_json_find(result, "nextCursor", &cursor);
    if (fb_json_kind_of(cursor) != FB_JSON_STRING) {
        end_listing(l, fb_ok);
        return;
    }
    hash = fb_hash(cursor.data, cursor.size);
    if (l->pages + 1 >= l->session->config.pages_most || followed_before(l, hash)) {
        l->cut = true;
        end_listing(l, fb_ok);
        return;
    }
    l->cursors[l->pages++] = hash;
    if (!put_page(l, cursor)) {
        end_listing(l, fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory"));
    }
}

static void page_answered(struct session_request *request, const struct session_answer *how)
{
    struct listing *l = OWNER_OF(struct listing, request, request);
    struct fb_text items = {.data = NULL};
    struct fb_text ttl;
    struct fb_json_walk walk;

    switch (how->end) {
    case SESSION_RESULT:
    case SESSION_INPUT:
        break;
    case SESSION_ERROR:
        end_listing(l,
                    fb_fail(FB_FAILED_PRECONDITION, "the server answered the list with an error"));
        return;
    case SESSION_GARBLED:
        end_listing(l,
                    fb_fail(FB_RESOURCE_EXHAUSTED,
                            "a page of the list is longer than max_line of its settings allows"));
        return;
    case SESSION_UNSENT:
    case SESSION_LOST:
        end_listing(l, fb_fail(FB_UNAVAILABLE, "the server ended while its list was read"));
        return;
    }
    if (!fb_json_find(how->body, list_kinds[l->kind].items, &items) ||
        fb_json_kind_of(items) != FB_JSON_ARRAY) {
        end_listing(l,
                    fb_fail(FB_FAILED_PRECONDITION, "the server answered the list without items"));
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
            end_listing(l, fb_ok);
            return;
        }
    }
    next_page(l, how->body);
}

static const struct session_request_events page_events = {.on_answer = page_answered};

static void start_listing(struct listing *l, int64_t now_ms)
{
    struct session *s = l->session;

    l->running = true;
    /* Without the time at hand, the next tick sets it. */
    l->due_ms = now_ms == INT64_MIN ? INT64_MIN : now_ms + s->config.list_ms;
    l->cursors = calloc(s->config.pages_most, sizeof(*l->cursors));
    if (l->cursors == NULL || !put_page(l, (struct fb_text){.data = NULL})) {
        end_listing(l, fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory"));
    }
}

void session_list(struct session *s, enum session_list list, int64_t now_ms)
{
    struct listing *l = &s->lists[list];

    assert(s->state == READY);
    if (l->running) {
        l->again = true;
        return;
    }
    start_listing(l, now_ms);
}

/* --- time --- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t session_due_ms(const struct session *s)
{
    int64_t due = earlier(s->probe_due_ms, s->start_due_ms);

    if (s->state == NEW || s->state == ENDED) {
        return NEVER;
    }
    due = earlier(due, s->listen_due_ms);
    for (int k = 0; k < SESSION_LISTS; k++) {
        due = earlier(due, s->change_due_ms[k]);
        due = earlier(due, s->lists[k].due_ms);
    }
    return due;
}

static void tick_listen(struct session *s, int64_t now_ms)
{
    if (s->listen_due_ms == 0) {
        s->listen_due_ms = now_ms + RELISTEN_MS;
        return;
    }
    put_listen(s);
    /* What changed while nobody listened was not told. */
    for (int k = 0; k < SESSION_LISTS; k++) {
        if (s->announces[k]) {
            tell_later(s, (enum session_list)k, now_ms);
        }
    }
}

static void tick_list(struct session *s, enum session_list list, int64_t now_ms)
{
    struct listing *l = &s->lists[list];

    if (l->due_ms == INT64_MIN) {
        l->due_ms = now_ms + s->config.list_ms;
    } else if (l->due_ms <= now_ms) {
        session_cancel(s, &l->request, "took too long");
        end_listing(l, fb_fail(FB_DEADLINE_EXCEEDED, "the server took too long over its list"));
    }
    if (s->change_due_ms[list] <= now_ms) {
        s->change_due_ms[list] = NEVER;
        s->change_told_ms[list] = now_ms;
        s->events->on_changed(s->self, list);
    }
}

void session_tick(struct session *s, int64_t now_ms)
{
    if (s->state == NEW || s->state == ENDED) {
        return;
    }
    if (s->start_due_ms <= now_ms) {
        s->start_due_ms = NEVER;
        fail_for(s, SESSION_SILENT, "it did not answer the handshake in time");
        return;
    }
    if (s->state == PROBING && s->probe_due_ms <= now_ms) {
        put_shake(s);
    }
    if (s->listen_due_ms <= now_ms) {
        tick_listen(s, now_ms);
    }
    for (int k = 0; k < SESSION_LISTS && s->state == READY; k++) {
        tick_list(s, (enum session_list)k, now_ms);
    }
}

/* --- the end --- */

void session_lost(struct session *s)
{
    const uint64_t written = written_bytes(s);

    s->state = ENDED;
    for (size_t b = 0; b < BUCKETS; b++) {
        while (s->open[b] != NULL) {
            /* All but the line end is enough for the server to have understood it. */
            const bool whole = written + 1 >= s->open[b]->ends_at;
            const struct session_answer how = {
                .end = whole ? SESSION_LOST : SESSION_UNSENT,
                .status = fb_ok,
            };

            answer(s, s->open[b], &how);
        }
    }
}

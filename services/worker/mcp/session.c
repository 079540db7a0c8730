#include "services/worker/mcp/session.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/json/scan.h"
#include "services/worker/mcp/change.h"
#include "services/worker/mcp/requests.h"

enum {
    KEEP_SCRATCH_BYTES = 256 * 1024, /* kept from one message to the next */
    REPLIES_MOST_BYTES =
        1024 * 1024,              /* waiting output above which what the server asks is dropped */
    ABOUT_MOST_BYTES = 64 * 1024, /* of each thing a server says of itself */
    WHY_BYTES = 320,
    NUMBER_BYTES = 64,
    RELISTEN_MS = 1000,
};

#define NEVER INT64_MAX

static const struct list_kind {
    const char *capability;
    const char *notice;
    const char *interest; /* how a listen request asks for the notice */
} list_kinds[MCP_SESSION_LISTS] = {
    [MCP_SESSION_TOOLS] = {"tools", "notifications/tools/list_changed", "toolsListChanged"},
    [MCP_SESSION_RESOURCES] = {"resources", "notifications/resources/list_changed",
                               "resourcesListChanged"},
    [MCP_SESSION_TEMPLATES] = {"resources", "notifications/resources/list_changed", NULL},
    [MCP_SESSION_PROMPTS] = {"prompts", "notifications/prompts/list_changed", "promptsListChanged"},
};

enum state {
    NEW,
    PROBING, /* asked, not yet answered */
    SHAKING, /* initialize is out; the probe may still be answered */
    READY,
    ENDED, /* failed or lost */
};

struct mcp_session {
    struct mcp_session_config config;
    const struct mcp_session_events *events;
    void *self;
    enum state state;
    char why[WHY_BYTES];

    struct requests requests;

    /* our own */
    struct mcp_session_request probe;
    struct mcp_session_request shake;
    struct mcp_session_request listen;
    struct mcp_session_request set_level;
    bool probed_twice;
    int64_t probe_due_ms;
    int64_t start_due_ms;
    int64_t listen_due_ms;

    /* the server */
    struct mcp_session_server server;
    struct fb_buffer about[3]; /* info, capabilities, instructions */
    bool has[MCP_SESSION_LISTS];
    bool announces[MCP_SESSION_LISTS];
    bool has_log;
    int told_level; /* of logging/setLevel; -1: never told */

    struct listing lists[MCP_SESSION_LISTS];
    struct change changes[MCP_SESSION_LISTS];

    struct fb_buffer scratch;
    struct mcp_session_oddities oddities;
};

#define OWNER_OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value == 0 ? fallback : value;
}

static void listed(void *self, enum mcp_session_list list, struct fb_status status,
                   const struct mcp_session_items *items)
{
    struct mcp_session *s = self;

    s->events->on_listed(s->self, list, status, items);
}

static const struct listing_events listing_events = {.on_listed = listed};

struct mcp_session *mcp_session_create(const struct mcp_session_config *config,
                                       const struct mcp_session_events *events, void *self)
{
    const struct listing_bounds bounds = {
        .list_ms = or_default(config->list_ms, 30000),
        .pages_most = (uint32_t)or_default(config->pages_most, 1000),
        .items_most = (uint32_t)or_default(config->items_most, 10000),
        .items_bytes_most = (size_t)or_default((int64_t)config->items_bytes_most, 8 << 20),
    };
    struct mcp_session *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        return NULL;
    }
    s->config = *config;
    s->config.probe_ms = or_default(config->probe_ms, 3000);
    s->config.start_ms = or_default(config->start_ms, 60000);
    s->config.debounce_ms = or_default(config->debounce_ms, 250);
    s->requests.version = config->version;
    s->events = events;
    s->self = self;
    s->told_level = -1;
    s->probe_due_ms = NEVER;
    s->start_due_ms = NEVER;
    s->listen_due_ms = NEVER;
    for (int k = 0; k < MCP_SESSION_LISTS; k++) {
        listing_init(&s->lists[k], (enum mcp_session_list)k, &s->requests, &bounds, &listing_events,
                     s);
        s->changes[k] = change_none();
    }
    return s;
}

void mcp_session_destroy(struct mcp_session *s)
{
    if (s == NULL) {
        return;
    }
    for (int k = 0; k < MCP_SESSION_LISTS; k++) {
        listing_finish(&s->lists[k]);
    }
    for (size_t i = 0; i < sizeof(s->about) / sizeof(s->about[0]); i++) {
        fb_buffer_finish(&s->about[i]);
    }
    fb_buffer_finish(&s->scratch);
    requests_finish(&s->requests);
    free(s);
}

bool mcp_session_is_ready(const struct mcp_session *s)
{
    return s->state == READY;
}

bool mcp_session_is_probing(const struct mcp_session *s)
{
    return s->probe.id != 0 && s->state != READY;
}

const struct mcp_session_server *mcp_session_server(const struct mcp_session *s)
{
    return &s->server;
}

const struct mcp_session_oddities *mcp_session_oddities(const struct mcp_session *s)
{
    return &s->oddities;
}

size_t mcp_session_open_requests(const struct mcp_session *s)
{
    return s->requests.of_owners;
}

bool mcp_session_has_list(const struct mcp_session *s, enum mcp_session_list list)
{
    return s->has[list];
}

/* --- output --- */

struct fb_text mcp_session_output(const struct mcp_session *s)
{
    return requests_output(&s->requests);
}

void mcp_session_written(struct mcp_session *s, size_t size)
{
    requests_written(&s->requests, size);
}

static const struct mcp_session_request_events probe_events;
static const struct mcp_session_request_events shake_events;
static const struct mcp_session_request_events listen_events;
static const struct mcp_session_request_events set_level_events;

static void fail(struct mcp_session *s, enum mcp_session_failure failure)
{
    s->state = ENDED;
    s->events->on_failed(s->self, failure, s->why);
}

static void fail_for(struct mcp_session *s, enum mcp_session_failure failure, const char *why)
{
    snprintf(s->why, sizeof(s->why), "%s", why);
    fail(s, failure);
}

/* --- finding out the era --- */

static const struct mcp_session_plan bare_plan = {.log_level = -1};

static void put_probe(struct mcp_session *s)
{
    struct mcp_session_plan plan = bare_plan;

    plan.method = "server/discover";
    s->state = PROBING;
    /* The probe carries the modern envelope, whoever it is asked of. */
    s->requests.modern = true;
    if (!requests_put_own(&s->requests, &s->probe, &probe_events, &plan, NULL)) {
        fail_for(s, MCP_SESSION_OUT_OF_MEMORY, "out of memory");
    }
    s->requests.modern = false;
}

static void put_shake(struct mcp_session *s)
{
    const struct mcp_session_plan plan = {.method = "initialize", .log_level = -1};
    char params[256];

    snprintf(params, sizeof(params),
             "\"protocolVersion\":\"" ERA_LEGACY_REVISION "\",\"capabilities\":{},"
             "\"clientInfo\":{\"name\":\"flow-balancer\",\"version\":\"%s\"}",
             s->config.version);
    s->state = SHAKING;
    s->probe_due_ms = NEVER;
    if (!requests_put_own(&s->requests, &s->shake, &shake_events, &plan, params)) {
        fail_for(s, MCP_SESSION_OUT_OF_MEMORY, "out of memory");
    }
}

void mcp_session_start(struct mcp_session *s, int64_t now_ms)
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

static void read_capabilities(struct mcp_session *s, struct fb_text capabilities)
{
    struct fb_text value;

    for (int k = 0; k < MCP_SESSION_LISTS; k++) {
        s->has[k] = fb_json_find(capabilities, list_kinds[k].capability, &value) &&
                    fb_json_kind_of(value) == FB_JSON_OBJECT;
        s->announces[k] = s->has[k] && is_true(value, "listChanged");
    }
    s->has_log = fb_json_find(capabilities, "logging", &value);
}

static void read_about(struct mcp_session *s, struct fb_text info, struct fb_text result)
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
static void put_listen(struct mcp_session *s)
{
    struct mcp_session_plan plan = bare_plan;
    char params[160];
    size_t size = 0;

    plan.method = "subscriptions/listen";
    s->listen_due_ms = NEVER;
    for (int k = 0; k < MCP_SESSION_LISTS; k++) {
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
    (void)requests_put_own(&s->requests, &s->listen, &listen_events, &plan, params);
}

static void become_ready(struct mcp_session *s)
{
    s->state = READY;
    s->probe_due_ms = NEVER;
    s->start_due_ms = NEVER;
    if (s->server.era == ERA_MODERN) {
        put_listen(s);
    }
    s->events->on_ready(s->self);
}

static void become_modern(struct mcp_session *s, struct fb_text result)
{
    struct fb_text meta = {.data = NULL};
    struct fb_text info = {.data = NULL};

    if (s->shake.id != 0) {
        requests_take_out(&s->requests, &s->shake);
    }
    fb_json_find(result, "_meta", &meta);
    fb_json_find(meta, "io.modelcontextprotocol/serverInfo", &info);
    s->server.era = ERA_MODERN;
    s->requests.modern = true;
    s->server.revision = ERA_MODERN_REVISION;
    read_about(s, info, result);
    become_ready(s);
}

static void probe_answered(struct mcp_session_request *request,
                           const struct mcp_session_answer *how)
{
    struct mcp_session *s = OWNER_OF(struct mcp_session, probe, request);
    const bool forced = s->config.era_forced && s->config.era == ERA_MODERN;
    struct wire_message message = {.kind = WIRE_ERROR};

    if ((s->state != PROBING && s->state != SHAKING) ||
        (how->end != MCP_SESSION_RESULT && how->end != MCP_SESSION_ERROR &&
         how->end != MCP_SESSION_GARBLED)) {
        return;
    }
    if (how->end == MCP_SESSION_RESULT) {
        message = (struct wire_message){.kind = WIRE_RESULT, .result = how->body};
    } else if (how->end == MCP_SESSION_ERROR) {
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
            fail_for(s, MCP_SESSION_REFUSED, "it refuses the protocol revision that it lists");
        }
        return;
    case ERA_SAYS_NEITHER:
        fail_for(s, MCP_SESSION_REFUSED, "it speaks only protocol revisions later than 2026-07-28");
        return;
    case ERA_SAYS_LEGACY:
        break;
    }
    if (forced) {
        fail_for(s, MCP_SESSION_REFUSED, "it does not speak 2026-07-28, which its settings demand");
    } else if (s->state == PROBING) {
        put_shake(s);
    }
}

static const struct mcp_session_request_events probe_events = {.on_answer = probe_answered};

/* The error's own words, for a person. */
static void keep_why(struct mcp_session *s, const char *what, struct fb_text error)
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

static void shake_answered(struct mcp_session_request *request,
                           const struct mcp_session_answer *how)
{
    struct mcp_session *s = OWNER_OF(struct mcp_session, shake, request);
    struct fb_text version = {.data = NULL};
    struct fb_text info = {.data = NULL};
    const size_t start = s->requests.out.size;

    if (s->state != SHAKING) {
        return;
    }
    if (how->end == MCP_SESSION_ERROR) {
        keep_why(s, "it refused the handshake", how->body);
        fail(s, MCP_SESSION_REFUSED);
        return;
    }
    if (how->end != MCP_SESSION_RESULT) {
        fail_for(s, MCP_SESSION_REFUSED, "it answered the handshake with too long a line");
        return;
    }
    fb_json_find(how->body, "protocolVersion", &version);
    s->server.revision = era_legacy_revision(version);
    if (s->server.revision == NULL) {
        fail_for(s, MCP_SESSION_REFUSED,
                 "it answered the handshake with an unknown protocol revision");
        return;
    }
    fb_json_find(how->body, "serverInfo", &info);
    s->server.era = ERA_LEGACY;
    read_about(s, info, how->body);
    if (s->probe.id != 0) {
        requests_take_out(&s->requests, &s->probe);
    }
    fb_buffer_string(&s->requests.out,
                     "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}");
    if (!requests_end_line(&s->requests, start)) {
        fail_for(s, MCP_SESSION_OUT_OF_MEMORY, "out of memory");
        return;
    }
    become_ready(s);
}

static const struct mcp_session_request_events shake_events = {.on_answer = shake_answered};

static void listen_answered(struct mcp_session_request *request,
                            const struct mcp_session_answer *how)
{
    struct mcp_session *s = OWNER_OF(struct mcp_session, listen, request);

    /* A server that ends a subscription in order may be asked again; one that cannot, may not. */
    if (s->state == READY && how->end == MCP_SESSION_RESULT) {
        s->listen_due_ms = 0;
    }
}

static const struct mcp_session_request_events listen_events = {.on_answer = listen_answered};

static void set_level_answered(struct mcp_session_request *request,
                               const struct mcp_session_answer *how)
{
    (void)request;
    (void)how;
}

static const struct mcp_session_request_events set_level_events = {.on_answer = set_level_answered};

/* --- what the server asks --- */

static bool is_id(struct fb_text id)
{
    return fb_json_kind_of(id) == FB_JSON_STRING || fb_json_is_integer(id);
}

static void take_request(struct mcp_session *s, const struct wire_message *m)
{
    const size_t start = s->requests.out.size;
    const bool legacy = s->state == SHAKING || (s->state == READY && s->server.era == ERA_LEGACY);

    if (!legacy || !is_id(m->id) || requests_output(&s->requests).size > REPLIES_MOST_BYTES) {
        s->oddities.dropped++;
        return;
    }
    fb_buffer_string(&s->requests.out, "{\"jsonrpc\":\"2.0\",\"id\":");
    fb_buffer_text(&s->requests.out, m->id);
    if (fb_json_string_is(m->method, "ping")) {
        fb_buffer_string(&s->requests.out, ",\"result\":{}}");
    } else {
        s->oddities.refused++;
        fb_buffer_string(&s->requests.out, ",\"error\":{\"code\":-32601,\"message\":"
                                           "\"this client declared no such capability\"}}");
    }
    requests_end_line(&s->requests, start);
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

static void take_progress(struct mcp_session *s, struct fb_text params)
{
    struct fb_text token = {.data = NULL};
    struct fb_text value = {.data = NULL};
    struct mcp_session_request *r = NULL;
    double progress;
    int64_t id;

    fb_json_find(params, "progressToken", &token);
    fb_json_find(params, "progress", &value);
    if (fb_json_to_i64(token, &id)) {
        r = requests_find(&s->requests, id);
    }
    if (r == NULL || !r->wants_progress || r->events->on_progress == NULL ||
        !read_number(value, &progress) || (r->progressed && !(progress > r->progress))) {
        s->oddities.dropped++;
        return;
    }
    r->progressed = true;
    r->progress = progress;
    fb_buffer_clear(&s->scratch, KEEP_SCRATCH_BYTES);
    wire_put_without(&s->scratch, params, "progressToken");
    if (!s->scratch.failed) {
        r->events->on_progress(r,
                               (struct fb_text){.data = s->scratch.data, .size = s->scratch.size});
    }
}

/*
 * A log message names no request. While one call is open it is that call's; otherwise nobody's: to
 * show one agent what a server logged for another would leak.
 */
static void take_log(struct mcp_session *s, struct fb_text params)
{
    struct mcp_session_request *r = requests_only(&s->requests);
    struct fb_text level = {.data = NULL};
    int rank = -1;

    fb_json_find(params, "level", &level);
    if (level.size > 2) {
        rank =
            mcp_session_log_level((struct fb_text){.data = level.data + 1, .size = level.size - 2});
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

static void tell_later(struct mcp_session *s, enum mcp_session_list list, int64_t now_ms)
{
    if (s->state == READY && s->has[list]) {
        change_notice(&s->changes[list], s->config.debounce_ms, now_ms);
    }
}

static void take_notification(struct mcp_session *s, const struct wire_message *m, int64_t now_ms)
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
    for (int k = 0; k < MCP_SESSION_LISTS; k++) {
        if (fb_json_string_is(m->method, list_kinds[k].notice)) {
            tell_later(s, (enum mcp_session_list)k, now_ms);
        }
    }
}

/* --- answers --- */

static struct mcp_session_answer answer_of(const struct mcp_session *s,
                                           const struct mcp_session_request *r,
                                           const struct wire_message *m)
{
    struct fb_text type;

    if (m->kind == WIRE_ERROR) {
        return (struct mcp_session_answer){
            .end = MCP_SESSION_ERROR, .body = m->error, .status = fb_ok};
    }
    if (r->own || s->server.era != ERA_MODERN || !fb_json_find(m->result, "resultType", &type) ||
        fb_json_string_is(type, "complete")) {
        return (struct mcp_session_answer){
            .end = MCP_SESSION_RESULT, .body = m->result, .status = fb_ok};
    }
    if (fb_json_string_is(type, "input_required")) {
        return (struct mcp_session_answer){
            .end = MCP_SESSION_INPUT, .body = m->result, .status = fb_ok};
    }
    return (struct mcp_session_answer){
        .end = MCP_SESSION_GARBLED,
        .status = {.code = FB_UNKNOWN, .why = "the server answered with an unknown resultType"},
    };
}

static void take_answer(struct mcp_session *s, const struct wire_message *m)
{
    struct mcp_session_request *r = NULL;
    struct mcp_session_answer how;
    int64_t id;

    if (fb_json_to_i64(m->id, &id)) {
        r = requests_find(&s->requests, id);
    }
    if (r == NULL) {
        s->oddities.strays++;
        return;
    }
    how = answer_of(s, r, m);
    requests_answer(&s->requests, r, &how);
}

static void take_message(struct mcp_session *s, struct fb_text object, int64_t now_ms)
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

void mcp_session_line(struct mcp_session *s, struct fb_text line, int64_t now_ms)
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

void mcp_session_long_line(struct mcp_session *s, struct fb_text head, struct fb_text tail)
{
    const struct mcp_session_answer how = {
        .end = MCP_SESSION_GARBLED,
        .status = {.code = FB_RESOURCE_EXHAUSTED,
                   .why = "the server has answered, but longer than max_line of its settings "
                          "allows; ask for less at once"},
    };
    struct mcp_session_request *r = NULL;
    int64_t id;

    if (wire_guess_id(head, tail, &id)) {
        r = requests_find(&s->requests, id);
    }
    if (r == NULL) {
        s->oddities.noise++;
        return;
    }
    requests_answer(&s->requests, r, &how);
}

/* --- requests of owners --- */

/* A legacy server is told a log level once for all; the most talkative that anyone wants. */
static void lower_level(struct mcp_session *s, int level)
{
    const struct mcp_session_plan plan = {.method = "logging/setLevel", .log_level = -1};
    char params[40];

    if (s->server.era != ERA_LEGACY || !s->has_log || level < 0 || s->set_level.id != 0 ||
        (s->told_level >= 0 && s->told_level <= level)) {
        return;
    }
    snprintf(params, sizeof(params), "\"level\":\"%s\"", mcp_session_log_level_name(level));
    if (requests_put_own(&s->requests, &s->set_level, &set_level_events, &plan, params)) {
        s->told_level = level;
    }
}

struct fb_status mcp_session_request(struct mcp_session *s, struct mcp_session_request *request,
                                     const struct mcp_session_request_events *events,
                                     const struct mcp_session_plan *plan)
{
    assert(s->state == READY);
    lower_level(s, plan->log_level);
    if (!requests_put(&s->requests, request, events, plan)) {
        *request = (struct mcp_session_request){.id = 0};
        return fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory");
    }
    return fb_ok;
}

void mcp_session_cancel(struct mcp_session *s, struct mcp_session_request *request,
                        const char *reason)
{
    if (s->state == READY) {
        requests_cancel(&s->requests, request, reason);
    } else if (request->id != 0) {
        requests_take_out(&s->requests, request);
    }
}

/* --- lists --- */

void mcp_session_list(struct mcp_session *s, enum mcp_session_list list, int64_t now_ms)
{
    assert(s->state == READY);
    listing_start(&s->lists[list], now_ms);
}

/* --- time --- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t mcp_session_due_ms(const struct mcp_session *s)
{
    int64_t due = earlier(s->probe_due_ms, s->start_due_ms);

    if (s->state == NEW || s->state == ENDED) {
        return NEVER;
    }
    due = earlier(due, s->listen_due_ms);
    for (int k = 0; k < MCP_SESSION_LISTS; k++) {
        due = earlier(due, s->changes[k].due_ms);
        due = earlier(due, s->lists[k].due_ms);
    }
    return due;
}

static void tick_listen(struct mcp_session *s, int64_t now_ms)
{
    if (s->listen_due_ms == 0) {
        s->listen_due_ms = now_ms + RELISTEN_MS;
        return;
    }
    put_listen(s);
    /* What changed while nobody listened was not told. */
    for (int k = 0; k < MCP_SESSION_LISTS; k++) {
        if (s->announces[k]) {
            tell_later(s, (enum mcp_session_list)k, now_ms);
        }
    }
}

static void tick_list(struct mcp_session *s, enum mcp_session_list list, int64_t now_ms)
{
    listing_tick(&s->lists[list], now_ms);
    if (change_is_due(&s->changes[list], now_ms)) {
        s->events->on_changed(s->self, list);
    }
}

void mcp_session_tick(struct mcp_session *s, int64_t now_ms)
{
    if (s->state == NEW || s->state == ENDED) {
        return;
    }
    if (s->start_due_ms <= now_ms) {
        s->start_due_ms = NEVER;
        fail_for(s, MCP_SESSION_SILENT, "it did not answer the handshake in time");
        return;
    }
    if (s->state == PROBING && s->probe_due_ms <= now_ms) {
        put_shake(s);
    }
    if (s->listen_due_ms <= now_ms) {
        tick_listen(s, now_ms);
    }
    for (int k = 0; k < MCP_SESSION_LISTS && s->state == READY; k++) {
        tick_list(s, (enum mcp_session_list)k, now_ms);
    }
}

/* --- the end --- */

void mcp_session_lost(struct mcp_session *s)
{
    s->state = ENDED;
    requests_lost(&s->requests);
}

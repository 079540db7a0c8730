#include "services/session_store/serving.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "runtime/base/text.h"
#include "runtime/rpc/message.h"

void session_info_of(const struct engine_session *session, struct fb_arena *arena,
                     Flowbalancer__V1__SessionInfo *info)
{
    ProtobufCMessage *line;

    flowbalancer__v1__session_info__init(info);
    /* protobuf-c has no word for borrowed text; packing only reads it. */
    info->session_id = (char *)(uintptr_t)session->id;
    info->scope = (char *)(uintptr_t)session->scope;
    info->name = (char *)(uintptr_t)session->name;
    info->created_unix_ms = session->created_unix_ms;
    info->updated_unix_ms = session->updated_unix_ms;
    info->last_sequence = session->last_sequence;
    info->snapshot_sequence = session->snapshot_sequence;
    info->epoch = session->epoch;
    info->owner = (char *)(uintptr_t)session->owner;
    info->lease_expires_unix_ms = session->lease_expires_unix_ms;
    info->payload_bytes = session->payload_bytes;
    info->projection_sequence = session->projection_sequence;
    /* A line that cannot be read is none: it can be had anew, and the session is not the worse for it. */
    if (session->line.size > 0 &&
        fb_is_ok(fb_message_unpack(&flowbalancer__v1__session_line__descriptor, session->line.data,
                                   session->line.size, 0, arena, &line))) {
        info->line = (Flowbalancer__V1__SessionLine *)line;
    }
}

/* --- AcquireSession --- */

/* 120 random bits as "s-" and 24 of a-z2-7: not to be guessed, and easy to select and to say. */
static const char *mint_id(struct fb_arena *arena)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    unsigned char random[24];
    char id[2 + sizeof(random)] = {'s', '-'};

    if (RAND_bytes(random, sizeof(random)) != 1) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(random); i++) {
        id[2 + i] = letters[random[i] % 32];
    }
    return fb_arena_copy(arena, id, sizeof(id));
}

static void answer_acquire(struct asked *asked)
{
    const struct engine_acquire *acquire = &asked->acquire;
    Flowbalancer__V1__AcquireSessionResponse response =
        FLOWBALANCER__V1__ACQUIRE_SESSION_RESPONSE__INIT;

    if (acquire->op.status.code == FB_FAILED_PRECONDITION) {
        fb_call_add_trailer(asked->call, "flowbalancer-holder", fb_text_of(acquire->session.owner));
        add_number_trailer(asked->call, "flowbalancer-retry-ms",
                           acquire->session.lease_expires_unix_ms - acquire->now_unix_ms);
    }
    if (!fb_is_ok(acquire->op.status)) {
        asked_fail(asked);
        return;
    }
    response.session_id = (char *)(uintptr_t)acquire->session.id;
    response.epoch = acquire->session.epoch;
    response.last_sequence = acquire->session.last_sequence;
    response.snapshot_sequence = acquire->session.snapshot_sequence;
    response.lease_expires_unix_ms = acquire->session.lease_expires_unix_ms;
    response.created = acquire->created;
    asked_reply(asked, &response.base);
}

static struct fb_status check_lease(struct fb_arena *arena, int64_t lease_ms)
{
    return lease_ms == 0 ? fb_ok
                         : limits_number(arena, "lease_ms", lease_ms, LIMIT_LEASE_LEAST_MS,
                                         LIMIT_LEASE_MOST_MS);
}

void serve_acquire_session(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__AcquireSessionRequest *request =
        (const Flowbalancer__V1__AcquireSessionRequest *)message;
    struct fb_arena *arena = fb_call_arena(call);
    struct asked *asked;

    if (!request_is_good(
            call, limits_scope(arena, "scope", request->scope),
            limits_scope(arena, "session_id", request->session_id),
            limits_text(arena, "name", request->name, LIMIT_NAME_BYTES),
            limits_id(arena, "owner", request->owner), check_lease(arena, request->lease_ms),
            request->session_id[0] != '\0' || request->name[0] != '\0' || request->create
                ? fb_ok
                : fb_fail(FB_INVALID_ARGUMENT,
                          "session_id: is empty, and there is no name to find a session by"))) {
        return;
    }
    asked = asked_create(call, sizeof(*asked), answer_acquire);
    if (asked == NULL) {
        return;
    }
    asked->acquire.scope = request->scope;
    asked->acquire.session_id = request->session_id;
    asked->acquire.name = request->name;
    asked->acquire.create = request->create;
    asked->acquire.owner = request->owner;
    asked->acquire.lease_ms = request->lease_ms != 0 ? request->lease_ms : LIMIT_LEASE_FALLBACK_MS;
    asked->acquire.take_over = request->take_over;
    asked->acquire.new_id = mint_id(arena);
    if (asked->acquire.new_id == NULL) {
        fb_call_finish(call, fb_fail(FB_INTERNAL, "there are no random numbers for a session id"));
        return;
    }
    asked_submit(asked, ENGINE_ACQUIRE, 1024);
}

/* --- RenewSessions --- */

static void answer_renew(struct asked *asked)
{
    const struct engine_renew *renew = &asked->renew;
    Flowbalancer__V1__RenewSessionsResponse response =
        FLOWBALANCER__V1__RENEW_SESSIONS_RESPONSE__INIT;

    if (!fb_is_ok(renew->op.status)) {
        asked_fail(asked);
        return;
    }
    response.lost_session_ids = fb_arena_zalloc(&asked->op.arena, renew->held_count + 1,
                                                sizeof(*response.lost_session_ids));
    if (response.lost_session_ids == NULL) {
        asked->op.status = fb_fail(FB_RESOURCE_EXHAUSTED, "the store is out of memory");
        asked_fail(asked);
        return;
    }
    for (size_t i = 0; i < renew->held_count; i++) {
        if (renew->held[i].lost) {
            response.lost_session_ids[response.n_lost_session_ids++] =
                (char *)(uintptr_t)renew->held[i].session_id;
        }
    }
    response.lease_expires_unix_ms = renew->lease_expires_unix_ms;
    asked_reply(asked, &response.base);
}

static struct fb_status check_held(struct fb_arena *arena,
                                   const Flowbalancer__V1__RenewSessionsRequest *request)
{
    struct fb_status status =
        limits_size(arena, "sessions", request->n_sessions, 0, LIMIT_HELD, "sessions");

    for (size_t i = 0; i < request->n_sessions && fb_is_ok(status); i++) {
        const Flowbalancer__V1__HeldSession *held = request->sessions[i];

        status = limits_id(arena, "sessions.session_id", held->session_id);
        if (fb_is_ok(status)) {
            status = limits_number(arena, "sessions.epoch", held->epoch, 1, INT64_MAX);
        }
    }
    return status;
}

void serve_renew_sessions(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__RenewSessionsRequest *request =
        (const Flowbalancer__V1__RenewSessionsRequest *)message;
    struct fb_arena *arena = fb_call_arena(call);
    struct engine_held *held;
    struct asked *asked;

    if (!request_is_good(call, limits_id(arena, "owner", request->owner),
                         check_lease(arena, request->lease_ms), check_held(arena, request))) {
        return;
    }
    asked = asked_create(call, sizeof(*asked), answer_renew);
    if (asked == NULL) {
        return;
    }
    held = fb_arena_zalloc(arena, request->n_sessions + 1, sizeof(*held));
    if (held == NULL) {
        fb_call_finish(call, fb_fail(FB_RESOURCE_EXHAUSTED, "the store is out of memory"));
        return;
    }
    for (size_t i = 0; i < request->n_sessions; i++) {
        held[i] = (struct engine_held){.session_id = request->sessions[i]->session_id,
                                       .epoch = request->sessions[i]->epoch};
    }
    asked->renew.owner = request->owner;
    asked->renew.held = held;
    asked->renew.held_count = request->n_sessions;
    asked->renew.lease_ms = request->lease_ms != 0 ? request->lease_ms : LIMIT_LEASE_FALLBACK_MS;
    asked_submit(asked, ENGINE_RENEW, 256 + 256 * request->n_sessions);
}

/* --- ReleaseSession --- */

static void answer_release(struct asked *asked)
{
    Flowbalancer__V1__ReleaseSessionResponse response =
        FLOWBALANCER__V1__RELEASE_SESSION_RESPONSE__INIT;

    if (!fb_is_ok(asked->op.status)) {
        asked_fail(asked);
        return;
    }
    asked_reply(asked, &response.base);
}

void serve_release_session(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__ReleaseSessionRequest *request =
        (const Flowbalancer__V1__ReleaseSessionRequest *)message;
    struct fb_arena *arena = fb_call_arena(call);
    struct asked *asked;

    if (!request_is_good(call, limits_id(arena, "session_id", request->session_id),
                         limits_number(arena, "epoch", request->epoch, 1, INT64_MAX))) {
        return;
    }
    asked = asked_create(call, sizeof(*asked), answer_release);
    if (asked == NULL) {
        return;
    }
    asked->release.session_id = request->session_id;
    asked->release.epoch = request->epoch;
    asked_submit(asked, ENGINE_RELEASE, 256);
}

/* --- ListSessions --- */

/*
 * A page token is the id of the last session and what the order goes by, its name or its time, as hex so
 * that it is one word: the id has no space, so the first one ends it.
 */
static char *token_of(struct fb_arena *arena, const struct engine_session *last,
                      enum engine_session_order order)
{
    static const char digits[] = "0123456789abcdef";
    char *text = order == ENGINE_BY_UPDATED
                     ? fb_arena_printf(arena, "%s %lld", last->id, (long long)last->updated_unix_ms)
                     : fb_arena_printf(arena, "%s %s", last->id, last->name);
    size_t size = text != NULL ? strlen(text) : 0;
    char *token = fb_arena_alloc(arena, 2 * size + 1);

    if (text == NULL || token == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < size; i++) {
        token[2 * i] = digits[(unsigned char)text[i] >> 4];
        token[2 * i + 1] = digits[(unsigned char)text[i] & 15];
    }
    token[2 * size] = '\0';
    return token;
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* A number of up to 18 digits and nothing else. */
static bool time_read(const char *text, int64_t *unix_ms)
{
    size_t size = strspn(text, "0123456789");

    if (size < 1 || size > 18 || text[size] != '\0') {
        return false;
    }
    *unix_ms = strtoll(text, NULL, 10);
    return true;
}

/* Undoes token_of; false for what it did not make. */
static bool token_read(struct fb_arena *arena, const char *token, struct engine_list_sessions *list)
{
    size_t size = strlen(token) / 2;
    char *text = fb_arena_zalloc(arena, size + 1, 1);
    char *space;

    if (text == NULL || strlen(token) % 2 != 0 || size > LIMIT_ID_BYTES + 1 + LIMIT_NAME_BYTES) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        int high = hex_value(token[2 * i]);
        int low = hex_value(token[2 * i + 1]);

        if (high < 0 || low < 0 || (high == 0 && low == 0)) {
            return false;
        }
        text[i] = (char)(high * 16 + low);
    }
    space = strchr(text, ' ');
    if (space == NULL || space == text || fb_utf8_check(text, size) != size) {
        return false;
    }
    *space = '\0';
    list->after_id = text;
    list->after_name = space + 1;
    return list->order != ENGINE_BY_UPDATED || time_read(space + 1, &list->after_updated_unix_ms);
}

static void answer_list(struct asked *asked)
{
    const struct engine_list_sessions *list = &asked->list_sessions;
    struct fb_arena *arena = &asked->op.arena;
    size_t count = list->session_count;
    Flowbalancer__V1__ListSessionsResponse response =
        FLOWBALANCER__V1__LIST_SESSIONS_RESPONSE__INIT;
    Flowbalancer__V1__SessionInfo *infos;

    if (!fb_is_ok(asked->op.status)) {
        asked_fail(asked);
        return;
    }
    infos = fb_arena_zalloc(arena, count + 1, sizeof(*infos));
    response.sessions = fb_arena_zalloc(arena, count + 1, sizeof(*response.sessions));
    if (list->more) {
        response.next_page_token = token_of(arena, &list->sessions[count - 1], list->order);
    }
    if (infos == NULL || response.sessions == NULL || response.next_page_token == NULL) {
        asked->op.status = fb_fail(FB_RESOURCE_EXHAUSTED, "the store is out of memory");
        asked_fail(asked);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        session_info_of(&list->sessions[i], arena, &infos[i]);
        response.sessions[i] = &infos[i];
    }
    response.n_sessions = count;
    asked_reply(asked, &response.base);
}

static struct fb_status check_order(struct fb_arena *arena, Flowbalancer__V1__SessionOrder order)
{
    return limits_number(arena, "order", (int64_t)order, 0,
                         FLOWBALANCER__V1__SESSION_ORDER__SESSION_ORDER_UPDATED);
}

void serve_list_sessions(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__ListSessionsRequest *request =
        (const Flowbalancer__V1__ListSessionsRequest *)message;
    struct fb_arena *arena = fb_call_arena(call);
    struct asked *asked;

    if (!request_is_good(call, limits_scope(arena, "scope", request->scope),
                         limits_text(arena, "name_prefix", request->name_prefix, LIMIT_NAME_BYTES),
                         limits_number(arena, "page_size", request->page_size, 0, LIMIT_PAGE),
                         limits_number(arena, "updated_since_unix_ms",
                                       request->updated_since_unix_ms, 0, INT64_MAX),
                         check_order(arena, request->order))) {
        return;
    }
    asked = asked_create(call, sizeof(*asked), answer_list);
    if (asked == NULL) {
        return;
    }
    asked->list_sessions.scope = request->scope;
    asked->list_sessions.name_prefix = request->name_prefix;
    asked->list_sessions.updated_since_unix_ms = request->updated_since_unix_ms;
    asked->list_sessions.order =
        request->order == FLOWBALANCER__V1__SESSION_ORDER__SESSION_ORDER_UPDATED ? ENGINE_BY_UPDATED
                                                                                 : ENGINE_BY_NAME;
    asked->list_sessions.most = request->page_size != 0 ? request->page_size : LIMIT_PAGE_FALLBACK;
    if (request->page_token[0] != '\0' &&
        !token_read(arena, request->page_token, &asked->list_sessions)) {
        fb_call_finish(call, fb_fail(FB_INVALID_ARGUMENT,
                                     "page_token: is none of this service; begin without one"));
        return;
    }
    asked_submit(asked, ENGINE_LIST_SESSIONS, 256);
}

/* --- DeleteSession --- */

static void answer_delete(struct asked *asked)
{
    struct session_store *store = asked->store;
    Flowbalancer__V1__DeleteSessionResponse response =
        FLOWBALANCER__V1__DELETE_SESSION_RESPONSE__INIT;

    if (!fb_is_ok(asked->op.status)) {
        asked_fail(asked);
        return;
    }
    /* Watchers look for themselves and find nothing. */
    hub_wake(&store->watchers, asked->delete_session.session_id);
    asked_reply(asked, &response.base);
}

void serve_delete_session(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__DeleteSessionRequest *request =
        (const Flowbalancer__V1__DeleteSessionRequest *)message;
    struct fb_arena *arena = fb_call_arena(call);
    struct asked *asked;

    if (!request_is_good(call, limits_scope(arena, "scope", request->scope),
                         limits_id(arena, "session_id", request->session_id),
                         limits_number(arena, "epoch", request->epoch, 0, INT64_MAX))) {
        return;
    }
    asked = asked_create(call, sizeof(*asked), answer_delete);
    if (asked == NULL) {
        return;
    }
    asked->delete_session.scope = request->scope;
    asked->delete_session.session_id = request->session_id;
    asked->delete_session.epoch = request->epoch;
    asked_submit(asked, ENGINE_DELETE_SESSION, 256);
}

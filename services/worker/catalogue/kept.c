#include "services/worker/catalogue/kept.h"

#include <stdlib.h>
#include <string.h>

#include "flowbalancer/v1/session_store.pb-c.h"
#include "runtime/log/log.h"
#include "runtime/rpc/message.h"

enum {
    RETRY_FIRST_MS = 50,
    RETRY_MOST_MS = 30000,
    PUT_MS = 10000,   /* for one entry to be acknowledged */
    SETTLE_MS = 1000, /* longest that the beginning waits for the store */
    ENTRY_MOST_BYTES = 64 << 20,
};

/* What is to be put for one server. */
struct slip {
    struct kept *kept;
    struct fb_buffer packed; /* a PutCatalogueEntryRequest; empty when the store has it */
    uint64_t edition;        /* counts what was put into `packed` */
    uint64_t sent_edition;
    struct fb_client_call *call;
};

struct kept {
    struct fb_loop *loop;
    struct fb_channel *channel;
    const struct kept_server *servers;
    size_t count;
    const struct kept_events *events;
    void *self;
    struct slip *slips;
    struct fb_client_call *watch;
    bool caught_up;       /* with what the store had when the watch began */
    int64_t seen_version; /* to go on from when the watch breaks */
    bool settled;
    bool warned;
    int64_t wait_ms; /* before the next try */
    struct fb_timer retry;
    struct fb_timer settle;
};

#define OWNER_OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static void settle(struct kept *k)
{
    fb_timer_clear(&k->settle);
    if (!k->settled) {
        k->settled = true;
        k->events->on_settled(k->self);
    }
}

static void warn(struct kept *k, struct fb_status status)
{
    if (!k->warned) {
        k->warned = true;
        fb_log(FB_WARN, "the store cannot be used; the catalogue is in memory only",
               fb_kv_status(status));
    }
}

static void on_settle(struct fb_timer *timer)
{
    struct kept *k = OWNER_OF(struct kept, settle, timer);

    if (k->channel != NULL && k->watch == NULL) {
        warn(k, fb_fail(FB_UNAVAILABLE, "it could not be reached at the start"));
    }
    settle(k);
}

/* --- away and back --- */

static void try_again(struct kept *k);

static void on_retry(struct fb_timer *timer)
{
    try_again(OWNER_OF(struct kept, retry, timer));
}

static void missed(struct kept *k, struct fb_status status)
{
    /* All programs start together: a store that is a little later than we are is not away. */
    if (k->settled) {
        warn(k, status);
    }
    if (k->retry.place == 0) {
        fb_timer_set(k->loop, &k->retry, fb_loop_now_ms(k->loop) + k->wait_ms, on_retry);
        k->wait_ms = k->wait_ms * 2 > RETRY_MOST_MS ? RETRY_MOST_MS : k->wait_ms * 2;
    }
}

static void reached(struct kept *k)
{
    k->wait_ms = RETRY_FIRST_MS;
    if (k->warned) {
        k->warned = false;
        fb_log(FB_INFO, "the store is back");
    }
}

/* --- putting --- */

static void put(struct slip *slip);

static void on_put_end(struct fb_client_call *call, void *arg, const struct fb_call_end *end)
{
    struct slip *slip = arg;

    (void)call;
    slip->call = NULL;
    if (fb_is_ok(end->status)) {
        reached(slip->kept);
        if (slip->sent_edition == slip->edition) {
            fb_buffer_finish(&slip->packed);
        } else {
            put(slip);
        }
        return;
    }
    if (end->status.code == FB_INVALID_ARGUMENT || end->status.code == FB_UNIMPLEMENTED) {
        /* It would be refused again. */
        fb_log(FB_WARN, "the store refuses an entry of the catalogue", fb_kv_status(end->status));
        fb_buffer_finish(&slip->packed);
        return;
    }
    missed(slip->kept, end->status);
}

static const struct fb_client_call_events put_events = {.on_end = on_put_end};

static void put(struct slip *slip)
{
    struct kept *k = slip->kept;
    const struct fb_call_plan plan = {
        .path = "/flowbalancer.v1.SessionStoreService/PutCatalogueEntry",
        .deadline_ms = fb_loop_now_ms(k->loop) + PUT_MS,
    };

    if (slip->packed.size == 0 || slip->call != NULL) {
        return;
    }
    slip->call = fb_channel_call(k->channel, &plan, &put_events, slip);
    if (slip->call == NULL) {
        missed(k, fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory"));
        return;
    }
    slip->sent_edition = slip->edition;
    (void)fb_client_call_send_bytes(slip->call, (const uint8_t *)slip->packed.data,
                                    slip->packed.size);
    fb_client_call_half_close(slip->call);
}

static ProtobufCBinaryData bytes_of(struct fb_text text)
{
    return (ProtobufCBinaryData){.data = (uint8_t *)text.data, .len = text.size};
}

static bool pack(struct slip *slip, const ProtobufCMessage *message)
{
    const size_t size = protobuf_c_message_get_packed_size(message);
    char *room;

    fb_buffer_clear(&slip->packed, 0);
    room = fb_buffer_reserve(&slip->packed, size == 0 ? 1 : size);
    if (room == NULL) {
        fb_buffer_finish(&slip->packed);
        return false;
    }
    slip->packed.size = protobuf_c_message_pack(message, (uint8_t *)room);
    slip->edition++;
    return true;
}

void kept_put(struct kept *k, size_t server, const struct mcp_session_items *items,
              const struct mcp_session_server *said, int64_t now_unix_ms)
{
    Flowbalancer__V1__CatalogueEntry entry = FLOWBALANCER__V1__CATALOGUE_ENTRY__INIT;
    Flowbalancer__V1__PutCatalogueEntryRequest request =
        FLOWBALANCER__V1__PUT_CATALOGUE_ENTRY_REQUEST__INIT;
    struct fb_arena arena;
    const char *instructions;

    if (k->channel == NULL) {
        return;
    }
    fb_arena_init(&arena, 0);
    /* A string of protobuf ends at NUL; instructions that hold one are cut there. */
    instructions = fb_arena_copy(&arena, said->instructions.data, said->instructions.size);
    entry.items_json = fb_arena_alloc(&arena, items->count * sizeof(*entry.items_json));
    if (instructions != NULL && entry.items_json != NULL) {
        for (size_t i = 0; i < items->count; i++) {
            entry.items_json[i] = bytes_of(items->items[i]);
        }
        entry.n_items_json = items->count;
        entry.server = (char *)k->servers[server].name;
        entry.config_digest = (ProtobufCBinaryData){
            .data = (uint8_t *)k->servers[server].digest,
            .len = KEPT_SERVER_DIGEST_BYTES,
        };
        entry.kind = FLOWBALANCER__V1__CATALOGUE_KIND__CATALOGUE_KIND_TOOLS;
        entry.server_info_json = bytes_of(said->info);
        entry.capabilities_json = bytes_of(said->capabilities);
        entry.instructions = (char *)instructions;
        entry.era = said->era == ERA_MODERN ? FLOWBALANCER__V1__PROTOCOL_ERA__PROTOCOL_ERA_MODERN
                                            : FLOWBALANCER__V1__PROTOCOL_ERA__PROTOCOL_ERA_LEGACY;
        entry.revision = (char *)said->revision;
        entry.fetched_unix_ms = now_unix_ms;
        entry.ttl_ms = items->ttl_ms;
        request.entry = &entry;
        if (pack(&k->slips[server], &request.base)) {
            put(&k->slips[server]);
        }
    }
    fb_arena_finish(&arena);
}

/* --- watching --- */

static void take_entry(struct kept *k, const Flowbalancer__V1__CatalogueEntry *entry)
{
    enum era era = ERA_UNKNOWN;
    struct fb_text *items;

    /* What comes before the first pause is in no order of versions. */
    if (k->caught_up && entry->version > k->seen_version) {
        k->seen_version = entry->version;
    }
    if (entry->kind != FLOWBALANCER__V1__CATALOGUE_KIND__CATALOGUE_KIND_TOOLS ||
        entry->config_digest.len != KEPT_SERVER_DIGEST_BYTES) {
        return;
    }
    if (entry->era == FLOWBALANCER__V1__PROTOCOL_ERA__PROTOCOL_ERA_LEGACY) {
        era = ERA_LEGACY;
    } else if (entry->era == FLOWBALANCER__V1__PROTOCOL_ERA__PROTOCOL_ERA_MODERN) {
        era = ERA_MODERN;
    }
    items = calloc(entry->n_items_json + 1, sizeof(*items));
    if (items == NULL) {
        return;
    }
    for (size_t i = 0; i < entry->n_items_json; i++) {
        items[i] = (struct fb_text){
            .data = (const char *)entry->items_json[i].data,
            .size = entry->items_json[i].len,
        };
    }
    for (size_t i = 0; i < k->count; i++) {
        if (strcmp(entry->server, k->servers[i].name) == 0 &&
            memcmp(entry->config_digest.data, k->servers[i].digest, KEPT_SERVER_DIGEST_BYTES) ==
                0) {
            k->events->on_tools(k->self, i, items, entry->n_items_json, era);
        }
    }
    free(items);
}

static void on_watch_message(struct fb_client_call *call, void *arg, const uint8_t *data,
                             size_t size)
{
    struct kept *k = arg;
    ProtobufCMessage *message = NULL;
    struct fb_arena arena;
    struct fb_status status;

    (void)call;
    fb_arena_init(&arena, 0);
    status = fb_message_unpack(&flowbalancer__v1__watch_catalogue_response__descriptor, data, size,
                               ENTRY_MOST_BYTES, &arena, &message);
    if (!fb_is_ok(status)) {
        fb_log(FB_WARN, "the store sent what cannot be read", fb_kv_status(status));
    } else {
        const Flowbalancer__V1__WatchCatalogueResponse *response =
            (const Flowbalancer__V1__WatchCatalogueResponse *)message;

        reached(k);
        if (response->part_case == FLOWBALANCER__V1__WATCH_CATALOGUE_RESPONSE__PART_ENTRY) {
            take_entry(k, response->entry);
        } else if (response->part_case ==
                   FLOWBALANCER__V1__WATCH_CATALOGUE_RESPONSE__PART_CAUGHT_UP) {
            k->caught_up = true;
            k->seen_version = response->caught_up->last;
            settle(k);
        }
    }
    fb_arena_finish(&arena);
}

static void on_watch_end(struct fb_client_call *call, void *arg, const struct fb_call_end *end)
{
    struct kept *k = arg;

    (void)call;
    k->watch = NULL;
    k->caught_up = false;
    if (end->status.code == FB_OUT_OF_RANGE) {
        k->seen_version = 0; /* the store is younger than what we saw: restored from a backup */
    }
    missed(k, fb_is_ok(end->status) ? fb_fail(FB_UNAVAILABLE, "the store ended the watch")
                                    : end->status);
}

static const struct fb_client_call_events watch_events = {
    .on_message = on_watch_message,
    .on_end = on_watch_end,
};

static void watch(struct kept *k)
{
    const struct fb_call_plan plan = {
        .path = "/flowbalancer.v1.SessionStoreService/WatchCatalogue",
    };
    Flowbalancer__V1__WatchCatalogueRequest request =
        FLOWBALANCER__V1__WATCH_CATALOGUE_REQUEST__INIT;
    Flowbalancer__V1__CatalogueFilter **filters = calloc(k->count + 1, sizeof(*filters));
    Flowbalancer__V1__CatalogueFilter *all = calloc(k->count + 1, sizeof(*all));

    k->watch = filters == NULL || all == NULL
                   ? NULL
                   : fb_channel_call(k->channel, &plan, &watch_events, k);
    if (k->watch != NULL) {
        for (size_t i = 0; i < k->count; i++) {
            flowbalancer__v1__catalogue_filter__init(&all[i]);
            all[i].server = (char *)k->servers[i].name;
            all[i].config_digest = (ProtobufCBinaryData){
                .data = (uint8_t *)k->servers[i].digest,
                .len = KEPT_SERVER_DIGEST_BYTES,
            };
            filters[i] = &all[i];
        }
        request.n_filters = k->count;
        request.filters = filters;
        request.after_version = k->seen_version;
        (void)fb_client_call_send(k->watch, &request.base);
        fb_client_call_half_close(k->watch);
    } else {
        missed(k, fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory"));
    }
    free(filters);
    free(all);
}

static void try_again(struct kept *k)
{
    if (k->watch == NULL) {
        watch(k);
    }
    for (size_t i = 0; i < k->count; i++) {
        put(&k->slips[i]);
    }
}

/* --- begin and end --- */

struct kept *kept_create(struct fb_loop *loop, struct fb_channel *channel,
                         const struct kept_server *servers, size_t count,
                         const struct kept_events *events, void *self)
{
    struct kept *k = calloc(1, sizeof(*k));

    if (k == NULL) {
        fb_channel_destroy(channel);
        return NULL;
    }
    k->loop = loop;
    k->channel = channel;
    k->servers = servers;
    k->count = count;
    k->events = events;
    k->self = self;
    k->wait_ms = RETRY_FIRST_MS;
    k->slips = calloc(count + 1, sizeof(*k->slips));
    if (k->slips == NULL) {
        kept_destroy(k);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        k->slips[i].kept = k;
    }
    if (channel == NULL || count == 0) {
        /* Without servers there is nothing to ask for, and no filter would mean everything. */
        fb_timer_set(loop, &k->settle, 0, on_settle);
    } else {
        fb_timer_set(loop, &k->settle, fb_loop_now_ms(loop) + SETTLE_MS, on_settle);
        watch(k);
    }
    return k;
}

void kept_destroy(struct kept *k)
{
    if (k == NULL) {
        return;
    }
    fb_timer_clear(&k->retry);
    fb_timer_clear(&k->settle);
    if (k->watch != NULL) {
        fb_client_call_cancel(k->watch);
    }
    for (size_t i = 0; k->slips != NULL && i < k->count; i++) {
        if (k->slips[i].call != NULL) {
            fb_client_call_cancel(k->slips[i].call);
        }
        fb_buffer_finish(&k->slips[i].packed);
    }
    fb_channel_destroy(k->channel);
    free(k->slips);
    free(k);
}

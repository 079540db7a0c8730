#include "services/session_store/serving.h"

#include <string.h>

#include "runtime/rpc/message.h"

enum { ENTRY_UNPACKED_BYTES = 64 << 20 }; /* most that a stored entry may become in memory */

static const char catalogue_key[] = "catalogue"; /* all watchers of it wait under one key */

/* --- PutCatalogueEntry --- */

static void answer_put_entry(struct asked *asked)
{
    Flowbalancer__V1__PutCatalogueEntryResponse response =
        FLOWBALANCER__V1__PUT_CATALOGUE_ENTRY_RESPONSE__INIT;

    if (!fb_is_ok(asked->op.status)) {
        asked_fail(asked);
        return;
    }
    if (asked->put_catalogue.changed) {
        hub_wake(&asked->store->catalogue_watchers, catalogue_key);
    }
    response.version = asked->put_catalogue.version;
    response.changed = asked->put_catalogue.changed;
    asked_reply(asked, &response.base);
}

static struct fb_status check_server(struct fb_arena *arena, const char *field, const char *server)
{
    struct fb_status status = limits_id(arena, field, server);

    return fb_is_ok(status)
               ? limits_size(arena, field, strlen(server), 1, LIMIT_SERVER_BYTES, "bytes")
               : status;
}

static struct fb_status check_items(struct fb_arena *arena,
                                    const Flowbalancer__V1__CatalogueEntry *entry)
{
    struct fb_status status =
        limits_size(arena, "entry.items_json", entry->n_items_json, 0, LIMIT_ITEMS, "items");
    size_t total = 0;

    for (size_t i = 0; i < entry->n_items_json; i++) {
        total += entry->items_json[i].len;
    }
    return fb_is_ok(status)
               ? limits_size(arena, "entry.items_json", total, 0, LIMIT_ITEMS_BYTES, "bytes")
               : status;
}

static struct fb_status check_entry(struct fb_arena *arena,
                                    const Flowbalancer__V1__CatalogueEntry *entry)
{
    const struct fb_status checks[] = {
        check_server(arena, "entry.server", entry->server),
        limits_size(arena, "entry.config_digest", entry->config_digest.len, 32, 32, "bytes"),
        limits_number(arena, "entry.kind", entry->kind,
                      FLOWBALANCER__V1__CATALOGUE_KIND__CATALOGUE_KIND_TOOLS,
                      FLOWBALANCER__V1__CATALOGUE_KIND__CATALOGUE_KIND_PROMPTS),
        check_items(arena, entry),
        limits_size(arena, "entry.server_info_json", entry->server_info_json.len, 0,
                    LIMIT_INFO_BYTES, "bytes"),
        limits_size(arena, "entry.capabilities_json", entry->capabilities_json.len, 0,
                    LIMIT_INFO_BYTES, "bytes"),
        limits_size(arena, "entry.instructions", strlen(entry->instructions), 0, LIMIT_INFO_BYTES,
                    "bytes"),
        limits_text(arena, "entry.revision", entry->revision, LIMIT_REVISION_BYTES),
        limits_number(arena, "entry.fetched_unix_ms", entry->fetched_unix_ms, 0, INT64_MAX),
        limits_number(arena, "entry.ttl_ms", entry->ttl_ms, 0, INT64_MAX),
    };

    return limits_all(checks, sizeof(checks) / sizeof(checks[0]));
}

/* What an entry says, apart from when it was fetched: equal bytes, nothing has changed. */
static struct engine_bytes content_of(const Flowbalancer__V1__CatalogueEntry *entry,
                                      struct fb_arena *arena)
{
    Flowbalancer__V1__CatalogueEntry said = *entry;
    size_t size;
    uint8_t *bytes;

    said.fetched_unix_ms = 0;
    said.ttl_ms = 0;
    said.version = 0;
    size = flowbalancer__v1__catalogue_entry__get_packed_size(&said);
    bytes = fb_arena_alloc(arena, size);
    if (bytes != NULL) {
        flowbalancer__v1__catalogue_entry__pack(&said, bytes);
    }
    return (struct engine_bytes){bytes, size};
}

void serve_put_catalogue_entry(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__PutCatalogueEntryRequest *request =
        (const Flowbalancer__V1__PutCatalogueEntryRequest *)message;
    const Flowbalancer__V1__CatalogueEntry *entry = request->entry;
    struct fb_arena *arena = fb_call_arena(call);
    struct engine_catalogue_entry *kept;
    struct asked *asked;

    if (!request_is_good(call, entry != NULL ? check_entry(arena, entry)
                                             : fb_fail(FB_INVALID_ARGUMENT, "entry: is missing"))) {
        return;
    }
    asked = asked_create(call, sizeof(*asked), answer_put_entry);
    if (asked == NULL) {
        return;
    }
    kept = &asked->put_catalogue.entry;
    kept->server = entry->server;
    kept->kind = (int32_t)entry->kind;
    kept->fetched_unix_ms = entry->fetched_unix_ms;
    kept->ttl_ms = entry->ttl_ms;
    kept->content = content_of(entry, arena);
    memcpy(kept->config_digest, entry->config_digest.data, sizeof(kept->config_digest));
    if (kept->content.data == NULL) {
        fb_call_finish(call, fb_fail(FB_RESOURCE_EXHAUSTED, "the store is out of memory"));
        return;
    }
    asked_submit(asked, ENGINE_PUT_CATALOGUE, 256 + kept->content.size);
}

/* --- GetCatalogue and WatchCatalogue --- */

/* Either on its way: entries are read in parts, and each is sent as a message. */
struct catalogue_stream {
    struct stream stream;
    const struct engine_catalogue_filter *filters;
    size_t filter_count;
    bool live; /* goes on with what changes */

    /* where it is */
    size_t sent;    /* of the entries of this part */
    bool has_part;  /* the operation's answer holds entries to send */
    bool changed;   /* there may be more than was read */
    bool caught_up; /* was said */
    int64_t after_version;
    char after_server_room[LIMIT_SERVER_BYTES + 1];
    uint8_t after_digest[32];
    int32_t after_kind;
};

static bool send_entry(struct catalogue_stream *self, Flowbalancer__V1__CatalogueEntry *entry)
{
    Flowbalancer__V1__WatchCatalogueResponse watched =
        FLOWBALANCER__V1__WATCH_CATALOGUE_RESPONSE__INIT;
    Flowbalancer__V1__GetCatalogueResponse got = FLOWBALANCER__V1__GET_CATALOGUE_RESPONSE__INIT;

    if (!self->live) {
        got.entry = entry;
        return stream_send(&self->stream, &got.base);
    }
    watched.part_case = FLOWBALANCER__V1__WATCH_CATALOGUE_RESPONSE__PART_ENTRY;
    watched.entry = entry;
    return stream_send(&self->stream, &watched.base);
}

/* Sends what is left of the part. False when the reader fell behind or the call was finished. */
static bool send_part(struct catalogue_stream *self)
{
    const struct engine_read_catalogue *read = &self->stream.asked.read_catalogue;
    bool more = true;

    while (more && self->sent < read->entry_count) {
        const struct engine_catalogue_entry *kept = &read->entries[self->sent++];
        ProtobufCMessage *message = NULL;
        Flowbalancer__V1__CatalogueEntry *entry;
        struct fb_status status = fb_message_unpack(
            &flowbalancer__v1__catalogue_entry__descriptor, kept->content.data, kept->content.size,
            ENTRY_UNPACKED_BYTES, &self->stream.asked.op.arena, &message);

        if (!fb_is_ok(status)) {
            stream_finish(&self->stream,
                          fb_fail(FB_DATA_LOSS, "an entry of the catalogue cannot be read"));
            return false;
        }
        entry = (Flowbalancer__V1__CatalogueEntry *)message;
        entry->fetched_unix_ms = kept->fetched_unix_ms;
        entry->ttl_ms = kept->ttl_ms;
        entry->version = kept->version;
        more = send_entry(self, entry);
    }
    return more;
}

static void send_catalogue_caught_up(struct catalogue_stream *self)
{
    Flowbalancer__V1__WatchCatalogueResponse response =
        FLOWBALANCER__V1__WATCH_CATALOGUE_RESPONSE__INIT;
    Flowbalancer__V1__CaughtUp caught_up = FLOWBALANCER__V1__CAUGHT_UP__INIT;

    caught_up.last = self->stream.asked.read_catalogue.last_version;
    response.part_case = FLOWBALANCER__V1__WATCH_CATALOGUE_RESPONSE__PART_CAUGHT_UP;
    response.caught_up = &caught_up;
    self->caught_up = true;
    stream_send(&self->stream, &response.base);
}

static void read_part(struct catalogue_stream *self)
{
    struct engine_read_catalogue *read = &self->stream.asked.read_catalogue;

    self->changed = false;
    read->filters = self->filters;
    read->filter_count = self->filter_count;
    read->order = self->live ? ENGINE_BY_VERSION : ENGINE_BY_KEY;
    read->after_version = self->after_version;
    read->after_server = self->after_server_room;
    memcpy(read->after_digest, self->after_digest, sizeof(read->after_digest));
    read->after_kind = self->after_kind;
    read->most_bytes = LIMIT_CHUNK_BYTES;
    stream_ask(&self->stream, ENGINE_READ_CATALOGUE);
}

static void catalogue_step(struct stream *stream)
{
    struct catalogue_stream *self = (struct catalogue_stream *)stream;

    if (self->live && stream->asked.store->closing) {
        stream_finish(stream, fb_fail(FB_UNAVAILABLE, "the store goes down"));
        return;
    }
    if (self->has_part && !send_part(self)) {
        return;
    }
    self->has_part = false;
    if (self->changed) {
        read_part(self);
        return;
    }
    if (!self->live) {
        stream_finish(stream, fb_ok);
        return;
    }
    if (!self->caught_up) {
        send_catalogue_caught_up(self);
    }
}

static void catalogue_took(struct stream *stream)
{
    struct catalogue_stream *self = (struct catalogue_stream *)stream;
    const struct engine_read_catalogue *read = &stream->asked.read_catalogue;

    self->sent = 0;
    self->has_part = true;
    if (read->more) {
        const struct engine_catalogue_entry *last = &read->entries[read->entry_count - 1];
        size_t size = strlen(last->server);

        self->changed = true;
        self->after_version = last->version;
        /* A longer name cannot have been put, so it is damage: the next part ends it. */
        memcpy(self->after_server_room, last->server,
               (size < LIMIT_SERVER_BYTES ? size : LIMIT_SERVER_BYTES) + 1);
        self->after_server_room[LIMIT_SERVER_BYTES] = '\0';
        memcpy(self->after_digest, last->config_digest, sizeof(self->after_digest));
        self->after_kind = last->kind;
    } else if (self->live) {
        self->after_version = read->last_version;
    }
    stream_go(stream);
}

static void catalogue_wake(struct hub_seat *seat)
{
    struct stream *stream = (struct stream *)((char *)seat - offsetof(struct stream, seat));

    ((struct catalogue_stream *)stream)->changed = true;
    stream_go(stream);
}

static struct fb_status check_filters(struct fb_arena *arena, size_t count,
                                      Flowbalancer__V1__CatalogueFilter *const *filters)
{
    struct fb_status status = limits_size(arena, "filters", count, 0, LIMIT_FILTERS, "filters");

    for (size_t i = 0; i < count && fb_is_ok(status); i++) {
        if (filters[i]->server[0] != '\0') {
            status = check_server(arena, "filters.server", filters[i]->server);
        }
        if (fb_is_ok(status) && filters[i]->config_digest.len != 0) {
            status = limits_size(arena, "filters.config_digest", filters[i]->config_digest.len, 32,
                                 32, "bytes");
        }
    }
    return status;
}

/* NULL when the call was finished. */
static struct catalogue_stream *catalogue_stream_create(
    struct fb_call *call, size_t count, Flowbalancer__V1__CatalogueFilter *const *filters)
{
    struct engine_catalogue_filter *kept =
        fb_arena_zalloc(fb_call_arena(call), count + 1, sizeof(*kept));
    struct catalogue_stream *self;

    if (kept == NULL) {
        fb_call_finish(call, fb_fail(FB_RESOURCE_EXHAUSTED, "the store is out of memory"));
        return NULL;
    }
    self = stream_create(call, sizeof(*self), catalogue_took, catalogue_step);
    if (self == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        kept[i].server = filters[i]->server;
        kept[i].has_digest = filters[i]->config_digest.len != 0;
        if (kept[i].has_digest) {
            memcpy(kept[i].config_digest, filters[i]->config_digest.data,
                   sizeof(kept[i].config_digest));
        }
    }
    self->filters = kept;
    self->filter_count = count;
    self->changed = true;
    return self;
}

void serve_get_catalogue(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__GetCatalogueRequest *request =
        (const Flowbalancer__V1__GetCatalogueRequest *)message;
    struct catalogue_stream *self;

    if (!request_is_good(
            call, check_filters(fb_call_arena(call), request->n_filters, request->filters))) {
        return;
    }
    self = catalogue_stream_create(call, request->n_filters, request->filters);
    if (self != NULL) {
        stream_go(&self->stream);
    }
}

void serve_watch_catalogue(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__WatchCatalogueRequest *request =
        (const Flowbalancer__V1__WatchCatalogueRequest *)message;
    struct fb_arena *arena = fb_call_arena(call);
    struct catalogue_stream *self;

    if (!request_is_good(
            call, check_filters(arena, request->n_filters, request->filters),
            limits_number(arena, "after_version", request->after_version, 0, INT64_MAX))) {
        return;
    }
    self = catalogue_stream_create(call, request->n_filters, request->filters);
    if (self == NULL) {
        return;
    }
    self->live = true;
    self->after_version = request->after_version;
    self->stream.hub = &self->stream.asked.store->catalogue_watchers;
    hub_join(self->stream.hub, &self->stream.seat, catalogue_key, catalogue_wake);
    stream_go(&self->stream);
}

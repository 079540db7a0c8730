#include "services/worker/joins.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "flowbalancer/v1/registry.pb-c.h"
#include "runtime/base/process.h"
#include "runtime/base/version.h"
#include "runtime/log/log.h"
#include "runtime/rpc/address.h"
#include "runtime/rpc/message.h"
#include "runtime/trace/trace.h"
#include "services/worker/pool/resident.h"
#include "services/worker/told_sessions.h"

enum {
    ADDRESS_BYTES = 128,
    ADDRESSES_MOST = 8,
    LINKS_MOST = 64,       /* routers joined at once */
    SESSIONS_MOST = 10000, /* as registry.proto has it */
    RESOLVE_MS = 30000,    /* names are resolved anew */
    RESOLVE_FAILED_MS = 2000,
    REJOIN_MS = 200,   /* and up to as much again by chance */
    REFUSED_MS = 5000, /* the same after a refusal that will not mend soon */
    BACKOFF_MOST_MS = 2000,
    SILENT_MS = 3000,   /* of dialling in vain before it is said */
    TOUCH_MS = 20,      /* changes that follow so closely are told as one */
    INTERVAL_MS = 1000, /* of heartbeats until the router has said */
    INTERVAL_LEAST_MS = 20,
    MESSAGE_MOST_BYTES = 64 * 1024,
    MEASURE_MS = 5000, /* between two looks at the memory of instances */
};

/* What a router was told of a server's instance. */
struct told {
    bool present;
    enum pool_state state;
    uint32_t in_flight;
    uint32_t starts;
    bool has_room;
    int64_t pid;
    int64_t resident_bytes;
};

struct target;

/* A router. */
struct link {
    struct joins *joins;
    struct target *target;
    char address[ADDRESS_BYTES];
    struct fb_address socket;
    struct fb_channel *channel;
    struct fb_client_call *call; /* NULL between two tries */
    bool wanted;                 /* the name still resolves to it */
    bool welcomed;
    int64_t tried_ms; /* since when it is dialled in vain */
    bool told_away;   /* the log knows that it cannot be joined */
    int64_t interval_ms;
    uint64_t pong;
    struct told *told; /* by server */
    struct told_sessions sessions;
    struct fb_timer timer; /* next heartbeat, or next try */
    struct link *next;
};

/* A name from the settings. */
struct target {
    struct joins *joins;
    const char *name;
    char host[ADDRESS_BYTES];
    struct fb_resolving *resolving;
    struct fb_timer timer;
};

struct joins {
    struct joins_config config;
    struct target *targets;
    struct link *links;
    size_t link_count;
    bool draining;
    int64_t *resident_bytes; /* of each server's instance, as last measured */
    int64_t measured_ms;     /* when that was */
};

#define OWNER_OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static int64_t now_of(const struct joins *joins)
{
    return fb_loop_now_ms(joins->config.loop);
}

/* --- what is reported --- */

static Flowbalancer__V1__InstanceState state_of(enum pool_state state)
{
    switch (state) {
    case POOL_STARTING:
        return FLOWBALANCER__V1__INSTANCE_STATE__INSTANCE_STATE_STARTING;
    case POOL_READY:
        return FLOWBALANCER__V1__INSTANCE_STATE__INSTANCE_STATE_READY;
    case POOL_STOPPING:
        return FLOWBALANCER__V1__INSTANCE_STATE__INSTANCE_STATE_STOPPING;
    case POOL_RESTING:
        return FLOWBALANCER__V1__INSTANCE_STATE__INSTANCE_STATE_CRASHED;
    case POOL_IDLE:
    case POOL_QUEUED:
    case POOL_UNABLE:
        break;
    }
    return FLOWBALANCER__V1__INSTANCE_STATE__INSTANCE_STATE_GONE;
}

/* Looks at the memory of all instances, if the last look is a while ago. */
static void measure(struct joins *joins)
{
    const int64_t now_ms = now_of(joins);

    if (joins->measured_ms != 0 && now_ms < joins->measured_ms + MEASURE_MS) {
        return;
    }
    joins->measured_ms = now_ms;
    for (size_t i = 0; i < joins->config.service->count; i++) {
        const pid_t pid = pool_report(joins->config.service->pool, i).pid;

        joins->resident_bytes[i] = pid == 0 ? 0 : resident_of_tree(pid);
    }
}

static struct told told_of(const struct pool_report *report, int64_t resident_bytes)
{
    return (struct told){
        .present = state_of(report->state) != FLOWBALANCER__V1__INSTANCE_STATE__INSTANCE_STATE_GONE,
        .state = report->state,
        .in_flight = report->in_flight,
        .starts = report->starts,
        .has_room = report->has_room,
        .pid = report->pid,
        .resident_bytes = report->pid == 0 ? 0 : resident_bytes,
    };
}

static bool differs(const struct told *a, const struct told *b)
{
    return a->state != b->state || a->in_flight != b->in_flight || a->starts != b->starts ||
           a->has_room != b->has_room || a->pid != b->pid || a->resident_bytes != b->resident_bytes;
}

/* NULL when there is nothing new of it, or no memory. */
static Flowbalancer__V1__InstanceReport *report_server(struct link *link, size_t server,
                                                       struct fb_arena *arena)
{
    const struct joins_config *config = &link->joins->config;
    const struct pool_report report = pool_report(config->service->pool, server);
    const struct told now = told_of(&report, link->joins->resident_bytes[server]);
    struct told *before = &link->told[server];
    Flowbalancer__V1__InstanceReport *r;

    if ((!now.present && !before->present) || (now.present && !differs(&now, before))) {
        return NULL;
    }
    r = fb_arena_alloc(arena, sizeof(*r));
    if (r == NULL) {
        return NULL;
    }
    flowbalancer__v1__instance_report__init(r);
    *before = now;
    /* One instance of each server so far, so its name tells it. */
    r->instance_id = (char *)config->servers[server].name;
    r->server = (char *)config->servers[server].name;
    r->config_digest = (ProtobufCBinaryData){
        .data = (uint8_t *)config->servers[server].digest,
        .len = sizeof(config->servers[server].digest),
    };
    r->state = state_of(report.state);
    r->in_flight = report.in_flight;
    r->warm = report.has_room;
    r->pid = report.pid;
    r->resident_bytes = now.resident_bytes;
    r->starts = report.starts;
    return r;
}

static Flowbalancer__V1__WorkerHeartbeat *heartbeat_of(struct link *link, struct fb_arena *arena)
{
    const struct joins_config *config = &link->joins->config;
    const size_t count = config->service->count;
    Flowbalancer__V1__WorkerHeartbeat *beat = fb_arena_alloc(arena, sizeof(*beat));
    Flowbalancer__V1__InstanceReport **reports =
        fb_arena_zalloc(arena, count + 1, sizeof(*reports));

    if (beat == NULL || reports == NULL) {
        return NULL;
    }
    flowbalancer__v1__worker_heartbeat__init(beat);
    measure(link->joins);
    beat->in_flight = config->service->in_flight;
    beat->capacity = config->capacity;
    beat->draining = link->joins->draining;
    beat->cpu_ms = fb_process_cpu_ms();
    beat->resident_bytes = fb_process_resident_bytes();
    beat->pong = link->pong;
    beat->instances = reports;
    for (size_t i = 0; i < count; i++) {
        Flowbalancer__V1__InstanceReport *r = report_server(link, i, arena);

        if (r != NULL) {
            reports[beat->n_instances++] = r;
        }
        beat->resident_bytes += link->joins->resident_bytes[i];
    }
    return beat;
}

/* --- sessions --- */

/* All that are held, for a router that knows nothing yet. */
struct held_list {
    struct fb_arena *arena;
    char **names;
    size_t count;
    size_t room;
};

static void list_session(void *arg, const char *session)
{
    struct held_list *list = arg;
    char *name = fb_arena_copy(list->arena, session, strlen(session));

    if (list->count == list->room) {
        char **names = fb_arena_zalloc(list->arena, 2 * list->room + 64, sizeof(*names));

        if (names == NULL) {
            return;
        }
        if (list->count > 0) {
            memcpy(names, list->names, list->count * sizeof(*names));
        }
        list->names = names;
        list->room = 2 * list->room + 64;
    }
    if (name != NULL && list->count < SESSIONS_MOST) {
        list->names[list->count++] = name;
    }
}

static void add_all_sessions(struct link *link, struct fb_arena *arena,
                             Flowbalancer__V1__WorkerHeartbeat *beat)
{
    const struct joins_config *config = &link->joins->config;
    struct held_list list = {.arena = arena};

    config->each_session(config->self, list_session, &list);
    beat->sessions_added = list.names;
    beat->n_sessions_added = list.count;
    told_sessions_clear(&link->sessions);
}

/* What has changed; it stays in `link->sessions` until the beat is sent. */
static void add_new_sessions(struct link *link, struct fb_arena *arena,
                             Flowbalancer__V1__WorkerHeartbeat *beat)
{
    const struct told_sessions *told = &link->sessions;

    beat->sessions_added = fb_arena_zalloc(arena, told->count + 1, sizeof(char *));
    beat->sessions_removed = fb_arena_zalloc(arena, told->count + 1, sizeof(char *));
    if (beat->sessions_added == NULL || beat->sessions_removed == NULL) {
        return; /* told with the next one */
    }
    for (size_t i = 0; i < told->count; i++) {
        if (told->items[i].held) {
            beat->sessions_added[beat->n_sessions_added++] = told->items[i].name;
        } else {
            beat->sessions_removed[beat->n_sessions_removed++] = told->items[i].name;
        }
    }
}

/* --- greetings --- */

/*
 * Who listens on all addresses is reached at the one from which we reach the router: that of the
 * interface between us. False when the system knows no way there.
 */
static bool own_address(const struct link *link, uint16_t port, char *out)
{
    struct fb_address own = {.size = sizeof(own.socket)};
    const int fd = socket(link->socket.socket.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool found;

    if (fd < 0) {
        return false;
    }
    /* Of datagrams nothing is sent by this: the system only chooses the way. */
    found = connect(fd, (const struct sockaddr *)&link->socket.socket, link->socket.size) == 0 &&
            getsockname(fd, (struct sockaddr *)&own.socket, &own.size) == 0;
    close(fd);
    if (found && own.socket.ss_family == AF_INET) {
        ((struct sockaddr_in *)&own.socket)->sin_port = htons(port);
    } else if (found && own.socket.ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)&own.socket)->sin6_port = htons(port);
    } else {
        return false;
    }
    fb_address_format(&own, out, ADDRESS_BYTES);
    return true;
}

/* The address as this router is to dial it: `address` itself, or text put into `out`. */
static const char *address_for(const struct link *link, const char *address, char *out)
{
    const char *port = strrchr(address, ':');
    uint64_t number;

    if (strncmp(address, "0.0.0.0:", 8) != 0 && strncmp(address, "[::]:", 5) != 0) {
        return address;
    }
    if (!fb_text_to_u64(fb_text_of(port + 1), &number) || number > UINT16_MAX ||
        !own_address(link, (uint16_t)number, out)) {
        return address;
    }
    return out;
}

static void send_hello(struct link *link)
{
    const struct joins_config *config = &link->joins->config;
    const size_t count = config->service->count;
    Flowbalancer__V1__JoinRequest request = FLOWBALANCER__V1__JOIN_REQUEST__INIT;
    Flowbalancer__V1__WorkerHello hello = FLOWBALANCER__V1__WORKER_HELLO__INIT;
    Flowbalancer__V1__ServerOffer *offers;
    char texts[ADDRESSES_MOST][ADDRESS_BYTES];
    const char *addresses[ADDRESSES_MOST];
    struct fb_arena arena;

    memset(link->told, 0, (count + 1) * sizeof(*link->told));
    fb_arena_init(&arena, 0);
    offers = fb_arena_zalloc(&arena, count + 1, sizeof(*offers));
    hello.servers = fb_arena_zalloc(&arena, count + 1, sizeof(*hello.servers));
    hello.state = heartbeat_of(link, &arena);
    if (offers != NULL && hello.servers != NULL && hello.state != NULL) {
        add_all_sessions(link, &arena, hello.state);
        for (size_t i = 0; i < count; i++) {
            if (pool_report(config->service->pool, i).state == POOL_UNABLE) {
                continue;
            }
            flowbalancer__v1__server_offer__init(&offers[i]);
            offers[i].server = (char *)config->servers[i].name;
            offers[i].config_digest = (ProtobufCBinaryData){
                .data = (uint8_t *)config->servers[i].digest,
                .len = sizeof(config->servers[i].digest),
            };
            offers[i].tier = (Flowbalancer__V1__Tier)config->servers[i].tier;
            hello.servers[hello.n_servers++] = &offers[i];
        }
        hello.worker_id = (char *)config->worker_id;
        while (hello.n_addresses < config->addresses.count && hello.n_addresses < ADDRESSES_MOST) {
            const size_t at = hello.n_addresses++;

            addresses[at] = address_for(link, config->addresses.items[at], texts[at]);
        }
        hello.addresses = (char **)addresses;
        hello.tier = (Flowbalancer__V1__Tier)config->tier;
        hello.capacity = config->capacity;
        hello.version = (char *)FB_VERSION;
        hello.start_unix_ms = config->start_unix_ms;
        request.message_case = FLOWBALANCER__V1__JOIN_REQUEST__MESSAGE_HELLO;
        request.hello = &hello;
        (void)fb_client_call_send(link->call, &request.base);
    }
    fb_arena_finish(&arena);
}

static void send_heartbeat(struct link *link)
{
    Flowbalancer__V1__JoinRequest request = FLOWBALANCER__V1__JOIN_REQUEST__INIT;
    struct fb_arena arena;

    fb_arena_init(&arena, 0);
    request.message_case = FLOWBALANCER__V1__JOIN_REQUEST__MESSAGE_HEARTBEAT;
    request.heartbeat = heartbeat_of(link, &arena);
    if (request.heartbeat != NULL) {
        add_new_sessions(link, &arena, request.heartbeat);
        (void)fb_client_call_send(link->call, &request.base);
        told_sessions_clear(&link->sessions);
    }
    fb_arena_finish(&arena);
}

/* --- a router --- */

static void join(struct link *link);
static void drop_link(struct link *link);

static void on_timer(struct fb_timer *timer)
{
    struct link *link = OWNER_OF(struct link, timer, timer);

    if (link->call == NULL) {
        if (link->wanted) {
            join(link);
        } else {
            drop_link(link);
        }
        return;
    }
    send_heartbeat(link);
    fb_timer_set(link->joins->config.loop, &link->timer, now_of(link->joins) + link->interval_ms,
                 on_timer);
}

static void beat_by(struct link *link, int64_t due_ms)
{
    if (link->welcomed && (link->timer.place == 0 || link->timer.due_ms > due_ms)) {
        fb_timer_set(link->joins->config.loop, &link->timer, due_ms, on_timer);
    }
}

static void on_message(struct fb_client_call *call, void *arg, const uint8_t *data, size_t size)
{
    struct link *link = arg;
    struct joins *joins = link->joins;
    const Flowbalancer__V1__JoinResponse *response;
    ProtobufCMessage *message = NULL;
    struct fb_arena arena;

    (void)call;
    fb_arena_init(&arena, 0);
    if (!fb_is_ok(fb_message_unpack(&flowbalancer__v1__join_response__descriptor, data, size,
                                    MESSAGE_MOST_BYTES, &arena, &message))) {
        fb_log(FB_WARN, "a router sent what cannot be read", fb_kv_str("router", link->address));
        fb_arena_finish(&arena);
        return;
    }
    response = (const Flowbalancer__V1__JoinResponse *)message;
    switch (response->message_case) {
    case FLOWBALANCER__V1__JOIN_RESPONSE__MESSAGE_WELCOME:
        link->welcomed = true;
        link->told_away = false;
        link->interval_ms = response->welcome->heartbeat_interval_ms < INTERVAL_LEAST_MS
                                ? INTERVAL_MS
                                : response->welcome->heartbeat_interval_ms;
        fb_log(FB_INFO, "joined a router", fb_kv_str("router", response->welcome->router_id),
               fb_kv_str("address", link->address));
        beat_by(link, now_of(joins) + link->interval_ms);
        break;
    case FLOWBALANCER__V1__JOIN_RESPONSE__MESSAGE_PING:
        link->pong = response->ping->id;
        send_heartbeat(link);
        break;
    case FLOWBALANCER__V1__JOIN_RESPONSE__MESSAGE_DRAIN:
        joins->config.on_drain(joins->config.self, response->drain->reason,
                               response->drain->deadline_ms);
        break;
    default:
        break;
    }
    fb_arena_finish(&arena);
}

static void on_end(struct fb_client_call *call, void *arg, const struct fb_call_end *end)
{
    struct link *link = arg;
    const bool refused =
        end->status.code == FB_INVALID_ARGUMENT || end->status.code == FB_PERMISSION_DENIED ||
        end->status.code == FB_UNAUTHENTICATED || end->status.code == FB_UNIMPLEMENTED;
    int64_t wait_ms = refused ? REFUSED_MS : REJOIN_MS;
    uint32_t chance;

    (void)call;
    fb_trace_random(&chance, sizeof(chance));
    if (!link->told_away) {
        link->told_away = true;
        if (link->welcomed) {
            fb_log(FB_WARN, "a router went away", fb_kv_str("router", link->address),
                   fb_kv_status(end->status));
        } else {
            fb_log(FB_WARN, "a router cannot be joined", fb_kv_str("router", link->address),
                   fb_kv_status(end->status));
        }
    }
    link->call = NULL;
    link->welcomed = false;
    wait_ms += (int64_t)(chance % (uint32_t)wait_ms);
    fb_timer_set(link->joins->config.loop, &link->timer, now_of(link->joins) + wait_ms, on_timer);
}

static const struct fb_client_call_events join_events = {
    .on_message = on_message,
    .on_end = on_end,
};

static void join(struct link *link)
{
    const struct fb_call_plan plan = {
        .path = "/flowbalancer.v1.WorkerRegistryService/Join",
        .wait_for_ready = true,
    };

    fb_timer_clear(&link->timer);
    link->pong = 0;
    link->interval_ms = INTERVAL_MS;
    link->call = fb_channel_call(link->channel, &plan, &join_events, link);
    if (link->call == NULL) {
        fb_timer_set(link->joins->config.loop, &link->timer, now_of(link->joins) + REFUSED_MS,
                     on_timer);
        return;
    }
    send_hello(link);
}

static void free_link(struct link *link)
{
    fb_timer_clear(&link->timer);
    if (link->call != NULL) {
        fb_client_call_cancel(link->call);
    }
    fb_channel_watch(link->channel, NULL, NULL);
    fb_channel_destroy(link->channel);
    told_sessions_finish(&link->sessions);
    free(link->told);
    free(link);
}

static void drop_link(struct link *link)
{
    struct link **at = &link->joins->links;

    while (*at != link) {
        at = &(*at)->next;
    }
    *at = link->next;
    link->joins->link_count--;
    free_link(link);
}

/* A router that is dialled in vain for a while is worth a line; in the first moments it is not. */
static void on_state(struct fb_channel *channel, enum fb_channel_state state, void *arg)
{
    struct link *link = arg;

    (void)channel;
    if (state == FB_CHANNEL_READY) {
        link->tried_ms = now_of(link->joins);
    } else if (state == FB_CHANNEL_FAILING && !link->told_away &&
               now_of(link->joins) - link->tried_ms > SILENT_MS) {
        link->told_away = true;
        fb_log(FB_WARN, "a router cannot be reached", fb_kv_str("router", link->address));
    }
}

static void add_link(struct target *target, const char *address, const struct fb_address *socket)
{
    struct joins *joins = target->joins;
    struct fb_channel_config config = {
        .target = address,
        .tls = joins->config.tls == NULL ? (struct fb_tls_config){.ca_file = NULL}
                                         : *joins->config.tls,
        .token = joins->config.token,
        .backoff_most_ms = BACKOFF_MOST_MS,
    };
    struct link *link = calloc(1, sizeof(*link));
    struct fb_status status = fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory");

    if (link != NULL) {
        *link = (struct link){
            .joins = joins,
            .target = target,
            .socket = *socket,
            .wanted = true,
            .tried_ms = now_of(joins),
        };
        snprintf(link->address, sizeof(link->address), "%s", address);
        link->told = calloc(joins->config.service->count + 1, sizeof(*link->told));
        if (joins->config.tls != NULL && config.tls.server_name == NULL &&
            target->host[0] != '\0') {
            config.tls.server_name =
                target->host; /* we dial an address; to be proved is the name */
        }
        config.target = link->address;
        if (link->told != NULL) {
            status = fb_channel_create(joins->config.loop, joins->config.transport, &config,
                                       &link->channel);
        }
    }
    if (!fb_is_ok(status)) {
        fb_log(FB_ERROR, "a router cannot be dialled", fb_kv_str("router", address),
               fb_kv_status(status));
        if (link != NULL) {
            free(link->told);
        }
        free(link);
        return;
    }
    fb_channel_watch(link->channel, on_state, link);
    link->next = joins->links;
    joins->links = link;
    joins->link_count++;
    join(link);
}

/* --- names --- */

static void on_resolve(struct fb_timer *timer);

static void on_resolved(void *arg, struct fb_status status, const struct fb_address *list,
                        size_t count)
{
    struct target *target = arg;
    struct joins *joins = target->joins;

    target->resolving = NULL;
    fb_timer_set(joins->config.loop, &target->timer,
                 now_of(joins) + (fb_is_ok(status) ? RESOLVE_MS : RESOLVE_FAILED_MS), on_resolve);
    if (!fb_is_ok(status)) {
        fb_log(FB_WARN, "name of a router cannot be resolved", fb_kv_str("router", target->name),
               fb_kv_status(status));
        return;
    }
    for (struct link *link = joins->links; link != NULL; link = link->next) {
        if (link->target == target) {
            link->wanted = false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        char address[ADDRESS_BYTES];
        bool known = false;

        fb_address_format(&list[i], address, sizeof(address));
        for (struct link *link = joins->links; link != NULL; link = link->next) {
            if (strcmp(link->address, address) == 0) {
                link->wanted = true;
                known = true;
            }
        }
        if (!known && joins->link_count < LINKS_MOST) {
            add_link(target, address, &list[i]);
        }
    }
}

static void on_resolve(struct fb_timer *timer)
{
    struct target *target = OWNER_OF(struct target, timer, timer);

    if (target->resolving == NULL) {
        target->resolving =
            fb_address_resolve(target->joins->config.loop, target->name, on_resolved, target);
    }
    if (target->resolving == NULL) {
        fb_timer_set(target->joins->config.loop, &target->timer,
                     now_of(target->joins) + RESOLVE_FAILED_MS, on_resolve);
    }
}

/* "dns:router:7070" and "router:7070" name "router"; numbers and sockets name nothing. */
static void read_host(struct target *target)
{
    struct fb_text name = fb_text_of(target->name);
    size_t size = 0;

    if (fb_text_begins(name, "unix:") || fb_text_begins(name, "[")) {
        return;
    }
    if (fb_text_begins(name, "dns:")) {
        name.data += 4;
        name.size -= 4;
    }
    while (size < name.size && name.data[size] != ':') {
        size++;
    }
    if (size < sizeof(target->host) && strspn(name.data, "0123456789.") < size) {
        memcpy(target->host, name.data, size);
        target->host[size] = '\0';
    }
}

/* --- from outside --- */

struct joins *joins_create(const struct joins_config *config)
{
    struct joins *joins = calloc(1, sizeof(*joins));

    if (joins == NULL) {
        return NULL;
    }
    joins->config = *config;
    joins->targets = calloc(config->routers.count + 1, sizeof(*joins->targets));
    joins->resident_bytes = calloc(config->service->count + 1, sizeof(*joins->resident_bytes));
    if (joins->targets == NULL || joins->resident_bytes == NULL) {
        joins_destroy(joins);
        return NULL;
    }
    for (size_t i = 0; i < config->routers.count; i++) {
        struct target *target = &joins->targets[i];

        *target = (struct target){.joins = joins, .name = config->routers.items[i]};
        read_host(target);
        fb_timer_set(config->loop, &target->timer, 0, on_resolve);
    }
    return joins;
}

void joins_destroy(struct joins *joins)
{
    if (joins == NULL) {
        return;
    }
    while (joins->links != NULL) {
        struct link *link = joins->links;

        joins->links = link->next;
        free_link(link);
    }
    for (size_t i = 0; joins->targets != NULL && i < joins->config.routers.count; i++) {
        fb_timer_clear(&joins->targets[i].timer);
        if (joins->targets[i].resolving != NULL) {
            fb_resolving_cancel(joins->targets[i].resolving);
        }
    }
    free(joins->targets);
    free(joins->resident_bytes);
    free(joins);
}

void joins_touch(struct joins *joins)
{
    if (joins == NULL) {
        return;
    }
    for (struct link *link = joins->links; link != NULL; link = link->next) {
        beat_by(link, now_of(joins) + TOUCH_MS);
    }
}

void joins_session(struct joins *joins, const char *session, bool held)
{
    if (joins == NULL) {
        return;
    }
    for (struct link *link = joins->links; link != NULL; link = link->next) {
        if (link->call == NULL) {
            continue; /* the hello will tell all */
        }
        if (!told_sessions_add(&link->sessions, session, held)) {
            send_heartbeat(link);
            (void)told_sessions_add(&link->sessions, session, held);
        }
        beat_by(link, now_of(joins) + TOUCH_MS);
    }
}

void joins_drain(struct joins *joins)
{
    if (joins == NULL || joins->draining) {
        return;
    }
    joins->draining = true;
    for (struct link *link = joins->links; link != NULL; link = link->next) {
        beat_by(link, now_of(joins));
    }
}

#include "services/router/worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const unsigned worker_may_become[WORKER_STATES] = {
    [WORKER_JOINING] =
        1u << WORKER_READY | 1u << WORKER_DRAINING | 1u << WORKER_EJECTED | 1u << WORKER_GONE,
    [WORKER_READY] = 1u << WORKER_DRAINING | 1u << WORKER_EJECTED | 1u << WORKER_GONE,
    [WORKER_DRAINING] = 1u << WORKER_READY | 1u << WORKER_EJECTED | 1u << WORKER_GONE,
    [WORKER_EJECTED] = 1u << WORKER_READY | 1u << WORKER_DRAINING | 1u << WORKER_GONE,
    [WORKER_GONE] = 0,
};

static void become(struct worker *worker, enum worker_state next)
{
    assert(worker_may_become[worker->state] & 1u << next);
    worker->state = next;
}

static bool is_name(const char *text, size_t most)
{
    const size_t size = strlen(text);

    return size >= 1 && size <= most &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
               size;
}

static struct fb_status check(const Flowbalancer__V1__WorkerHello *hello)
{
    if (!is_name(hello->worker_id, 64)) {
        return fb_fail(FB_INVALID_ARGUMENT, "hello.worker_id is not 1 to 64 of [A-Za-z0-9._-]");
    }
    if (hello->n_addresses < 1 || hello->n_addresses > WORKER_ADDRESSES) {
        return fb_fail(FB_INVALID_ARGUMENT, "hello.addresses has not 1 to 8 entries");
    }
    for (size_t i = 0; i < hello->n_addresses; i++) {
        if (strlen(hello->addresses[i]) >= sizeof(((struct worker *)0)->addresses[0])) {
            return fb_fail(FB_INVALID_ARGUMENT, "hello.addresses has an entry above 127 bytes");
        }
    }
    if (hello->tier < FLOWBALANCER__V1__TIER__TIER_HOT ||
        hello->tier > FLOWBALANCER__V1__TIER__TIER_COLD) {
        return fb_fail(FB_INVALID_ARGUMENT, "hello.tier is not hot, warm or cold");
    }
    if (hello->capacity == 0) {
        return fb_fail(FB_INVALID_ARGUMENT, "hello.capacity is 0");
    }
    if (strlen(hello->version) > 64) {
        return fb_fail(FB_INVALID_ARGUMENT, "hello.version is above 64 bytes");
    }
    if (hello->n_servers > WORKER_OFFERS_MOST) {
        return fb_fail(FB_INVALID_ARGUMENT, "hello.servers has more than 1,000 entries");
    }
    for (size_t i = 0; i < hello->n_servers; i++) {
        if (strlen(hello->servers[i]->server) > 64) {
            return fb_fail(FB_INVALID_ARGUMENT, "hello.servers has a name above 64 bytes");
        }
    }
    return fb_ok;
}

static struct worker_offer offer_of(const Flowbalancer__V1__ServerOffer *said)
{
    struct worker_offer offer = {.tier = said->tier};

    memcpy(offer.server, said->server, strlen(said->server) + 1);
    offer.server_hash = fb_hash(offer.server, strlen(offer.server));
    return offer;
}

struct fb_status worker_create(const Flowbalancer__V1__WorkerHello *hello, int64_t now_ms,
                               struct worker **worker)
{
    struct fb_status status = check(hello);
    struct worker *made;

    if (!fb_is_ok(status)) {
        return status;
    }
    made = calloc(1, sizeof(*made));
    if (made != NULL && hello->n_servers > 0) {
        made->offers = calloc(hello->n_servers, sizeof(*made->offers));
    }
    if (made == NULL || (hello->n_servers > 0 && made->offers == NULL)) {
        worker_destroy(made);
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for another worker");
    }
    memcpy(made->id, hello->worker_id, strlen(hello->worker_id) + 1);
    memcpy(made->version, hello->version, strlen(hello->version) + 1);
    made->id_hash = fb_hash(made->id, strlen(made->id));
    made->address_count = hello->n_addresses;
    for (size_t i = 0; i < hello->n_addresses; i++) {
        memcpy(made->addresses[i], hello->addresses[i], strlen(hello->addresses[i]) + 1);
    }
    made->offer_count = hello->n_servers;
    for (size_t i = 0; i < hello->n_servers; i++) {
        made->offers[i] = offer_of(hello->servers[i]);
    }
    made->tier = hello->tier;
    made->capacity = hello->capacity;
    made->start_unix_ms = hello->start_unix_ms;
    made->state = WORKER_JOINING;
    made->heard_ms = now_ms;
    if (hello->state != NULL) {
        worker_heard(made, hello->state, now_ms);
        made->capacity = hello->capacity;
    }
    *worker = made;
    return fb_ok;
}

void worker_destroy(struct worker *worker)
{
    if (worker == NULL) {
        return;
    }
    free(worker->offers);
    free(worker->instances);
    free(worker);
}

/* --- what it says --- */

static void copy_cut(char *out, size_t room, const char *text)
{
    const size_t size = strlen(text) < room ? strlen(text) : room - 1;

    memcpy(out, text, size);
    out[size] = '\0';
}

static struct worker_instance *find_instance(struct worker *worker, const char *id)
{
    for (size_t i = 0; i < worker->instance_count; i++) {
        if (strncmp(worker->instances[i].id, id, sizeof(worker->instances[i].id) - 1) == 0) {
            return &worker->instances[i];
        }
    }
    return NULL;
}

static struct worker_instance *add_instance(struct worker *worker)
{
    struct worker_instance *grown;

    if (worker->instance_count == WORKER_INSTANCES_MOST) {
        return NULL;
    }
    grown = realloc(worker->instances, (worker->instance_count + 1) * sizeof(*grown));
    if (grown == NULL) {
        return NULL;
    }
    worker->instances = grown;
    return &grown[worker->instance_count++];
}

static void take_report(struct worker *worker, const Flowbalancer__V1__InstanceReport *report)
{
    struct worker_instance *instance = find_instance(worker, report->instance_id);

    if (report->state == FLOWBALANCER__V1__INSTANCE_STATE__INSTANCE_STATE_GONE) {
        if (instance != NULL) {
            *instance = worker->instances[--worker->instance_count];
        }
        return;
    }
    if (instance == NULL) {
        instance = add_instance(worker);
    }
    if (instance == NULL) {
        return; /* only a preference is lost */
    }
    *instance = (struct worker_instance){
        .state = report->state,
        .in_flight = report->in_flight,
        .starts = report->starts,
        .pid = report->pid,
        .resident_bytes = report->resident_bytes,
        .warm = report->warm,
    };
    copy_cut(instance->id, sizeof(instance->id), report->instance_id);
    copy_cut(instance->server, sizeof(instance->server), report->server);
    instance->server_hash = fb_hash(instance->server, strlen(instance->server));
}

void worker_heard(struct worker *worker, const Flowbalancer__V1__WorkerHeartbeat *heartbeat,
                  int64_t now_ms)
{
    worker->heard_ms = now_ms;
    worker->in_flight_there = heartbeat->in_flight > worker->in_flight_here
                                  ? heartbeat->in_flight - worker->in_flight_here
                                  : 0;
    if (heartbeat->capacity > 0) {
        worker->capacity = heartbeat->capacity;
    }
    worker->draining = heartbeat->draining;
    worker->cpu_ms = heartbeat->cpu_ms;
    worker->resident_bytes = heartbeat->resident_bytes;
    for (size_t i = 0; i < heartbeat->n_instances; i++) {
        take_report(worker, heartbeat->instances[i]);
    }
}

/* --- health --- */

static enum worker_state deserved(const struct worker *worker, int64_t grace_ms, int64_t now_ms)
{
    if (worker->state == WORKER_GONE) {
        return WORKER_GONE;
    }
    if (now_ms - worker->heard_ms > grace_ms || now_ms < worker->ejected_until_ms) {
        return WORKER_EJECTED;
    }
    if (!worker->reached) {
        return worker->state == WORKER_JOINING ? WORKER_JOINING : WORKER_EJECTED;
    }
    return worker->draining ? WORKER_DRAINING : WORKER_READY;
}

bool worker_review(struct worker *worker, int64_t grace_ms, int64_t now_ms)
{
    const enum worker_state next = deserved(worker, grace_ms, now_ms);

    if (next == worker->state) {
        return false;
    }
    become(worker, next);
    return true;
}

void worker_left(struct worker *worker)
{
    if (worker->state != WORKER_GONE) {
        become(worker, WORKER_GONE);
    }
}

void worker_call_began(struct worker *worker)
{
    worker->in_flight_here++;
    worker->calls++;
}

void worker_call_ended(struct worker *worker, bool lost, int64_t now_ms)
{
    int64_t pause_ms = WORKER_EJECTION_FIRST_MS;

    assert(worker->in_flight_here > 0);
    worker->in_flight_here--;
    if (!lost) {
        worker->failed_in_a_row = 0;
        worker->ejections = 0;
        return;
    }
    worker->failures++;
    worker->failed_in_a_row++;
    if (worker->failed_in_a_row < WORKER_FAILURES_IN_A_ROW || now_ms < worker->ejected_until_ms) {
        return;
    }
    /* What was in flight when it was ejected may still fail: counting begins anew after the pause. */
    for (uint32_t i = 0; i < worker->ejections && pause_ms < WORKER_EJECTION_MOST_MS; i++) {
        pause_ms *= 2;
    }
    worker->failed_in_a_row = 0;
    worker->ejections++;
    worker->ejected_until_ms =
        now_ms + (pause_ms < WORKER_EJECTION_MOST_MS ? pause_ms : WORKER_EJECTION_MOST_MS);
}

uint32_t worker_load(const struct worker *worker)
{
    return worker->in_flight_here + worker->in_flight_there;
}

const struct worker_offer *worker_offer(const struct worker *worker, uint64_t server_hash)
{
    for (size_t i = 0; i < worker->offer_count; i++) {
        if (worker->offers[i].server_hash == server_hash) {
            return &worker->offers[i];
        }
    }
    return NULL;
}

bool worker_is_warm(const struct worker *worker, uint64_t server_hash)
{
    for (size_t i = 0; i < worker->instance_count; i++) {
        if (worker->instances[i].server_hash == server_hash && worker->instances[i].warm) {
            return true;
        }
    }
    return false;
}

#include "services/worker/sessions/held.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/worker/sessions/store_id.h"

/* --- the table --- */

static struct keeper_held **bucket_of(const struct keeper *k, const char *store_id)
{
    return &k->buckets[fb_hash(store_id, strlen(store_id)) % HELD_BUCKETS];
}

struct keeper_held *held_find(const struct keeper *k, const char *store_id)
{
    struct keeper_held *held = *bucket_of(k, store_id);

    while (held != NULL && strcmp(held->store_id, store_id) != 0) {
        held = held->next;
    }
    return held;
}

static void unlink_use(struct keeper_held *held)
{
    struct keeper *k = held->keeper;

    *(held->newer == NULL ? &k->newest : &held->newer->older) = held->older;
    *(held->older == NULL ? &k->oldest : &held->older->newer) = held->newer;
    held->newer = NULL;
    held->older = NULL;
}

static void link_use(struct keeper_held *held)
{
    struct keeper *k = held->keeper;

    held->older = k->newest;
    *(k->newest == NULL ? &k->oldest : &k->newest->newer) = held;
    k->newest = held;
}

static void count_bytes(struct keeper_held *held)
{
    struct keeper *k = held->keeper;
    int64_t bytes = (int64_t)sizeof(*held);

    if (held->session != NULL && held->state != HELD_ASIDE) {
        bytes += (int64_t)(held->text_bytes + sizeof(*held->session) +
                           held->session->task_room * (sizeof(struct task) + 256));
    } else if (held->session != NULL) {
        bytes = held->counted_bytes;
    }
    k->bytes += bytes - held->counted_bytes;
    keeper_count(k, KEEPER_METRIC_BYTES, bytes - held->counted_bytes);
    held->counted_bytes = bytes;
}

void held_free(struct keeper_held *held)
{
    struct keeper *k = held->keeper;
    struct keeper_held **at = bucket_of(k, held->store_id);

    held_tell(held, false);
    held_forget(held);
    if (held->leaving) {
        k->leaving_count--;
    }
    if (held->asking != NULL) {
        fb_client_call_cancel(held->asking);
    }
    loader_cancel(held->loader);
    fb_timer_clear(&held->retry);
    fb_timer_clear(&held->next_round);
    fb_defer_cancel(&held->soon);
    while (*at != held) {
        at = &(*at)->next;
    }
    *at = held->next;
    unlink_use(held);
    k->places[held->place] = NULL;
    k->count--;
    k->bytes -= held->counted_bytes;
    keeper_count(k, KEEPER_METRIC_BYTES, -held->counted_bytes);
    free(held->store_id);
    free(held->scope);
    free(held->name);
    free(held);
}

static char *copy_text(struct fb_text text)
{
    char *copy = malloc(text.size + 1);

    if (copy != NULL) {
        memcpy(copy, text.size == 0 ? "" : text.data, text.size);
        copy[text.size] = '\0';
    }
    return copy;
}

/* The lowest place that is free. */
static bool take_place(struct keeper_held *held)
{
    struct keeper *k = held->keeper;
    const uint32_t room = 2 * k->place_room + 16;
    struct keeper_held **places;
    uint32_t place = 0;

    while (place < k->place_room && k->places[place] != NULL) {
        place++;
    }
    if (place == k->place_room) {
        places = realloc(k->places, room * sizeof(*places));
        if (places == NULL) {
            return false;
        }
        memset(places + k->place_room, 0, (room - k->place_room) * sizeof(*places));
        k->places = places;
        k->place_room = room;
    }
    k->places[place] = held;
    held->place = place;
    return true;
}

struct keeper_held *held_create(struct keeper *k, const char *store_id,
                                const struct keeper_call *call)
{
    struct keeper_held *held = calloc(1, sizeof(*held));
    struct keeper_held **bucket = bucket_of(k, store_id);

    if (held == NULL) {
        return NULL;
    }
    held->keeper = k;
    held->store_id = strdup(store_id);
    held->scope = copy_text(call->scope);
    held->name = copy_text(call->name);
    held->state = HELD_ABSENT;
    held->wait_ms = RETRY_FIRST_MS;
    held->next = *bucket;
    *bucket = held;
    link_use(held);
    k->count++;
    if (held->store_id == NULL || held->scope == NULL || held->name == NULL || !take_place(held)) {
        *bucket = held->next;
        unlink_use(held);
        k->count--;
        free(held->store_id);
        free(held->scope);
        free(held->name);
        free(held);
        return NULL;
    }
    return held;
}

/* --- a session --- */

const char *held_told_as(const struct keeper_held *held, char *out)
{
    const char *id = store_id_session(held->store_id);

    if (held->scope[0] == '\0') {
        return id;
    }
    snprintf(out, HELD_NAME_BYTES, "%s/%s", held->scope, id);
    return out;
}

void held_tell(struct keeper_held *held, bool is_held)
{
    const struct keeper *k = held->keeper;
    char name[HELD_NAME_BYTES];

    if (held->told == is_held) {
        return;
    }
    held->told = is_held;
    keeper_count(held->keeper, KEEPER_METRIC_SESSIONS, is_held ? 1 : -1);
    if (k->config.events != NULL) {
        k->config.events->on_held(k->config.self, held_told_as(held, name), is_held);
    }
}

void held_forget(struct keeper_held *held)
{
    appends_drop(held);
    upkeep_end(held);
    snapshot_cancel(held);
    unsaid_finish(&held->unsaid);
    session_destroy(held->session);
    held->session = NULL;
    held->spoiled = false;
    held->pausing = false;
    held->lost = false;
}

bool held_is_whole(const struct keeper_held *held)
{
    return held->appends == NULL;
}

bool held_is_idle(const struct keeper_held *held)
{
    return held->arriving.count == 0 && held->deciding.count == 0 && held->for_work.count == 0 &&
           held->for_change.count == 0;
}

void held_rename(struct keeper_held *held, struct fb_text name)
{
    char *copy = copy_text(name);

    if (copy != NULL) {
        free(held->name);
        held->name = copy;
    }
}

void held_use(struct keeper_held *held)
{
    struct keeper *k = held->keeper;

    held->used_ms = fb_loop_now_ms(k->loop);
    unlink_use(held);
    link_use(held);
    if (held->leaving && !k->draining && held->state != HELD_RELEASING) {
        held->leaving = false;
        k->leaving_count--;
    }
}

void held_leave(struct keeper_held *held)
{
    if (!held->leaving) {
        held->leaving = true;
        held->keeper->leaving_count++;
        held_look_soon(held);
    }
}

static void on_soon(struct fb_defer *defer)
{
    held_look(OWNER_OF(struct keeper_held, soon, defer));
}

void held_look_soon(struct keeper_held *held)
{
    if (!held->keeper->destroying) {
        fb_loop_defer(held->keeper->loop, &held->soon, on_soon);
    }
}

static void on_next_round(struct fb_timer *timer)
{
    held_look(OWNER_OF(struct keeper_held, next_round, timer));
}

static void look_at_ready(struct keeper_held *held)
{
    struct keeper *k = held->keeper;
    const bool more = calls_decide(held);

    appends_send(held);
    if (held->state != HELD_READY) {
        return; /* what was decided could not be sent, and is gone */
    }
    calls_settle(held);
    if (more) {
        fb_timer_set(k->loop, &held->next_round, fb_loop_now_ms(k->loop), on_next_round);
    }
    if (!held_is_whole(held)) {
        held->pausing |= !snapshot_is_going_on(held) && snapshot_is_due(held, SNAPSHOT_BUSY);
        return;
    }
    if (!held->lost && !held->spoiled) {
        appends_project(held);
    }
    if (held->lost) {
        held_lose(held);
    } else if (held->spoiled) {
        held_reload(held);
    } else if (held->pausing) {
        held->pausing = false;
        snapshot_begin(held);
        held_look_soon(held);
    } else if (held->leaving && held->deciding.count == 0 && held->projecting == NULL &&
               !snapshot_is_going_on(held)) {
        if (snapshot_is_due(held, SNAPSHOT_LAST)) {
            snapshot_begin(held);
        } else {
            held_forget(held);
            release(held);
        }
    }
}

static void look_at_absent(struct keeper_held *held)
{
    struct keeper *k = held->keeper;

    if (held->arriving.first != NULL && k->draining) {
        calls_fail_all(&held->arriving,
                       fb_fail(FB_UNAVAILABLE, "the session is on its way to another worker"),
                       "not-run", "", 0);
    }
    if (held->asking != NULL || held->loader != NULL) {
        return;
    }
    if (held->arriving.first == NULL) {
        held_free(held);
        keeper_look_drained(k);
    } else if (held->retry.place == 0) {
        acquire(held);
    }
}

void held_look(struct keeper_held *held)
{
    count_bytes(held);
    switch (held->state) {
    case HELD_READY:
        look_at_ready(held);
        break;
    case HELD_ABSENT:
        look_at_absent(held);
        break;
    default:
        break; /* what is under way looks when it is done */
    }
}

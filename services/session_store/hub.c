#include "services/session_store/hub.h"

#include <string.h>

#include "runtime/base/text.h"

static struct hub_seat **bucket_of(struct hub *hub, const char *key)
{
    return &hub->buckets[fb_hash(key, strlen(key)) % HUB_BUCKETS];
}

static void seat_at(struct hub_seat **place, struct hub_seat *seat)
{
    seat->next = *place;
    seat->link = place;
    if (seat->next != NULL) {
        seat->next->link = &seat->next;
    }
    *place = seat;
}

static void unseat(struct hub_seat *seat)
{
    *seat->link = seat->next;
    if (seat->next != NULL) {
        seat->next->link = seat->link;
    }
    seat->next = NULL;
    seat->link = NULL;
}

void hub_join(struct hub *hub, struct hub_seat *seat, const char *key, hub_wake_fn *wake)
{
    seat->key = key;
    seat->wake = wake;
    seat_at(bucket_of(hub, key), seat);
    hub->count += 1;
}

void hub_leave(struct hub *hub, struct hub_seat *seat)
{
    if (seat->link != NULL) {
        unseat(seat);
        hub->count -= 1;
    }
}

/*
 * Those to wake are moved to a list of their own first and taken back one by one, so that whoever is
 * woken may leave, or end another, without the walk losing its place.
 */
static void wake_bucket(struct hub *hub, struct hub_seat **bucket, const char *key)
{
    struct hub_seat *waking = NULL;
    struct hub_seat *seat = *bucket;

    while (seat != NULL) {
        struct hub_seat *next = seat->next;

        if (key == NULL || strcmp(seat->key, key) == 0) {
            unseat(seat);
            seat_at(&waking, seat);
        }
        seat = next;
    }
    while (waking != NULL) {
        seat = waking;
        unseat(seat);
        seat_at(bucket_of(hub, seat->key), seat);
        seat->wake(seat);
    }
}

void hub_wake(struct hub *hub, const char *key)
{
    wake_bucket(hub, bucket_of(hub, key), key);
}

void hub_wake_all(struct hub *hub)
{
    for (size_t i = 0; i < HUB_BUCKETS; i++) {
        wake_bucket(hub, &hub->buckets[i], NULL);
    }
}

#include "services/router/holders.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 256 };

struct holding {
    char *session; /* NULL: the slot is free */
    size_t size;
    uint64_t hash;
    struct worker *worker;
};

struct holders {
    struct holding *slots;
    size_t slot_count; /* a power of two */
    size_t count;
    size_t most;
};

struct holders *holders_create(size_t most)
{
    struct holders *holders = calloc(1, sizeof(*holders));

    if (holders == NULL) {
        return NULL;
    }
    holders->most = most;
    holders->slot_count = FIRST_SLOTS;
    holders->slots = calloc(FIRST_SLOTS, sizeof(*holders->slots));
    if (holders->slots == NULL) {
        holders_destroy(holders);
        return NULL;
    }
    return holders;
}

void holders_destroy(struct holders *holders)
{
    if (holders == NULL) {
        return;
    }
    for (size_t i = 0; holders->slots != NULL && i < holders->slot_count; i++) {
        free(holders->slots[i].session);
    }
    free(holders->slots);
    free(holders);
}

/* The slot of the session, or the free one where it would go. */
static size_t find_slot(const struct holders *holders, struct fb_text session, uint64_t hash)
{
    size_t at = hash & (holders->slot_count - 1);

    while (holders->slots[at].session != NULL) {
        const struct holding *holding = &holders->slots[at];

        if (holding->hash == hash && holding->size == session.size &&
            memcmp(holding->session, session.data, session.size) == 0) {
            break;
        }
        at = (at + 1) & (holders->slot_count - 1);
    }
    return at;
}

static bool grow(struct holders *holders)
{
    struct holders grown = *holders;

    if (holders->count * 4 < holders->slot_count * 3) {
        return true;
    }
    grown.slot_count *= 2;
    grown.slots = calloc(grown.slot_count, sizeof(*grown.slots));
    if (grown.slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < holders->slot_count; i++) {
        const struct holding *old = &holders->slots[i];

        if (old->session != NULL) {
            struct fb_text session = {.data = old->session, .size = old->size};

            grown.slots[find_slot(&grown, session, old->hash)] = *old;
        }
    }
    free(holders->slots);
    *holders = grown;
    return true;
}

bool holders_put(struct holders *holders, struct fb_text session, struct worker *worker)
{
    const uint64_t hash = fb_hash(session.data, session.size);
    struct holding *holding = &holders->slots[find_slot(holders, session, hash)];
    char *copy;

    if (holding->session != NULL) {
        holding->worker = worker;
        return true;
    }
    if (holders->count >= holders->most || !grow(holders)) {
        return false;
    }
    copy = malloc(session.size + 1);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, session.data, session.size);
    holders->slots[find_slot(holders, session, hash)] = (struct holding){
        .session = copy,
        .size = session.size,
        .hash = hash,
        .worker = worker,
    };
    holders->count++;
    return true;
}

/* Frees the slot and moves back what had been pushed behind it, so that no tombstone is needed. */
static void clear_slot(struct holders *holders, size_t at)
{
    const size_t mask = holders->slot_count - 1;
    size_t hole = at;

    free(holders->slots[at].session);
    holders->slots[at] = (struct holding){0};
    holders->count--;
    for (size_t i = (at + 1) & mask; holders->slots[i].session != NULL; i = (i + 1) & mask) {
        const size_t home = holders->slots[i].hash & mask;

        if (((i - home) & mask) >= ((i - hole) & mask)) {
            holders->slots[hole] = holders->slots[i];
            holders->slots[i] = (struct holding){0};
            hole = i;
        }
    }
}

void holders_drop(struct holders *holders, struct fb_text session, const struct worker *worker)
{
    const size_t at = find_slot(holders, session, fb_hash(session.data, session.size));

    if (holders->slots[at].session != NULL && holders->slots[at].worker == worker) {
        clear_slot(holders, at);
    }
}

void holders_drop_all(struct holders *holders, const struct worker *worker)
{
    size_t at = 0;

    while (at < holders->slot_count) {
        if (holders->slots[at].session != NULL && holders->slots[at].worker == worker) {
            clear_slot(holders, at); /* may have moved another here: look again */
        } else {
            at++;
        }
    }
}

struct worker *holders_find(const struct holders *holders, struct fb_text session)
{
    const size_t at = find_slot(holders, session, fb_hash(session.data, session.size));

    return holders->slots[at].session == NULL ? NULL : holders->slots[at].worker;
}

size_t holders_count(const struct holders *holders)
{
    return holders->count;
}

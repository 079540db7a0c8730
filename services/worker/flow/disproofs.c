#include "services/worker/flow/disproofs.h"

#include <string.h>

#include "services/worker/flow/event.h"

/* As much of it as fits, no character cut in two. */
static void keep(char *at, size_t most, struct fb_text text)
{
    size_t size = text.size;

    if (size > most) {
        size = most;
        while (size > 0 && ((unsigned char)text.data[size] & 0xc0) == 0x80) {
            size--;
        }
    }
    memset(at, 0, most + 1);
    if (size != 0) {
        memcpy(at, text.data, size);
    }
}

static uint32_t place_of(const struct disproofs *disproofs, uint32_t task)
{
    uint32_t at = 0;

    while (at < disproofs->count && disproofs->items[at].task != task) {
        at++;
    }
    return at;
}

static void remove_at(struct disproofs *disproofs, uint32_t at)
{
    disproofs->count--;
    memmove(&disproofs->items[at], &disproofs->items[at + 1],
            (disproofs->count - at) * sizeof(*disproofs->items));
    disproofs->items[disproofs->count] = (struct disproof){.task = 0};
}

void disproofs_clear(struct disproofs *disproofs, uint32_t task)
{
    const uint32_t at = place_of(disproofs, task);

    if (at < disproofs->count) {
        remove_at(disproofs, at);
    }
}

void disproofs_looked(struct disproofs *disproofs, uint32_t task, const struct disproof_look *look,
                      int64_t unix_ms)
{
    uint32_t at = place_of(disproofs, task);
    struct disproof *item;

    if (look->missing + look->changed == 0) {
        disproofs_clear(disproofs, task);
        return;
    }
    if (at == disproofs->count) {
        if (disproofs->count == DISPROOFS) {
            remove_at(disproofs, 0);
        }
        at = disproofs->count++;
        disproofs->items[at] = (struct disproof){.task = task, .unix_ms = unix_ms};
    }
    item = &disproofs->items[at];
    item->missing = look->missing;
    item->changed = look->changed;
    keep(item->ref, DISPROOF_REF_BYTES, look->ref);
    keep(item->host, DISPROOF_HOST_BYTES, look->host);
}

bool disproofs_know(const struct disproofs *disproofs, uint32_t task,
                    const struct disproof_look *look)
{
    const uint32_t at = place_of(disproofs, task);
    const struct disproof *item = disproofs->items + at; /* behind the last where there is none */
    struct disproof seen = {.missing = look->missing, .changed = look->changed};

    if (at == disproofs->count) {
        return look->missing + look->changed == 0;
    }
    keep(seen.ref, DISPROOF_REF_BYTES, look->ref);
    keep(seen.host, DISPROOF_HOST_BYTES, look->host);
    return item->missing == seen.missing && item->changed == seen.changed &&
           strcmp(item->ref, seen.ref) == 0 && strcmp(item->host, seen.host) == 0;
}

struct disproof_look disproofs_look(const struct event_look *looks, size_t count)
{
    struct disproof_look found = {.missing = 0};

    for (size_t i = 0; i < count; i++) {
        const bool missing = looks[i].state == EVENT_LOOK_MISSING;
        const bool changed = looks[i].state == EVENT_LOOK_CHANGED;

        if ((missing || changed) && found.missing + found.changed == 0) {
            found.ref = looks[i].ref;
            found.host = looks[i].host;
        }
        found.missing += missing;
        found.changed += changed;
    }
    return found;
}

#include "services/worker/told_sessions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool told_sessions_add(struct told_sessions *told, const char *name, bool held)
{
    size_t at = 0;

    if (told->items == NULL) {
        told->items = calloc(TOLD_SESSIONS_MOST, sizeof(*told->items));
    }
    while (at < told->count && strcmp(told->items[at].name, name) != 0) {
        at++;
    }
    if (told->items == NULL || at == TOLD_SESSIONS_MOST) {
        return false;
    }
    snprintf(told->items[at].name, sizeof(told->items[at].name), "%s", name);
    told->items[at].held = held;
    told->count += at == told->count ? 1 : 0;
    return true;
}

void told_sessions_clear(struct told_sessions *told)
{
    told->count = 0;
}

void told_sessions_finish(struct told_sessions *told)
{
    free(told->items);
    *told = (struct told_sessions){.count = 0};
}

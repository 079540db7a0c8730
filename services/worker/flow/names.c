#include "services/worker/flow/names.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 8 };

void names_finish(struct names *names)
{
    for (uint32_t i = 0; i < names->count; i++) {
        free((char *)names->texts[i].data);
    }
    free(names->texts);
    free(names->slots);
    *names = (struct names){.count = 0};
}

/* The slot where the name is, or would be. */
static uint32_t slot_of(const struct names *names, struct fb_text name)
{
    uint32_t at = (uint32_t)fb_hash(name.data, name.size) & (names->slot_count - 1);

    while (names->slots[at] != 0 && !fb_text_equal(names->texts[names->slots[at] - 1], name)) {
        at = (at + 1) & (names->slot_count - 1);
    }
    return at;
}

uint32_t names_find(const struct names *names, struct fb_text name)
{
    if (names->count == 0) {
        return NAMES_NONE;
    }
    return names->slots[slot_of(names, name)] - 1;
}

/* Slots are a power of two and at most half full. */
static bool grow(struct names *names)
{
    const uint32_t room = names->room == 0 ? FIRST_ROOM : 2 * names->room;
    struct fb_text *texts = realloc(names->texts, room * sizeof(*texts));
    uint32_t *slots;

    if (texts == NULL) {
        return false;
    }
    names->texts = texts;
    slots = calloc(2 * (size_t)room, sizeof(*slots));
    if (slots == NULL) {
        return false;
    }
    free(names->slots);
    names->slots = slots;
    names->slot_count = 2 * room;
    names->room = room;
    for (uint32_t i = 0; i < names->count; i++) {
        names->slots[slot_of(names, names->texts[i])] = i + 1;
    }
    return true;
}

uint32_t names_add(struct names *names, struct fb_text name)
{
    const uint32_t found = names_find(names, name);
    char *copy;

    if (found != NAMES_NONE) {
        return found;
    }
    if (names->count == names->room && !grow(names)) {
        return NAMES_NONE;
    }
    copy = malloc(name.size + 1);
    if (copy == NULL) {
        return NAMES_NONE;
    }
    if (name.size != 0) {
        memcpy(copy, name.data, name.size);
    }
    copy[name.size] = '\0';
    names->slots[slot_of(names, name)] = names->count + 1;
    names->texts[names->count] = (struct fb_text){.data = copy, .size = name.size};
    return names->count++;
}

void names_truncate(struct names *names, uint32_t count)
{
    /* The last one to come lies at the end of its run of slots at that time, so its slot can be
     * freed without hiding another. */
    while (names->count > count) {
        const uint32_t last = names->count - 1;

        names->slots[slot_of(names, names->texts[last])] = 0;
        free((char *)names->texts[last].data);
        names->count = last;
    }
}

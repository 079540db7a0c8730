#include "runtime/config/note.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_ROOM = 8, NOTE_BYTES = 1024 };

static bool make_room(struct fb_notes *notes, struct fb_arena *arena)
{
    const size_t room = notes->room == 0 ? FIRST_ROOM : notes->room * 2;
    struct fb_note *items;

    if (notes->count < notes->room) {
        return true;
    }
    if (notes->count >= FB_NOTES_MOST) {
        return false;
    }
    items = fb_arena_zalloc(arena, room, sizeof(*items));
    if (items == NULL) {
        return false;
    }
    if (notes->count != 0) {
        memcpy(items, notes->items, notes->count * sizeof(*items));
    }
    notes->items = items;
    notes->room = room;
    return true;
}

void fb_notes_add(struct fb_notes *notes, struct fb_arena *arena, enum fb_note_kind kind,
                  const char *server, const char *format, ...)
{
    char words[NOTE_BYTES];
    char *text = NULL;
    va_list args;

    if (make_room(notes, arena)) {
        va_start(args, format);
        vsnprintf(words, sizeof(words), format, args);
        va_end(args);
        text = fb_arena_copy(arena, words, strlen(words));
    }
    if (text == NULL) {
        notes->left_off++;
        return;
    }
    notes->items[notes->count++] = (struct fb_note){.kind = kind, .server = server, .text = text};
}

void fb_notes_write(const struct fb_notes *notes, const char *program, FILE *out)
{
    for (size_t i = 0; i < notes->count; i++) {
        if (notes->items[i].kind != FB_NOTE_HINT) {
            fprintf(out, "%s: %s\n", program, notes->items[i].text);
        }
    }
    if (notes->left_off > 0) {
        fprintf(out, "%s: %zu more remarks\n", program, notes->left_off);
    }
}

#ifndef FB_RUNTIME_CONFIG_NOTE_H
#define FB_RUNTIME_CONFIG_NOTE_H

/*
 * note: what a reader of configuration has to say without stopping.
 *
 * Values; a list belongs to one thread and its memory to an arena.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "runtime/base/arena.h"

enum { FB_NOTES_MOST = 256 }; /* more are counted, not kept */

enum fb_note_kind {
    FB_NOTE_HINT,    /* known, but not used by us */
    FB_NOTE_WARNING, /* probably a mistake; ignored */
    FB_NOTE_ERROR    /* the entry named by `server` was skipped */
};

struct fb_note {
    enum fb_note_kind kind;
    const char *server; /* the entry it is about; NULL for none */
    const char *text;   /* file, line, path in the document and what about it, without secrets */
};

/* All zero is an empty list. */
struct fb_notes {
    struct fb_note *items;
    size_t count;
    size_t room;
    size_t left_off; /* notes beyond the most, or that had no memory */
};

void fb_notes_add(struct fb_notes *notes, struct fb_arena *arena, enum fb_note_kind kind,
                  const char *server, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* A line "program: text" for each warning and error; for what is asked, not logged. */
void fb_notes_write(const struct fb_notes *notes, const char *program, FILE *out);

#endif

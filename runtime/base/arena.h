#ifndef FB_RUNTIME_BASE_ARENA_H
#define FB_RUNTIME_BASE_ARENA_H

/*
 * arena: memory that is given back all at once.
 *
 * What lives as long as a call comes from the call's arena, and handlers free nothing. An arena
 * belongs to one thread at a time.
 */

#include <stddef.h>

#include "runtime/base/status.h"

struct fb_arena_block;

/* Open so that it can be embedded; its fields are its own. */
struct fb_arena {
    struct fb_arena_block *blocks; /* newest first */
    char *next;                    /* free room in the newest block */
    char *end;
    size_t used_bytes;  /* handed out, padding counted */
    size_t limit_bytes; /* most that may be handed out */
};

/* An empty arena: holds no memory until the first allocation. `limit_bytes` 0 means no limit. */
void fb_arena_init(struct fb_arena *arena, size_t limit_bytes);

/* Frees all that was allocated from it; the arena is then as after init. */
void fb_arena_finish(struct fb_arena *arena);

/* Forgets all that was allocated but keeps one block for reuse, so that a pooled owner stays warm. */
void fb_arena_reset(struct fb_arena *arena);

/* `size` bytes aligned for any type, not cleared. NULL when the limit or the memory is exhausted. */
void *fb_arena_alloc(struct fb_arena *arena, size_t size);

/* Cleared; NULL as above, also when `count * size` overflows. */
void *fb_arena_zalloc(struct fb_arena *arena, size_t count, size_t size);

/* A copy of `size` bytes with a NUL behind it. NULL when exhausted. */
char *fb_arena_copy(struct fb_arena *arena, const void *data, size_t size);

/* printf into the arena. NULL when exhausted. */
char *fb_arena_printf(struct fb_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A failure whose words are printed into the arena; falls back to `format` itself when exhausted. */
struct fb_status fb_arena_fail(struct fb_arena *arena, enum fb_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

#include "runtime/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BLOCK_BYTES = 2048, LARGEST_BLOCK_BYTES = 256 * 1024 };

struct fb_arena_block {
    struct fb_arena_block *older;
    size_t size_bytes;
    max_align_t room[];
};

void fb_arena_init(struct fb_arena *arena, size_t limit_bytes)
{
    *arena = (struct fb_arena){.limit_bytes = limit_bytes == 0 ? SIZE_MAX : limit_bytes};
}

static void free_blocks(struct fb_arena_block *block)
{
    while (block != NULL) {
        struct fb_arena_block *older = block->older;

        free(block);
        block = older;
    }
}

void fb_arena_finish(struct fb_arena *arena)
{
    free_blocks(arena->blocks);
    fb_arena_init(arena, arena->limit_bytes);
}

void fb_arena_reset(struct fb_arena *arena)
{
    struct fb_arena_block *kept = arena->blocks;

    if (kept == NULL) {
        arena->used_bytes = 0;
        return;
    }
    free_blocks(kept->older);
    if (kept->size_bytes > LARGEST_BLOCK_BYTES) {
        free(kept);
        fb_arena_init(arena, arena->limit_bytes);
        return;
    }
    kept->older = NULL;
    arena->next = (char *)kept->room;
    arena->end = arena->next + kept->size_bytes;
    arena->used_bytes = 0;
}

/* Each block doubles the one before, so that a large message costs few calls of malloc. */
static int add_block(struct fb_arena *arena, size_t least)
{
    size_t size = FIRST_BLOCK_BYTES;
    struct fb_arena_block *block;

    if (arena->blocks != NULL) {
        size = arena->blocks->size_bytes * 2;
    }
    if (size > LARGEST_BLOCK_BYTES) {
        size = LARGEST_BLOCK_BYTES;
    }
    if (size < least) {
        size = least;
    }
    if (size > SIZE_MAX - sizeof(*block)) {
        return -1;
    }
    block = malloc(sizeof(*block) + size);
    if (block == NULL) {
        return -1;
    }
    block->older = arena->blocks;
    block->size_bytes = size;
    arena->blocks = block;
    arena->next = (char *)block->room;
    arena->end = arena->next + size;
    return 0;
}

void *fb_arena_alloc(struct fb_arena *arena, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    size_t padded;
    void *memory;

    if (size > SIZE_MAX - align) {
        return NULL;
    }
    padded = size == 0 ? align : (size + align - 1) / align * align;
    if (padded > arena->limit_bytes - arena->used_bytes) {
        return NULL;
    }
    if ((size_t)(arena->end - arena->next) < padded && add_block(arena, padded) != 0) {
        return NULL;
    }
    memory = arena->next;
    arena->next += padded;
    arena->used_bytes += padded;
    return memory;
}

void *fb_arena_zalloc(struct fb_arena *arena, size_t count, size_t size)
{
    void *memory;

    if (size != 0 && count > SIZE_MAX / size) {
        return NULL;
    }
    memory = fb_arena_alloc(arena, count * size);
    if (memory != NULL) {
        memset(memory, 0, count * size);
    }
    return memory;
}

char *fb_arena_copy(struct fb_arena *arena, const void *data, size_t size)
{
    char *copy = size == SIZE_MAX ? NULL : fb_arena_alloc(arena, size + 1);

    if (copy != NULL) {
        if (size != 0) {
            memcpy(copy, data, size);
        }
        copy[size] = '\0';
    }
    return copy;
}

static char *print(struct fb_arena *arena, const char *format, va_list args)
{
    va_list again;
    char *text = NULL;
    int length;

    va_copy(again, args);
    length = vsnprintf(NULL, 0, format, args);
    if (length >= 0) {
        text = fb_arena_alloc(arena, (size_t)length + 1);
    }
    if (text != NULL) {
        vsnprintf(text, (size_t)length + 1, format, again);
    }
    va_end(again);
    return text;
}

char *fb_arena_printf(struct fb_arena *arena, const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = print(arena, format, args);
    va_end(args);
    return text;
}

struct fb_status fb_arena_fail(struct fb_arena *arena, enum fb_code code, const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = print(arena, format, args);
    va_end(args);
    return fb_fail(code, text == NULL ? format : text);
}

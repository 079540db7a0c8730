#include "runtime/rpc/h2/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { KEEP_BYTES = 1024 * 1024 };

/* The head of each piece; what was asked for begins behind it. */
struct fb_h2_piece {
    union {
        struct fb_h2_piece *next; /* while it is free */
        size_t size;              /* that may be used */
        max_align_t align;
    };
    max_align_t room[];
};

/*
 * Under the address sanitizer pieces are not kept: it is to see who uses one that was given back.
 */
static const size_t keep_bytes =
#if defined(__SANITIZE_ADDRESS__)
    0;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
    0;
#else
    KEEP_BYTES;
#endif
#else
    KEEP_BYTES;
#endif

static void *take(size_t size, void *user)
{
    struct fb_h2_memory *memory = user;
    const size_t place = size == 0 ? 0 : (size - 1) / FB_H2_PIECE_STEP_BYTES;
    struct fb_h2_piece *piece;

    if (place < FB_H2_PIECE_SIZES) {
        size = (place + 1) * FB_H2_PIECE_STEP_BYTES;
        piece = memory->free[place];
        if (piece != NULL) {
            memory->free[place] = piece->next;
            memory->free_bytes -= size;
            piece->size = size;
            return piece->room;
        }
    }
    if (size > SIZE_MAX - sizeof(*piece)) {
        return NULL;
    }
    piece = malloc(sizeof(*piece) + size);
    if (piece == NULL) {
        return NULL;
    }
    piece->size = size;
    return piece->room;
}

static struct fb_h2_piece *piece_of(void *room)
{
    return (struct fb_h2_piece *)((char *)room - offsetof(struct fb_h2_piece, room));
}

static void give_back(void *room, void *user)
{
    struct fb_h2_memory *memory = user;
    struct fb_h2_piece *piece;
    size_t place;

    if (room == NULL) {
        return;
    }
    piece = piece_of(room);
    place = (piece->size - 1) / FB_H2_PIECE_STEP_BYTES;
    if (place >= FB_H2_PIECE_SIZES || memory->free_bytes + piece->size > keep_bytes) {
        free(piece);
        return;
    }
    memory->free_bytes += piece->size;
    piece->next = memory->free[place];
    memory->free[place] = piece;
}

static void *take_cleared(size_t count, size_t size, void *user)
{
    void *room = size != 0 && count > SIZE_MAX / size ? NULL : take(count * size, user);

    if (room != NULL) {
        memset(room, 0, count * size);
    }
    return room;
}

static void *resize(void *room, size_t size, void *user)
{
    void *moved;

    if (room != NULL && size != 0 && size <= piece_of(room)->size) {
        return room;
    }
    moved = take(size, user);
    if (moved != NULL && room != NULL) {
        const size_t had = piece_of(room)->size;

        memcpy(moved, room, had < size ? had : size);
        give_back(room, user);
    }
    return moved;
}

nghttp2_mem fb_h2_memory_face(struct fb_h2_memory *memory)
{
    return (nghttp2_mem){
        .mem_user_data = memory,
        .malloc = take,
        .free = give_back,
        .calloc = take_cleared,
        .realloc = resize,
    };
}

void fb_h2_memory_finish(struct fb_h2_memory *memory)
{
    for (size_t i = 0; i < FB_H2_PIECE_SIZES; i++) {
        while (memory->free[i] != NULL) {
            struct fb_h2_piece *piece = memory->free[i];

            memory->free[i] = piece->next;
            free(piece);
        }
    }
    memory->free_bytes = 0;
}

#ifndef FB_RUNTIME_RPC_H2_MEMORY_H
#define FB_RUNTIME_RPC_H2_MEMORY_H

/*
 * memory: the small pieces that HTTP/2 sessions take and give back for every call.
 *
 * malloc's own cache of freed pieces is too short for many calls at once; these lists are not. One
 * thread.
 */

#include <stddef.h>

#include <nghttp2/nghttp2.h>

enum {
    FB_H2_PIECE_STEP_BYTES = 64,
    FB_H2_PIECE_SIZES = 16, /* larger ones are malloc's alone */
};

struct fb_h2_piece;

/* All zero is empty. */
struct fb_h2_memory {
    struct fb_h2_piece *free[FB_H2_PIECE_SIZES];
    size_t free_bytes;
};

/*
 * For nghttp2_session_server_new3 and its like; borrows `memory` for as long as the session lives.
 */
nghttp2_mem fb_h2_memory_face(struct fb_h2_memory *memory);

/* After the last session. */
void fb_h2_memory_finish(struct fb_h2_memory *memory);

#endif

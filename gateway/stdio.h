#ifndef FB_GATEWAY_STDIO_H
#define FB_GATEWAY_STDIO_H

/*
 * stdio: the two descriptors between the agent and us.
 *
 * Pipes, sockets, terminals and files alike. It never blocks on what is no file, and leaves the
 * descriptors' flags alone, as other processes may share them. Reading goes on while the agent does
 * not read: an agent may write hundreds of requests before it looks at an answer. Only beyond
 * `most_bytes` of answers that nobody takes does it wait. One thread, the loop's.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/lines.h"
#include "runtime/loop/loop.h"

struct stdio;

struct stdio_events {
    struct lines_events lines;
    /* The agent will say no more. At most once. */
    void (*on_end)(void *arg);
    /* The agent does not listen any more: nothing can be written. At most once. */
    void (*on_gone)(void *arg);
    /* All that was appended has been written. */
    void (*on_flushed)(void *arg);
    /* Answers wait to be read: hold the suite back (true), or let it go on. */
    void (*on_hold)(void *arg, bool on);
};

struct stdio_config {
    int in_fd;
    int out_fd;
    size_t line_bytes; /* longest line that is read */
    size_t high_bytes; /* waiting to be written, above which on_hold is told */
    size_t most_bytes; /* above which nothing is read */
};

/* NULL when memory or descriptors are exhausted. `events` is borrowed. Reading begins with the loop. */
struct stdio *stdio_create(struct fb_loop *loop, const struct stdio_config *config,
                           const struct stdio_events *events, void *arg);
void stdio_destroy(struct stdio *stdio);

/* Whole lines are appended here, then stdio_written is called: they go out at the end of the round. */
struct fb_buffer *stdio_out(struct stdio *stdio);
void stdio_written(struct stdio *stdio);

/* Nothing more is read. */
void stdio_stop_reading(struct stdio *stdio);

/* Whether all that was appended has been written, or never can be. */
bool stdio_is_flushed(const struct stdio *stdio);

#endif

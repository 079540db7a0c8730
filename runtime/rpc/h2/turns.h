#ifndef FB_RUNTIME_RPC_H2_TURNS_H
#define FB_RUNTIME_RPC_H2_TURNS_H

/*
 * turns: which of the large messages that come on one connection may come on.
 *
 * Each takes its whole size out of a share of memory before more of it is asked for than the window
 * that its sender has already; those for which there is no room wait, the oldest first. A message
 * whose reader pauses does not count among those that come, and of these one is always let through:
 * so whoever waits has somebody to wait for. It only decides; one thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fb_h2_turn_state {
    FB_H2_TURN_NONE,  /* nothing large is coming */
    FB_H2_TURN_WAITS, /* in the list, unless it is paused */
    FB_H2_TURN_HAS,
};

/* A stream's. All zero: has nothing to ask for. */
struct fb_h2_turn {
    enum fb_h2_turn_state state;
    bool paused;
    uint32_t bytes; /* of the message; taken from the share while it has its turn */

    struct fb_h2_turn *next; /* who waits behind it */
    struct fb_h2_turn *before;
};

/* A connection's. */
struct fb_h2_turns {
    size_t most_bytes;  /* the share */
    size_t taken_bytes; /* of it, by those that have their turn */
    uint32_t coming;    /* that have their turn and are not paused */
    struct fb_h2_turn *oldest;
    struct fb_h2_turn *newest;
};

/* A message of so many bytes has begun: it waits, perhaps only until `next`. */
void fb_h2_turns_ask(struct fb_h2_turns *turns, struct fb_h2_turn *turn, uint32_t bytes);

/* It has ended, or will never. Harmless when there is none. */
void fb_h2_turns_give_back(struct fb_h2_turns *turns, struct fb_h2_turn *turn);

/* Its reader pauses or goes on; who has waited does so again behind the others. */
void fb_h2_turns_pause(struct fb_h2_turns *turns, struct fb_h2_turn *turn, bool paused);

/* To be asked after each of these, until it says NULL: who has its turn from now on. */
struct fb_h2_turn *fb_h2_turns_next(struct fb_h2_turns *turns);

#endif

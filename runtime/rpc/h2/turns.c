#include "runtime/rpc/h2/turns.h"

#include <assert.h>

static void enter(struct fb_h2_turns *turns, struct fb_h2_turn *turn)
{
    turn->next = NULL;
    turn->before = turns->newest;
    if (turns->newest == NULL) {
        turns->oldest = turn;
    } else {
        turns->newest->next = turn;
    }
    turns->newest = turn;
}

static void leave(struct fb_h2_turns *turns, struct fb_h2_turn *turn)
{
    if (turn->before == NULL) {
        turns->oldest = turn->next;
    } else {
        turn->before->next = turn->next;
    }
    if (turn->next == NULL) {
        turns->newest = turn->before;
    } else {
        turn->next->before = turn->before;
    }
    turn->next = NULL;
    turn->before = NULL;
}

void fb_h2_turns_ask(struct fb_h2_turns *turns, struct fb_h2_turn *turn, uint32_t bytes)
{
    assert(turn->state == FB_H2_TURN_NONE);
    turn->state = FB_H2_TURN_WAITS;
    turn->bytes = bytes;
    if (!turn->paused) {
        enter(turns, turn);
    }
}

void fb_h2_turns_give_back(struct fb_h2_turns *turns, struct fb_h2_turn *turn)
{
    if (turn->state == FB_H2_TURN_HAS) {
        turns->taken_bytes -= turn->bytes;
        turns->coming -= turn->paused ? 0 : 1;
    } else if (turn->state == FB_H2_TURN_WAITS && !turn->paused) {
        leave(turns, turn);
    }
    turn->state = FB_H2_TURN_NONE;
}

void fb_h2_turns_pause(struct fb_h2_turns *turns, struct fb_h2_turn *turn, bool paused)
{
    if (turn->paused == paused) {
        return;
    }
    turn->paused = paused;
    if (turn->state == FB_H2_TURN_HAS) {
        turns->coming = paused ? turns->coming - 1 : turns->coming + 1;
    } else if (turn->state == FB_H2_TURN_WAITS && paused) {
        leave(turns, turn);
    } else if (turn->state == FB_H2_TURN_WAITS) {
        enter(turns, turn);
    }
}

struct fb_h2_turn *fb_h2_turns_next(struct fb_h2_turns *turns)
{
    struct fb_h2_turn *turn = turns->oldest;

    if (turn == NULL ||
        (turns->coming > 0 && turns->taken_bytes + turn->bytes > turns->most_bytes)) {
        return NULL;
    }
    leave(turns, turn);
    turn->state = FB_H2_TURN_HAS;
    turns->taken_bytes += turn->bytes;
    turns->coming++;
    return turn;
}

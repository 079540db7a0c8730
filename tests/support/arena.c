#include "tests/support/arena.h"

#include <stdlib.h>

#include "runtime/base/arena.h"

int arena_set_up(void **state)
{
    struct fb_arena *arena = malloc(sizeof(*arena));

    if (arena == NULL) {
        return -1;
    }
    fb_arena_init(arena, 0);
    *state = arena;
    return 0;
}

int arena_tear_down(void **state)
{
    fb_arena_finish(*state);
    free(*state);
    return 0;
}

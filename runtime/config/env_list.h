#ifndef FB_RUNTIME_CONFIG_ENV_LIST_H
#define FB_RUNTIME_CONFIG_ENV_LIST_H

/*
 * env_list: names with values, each name once: an environment, or the headers of a request.
 *
 * All memory is an arena's. Belongs to one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"

struct fb_env_pair {
    const char *name;
    const char *value;
};

/* All zero is empty. */
struct fb_env_list {
    struct fb_env_pair *pairs;
    size_t count;
    size_t room;
};

/* Sets or replaces; borrows both. RESOURCE_EXHAUSTED for more than `most` names or no memory. */
struct fb_status fb_env_list_set(struct fb_env_list *list, struct fb_arena *arena, size_t most,
                                 const char *name, const char *value);

void fb_env_list_remove(struct fb_env_list *list, const char *name);

/* Sorted "name<between>value", NULL-ended. NULL when the arena is exhausted. */
const char *const *fb_env_list_join(struct fb_env_list *list, struct fb_arena *arena,
                                    const char *between);

/* Whether a variable may be called so: no NUL, no "=", not empty. */
bool fb_env_is_name(const char *name);

/*
 * Sets what the text of a .env file says: NAME=value lines, `export ` before them, # comments,
 * quotes of both kinds (\n, \r, \t, \" and \\ in double ones). INVALID_ARGUMENT names path and
 * line, and never what stands there.
 */
struct fb_status fb_env_list_read(struct fb_env_list *list, struct fb_arena *arena, size_t most,
                                  const char *path, struct fb_text text);

#endif

#ifndef FB_RUNTIME_CONFIG_ENVIRONMENT_H
#define FB_RUNTIME_CONFIG_ENVIRONMENT_H

/*
 * environment: the only place that asks the environment.
 *
 * MCP hosts hand a program little more than HOME, LOGNAME, PATH, SHELL, TERM and USER. Programs
 * that are started by different hosts must still find each other, so where they meet is worked out
 * from HOME alone (XDG_… differ between a shell and a host). Call it before threads are started.
 */

#include "runtime/base/arena.h"

/* NULL when the variable is not set. Borrowed from the environment. */
const char *fb_config_environment(const char *name);

/* The whole environment, NULL-ended "NAME=value". Borrowed. */
const char *const *fb_config_environment_all(void);

/* The home directory: HOME, or what the system's user database says; "/" when neither helps. */
const char *fb_config_home(struct fb_arena *arena);

/* $HOME/.config/flow-balancer: what the user writes. NULL when the arena is exhausted. */
const char *fb_config_dir(struct fb_arena *arena);

/* $HOME/.config/flow-balancer/config.json. NULL when the arena is exhausted. */
const char *fb_config_default_path(struct fb_arena *arena);

/* $HOME/.local/state/flow-balancer: sockets, locks and data. NULL when the arena is exhausted. */
const char *fb_config_state_dir(struct fb_arena *arena);

/* `path` with a leading "~/" put behind the home; else as it is. */
const char *fb_config_path(struct fb_arena *arena, const char *path);

/*
 * `path` from our working folder on, for programs that do not share it. NULL when the arena is
 * exhausted, or when our folder is gone or too deep.
 */
const char *fb_config_absolute(struct fb_arena *arena, const char *path);

#endif

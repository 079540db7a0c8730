#include "runtime/config/environment.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

const char *fb_config_environment(const char *name)
{
    return getenv(name);
}

const char *const *fb_config_environment_all(void)
{
    return (const char *const *)environ;
}

const char *fb_config_home(struct fb_arena *arena)
{
    const char *home = getenv("HOME");
    struct passwd entry;
    struct passwd *found = NULL;
    char text[4096];

    if (home != NULL && home[0] == '/') {
        return home;
    }
    if (getpwuid_r(getuid(), &entry, text, sizeof(text), &found) == 0 && found != NULL &&
        found->pw_dir != NULL && found->pw_dir[0] == '/') {
        return fb_arena_copy(arena, found->pw_dir, strlen(found->pw_dir));
    }
    return "/";
}

static const char *below_home(struct fb_arena *arena, const char *path)
{
    const char *home = fb_config_home(arena);

    if (home == NULL) {
        return NULL;
    }
    return fb_arena_printf(arena, "%s/%s", strcmp(home, "/") == 0 ? "" : home, path);
}

const char *fb_config_dir(struct fb_arena *arena)
{
    return below_home(arena, ".config/flow-balancer");
}

const char *fb_config_default_path(struct fb_arena *arena)
{
    return below_home(arena, ".config/flow-balancer/config.json");
}

const char *fb_config_state_dir(struct fb_arena *arena)
{
    return below_home(arena, ".local/state/flow-balancer");
}

const char *fb_config_path(struct fb_arena *arena, const char *path)
{
    return strncmp(path, "~/", 2) == 0 ? below_home(arena, path + 2) : path;
}

const char *fb_config_absolute(struct fb_arena *arena, const char *path)
{
    char folder[4096];

    if (path[0] == '/') {
        return path;
    }
    return getcwd(folder, sizeof(folder)) == NULL ? NULL
                                                  : fb_arena_printf(arena, "%s/%s", folder, path);
}

#include "clients/flowctl/which.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_program(const char *file)
{
    struct stat found;

    return file != NULL && stat(file, &found) == 0 && S_ISREG(found.st_mode) &&
           access(file, X_OK) == 0;
}

const char *which(const char *command, const char *path, const char *folder, struct fb_arena *arena)
{
    if (strchr(command, '/') != NULL) {
        if (command[0] != '/' && folder != NULL) {
            command = fb_arena_printf(arena, "%s/%s", folder, command);
        }
        return is_program(command) ? command : NULL;
    }
    while (path != NULL && path[0] != '\0') {
        const size_t size = strcspn(path, ":");
        const char *file = size == 0 ? fb_arena_printf(arena, "./%s", command)
                                     : fb_arena_printf(arena, "%.*s/%s", (int)size, path, command);

        if (is_program(file)) {
            return file;
        }
        path += size + (path[size] == ':' ? 1 : 0);
    }
    return NULL;
}

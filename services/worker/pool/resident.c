#include "services/worker/pool/resident.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROCESSES_MOST = 256, FILE_BYTES = 4096 };

/* Reads a small file of /proc whole, NUL-ended; false when it is not there. */
static bool read_file(const char *path, char text[FILE_BYTES])
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size;

    if (fd < 0) {
        return false;
    }
    size = read(fd, text, FILE_BYTES - 1);
    close(fd);
    text[size < 0 ? 0 : size] = '\0';
    return size > 0;
}

/* Appends the children of `pid`. */
static size_t add_children(pid_t pid, pid_t *all, size_t count)
{
    char path[64];
    char text[FILE_BYTES];
    const char *at = text;

    snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children", (long)pid, (long)pid);
    if (!read_file(path, text)) {
        return count;
    }
    while (count < PROCESSES_MOST) {
        char *end;
        const long child = strtol(at, &end, 10);

        if (end == at || child <= 0) {
            break;
        }
        all[count++] = (pid_t)child;
        at = end;
    }
    return count;
}

static int64_t resident_of(pid_t pid)
{
    char path[64];
    char text[FILE_BYTES];
    char *second;

    snprintf(path, sizeof(path), "/proc/%ld/statm", (long)pid);
    if (!read_file(path, text)) {
        return 0;
    }
    second = strchr(text, ' ');
    return second == NULL ? 0 : strtoll(second, NULL, 10) * sysconf(_SC_PAGESIZE);
}

int64_t resident_of_tree(pid_t pid)
{
    pid_t all[PROCESSES_MOST] = {pid};
    size_t count = 1;
    int64_t bytes = 0;

    for (size_t i = 0; i < count; i++) {
        bytes += resident_of(all[i]);
        count = add_children(all[i], all, count);
    }
    return bytes;
}

#include "clients/flowctl/sessions/output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fb_status failed(struct fb_arena *arena, const char *path)
{
    return fb_arena_fail(arena, FB_UNAVAILABLE, "%s: %s", path, strerror(errno));
}

struct fb_status output_open(struct output *output, const char *path, struct fb_arena *arena)
{
    int fd;

    *output = (struct output){.file = stdout};
    if (path == NULL || strcmp(path, "-") == 0) {
        return fb_ok;
    }
    output->path = path;
    output->part = fb_arena_printf(arena, "%s.%ld.part", path, (long)getpid());
    if (output->part == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for a name");
    }
    fd = open(output->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    output->file = fd < 0 ? NULL : fdopen(fd, "w");
    if (output->file == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        return failed(arena, path);
    }
    return fb_ok;
}

bool output_write(struct output *output, const void *data, size_t size)
{
    output->bytes += size;
    return size == 0 || fwrite(data, 1, size, output->file) == size;
}

struct fb_status output_close(struct output *output, bool keep, struct fb_arena *arena)
{
    const char *path = output->path == NULL ? "standard output" : output->path;
    struct fb_status status = fb_ok;
    bool written = fflush(output->file) == 0 && ferror(output->file) == 0;

    if (output->path == NULL) {
        return written || !keep ? fb_ok : failed(arena, path);
    }
    written = written && fsync(fileno(output->file)) == 0;
    written = fclose(output->file) == 0 && written;
    if (keep && (!written || rename(output->part, output->path) != 0)) {
        status = failed(arena, path);
        keep = false;
    }
    if (!keep) {
        unlink(output->part);
    }
    return status;
}

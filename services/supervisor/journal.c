#define _GNU_SOURCE /* pipe2 */

#include "services/supervisor/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_BYTES = 65536, CHUNKS_PER_ROUND = 16 };

static int open_file(const char *path, int64_t *size_bytes)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat stat;

    *size_bytes = fd >= 0 && fstat(fd, &stat) == 0 ? (int64_t)stat.st_size : 0;
    return fd;
}

/* When it cannot be done the file grows on: a line lost would be worse than a file too long. */
static void rotate(struct journal *journal)
{
    char old[PATH_MAX];
    int64_t size_bytes;
    int fd;

    if (snprintf(old, sizeof(old), "%s.1", journal->path) >= (int)sizeof(old) ||
        rename(journal->path, old) != 0) {
        return;
    }
    fd = open_file(journal->path, &size_bytes);
    if (fd < 0) {
        return;
    }
    dup3(fd, journal->file, O_CLOEXEC);
    close(fd);
    journal->size_bytes = size_bytes;
}

static void write_whole(struct journal *journal, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t wrote = write(journal->file, data, size);

        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            return; /* a full disk: the programs must go on */
        }
        data += wrote;
        size -= (size_t)wrote;
        journal->size_bytes += wrote;
    }
}

/* One chunk of what is in the pipe; false when it is empty. */
static bool bring_chunk(struct journal *journal)
{
    static char chunk[CHUNK_BYTES];
    ssize_t got = read(journal->watch.fd, chunk, sizeof(chunk));

    if (got <= 0) {
        return false;
    }
    if (journal->size_bytes >= journal->most_bytes && !journal->torn) {
        rotate(journal);
    }
    write_whole(journal, chunk, (size_t)got);
    journal->torn = chunk[got - 1] != '\n';
    return true;
}

static void lines_came(struct fb_watch *watch, unsigned events)
{
    struct journal *journal = (struct journal *)((char *)watch - offsetof(struct journal, watch));

    (void)events;
    for (int i = 0; i < CHUNKS_PER_ROUND && bring_chunk(journal); i++) {
    }
}

struct fb_status journal_open(struct journal *journal, struct fb_loop *loop, const char *path,
                              int64_t most_bytes)
{
    struct fb_status status;
    int pipe_fds[2];

    *journal = (struct journal){
        .watch = {.fd = -1}, .path = path, .most_bytes = most_bytes, .file = -1, .input = -1};
    journal->file = open_file(path, &journal->size_bytes);
    if (journal->file < 0) {
        return fb_fail(FB_PERMISSION_DENIED, "the log file cannot be opened");
    }
    if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
        journal_close(journal);
        return fb_fail(FB_UNAVAILABLE, "system has no descriptor left for the log");
    }
    journal->input = pipe_fds[1];
    fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
    status = fb_loop_watch(loop, &journal->watch, pipe_fds[0], FB_READABLE, lines_came);
    if (!fb_is_ok(status)) {
        close(pipe_fds[0]);
        journal_close(journal);
    }
    return status;
}

void journal_close(struct journal *journal)
{
    int output = journal->watch.fd;

    if (output >= 0) {
        while (bring_chunk(journal)) {
        }
        fb_loop_unwatch(&journal->watch);
        close(output);
    }
    if (journal->input >= 0) {
        close(journal->input);
    }
    if (journal->file >= 0) {
        close(journal->file);
    }
    journal->input = -1;
    journal->file = -1;
}

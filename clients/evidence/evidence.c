/* Its digests by themselves: to fetch them from a provider takes 2 MB, more than a gateway's all. */
#define OPENSSL_API_COMPAT 10100

#include "clients/evidence/evidence.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/sha.h>

enum { BLOCK_BYTES = 64 << 10, COMMIT_LEAST = 7, COMMIT_MOST = 64 };

/* --- a file --- */

static const char *read_whole(int fd, const atomic_bool *stop, struct fb_evidence *evidence)
{
    unsigned char block[BLOCK_BYTES];
    const char *why = "";
    int64_t read_bytes = 0;
    SHA256_CTX digest;

    if (SHA256_Init(&digest) != 1) {
        return "no digest can be taken";
    }
    for (;;) {
        const ssize_t got = read(fd, block, sizeof(block));

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            why = got < 0 ? "it cannot be read" : "";
            break;
        }
        read_bytes += got;
        if (read_bytes > FB_EVIDENCE_FILE_BYTES) {
            why = "it is larger than 4 GiB";
            break;
        }
        if (stop != NULL && atomic_load(stop)) {
            why = "it was not read to its end";
            break;
        }
        if (SHA256_Update(&digest, block, (size_t)got) != 1) {
            why = "no digest can be taken";
            break;
        }
    }
    if (*why == '\0') {
        evidence->digested = SHA256_Final(evidence->sha256, &digest) == 1;
        evidence->size = read_bytes;
        why = evidence->digested ? "" : "no digest can be taken";
    }
    return why;
}

struct fb_evidence fb_evidence_of_file(const char *path, const atomic_bool *stop)
{
    struct fb_evidence evidence = {.kind = FB_EVIDENCE_FILE, .ref = path, .why = ""};
    struct stat about;
    /* Without waiting for whoever writes to a pipe. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0) {
        evidence.there = errno != ENOENT && errno != ENOTDIR;
        evidence.why = evidence.there ? "it cannot be read" : "it is not there";
        return evidence;
    }
    evidence.there = true;
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        evidence.why = "it is no plain file";
    } else if (about.st_size > FB_EVIDENCE_FILE_BYTES) {
        evidence.size = about.st_size;
        evidence.why = "it is larger than 4 GiB";
    } else {
        evidence.why = read_whole(fd, stop, &evidence);
    }
    close(fd);
    return evidence;
}

/* --- what was said --- */

static bool is_commit(const char *said)
{
    const size_t size = strspn(said, "0123456789abcdefABCDEF");

    return said[size] == '\0' && size >= COMMIT_LEAST && size <= COMMIT_MOST;
}

static bool looks_like_path(const char *said)
{
    return *said == '/' || *said == '.' ||
           (strchr(said, ' ') == NULL && (strchr(said, '/') != NULL || strchr(said, '.') != NULL));
}

/* Absolute, or below `folder`, without "./" before it. */
static const char *whole_path(const char *said, const char *folder, struct fb_arena *arena)
{
    if (*said == '/') {
        return fb_arena_copy(arena, said, strlen(said));
    }
    while (strncmp(said, "./", 2) == 0) {
        said += 2;
    }
    return fb_arena_printf(arena, "%s%s%s", folder, folder[1] == '\0' ? "" : "/", said);
}

static bool is_there(const char *path)
{
    struct stat about;

    return stat(path, &about) == 0;
}

static struct fb_evidence as(enum fb_evidence_kind kind, const char *said, struct fb_arena *arena)
{
    return (struct fb_evidence){
        .kind = kind,
        .ref = fb_arena_copy(arena, said, strlen(said)),
        .why = "",
    };
}

bool fb_evidence_look(const char *said, const char *folder, const atomic_bool *stop,
                      struct fb_arena *arena, struct fb_evidence *evidence, const char **why)
{
    const char *path;

    *why = "evidence: each is of 1 to 1,024 bytes";
    if (*said == '\0' || strlen(said) > FB_EVIDENCE_REF_BYTES) {
        return false;
    }
    path = whole_path(said, folder, arena);
    if (path == NULL) {
        *why = "out of memory";
        return false;
    }
    if (strncmp(said, "$ ", 2) == 0) {
        *evidence = as(FB_EVIDENCE_COMMAND, said + 2, arena);
    } else if (strncmp(said, "commit ", 7) == 0 && is_commit(said + 7)) {
        *evidence = as(FB_EVIDENCE_COMMIT, said + 7, arena);
    } else if (strstr(said, "://") != NULL) {
        *evidence = as(FB_EVIDENCE_OTHER, said, arena);
    } else if (strlen(path) <= FB_EVIDENCE_REF_BYTES &&
               (is_there(path) || (looks_like_path(said) && !is_commit(said)))) {
        *evidence = fb_evidence_of_file(path, stop);
    } else if (is_commit(said)) {
        *evidence = as(FB_EVIDENCE_COMMIT, said, arena);
    } else {
        *evidence = as(FB_EVIDENCE_COMMAND, said, arena);
    }
    if (evidence->ref == NULL) {
        *why = "out of memory";
        return false;
    }
    if (*evidence->ref == '\0') {
        return false;
    }
    *why = "";
    return true;
}

void fb_evidence_host(char host[FB_EVIDENCE_HOST_BYTES + 1])
{
    host[0] = '\0';
    if (gethostname(host, FB_EVIDENCE_HOST_BYTES) != 0 || host[0] == '\0') {
        snprintf(host, FB_EVIDENCE_HOST_BYTES + 1, "localhost");
    }
    host[FB_EVIDENCE_HOST_BYTES] = '\0';
}

#define _GNU_SOURCE /* prctl, pidfd */

#include "runtime/loop/descendants.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    STAT_BYTES = 1024, /* a line of /proc/<pid>/stat is shorter */
    STAT_STATE = 3,    /* numbers of its fields, from 1 */
    STAT_PARENT = 4,
    STAT_START = 22,
    FIRST_PROCESSES = 512
};

struct process {
    pid_t pid;
    pid_t parent;
    unsigned long long start; /* clock ticks since boot: with the pid, an identity */
    bool ended;               /* a zombie */
    bool ours;
};

struct processes {
    struct process *all; /* by ascending pid, as /proc lists them */
    size_t count;
    size_t room;
};

bool fb_descendants_adopt(void)
{
    return prctl(PR_SET_CHILD_SUBREAPER, 1UL) == 0;
}

/* /proc/<pid>/stat, without stdio: this runs in programs that must stay tiny. */
static int open_stat(pid_t pid)
{
    char path[32];
    char *at = path + sizeof(path) - sizeof("/stat");

    memcpy(at, "/stat", sizeof("/stat"));
    do {
        *--at = (char)('0' + pid % 10);
        pid /= 10;
    } while (pid != 0);
    at -= strlen("/proc/");
    memcpy(at, "/proc/", strlen("/proc/"));
    return open(at, O_RDONLY | O_CLOEXEC);
}

static bool read_process(pid_t pid, struct process *process)
{
    char line[STAT_BYTES];
    int fd = open_stat(pid);
    ssize_t size;
    char *at;

    if (fd < 0) {
        return false;
    }
    size = read(fd, line, sizeof(line) - 1);
    close(fd);
    if (size <= 0) {
        return false;
    }
    line[size] = '\0';
    *process = (struct process){.pid = pid};
    at = strrchr(line, ')'); /* ends the name, which may hold anything else */
    for (int field = STAT_STATE; at != NULL && field <= STAT_START; field++) {
        at = strchr(at + 1, ' ');
        if (at == NULL) {
            return false;
        }
        if (field == STAT_STATE) {
            process->ended = at[1] == 'Z' || at[1] == 'X';
        } else if (field == STAT_PARENT) {
            process->parent = (pid_t)strtol(at + 1, NULL, 10);
        } else if (field == STAT_START) {
            process->start = strtoull(at + 1, NULL, 10);
        }
    }
    return at != NULL;
}

/* False when there is no memory for one more: what is there already is worked with. */
static bool add_process(struct processes *processes, const struct process *process)
{
    if (processes->count == processes->room) {
        size_t room = processes->room == 0 ? FIRST_PROCESSES : processes->room * 2;
        struct process *all = realloc(processes->all, room * sizeof(*all));

        if (all == NULL) {
            return false;
        }
        processes->all = all;
        processes->room = room;
    }
    processes->all[processes->count++] = *process;
    return true;
}

static void read_processes(struct processes *processes)
{
    DIR *folder = opendir("/proc");
    const struct dirent *entry;
    struct process process;

    if (folder == NULL) {
        return;
    }
    while ((entry = readdir(folder)) != NULL) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);

        if (*end != '\0' || pid <= 0 || !read_process((pid_t)pid, &process)) {
            continue;
        }
        if (!add_process(processes, &process)) {
            break;
        }
    }
    closedir(folder);
}

static int compare_pids(const void *key, const void *element)
{
    pid_t pid = *(const pid_t *)key;
    const struct process *process = element;

    return (pid > process->pid) - (pid < process->pid);
}

static bool is_among(pid_t pid, const pid_t *pids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (pids[i] == pid) {
            return true;
        }
    }
    return false;
}

/* Marks children of what is marked until nothing changes: mostly two passes, as pids grow. */
static void mark_ours(struct processes *processes, const pid_t *spared, size_t spared_count)
{
    const pid_t self = getpid();
    bool changed = true;

    while (changed) {
        changed = false;
        for (size_t i = 0; i < processes->count; i++) {
            struct process *process = &processes->all[i];
            const struct process *parent;

            if (process->ours) {
                continue;
            }
            if (process->parent == self) {
                process->ours = !is_among(process->pid, spared, spared_count);
            } else {
                parent = bsearch(&process->parent, processes->all, processes->count,
                                 sizeof(*processes->all), compare_pids);
                process->ours = parent != NULL && parent->ours;
            }
            changed = changed || process->ours;
        }
    }
}

/* The number may have gone to another process since it was read, but then the start differs. */
static void signal_process(const struct process *process, int number)
{
    int fd = pidfd_open(process->pid, 0);
    struct process present;

    if (fd < 0) {
        return;
    }
    if (read_process(process->pid, &present) && present.start == process->start) {
        pidfd_send_signal(fd, number, NULL, 0);
    }
    close(fd);
}

size_t fb_descendants_signal(int number, const pid_t *spared, size_t spared_count)
{
    struct processes processes = {.all = NULL};
    size_t living = 0;

    read_processes(&processes);
    mark_ours(&processes, spared, spared_count);
    for (size_t i = 0; i < processes.count; i++) {
        const struct process *process = &processes.all[i];

        if (!process->ours || process->ended) {
            continue;
        }
        living++;
        if (number != 0) {
            signal_process(process, number);
        }
    }
    free(processes.all);
    return living;
}

bool fb_descendants_reap(const pid_t *spared, size_t spared_count)
{
    for (;;) {
        siginfo_t info = {.si_pid = 0};

        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
            return false;
        }
        if (info.si_pid == 0 || is_among(info.si_pid, spared, spared_count)) {
            return true;
        }
        waitpid(info.si_pid, NULL, WNOHANG);
    }
}

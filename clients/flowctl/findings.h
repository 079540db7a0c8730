#ifndef FB_CLIENTS_FLOWCTL_FINDINGS_H
#define FB_CLIENTS_FLOWCTL_FINDINGS_H

/*
 * findings: what doctor found, and the checks that find it.
 *
 * A check looks at one part of an installation and adds what it has to say; with `fix` it first mends
 * what can be mended without a loss.
 */

#include <stdbool.h>
#include <stddef.h>

#include "clients/flowctl/command.h"

enum finding_level {
    FINDING_GOOD,
    FINDING_HINT,    /* worth knowing */
    FINDING_WARNING, /* works, but not as it should */
    FINDING_PROBLEM, /* does not work */
    FINDING_MENDED,  /* did not work or not well, until now */
    FINDING_LEVELS
};

struct finding {
    enum finding_level level;
    const char *part; /* "configuration", "server", "folder" …; a constant */
    const char *what;
    const char *mend; /* what to do; "" for nothing */
};

enum { FINDINGS_MOST = 1024 };

/* Words are in the run's arena; what comes after the most is left off and counted. */
struct findings {
    const struct run *run;
    bool fix;
    struct finding *items;
    size_t count;
    size_t left_off;
};

/* `mend` is borrowed (a constant or the arena's); the rest is printed into the arena. */
void findings_add(struct findings *findings, enum finding_level level, const char *part,
                  const char *mend, const char *format, ...) __attribute__((format(printf, 5, 6)));

size_t findings_count(const struct findings *findings, enum finding_level level);

/* Configuration: the file, what it warns of, each server's command, the programs these need. */
void check_configuration(struct findings *findings);

/* The files of MCP clients that name our gateway. */
void check_clients(struct findings *findings);

/* This machine: our programs and their versions, folders, sockets, disk, limits. */
void check_programs(struct findings *findings);
void check_folders(struct findings *findings);

/* The suite: whether it runs, what was left behind, each program's health, the workers, the store. */
void check_suite(struct findings *findings);

#endif

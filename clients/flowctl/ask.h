#ifndef FB_CLIENTS_FLOWCTL_ASK_H
#define FB_CLIENTS_FLOWCTL_ASK_H

/*
 * ask: runs a program of the suite for what it says of itself.
 *
 * Blocks, for five seconds at most.
 */

#include <stdbool.h>
#include <stddef.h>

#include "clients/flowctl/command.h"

enum { ASK_BYTES = 4096 };

/* What it said, the rest left off, ended by a NUL; and its exit code, -1 where it came to no end. */
struct asked {
    int exit_code;
    char out[ASK_BYTES];
    char err[ASK_BYTES];
};

void ask_program(const char *const *argv, struct asked *asked);

/*
 * Whether the program, named by its path, can use its part of the file of configuration; what it says
 * of it is in `err`: a line that begins with the program's name for each mistake and each doubt.
 */
bool ask_settings(const struct run *run, const char *program, struct asked *asked);

#endif

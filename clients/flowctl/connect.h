#ifndef FB_CLIENTS_FLOWCTL_CONNECT_H
#define FB_CLIENTS_FLOWCTL_CONNECT_H

/*
 * connect: reaches a program of the suite, and says it well when that fails.
 */

#include "clients/c/client.h"
#include "clients/flowctl/command.h"

/* Opens a client with the TLS files and the token of the options. The status's words are lasting. */
struct fb_status connect_to(const struct run *run, const char *target, struct fb_client **client);

/*
 * The same for a command that cannot go on without: complains itself. Returns EXIT_DONE, or the code to
 * end with.
 */
int connect_or_complain(const struct run *run, const char *what, const char *target,
                        struct fb_client **client);

/* The exit code that a status stands for. */
int connect_exit_code(enum fb_code code);

/*
 * Says what failed and what to do next: on standard error, and with --json as an object on standard
 * output. `what` is "the router", `target` its address. Returns the code to end with.
 */
int connect_complain(const struct run *run, const char *what, const char *target,
                     struct fb_answer *answer);
int connect_complain_of(const struct run *run, const char *what, const char *target,
                        struct fb_status status);

#endif

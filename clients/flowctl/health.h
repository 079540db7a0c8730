#ifndef FB_CLIENTS_FLOWCTL_HEALTH_H
#define FB_CLIENTS_FLOWCTL_HEALTH_H

/*
 * health: asks one program whether it takes calls (grpc.health.v1).
 */

#include <stdbool.h>

#include "clients/flowctl/command.h"

struct health_finding {
    bool is_well;
    const char *word; /* "serving", "not serving", "no answer" …; a constant */
    const char *why;  /* what went wrong; "" when it answered; in the run's arena */
};

/* Waits two seconds at most. */
void health_ask(const struct run *run, const char *address, struct health_finding *finding);

#endif

#ifndef FB_TESTS_SUPPORT_ECHO_H
#define FB_TESTS_SUPPORT_ECHO_H

/*
 * echo: a service that does what its caller says (echo.proto), for tests of transports.
 *
 * Metadata whose key begins with "echo-" comes back as header and as trailer.
 */

#include <stdint.h>

#include "runtime/rpc/call.h"
#include "runtime/rpc/method.h"

/* What was seen of the calls; the service's `self`. All zero to begin with. */
struct echo {
    uint32_t begun;
    uint32_t cancelled; /* handlers that were told to stop */
    uint32_t ended;     /* handlers that finished their call */
    uint32_t sent;      /* messages of Expand */
    uint32_t waits;     /* sends of Expand after which it had to wait */
    uint32_t drains;
    uint32_t received;    /* messages of Collect and Chat */
    struct fb_call *last; /* the newest call that is open */
    struct fb_peer peer;  /* of the newest call */
    uint8_t trace_id[16]; /* likewise */
};

extern const struct fb_rpc_service echo_service;

#endif

#ifndef FB_RUNTIME_OPS_OPS_H
#define FB_RUNTIME_OPS_OPS_H

/*
 * ops: a small HTTP endpoint for people and scrapers: /metrics, /healthz, /readyz and more pages.
 *
 * Served on the thread of its loop, so a page may read what the loop owns and must not block. GET
 * and HEAD only. Without a token it listens on loopback or a Unix socket alone, and on loopback it
 * answers only who asks for a local name, so that no page of the web reads it through a browser.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "runtime/loop/loop.h"
#include "runtime/metrics/metrics.h"

struct fb_ops;
struct fb_ops_call; /* one GET on its way */

/* The value of a query argument, decoded; NULL when absent. Good until the page is written. */
const char *fb_ops_query(const struct fb_ops_call *call, const char *name);

/*
 * Writes the page. Anything but FB_OK is answered as a plain-text error with the HTTP status that
 * gRPC's code stands for, and `why` as its text.
 */
typedef struct fb_status fb_ops_page_fn(void *context, const struct fb_ops_call *call,
                                        struct fb_buffer *body);

struct fb_ops_page {
    const char *path; /* "/sessions", matched whole */
    const char *type; /* Content-Type */
    fb_ops_page_fn *write;
    void *context;
    const char *help; /* one line in the list of pages */
};

/* FB_OK, or what is wrong in one line. */
typedef struct fb_status fb_ops_check_fn(void *context);

struct fb_ops_config {
    struct fb_loop *loop;
    const char *listen; /* "127.0.0.1:0", "[::1]:9090", "unix:/run/x.sock" */
    const char *token;  /* wanted as a bearer token, but for the two probes; NULL for none */
    struct fb_metrics *const *metrics; /* shown on /metrics, NULL-ended; borrowed; may be NULL */
    const struct fb_ops_page *pages;   /* more pages, path NULL at the end; borrowed; may be NULL */
    fb_ops_check_fn *alive;            /* /healthz; NULL: always */
    fb_ops_check_fn *ready;            /* /readyz; NULL: always */
    void *context;                     /* of the two */
};

/*
 * Begins to listen. INVALID_ARGUMENT for an address that cannot be read, PERMISSION_DENIED for one
 * beyond loopback without a token, UNAVAILABLE when it cannot be bound (`why` says which).
 */
struct fb_status fb_ops_open(const struct fb_ops_config *config, struct fb_ops **ops);

/* Ends all connections. NULL is welcome. */
void fb_ops_close(struct fb_ops *ops);

/* The TCP port it got; 0 on a Unix socket. */
uint16_t fb_ops_port(const struct fb_ops *ops);

#endif

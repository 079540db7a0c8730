#ifndef FB_RUNTIME_SERVICE_SERVICE_H
#define FB_RUNTIME_SERVICE_SERVICE_H

/*
 * service: the one `main` of all programs that serve gRPC; only the table differs.
 *
 *     static struct router_config config;
 *
 *     static const struct fb_service router_service = {
 *         .name = "router",
 *         .purpose = "picks a worker for each call and forwards it",
 *         .listen = "127.0.0.1:7070",
 *         .transport = &fb_h2,
 *         .options = router_options,
 *         .config = &config,
 *         .metrics = router_metrics,
 *         .start = router_start,
 *         .stop = router_stop,
 *         .destroy = router_destroy,
 *     };
 *
 *     int main(int argc, char **argv)
 *     {
 *         return fb_service_main(argc, argv, &router_service);
 *     }
 *
 * It reads the options (the program's own and those that all programs have: see --help), opens log,
 * loop, signals, metrics and the ops endpoint, calls `start`, listens, and runs. Health
 * (grpc.health.v1) and reflection are served beside the program's own services. It says nothing when
 * it is ready: whoever waits for it dials.
 *
 * The end begins with SIGTERM or SIGINT (or fb_service_fail): health says NOT_SERVING, `drain` is
 * called, the server takes no new call and lets those that run end, `stop` is called, then `destroy`.
 * All of that together takes no longer than the option `drain`, a second of grace for each half; a
 * second signal ends the waiting at once. SIGHUP reads the options anew and calls `reload`.
 *
 * Exit codes: 0 ended as asked; 64 bad arguments; 69 unavailable (address taken, no room, something
 * it cannot be without is away); 70 our own fault; 78 bad configuration.
 *
 * All on one thread, the loop's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/config/option.h"
#include "runtime/loop/loop.h"
#include "runtime/metrics/metrics.h"
#include "runtime/ops/ops.h"
#include "runtime/rpc/server.h"

/* The running program as its service sees it. */
struct fb_host;

/* What reflection tells of: a FileDescriptorSet, by pb_descriptor_set. */
struct fb_descriptors {
    const unsigned char *data;
    size_t size;
};

struct fb_service {
    /* who: "router" is flow-router, and flow.router in the configuration file */
    const char *name;
    const char *purpose; /* one line for --help */

    /* how it is reached */
    const struct fb_transport *transport; /* &fb_h2 or &fb_core: only the one named is linked */
    const char *listen;                   /* where without the option; NULL: nowhere */
    struct fb_server_config limits;
    struct fb_descriptors descriptors; /* all zero: no reflection */

    /* what it is told: `config` is written before `start` and anew before `reload` */
    const struct fb_option *options; /* NULL for none */
    void *config;

    /* what it shows; NULL for none */
    const struct fb_metric *metrics;
    const struct fb_ops_page *pages; /* path NULL at the end; each is given `*self` as its context */

    /*
     * Builds the program and adds its services: fb_server_add(fb_host_server(host), …). The loop
     * does not run yet. `*self` is what the functions below get. On a failure `destroy` is called
     * if `*self` was set; the exit code is 78 for INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED and
     * FAILED_PRECONDITION, 69 for UNAVAILABLE, ALREADY_EXISTS and RESOURCE_EXHAUSTED, else 70.
     */
    struct fb_status (*start)(struct fb_host *host, void **self);

    /* Everything listens now: tell others, dial. NULL for nothing. */
    void (*listening)(void *self);

    /* The end begins; calls are still served until they end. NULL for nothing. */
    void (*drain)(void *self);

    /*
     * No call is left and none will come. Ends what runs beside calls and then, at once or later on
     * the loop, calls fb_host_stopped. NULL: nothing to end.
     */
    void (*stop)(void *self);

    /* Frees `self`; the loop does not run any more. NULL for nothing. */
    void (*destroy)(void *self);

    /* SIGHUP: the options were read into `config` again. Without it (NULL) SIGHUP changes the log's
     * level alone. */
    void (*reload)(void *self);

    /* One line for /readyz and health, FB_OK when all is well. NULL: ready once it listens. */
    struct fb_status (*ready)(void *self);
};

int fb_service_main(int argc, char **argv, const struct fb_service *service);

/* --- for services --- */

struct fb_loop *fb_host_loop(struct fb_host *host);
struct fb_server *fb_host_server(struct fb_host *host);
struct fb_metrics *fb_host_metrics(struct fb_host *host); /* NULL without a table: counts nothing */

/* The configuration file in force; it need not exist. Never NULL. */
const char *fb_host_config_path(const struct fb_host *host);

/* The options tls_… as a client uses them, and the file of `token`: for channels to other programs
 * of the suite. All NULL when not set. */
const struct fb_tls_config *fb_host_client_tls(const struct fb_host *host);
const char *fb_host_client_token(const struct fb_host *host);

/* Cannot go on: ends as SIGTERM would, but with the exit code of `status` (see start). */
void fb_host_fail(struct fb_host *host, struct fb_status status);

/* `stop` has ended. */
void fb_host_stopped(struct fb_host *host);

#endif

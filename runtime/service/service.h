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
 *         .config_size = sizeof(config),
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
 * loop, signals and metrics, calls `start`, listens, opens the ops endpoint and runs. Health
 * (grpc.health.v1) and reflection are served beside the program's own services. It says nothing
 * when it is ready: whoever waits for it dials.
 *
 * The end begins with SIGTERM or SIGINT (or fb_host_fail): health says NOT_SERVING, `drain` is
 * called, the server takes no new call, and those that run have the time of the option `drain` to
 * end; then `stop` has five seconds; then `destroy`. A second signal ends the waiting at once.
 * SIGHUP reads the options anew and calls `reload`.
 *
 * Exit codes: 0 ended as asked; 64 bad arguments or settings; 69 unavailable (address taken, no
 * room, something it cannot be without is away); 70 our own fault; 78 bad configuration (a file it
 * names is missing or not ours to read, or what is set does not go together).
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
#include "runtime/rpc/server.h"

struct fb_ops_page; /* ops.h */

/* The running program as its service sees it. */
struct fb_host;

struct fb_service {
    /* who: "router" is flow-router, and flow.router in the configuration file */
    const char *name;
    const char *purpose; /* one line for --help */

    /* how it is reached */
    const struct fb_transport *transport; /* &fb_h2 or &fb_core: only the one named is linked */
    const char *listen;                   /* where without the option; NULL: nowhere */
    struct fb_server_config limits;

    /*
     * what it is told: `config` is written before `start` and anew before `reload`; the strings of
     * the writing before live until `reload` returns
     */
    const struct fb_option *options; /* NULL for none */
    void *config;
    size_t config_size;

    /* what it shows; NULL for none */
    const struct fb_metric *metrics;
    const struct fb_ops_page *pages; /* path NULL at the end; `*self` is the context of each */

    /*
     * Builds the program and adds its services by fb_host_serve. The loop does not run yet. `*self`
     * is what the functions below get. On a failure `destroy` is called if `*self` was set; the
     * exit code is 78 for INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED and FAILED_PRECONDITION,
     * 69 for UNAVAILABLE, ALREADY_EXISTS and RESOURCE_EXHAUSTED, else 70.
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

    /* SIGHUP: the options were read into `config` again. NULL: only the log's level follows. */
    void (*reload)(void *self);
};

int fb_service_main(int argc, char **argv, const struct fb_service *service);

/* --- for services --- */

struct fb_loop *fb_host_loop(struct fb_host *host);
struct fb_server *fb_host_server(struct fb_host *host);

/* Adds a service to the server, to health and to reflection; only from `start`. */
void fb_host_serve(struct fb_host *host, const struct fb_rpc_service *service, void *self);
struct fb_metrics *fb_host_metrics(struct fb_host *host); /* NULL without a table: counts nothing */

/* The configuration file in force; it need not exist. Never NULL. */
const char *fb_host_config_path(const struct fb_host *host);

/* Options tls_… as a client uses them, and what the file of token_file holds: for channels to other
 * programs of the suite. NULL where not set. */
const struct fb_tls_config *fb_host_client_tls(const struct fb_host *host);
const char *fb_host_client_token(const struct fb_host *host);

/*
 * Whether it can do its work, for /readyz and health: FB_OK, or what is wrong in one line of constant
 * text. Ready by itself once it listens, unless this was said before.
 */
void fb_host_set_ready(struct fb_host *host, struct fb_status status);

/* Cannot go on (never from `start`): ends as SIGTERM would, with the exit code of `status`. */
void fb_host_fail(struct fb_host *host, struct fb_status status);

/* `stop` has ended. */
void fb_host_stopped(struct fb_host *host);

#endif

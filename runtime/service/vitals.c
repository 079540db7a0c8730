#include "runtime/service/vitals.h"

#include <stdlib.h>

#include "runtime/base/process.h"
#include "runtime/base/status.h"
#include "runtime/log/log.h"

enum { EVERY_MS = 1000 };

enum {
    CALLS_STARTED,
    CALLS_ENDED,
    CALLS_OPEN,
    CONNECTIONS_ACCEPTED,
    CONNECTIONS_OPEN,
    RECEIVED,
    SENT,
    LOG_DROPPED,
    CPU,
    RESIDENT
};

static const struct fb_metric table[] = {
    [CALLS_STARTED] = {"flowbalancer_rpc_calls_started_total", FB_COUNTER,
                       .help = "Calls that began."},
    [CALLS_ENDED] = {"flowbalancer_rpc_calls_total", FB_COUNTER,
                     .help = "Calls that ended, by status.", .labels = {"code"}},
    [CALLS_OPEN] = {"flowbalancer_rpc_calls", FB_GAUGE, .help = "Calls that run."},
    [CONNECTIONS_ACCEPTED] = {"flowbalancer_rpc_connections_total", FB_COUNTER,
                              .help = "Connections accepted."},
    [CONNECTIONS_OPEN] = {"flowbalancer_rpc_connections", FB_GAUGE, .help = "Connections open."},
    [RECEIVED] = {"flowbalancer_rpc_received_bytes_total", FB_COUNTER,
                  .help = "Read from connections.", .unit = FB_UNIT_BYTES},
    [SENT] = {"flowbalancer_rpc_sent_bytes_total", FB_COUNTER, .help = "Written to connections.",
              .unit = FB_UNIT_BYTES},
    [LOG_DROPPED] = {"flowbalancer_log_dropped_lines_total", FB_COUNTER,
                     .help = "Lines of the log that could not be written."},
    [CPU] = {"flowbalancer_process_cpu_seconds_total", FB_COUNTER,
             .help = "User and system time of all threads.", .unit = FB_UNIT_SECONDS},
    [RESIDENT] = {"flowbalancer_process_resident_bytes", FB_GAUGE, .help = "Memory resident.",
                  .unit = FB_UNIT_BYTES},
    {.name = NULL},
};

struct fb_vitals {
    struct fb_loop *loop;
    const struct fb_server *server;
    struct fb_metrics *metrics;
    struct fb_series *ended[FB_CODE_COUNT]; /* NULL until a call ended so */
    struct fb_timer timer;

    /* what the counters show already */
    struct fb_server_stats shown;
    uint64_t shown_dropped;
    int64_t shown_cpu_ms;
};

static void show_ended(struct fb_vitals *vitals, const struct fb_server_stats *now)
{
    for (int code = 0; code < FB_CODE_COUNT; code++) {
        const uint64_t more = now->calls_ended[code] - vitals->shown.calls_ended[code];

        if (more == 0) {
            continue;
        }
        if (vitals->ended[code] == NULL) {
            vitals->ended[code] = fb_metrics_series(vitals->metrics, CALLS_ENDED,
                                                    FB_LABELS(fb_code_name((enum fb_code)code)));
        }
        fb_series_add(vitals->ended[code], (int64_t)more);
    }
}

static void read_vitals(struct fb_timer *timer)
{
    struct fb_vitals *vitals =
        (struct fb_vitals *)((char *)timer - offsetof(struct fb_vitals, timer));
    const struct fb_server_stats *now = fb_server_stats(vitals->server);
    const struct fb_server_stats *shown = &vitals->shown;
    const uint64_t dropped = fb_log_dropped();
    const int64_t cpu_ms = fb_process_cpu_ms();
    struct fb_metrics *metrics = vitals->metrics;

    show_ended(vitals, now);
    fb_metrics_add(metrics, CALLS_STARTED, (int64_t)(now->calls_started - shown->calls_started));
    fb_metrics_set(metrics, CALLS_OPEN, now->calls_open);
    fb_metrics_add(metrics, CONNECTIONS_ACCEPTED,
                   (int64_t)(now->connections_accepted - shown->connections_accepted));
    fb_metrics_set(metrics, CONNECTIONS_OPEN, now->connections_open);
    fb_metrics_add(metrics, RECEIVED, (int64_t)(now->bytes_received - shown->bytes_received));
    fb_metrics_add(metrics, SENT, (int64_t)(now->bytes_sent - shown->bytes_sent));
    fb_metrics_add(metrics, LOG_DROPPED, (int64_t)(dropped - vitals->shown_dropped));
    fb_metrics_add(metrics, CPU, (cpu_ms - vitals->shown_cpu_ms) * 1000);
    fb_metrics_set(metrics, RESIDENT, fb_process_resident_bytes());
    vitals->shown = *now;
    vitals->shown_dropped = dropped;
    vitals->shown_cpu_ms = cpu_ms;
    fb_timer_set(vitals->loop, timer, fb_loop_now_ms(vitals->loop) + EVERY_MS, read_vitals);
}

struct fb_vitals *fb_vitals_create(struct fb_loop *loop, const struct fb_server *server)
{
    struct fb_vitals *vitals = calloc(1, sizeof(*vitals));

    if (vitals == NULL) {
        return NULL;
    }
    vitals->loop = loop;
    vitals->server = server;
    vitals->metrics = fb_metrics_create(table);
    if (vitals->metrics == NULL) {
        fb_vitals_destroy(vitals);
        return NULL;
    }
    read_vitals(&vitals->timer);
    return vitals;
}

void fb_vitals_destroy(struct fb_vitals *vitals)
{
    if (vitals == NULL) {
        return;
    }
    fb_timer_clear(&vitals->timer);
    fb_metrics_destroy(vitals->metrics);
    free(vitals);
}

struct fb_metrics *fb_vitals_metrics(struct fb_vitals *vitals)
{
    return vitals->metrics;
}

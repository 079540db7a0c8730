#ifndef FB_RUNTIME_CONFIG_SERVER_FLOW_H
#define FB_RUNTIME_CONFIG_SERVER_FLOW_H

/*
 * server_flow: our own settings of an MCP server, as they stand in the `flow` object of its entry.
 *
 * Values and one table.
 */

#include <stdint.h>

#include "runtime/config/option.h"

enum fb_server_sharing {
    FB_SHARING_AUTO,
    FB_SHARING_SHARED, /* many callers at once */
    FB_SHARING_POOLED, /* leased to one at a time */
    FB_SHARING_PINNED  /* one owner for life */
};

enum fb_server_tier { FB_TIER_AUTO, FB_TIER_HOT, FB_TIER_WARM, FB_TIER_COLD };

enum fb_server_era { FB_ERA_AUTO, FB_ERA_LEGACY, FB_ERA_MODERN };

/* Their names, NULL-ended, in the order of the enums. */
extern const char *const fb_sharing_names[];
extern const char *const fb_tier_names[];
extern const char *const fb_era_names[];

/* The `flow` object of an entry. */
struct fb_server_flow {
    int sharing;                /* enum fb_server_sharing */
    int tier;                   /* enum fb_server_tier */
    int era;                    /* enum fb_server_era */
    const char *scope;          /* whose credentials: part of the digest; "" for none */
    int64_t timeout_ms;         /* of a call without a deadline of its own */
    int64_t start_timeout_ms;   /* from start to the answered handshake */
    int64_t idle_timeout_ms;    /* an instance not used for so long is stopped; 0: the tier's */
    int64_t max_line_bytes;     /* a longer line is not read; the call it answers fails */
    struct fb_strings pass_env; /* variables handed through from the worker's environment */
};

/* The table of these settings, for --help, the schema and a file's `flow.servers`. */
extern const struct fb_option fb_server_options[];

#endif

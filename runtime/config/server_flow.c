#include "runtime/config/server_flow.h"

#include <stddef.h>

const char *const fb_sharing_names[] = {
    [FB_SHARING_AUTO] = "auto",
    [FB_SHARING_SHARED] = "shared",
    [FB_SHARING_POOLED] = "pooled",
    [FB_SHARING_PINNED] = "pinned",
    NULL,
};

const char *const fb_tier_names[] = {
    [FB_TIER_AUTO] = "auto",
    [FB_TIER_HOT] = "hot",
    [FB_TIER_WARM] = "warm",
    [FB_TIER_COLD] = "cold",
    NULL,
};

const char *const fb_era_names[] = {
    [FB_ERA_AUTO] = "auto",
    [FB_ERA_LEGACY] = "legacy",
    [FB_ERA_MODERN] = "modern",
    NULL,
};

const struct fb_option fb_server_options[] = {
    {"sharing", FB_OPTION_CHOICE, offsetof(struct fb_server_flow, sharing), .fallback = "auto",
     .choices = fb_sharing_names, .help = "how an instance may be shared between callers"},
    {"tier", FB_OPTION_CHOICE, offsetof(struct fb_server_flow, tier), .fallback = "auto",
     .choices = fb_tier_names, .help = "which workers run it; auto goes by what its calls cost"},
    {"era", FB_OPTION_CHOICE, offsetof(struct fb_server_flow, era), .fallback = "auto",
     .choices = fb_era_names, .help = "which era of the protocol it speaks; auto asks it"},
    {"scope", FB_OPTION_STRING, offsetof(struct fb_server_flow, scope), .fallback = "",
     .help = "whose credentials it runs with; instances of different scopes are never shared"},
    {"timeout", FB_OPTION_DURATION, offsetof(struct fb_server_flow, timeout_ms), .fallback = "60s",
     .least = "1ms", .most = "1d", .help = "deadline of a call that brings none"},
    {"start_timeout", FB_OPTION_DURATION, offsetof(struct fb_server_flow, start_timeout_ms),
     .fallback = "60s", .least = "100ms", .most = "1h",
     .help = "from start to the answered handshake"},
    {"idle_timeout", FB_OPTION_DURATION, offsetof(struct fb_server_flow, idle_timeout_ms),
     .fallback = "0", .least = "0", .most = "7d",
     .help = "an instance not used for so long is stopped; 0 leaves it to the tier"},
    {"max_line", FB_OPTION_SIZE, offsetof(struct fb_server_flow, max_line_bytes),
     .fallback = "10MiB", .least = "4KiB", .most = "10MiB",
     .help = "a longer line of the server is not read; the call that it answers fails"},
    {"pass_env", FB_OPTION_LIST, offsetof(struct fb_server_flow, pass_env),
     .help = "variables handed through from the worker's environment"},
    {.name = NULL},
};

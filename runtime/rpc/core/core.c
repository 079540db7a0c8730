#include "runtime/rpc/core/core.h"

#include "runtime/rpc/core/channel.h"
#include "runtime/rpc/core/listener.h"
#include "runtime/rpc/transport.h"

const struct fb_transport fb_core = {
    .name = "core",
    .listen = fb_core_listen,
    .channel_create = fb_core_channel_create,
};

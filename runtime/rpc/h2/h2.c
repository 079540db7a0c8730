#include "runtime/rpc/h2/h2.h"

#include "runtime/rpc/h2/channel.h"
#include "runtime/rpc/h2/listener.h"
#include "runtime/rpc/transport.h"

const struct fb_transport fb_h2 = {
    .name = "h2",
    .listen = fb_h2_listen,
    .channel_create = fb_h2_channel_create,
};

#ifndef FB_TESTS_RUNTIME_SERVICE_SAMPLE_H
#define FB_TESTS_RUNTIME_SERVICE_SAMPLE_H

/*
 * sample: a program of fb_service_main that does what its test needs, on either transport.
 *
 * It serves AdminService. GetOverview answers the option `greeting` as router_id. DrainWorker obeys
 * its worker_id: "unready", "ready", "fail". RecentCalls stays open until the drain, or, with the
 * option `hold`, until it is cancelled.
 */

#include "runtime/rpc/transport.h"

int sample_main(int argc, char **argv, const struct fb_transport *transport);

#endif

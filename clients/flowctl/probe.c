/*
 * health: whether one program takes calls, for health checks of containers and scripts.
 */

#include "clients/c/health.h"
#include "clients/flowctl/commands.h"
#include "clients/flowctl/connect.h"
#include "clients/flowctl/terminal.h"
#include "clients/flowctl/writer.h"

struct health_options {
    const char *service;
};

static struct health_options health_options;

static const struct fb_option health_table[] = {
    {"service", FB_OPTION_STRING, offsetof(struct health_options, service), .fallback = "",
     .help = "ask for one service, as flowbalancer.v1.McpService, instead of the program"},
    {.name = NULL},
};

static const char *status_word(Grpc__Health__V1__HealthCheckResponse__ServingStatus status)
{
    switch (status) {
    case GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING:
        return "SERVING";
    case GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING:
        return "NOT_SERVING";
    case GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN:
        return "SERVICE_UNKNOWN";
    default:
        return "UNKNOWN";
    }
}

static int health(const struct run *run)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    const char *target = run->arg_count > 0 ? run->args[0] : run->router;
    const Grpc__Health__V1__HealthCheckResponse *response;
    struct fb_answer answer = {.status = fb_ok};
    struct writer writer = {.depth = 0};
    struct fb_client *client;
    int code = connect_or_complain(run, "the program", target, &client);

    if (code != EXIT_DONE) {
        return code;
    }
    request.service = (char *)(uintptr_t)health_options.service;
    response = fb_health_check(client, &request, NULL, &answer);
    if (response == NULL) {
        code = connect_complain(run, "the program", target, &answer);
    } else {
        code = response->status == GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
                   ? EXIT_DONE
                   : EXIT_NEGATIVE;
        if (run->globals->json) {
            writer_open(&writer, '{');
            writer_key_string(&writer, "target", target);
            writer_key_string(&writer, "status", status_word(response->status));
            writer_close(&writer, '}');
            writer_send(&writer);
        } else {
            terminal_print("%s\n", status_word(response->status));
        }
    }
    fb_answer_finish(&answer);
    fb_client_close(client);
    return code;
}

const struct command command_health = {
    .name = "health",
    .usage = "[ADDRESS]",
    .purpose = "ask one program whether it takes calls; the router without ADDRESS",
    .details =
        "By the standard's grpc.health.v1, with the TLS and token options. Exit code 0 when it "
        "is\nSERVING, 1 when it is not, 69 when nobody answers",
    .options = health_table,
    .config = &health_options,
    .most_args = 1,
    .run = health,
};

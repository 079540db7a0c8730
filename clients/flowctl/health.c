#include "clients/flowctl/health.h"

#include "clients/c/health.h"
#include "clients/flowctl/connect.h"
#include "runtime/base/clock.h"

enum { HEALTH_MS = 2000 };

void health_ask(const struct run *run, const char *address, struct health_finding *finding)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    const struct fb_client_options options = {.deadline_ms = fb_clock_ms() + HEALTH_MS};
    const Grpc__Health__V1__HealthCheckResponse *response = NULL;
    struct fb_answer answer = {.status = fb_ok};
    struct fb_client *client;
    struct fb_status status = connect_to(run, address, &client);

    *finding = (struct health_finding){.word = "no answer", .why = ""};
    if (fb_is_ok(status)) {
        response = fb_health_check(client, &request, &options, &answer);
        status = answer.status;
    }
    if (response == NULL) {
        const char *why = fb_arena_printf(run->arena, "%s", status.why);

        finding->why = why == NULL ? "" : why;
    } else if (response->status ==
               GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING) {
        *finding = (struct health_finding){.is_well = true, .word = "serving", .why = ""};
    } else {
        finding->word = "not serving";
    }
    fb_answer_finish(&answer);
    fb_client_close(client);
}

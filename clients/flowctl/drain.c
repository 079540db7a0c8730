/*
 * drain: has a worker finish what it has and take nothing new.
 */

#include "clients/c/admin.h"
#include "clients/flowctl/commands.h"
#include "clients/flowctl/connect.h"
#include "clients/flowctl/terminal.h"
#include "clients/flowctl/writer.h"

struct drain_options {
    const char *reason;
    int64_t deadline_ms;
};

static struct drain_options drain_options;

static const struct fb_option drain_table[] = {
    {"reason", FB_OPTION_STRING, offsetof(struct drain_options, reason),
     .fallback = "asked by flowctl", .help = "what the worker's log says about it"},
    {"deadline", FB_OPTION_DURATION, offsetof(struct drain_options, deadline_ms), .fallback = "30s",
     .least = "0", .most = "1h", .help = "time that its running calls get"},
    {.name = NULL},
};

static int drain(const struct run *run)
{
    Flowbalancer__V1__DrainWorkerRequest request = FLOWBALANCER__V1__DRAIN_WORKER_REQUEST__INIT;
    struct fb_answer answer = {.status = fb_ok};
    struct writer writer = {.depth = 0};
    struct fb_client *client;
    int code = connect_or_complain(run, "the router", run->router, &client);

    if (code != EXIT_DONE) {
        return code;
    }
    request.worker_id = (char *)(uintptr_t)run->args[0];
    request.reason = (char *)(uintptr_t)drain_options.reason;
    request.deadline_ms = drain_options.deadline_ms;
    if (fb_admin_drain_worker(client, &request, NULL, &answer) == NULL) {
        code = connect_complain(run, "the router", run->router, &answer);
    } else if (run->globals->json) {
        writer_open(&writer, '{');
        writer_key_string(&writer, "draining", run->args[0]);
        writer_close(&writer, '}');
        writer_send(&writer);
    } else {
        terminal_print("%s drains; \"flowctl status\" shows when it is gone\n", run->args[0]);
    }
    fb_answer_finish(&answer);
    fb_client_close(client);
    return code;
}

const struct command command_drain = {
    .name = "drain",
    .usage = "WORKER",
    .purpose = "have a worker finish its calls and take no new ones",
    .details =
        "WORKER is an id as \"flowctl status\" shows it. Ends when the order is given, not when "
        "the worker\nis done",
    .options = drain_table,
    .config = &drain_options,
    .least_args = 1,
    .most_args = 1,
    .run = drain,
};

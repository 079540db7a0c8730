#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/dial.h"
#include "gateway/look_lane.h"
#include "gateway/mcp.h"
#include "gateway/stdio.h"
#include "gateway/suite.h"
#include "runtime/base/clock.h"
#include "runtime/base/version.h"
#include "runtime/config/environment.h"
#include "runtime/config/options.h"
#include "runtime/config/schema.h"
#include "runtime/log/log.h"
#include "runtime/loop/signals.h"
#include "runtime/rpc/h2/h2.h"
#include "runtime/trace/trace.h"

#define OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

enum {
    EXIT_GOOD = 0,
    EXIT_BAD_ARGUMENTS = 64,
    EXIT_UNAVAILABLE = 69,
    OPTIONS_BYTES = 4 << 20,
    WRITTEN_LINE_BYTES = 10 * 1000 * 1000, /* what clients read at most is 10 MiB */
    QUEUE_HIGH_BYTES = 8 << 20,
    QUEUE_MOST_BYTES = 64 << 20,
    FLUSH_MS = 500, /* for the last answers, after what was left has been cancelled */
    HURRY_MS = 400, /* for calls to end after a signal */
    TOKEN_BYTES = 1024,
    /* Larger pieces of memory go back to the system as soon as they are freed. */
    LARGE_BYTES = 256 * 1024,
};

struct gateway_config {
    const char *router;
    const char *state_dir;
    const char *supervisor;
    int64_t start_timeout_ms;
    int64_t call_timeout_ms;
    int64_t list_wait_ms;
    int64_t linger_ms;
    int64_t max_line_bytes;
    int64_t in_flight;
    int64_t in_flight_bytes;
    const char *agent;
    const char *scope;
    bool flow_tools;
    bool original_tools;
    const char *tls_ca;
    const char *tls_cert;
    const char *tls_key;
    const char *tls_server_name;
    const char *token_file;
    int log_level;
    int log_format;
};

#define AT(field) offsetof(struct gateway_config, field)

static const struct fb_option gateway_options[] = {
    {"router", FB_OPTION_TARGET, AT(router),
     .help = "router of the suite; without it that of this machine, which is started if none runs"},
    {"state_dir", FB_OPTION_PATH, AT(state_dir),
     .help = "where the suite of this machine has its sockets [~/.local/state/flow-balancer]"},
    {"supervisor", FB_OPTION_PATH, AT(supervisor),
     .help = "program that starts the suite [flow-supervisor beside us, or in PATH]"},
    {"start_timeout", FB_OPTION_DURATION, AT(start_timeout_ms), .fallback = "10s", .least = "100ms",
     .most = "5m", .help = "how long a call waits for a router that is not there"},
    {"call_timeout", FB_OPTION_DURATION, AT(call_timeout_ms), .fallback = "10m", .least = "1s",
     .most = "7d", .help = "longest time of a call, from the agent's request to the answer"},
    {"list_wait", FB_OPTION_DURATION, AT(list_wait_ms), .fallback = "8s", .least = "0",
     .most = "1m", .help = "how long a list waits for servers that were never started before"},
    {"linger", FB_OPTION_DURATION, AT(linger_ms), .fallback = "1s", .least = "0", .most = "1h",
     .help = "how long calls may go on when the agent has closed our input"},
    {"max_line", FB_OPTION_SIZE, AT(max_line_bytes), .fallback = "10MiB", .least = "4KiB",
     .most = "64MiB", .help = "longest line that the agent may write"},
    {"in_flight", FB_OPTION_INTEGER, AT(in_flight), .fallback = "4096", .least = "1",
     .most = "65536", .help = "most requests unanswered at once; more are refused"},
    {"in_flight_bytes", FB_OPTION_SIZE, AT(in_flight_bytes), .fallback = "64MiB", .least = "64KiB",
     .most = "1GiB", .help = "most bytes of unanswered requests; more are refused"},
    {"agent", FB_OPTION_STRING, AT(agent),
     .help = "name of the agent, for fair shares and logs [drawn at random]"},
    {"scope", FB_OPTION_STRING, AT(scope), .fallback = "",
     .help = "tenant and credentials that the agent belongs to"},
    {"flow_tools", FB_OPTION_BOOL, AT(flow_tools), .fallback = "true",
     .help = "offer sessions of tasks: the tools flow_open and so on, and flow:// resources"},
    {"original_tools", FB_OPTION_BOOL, AT(original_tools), .fallback = "false",
     .help = "offer them as create_session, add_task, complete_task, pulse and so on, too"},
    {"tls_ca", FB_OPTION_PATH, AT(tls_ca), .help = "certificates of routers that we trust (PEM)"},
    {"tls_cert", FB_OPTION_PATH, AT(tls_cert), .help = "our certificate chain (PEM)"},
    {"tls_key", FB_OPTION_PATH, AT(tls_key), .help = "its private key (PEM)"},
    {"tls_server_name", FB_OPTION_STRING, AT(tls_server_name),
     .help = "name in the router's certificate, where it is not the one dialled"},
    {"token_file", FB_OPTION_PATH, AT(token_file),
     .help = "file with the bearer token that we show"},
    {"log_level", FB_OPTION_CHOICE, AT(log_level), .fallback = "warn", .choices = fb_level_names,
     .help = "least level that is logged to standard error"},
    {"log_format", FB_OPTION_CHOICE, AT(log_format), .fallback = "logfmt",
     .choices = fb_line_format_names, .help = "how a line of the log is written"},
    {.name = NULL},
};

struct gateway {
    struct gateway_config config;
    struct fb_arena arena; /* what lives as long as the program */
    char agent[20];
    char token[TOKEN_BYTES];

    struct fb_loop *loop;
    struct fb_signals signals;
    struct stdio *stdio;
    struct suite *suite;
    struct dial *dial;
    struct look_lane *look;
    struct mcp *mcp;
    struct fb_timer tick; /* of mcp */

    bool ending;
    struct fb_timer end; /* cancels what is left, then ends in any case */
    bool cancelled;
};

static void on_tick(struct fb_timer *timer)
{
    struct gateway *gateway = OF(struct gateway, tick, timer);

    mcp_tick(gateway->mcp);
    fb_timer_set(gateway->loop, timer, fb_clock_ms() + MCP_TICK_MS, on_tick);
}

/* --- the end --- */

static void end_if_done(struct gateway *gateway)
{
    if (gateway->ending && mcp_unanswered(gateway->mcp) == 0 && stdio_is_flushed(gateway->stdio)) {
        fb_loop_stop(gateway->loop);
    }
}

static void time_is_up(struct fb_timer *timer)
{
    struct gateway *gateway = OF(struct gateway, end, timer);

    if (gateway->cancelled) {
        fb_loop_stop(gateway->loop);
        return;
    }
    gateway->cancelled = true;
    mcp_cancel_all(gateway->mcp);
    fb_timer_set(gateway->loop, timer, fb_clock_ms() + FLUSH_MS, time_is_up);
    end_if_done(gateway);
}

/* No more requests; those there are may end within `linger_ms`. */
static void end(struct gateway *gateway, int64_t linger_ms)
{
    int64_t due_ms = fb_clock_ms() + linger_ms;

    stdio_stop_reading(gateway->stdio);
    mcp_end_subscriptions(gateway->mcp);
    if (!gateway->ending || (!gateway->cancelled && due_ms < gateway->end.due_ms)) {
        gateway->ending = true;
        fb_timer_set(gateway->loop, &gateway->end, due_ms, time_is_up);
    }
    end_if_done(gateway);
}

static void on_signal(struct fb_signals *signals, int number)
{
    struct gateway *gateway = OF(struct gateway, signals, signals);

    (void)number;
    end(gateway, gateway->config.linger_ms < HURRY_MS ? gateway->config.linger_ms : HURRY_MS);
}

/* --- the agent --- */

static void on_line(void *arg, struct fb_text line)
{
    struct gateway *gateway = arg;

    mcp_line(gateway->mcp, line, fb_loop_now_ms(gateway->loop));
}

static void on_too_long(void *arg)
{
    mcp_line_too_long(((struct gateway *)arg)->mcp);
}

static void on_input_end(void *arg)
{
    struct gateway *gateway = arg;

    end(gateway, gateway->config.linger_ms);
}

static void on_gone(void *arg)
{
    fb_loop_stop(((struct gateway *)arg)->loop);
}

static void on_flushed(void *arg)
{
    end_if_done(arg);
}

static void on_hold(void *arg, bool on)
{
    mcp_hold(((struct gateway *)arg)->mcp, on);
}

static const struct stdio_events stdio_events = {
    .lines = {.on_line = on_line, .on_too_long = on_too_long},
    .on_end = on_input_end,
    .on_gone = on_gone,
    .on_flushed = on_flushed,
    .on_hold = on_hold,
};

static void on_written(void *arg)
{
    stdio_written(((struct gateway *)arg)->stdio);
}

/* --- the beginning --- */

static struct fb_status read_token(struct gateway *gateway)
{
    FILE *file;
    bool read;

    if (gateway->config.token_file == NULL) {
        return fb_ok;
    }
    file = fopen(gateway->config.token_file, "re");
    if (file == NULL) {
        return fb_arena_fail(&gateway->arena, FB_NOT_FOUND, "token file '%s' cannot be read: %s",
                             gateway->config.token_file, strerror(errno));
    }
    read = fgets(gateway->token, TOKEN_BYTES, file) != NULL;
    fclose(file);
    gateway->token[read ? strcspn(gateway->token, "\r\n") : 0] = '\0';
    if (gateway->token[0] == '\0') {
        return fb_arena_fail(&gateway->arena, FB_INVALID_ARGUMENT,
                             "token file '%s': its first line is empty",
                             gateway->config.token_file);
    }
    return fb_ok;
}

static bool is_name(const char *name)
{
    for (const char *c = name; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~') {
            return false;
        }
    }
    return strlen(name) <= 128;
}

static struct fb_status name_agent(struct gateway *gateway)
{
    struct gateway_config *config = &gateway->config;
    uint64_t id;

    if (config->agent == NULL || *config->agent == '\0') {
        fb_trace_random(&id, sizeof(id));
        snprintf(gateway->agent, sizeof(gateway->agent), "gw-%016llx", (unsigned long long)id);
        config->agent = gateway->agent;
    }
    if (!is_name(config->agent) || !is_name(config->scope)) {
        return fb_fail(FB_INVALID_ARGUMENT, "agent and scope are at most 128 printable ASCII "
                                            "characters without spaces");
    }
    return fb_ok;
}

/* The router of this machine, and how to start it; or the one that was named. */
static bool make_dial(struct gateway *gateway, const struct fb_options *options, const char *self)
{
    const struct gateway_config *config = &gateway->config;
    const char *target = config->router;

    if (target == NULL) {
        /* What is started does not share our working folder. */
        const char *supervisor = config->supervisor;
        const char *given = options->path_given ? options->path : NULL;
        const char *dir = config->state_dir != NULL
                              ? fb_config_absolute(&gateway->arena, config->state_dir)
                              : fb_config_state_dir(&gateway->arena);
        const char *socket;

        if (given != NULL) {
            given = fb_config_absolute(&gateway->arena, given);
        }
        if (supervisor != NULL && strchr(supervisor, '/') != NULL) {
            supervisor = fb_config_absolute(&gateway->arena, supervisor);
        }
        socket = fb_arena_printf(&gateway->arena, "%s/run/router.sock", dir != NULL ? dir : "");
        target = fb_arena_printf(&gateway->arena, "unix:%s", socket != NULL ? socket : "");
        if (dir == NULL || socket == NULL || target == NULL) {
            return false;
        }
        gateway->suite =
            suite_create(gateway->loop, &(struct suite_config){
                                            .state_dir = dir,
                                            .socket = socket,
                                            .supervisor = supervisor,
                                            .beside = self,
                                            .config_path = given,
                                            .state_dir_given = config->state_dir != NULL,
                                            .patience_ms = config->start_timeout_ms,
                                        });
        if (gateway->suite == NULL) {
            return false;
        }
    }
    gateway->dial = dial_create(
        gateway->loop, &(struct dial_config){
                           .transport = &fb_h2,
                           .channel =
                               {
                                   .target = target,
                                   .tls =
                                       {
                                           .ca_file = config->tls_ca,
                                           .cert_file = config->tls_cert,
                                           .key_file = config->tls_key,
                                           .server_name = config->tls_server_name,
                                       },
                                   .token = *gateway->token != '\0' ? gateway->token : NULL,
                               },
                           .suite = gateway->suite,
                           .patience_ms = config->start_timeout_ms,
                       });
    return gateway->dial != NULL;
}

static bool make_conversation(struct gateway *gateway)
{
    const struct gateway_config *config = &gateway->config;
    struct uplink uplink = dial_uplink(gateway->dial);
    struct looker looker;

    gateway->look = look_lane_create(gateway->loop);
    if (gateway->look == NULL) {
        return false;
    }
    looker = look_lane_looker(gateway->look);
    gateway->stdio = stdio_create(gateway->loop,
                                  &(struct stdio_config){
                                      .in_fd = STDIN_FILENO,
                                      .out_fd = STDOUT_FILENO,
                                      .line_bytes = (size_t)config->max_line_bytes,
                                      .high_bytes = QUEUE_HIGH_BYTES,
                                      .most_bytes = QUEUE_MOST_BYTES,
                                  },
                                  &stdio_events, gateway);
    if (gateway->stdio == NULL) {
        return false;
    }
    gateway->mcp = mcp_create(
        &(struct mcp_config){
            .version = FB_VERSION,
            .agent = config->agent,
            .scope = config->scope,
            .call_timeout_ms = config->call_timeout_ms,
            .list_wait_ms = config->list_wait_ms,
            .in_flight = (size_t)config->in_flight,
            .in_flight_bytes = (size_t)config->in_flight_bytes,
            .line_bytes = WRITTEN_LINE_BYTES,
            .flow_tools = config->flow_tools,
            .original_tools = config->original_tools,
        },
        &(struct mcp_output){
            .lines = stdio_out(gateway->stdio),
            .written = on_written,
            .arg = gateway,
        },
        &uplink, &looker);
    return gateway->mcp != NULL;
}

static bool make(struct gateway *gateway, const struct fb_options *options, const char *self)
{
    gateway->loop = fb_loop_create();
    return gateway->loop != NULL &&
           fb_is_ok(fb_signals_open(gateway->loop, &gateway->signals, on_signal)) &&
           make_dial(gateway, options, self) && make_conversation(gateway);
}

static void destroy(struct gateway *gateway)
{
    mcp_destroy(gateway->mcp);
    look_lane_destroy(gateway->look);
    stdio_destroy(gateway->stdio);
    dial_destroy(gateway->dial);
    suite_destroy(gateway->suite);
    if (gateway->loop != NULL) {
        fb_timer_clear(&gateway->tick);
        fb_timer_clear(&gateway->end);
        fb_signals_close(&gateway->signals);
        fb_loop_destroy(gateway->loop);
    }
    fb_arena_finish(&gateway->arena);
}

/* --help and its like: to standard output, as nobody speaks MCP there then. */
static int grant(const struct fb_options_plan *plan, const struct fb_options *options)
{
    struct fb_buffer out = {0};
    bool written;

    switch (options->wish) {
    case FB_WISH_HELP:
        fb_options_help(plan, &out);
        break;
    case FB_WISH_VERSION:
        fb_buffer_printf(&out, "%s %s\n", plan->executable, plan->version);
        break;
    case FB_WISH_PRINT_CONFIG:
        fb_notes_write(&options->notes, plan->executable, stderr);
        fb_options_print(plan, &out);
        break;
    case FB_WISH_PRINT_SCHEMA:
        fb_config_schema(&plan, 1, &out);
        break;
    case FB_WISH_RUN:
    default:
        break;
    }
    written = out.failed || fwrite(out.data, 1, out.size, stdout) == out.size;
    written = fflush(stdout) == 0 && written && !out.failed;
    fb_buffer_finish(&out);
    return written ? EXIT_GOOD : EXIT_UNAVAILABLE;
}

static int refuse(struct fb_status status)
{
    fprintf(stderr, "flow-gateway: %s\n", status.why);
    return EXIT_BAD_ARGUMENTS;
}

int main(int argc, char **argv)
{
    static struct gateway gateway = {.signals = {.watch = {.fd = -1}}};
    static struct fb_options options;
    const struct fb_options_plan plan = {
        .section = "gateway",
        .executable = "flow-gateway",
        .purpose = "speaks MCP on standard input and output for one agent, and asks the suite",
        .version = FB_VERSION,
        .sets = {{gateway_options, &gateway.config}},
    };
    struct fb_status status;

    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    mallopt(M_ARENA_MAX, 1);
    fb_arena_init(&gateway.arena, OPTIONS_BYTES);
    status = fb_options_read(&plan, argc, argv, &gateway.arena, &options);
    if (!fb_is_ok(status)) {
        return refuse(status);
    }
    if (options.wish != FB_WISH_RUN) {
        return grant(&plan, &options);
    }
    fb_log_open(&(struct fb_log_config){
        .program = "flow-gateway",
        .fd = STDERR_FILENO,
        .least = (enum fb_level)gateway.config.log_level,
        .format = (enum fb_line_format)gateway.config.log_format,
        .may_drop = true,
    });
    for (size_t i = 0; i < options.notes.count; i++) {
        fb_log(FB_WARN, "configuration", fb_kv_str("note", options.notes.items[i].text));
    }
    status = read_token(&gateway);
    if (fb_is_ok(status)) {
        status = name_agent(&gateway);
    }
    if (!fb_is_ok(status)) {
        return refuse(status);
    }
    if (!make(&gateway, &options, argv[0])) {
        fprintf(stderr, "flow-gateway: out of memory or descriptors\n");
        destroy(&gateway);
        return EXIT_UNAVAILABLE;
    }
    fb_timer_set(gateway.loop, &gateway.tick, fb_clock_ms() + MCP_TICK_MS, on_tick);
    fb_loop_run(gateway.loop);
    destroy(&gateway);
    return EXIT_GOOD;
}

#include "runtime/service/service.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "flowbalancer_descriptors.h"

#include "runtime/base/arena.h"
#include "runtime/base/version.h"
#include "runtime/config/options.h"
#include "runtime/config/schema.h"
#include "runtime/log/log.h"
#include "runtime/loop/signals.h"
#include "runtime/ops/ops.h"
#include "runtime/rpc/address.h"
#include "runtime/service/health.h"
#include "runtime/service/reflection.h"
#include "runtime/service/vitals.h"

enum { EXIT_USAGE = 64, EXIT_UNAVAILABLE = 69, EXIT_INTERNAL = 70, EXIT_CONFIG = 78 };

enum {
    STOP_MS = 5000,          /* for `stop` */
    OPTIONS_BYTES = 4 << 20, /* all that the options may take in memory */
    TOKEN_BYTES = 1024,
    PAGES_MOST = 32,
    DESCRIPTORS_WANTED = 65536
};

/* What all programs can be told. */
struct common {
    struct fb_strings listen;
    const char *tls_cert;
    const char *tls_key;
    const char *tls_ca;
    const char *tls_server_name;
    bool tls_client_cert;
    const char *tokens;
    const char *token_file;
    const char *ops_listen;
    const char *ops_token_file;
    int log_level;
    int log_format;
    int64_t drain_ms;
};

static const struct fb_option common_options[] = {
    {"listen", FB_OPTION_ADDRESSES, offsetof(struct common, listen),
     .help = "where it is called; several addresses are fine"},
    {"tls_cert", FB_OPTION_PATH, offsetof(struct common, tls_cert),
     .help = "our certificate chain (PEM), shown to callers and to whom we call"},
    {"tls_key", FB_OPTION_PATH, offsetof(struct common, tls_key), .help = "its private key (PEM)"},
    {"tls_ca", FB_OPTION_PATH, offsetof(struct common, tls_ca),
     .help = "certificates that we trust (PEM), of callers and of whom we call"},
    {"tls_server_name", FB_OPTION_STRING, offsetof(struct common, tls_server_name),
     .help = "name that whom we call must prove, instead of the host that is dialled"},
    {"tls_client_cert", FB_OPTION_BOOL, offsetof(struct common, tls_client_cert),
     .fallback = "true", .help = "with tls_ca: callers must show a certificate"},
    {"tokens", FB_OPTION_PATH, offsetof(struct common, tokens),
     .help = "file of tenants and their bearer tokens; callers by TCP must show one"},
    {"token_file", FB_OPTION_PATH, offsetof(struct common, token_file),
     .help = "file with the bearer token that we show"},
    {"ops_listen", FB_OPTION_ADDRESS, offsetof(struct common, ops_listen),
     .help = "where /metrics, /healthz and /readyz are served"},
    {"ops_token_file", FB_OPTION_PATH, offsetof(struct common, ops_token_file),
     .help = "file with the bearer token wanted there"},
    {"log_level", FB_OPTION_CHOICE, offsetof(struct common, log_level), .fallback = "info",
     .choices = fb_level_names, .help = "least level that is logged"},
    {"log_format", FB_OPTION_CHOICE, offsetof(struct common, log_format), .fallback = "logfmt",
     .choices = fb_line_format_names, .help = "how a line of the log is written"},
    {"drain", FB_OPTION_DURATION, offsetof(struct common, drain_ms), .fallback = "10s",
     .least = "0", .most = "10m", .help = "time that running calls get to end when we are to end"},
    {.name = NULL},
};

enum { COMMON_OPTIONS = sizeof(common_options) / sizeof(common_options[0]) };

/* What was read at one time: the strings of the structs live in its arena. */
struct settings {
    struct fb_arena arena;
    struct common common;
    struct fb_options options;
};

enum phase { PHASE_STARTING, PHASE_SERVING, PHASE_DRAINING, PHASE_STOPPING, PHASE_STOPPED, PHASES };

static const unsigned phase_may_become[PHASES] = {
    /* one bit per phase */
    [PHASE_STARTING] = 1u << PHASE_SERVING,
    [PHASE_SERVING] = 1u << PHASE_DRAINING,
    [PHASE_DRAINING] = 1u << PHASE_STOPPING | 1u << PHASE_STOPPED,
    [PHASE_STOPPING] = 1u << PHASE_STOPPED,
    [PHASE_STOPPED] = 0,
};

struct fb_host {
    /* what it is: fixed */
    const struct fb_service *service;
    int argc;
    char **argv;
    char executable[64];
    struct fb_option options[COMMON_OPTIONS]; /* common_options with this service's fallbacks */

    /* what it was told */
    struct settings *settings; /* as at the start: what listens was opened with them */
    struct settings *reloaded; /* by the last SIGHUP; NULL before */
    struct fb_tls_config client_tls;
    struct fb_tls_config server_tls;
    char token[TOKEN_BYTES];
    char ops_token[TOKEN_BYTES];
    struct fb_tokens *tokens;

    /* what it runs */
    struct fb_loop *loop;
    struct fb_signals signals;
    struct fb_server *server;
    struct fb_health *health;
    struct fb_reflection *reflection;
    struct fb_metrics *metrics;
    struct fb_vitals *vitals;        /* with ops alone */
    struct fb_metrics *shown[2 + 1]; /* on /metrics, NULL-ended */
    struct fb_ops *ops;
    struct fb_ops_page pages[PAGES_MOST + 1];
    void *self;

    /* where it stands */
    enum phase phase;
    struct fb_status ready;
    int exit_code;
    struct fb_timer stop_end;
};

static void become(struct fb_host *host, enum phase next)
{
    assert(phase_may_become[host->phase] & 1u << next);
    host->phase = next;
}

static int exit_code_of(struct fb_status status)
{
    switch (status.code) {
    case FB_OK:
        return EXIT_SUCCESS;
    case FB_INVALID_ARGUMENT:
    case FB_NOT_FOUND:
    case FB_PERMISSION_DENIED:
    case FB_FAILED_PRECONDITION:
        return EXIT_CONFIG;
    case FB_UNAVAILABLE:
    case FB_ALREADY_EXISTS:
    case FB_RESOURCE_EXHAUSTED:
        return EXIT_UNAVAILABLE;
    default:
        return EXIT_INTERNAL;
    }
}

/* --- settings --- */

static void settings_destroy(struct settings *settings)
{
    if (settings != NULL) {
        fb_arena_finish(&settings->arena);
        free(settings);
    }
}

static struct fb_options_plan plan_of(const struct fb_host *host, struct common *common,
                                      void *config)
{
    struct fb_options_plan plan = {
        .section = host->service->name,
        .executable = host->executable,
        .purpose = host->service->purpose,
        .version = FB_VERSION,
        .sets = {{.options = host->options, .config = common}},
    };

    if (host->service->options != NULL) {
        plan.sets[1] = (struct fb_option_set){.options = host->service->options, .config = config};
    }
    return plan;
}

/*
 * Reads all anew; the service's struct is overwritten only when everything was right, and never
 * behind the back of a service that does not reload.
 */
static struct fb_status settings_read(const struct fb_host *host, struct settings **read)
{
    struct settings *settings = calloc(1, sizeof(*settings));
    void *config = calloc(1, host->service->config_size + 1);
    struct fb_options_plan plan;
    struct fb_status status;

    *read = settings;
    if (settings == NULL || config == NULL) {
        free(config);
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory left for options");
    }
    fb_arena_init(&settings->arena, OPTIONS_BYTES);
    plan = plan_of(host, &settings->common, config);
    status = fb_options_read(&plan, host->argc, host->argv, &settings->arena, &settings->options);
    if (fb_is_ok(status) && host->service->config_size > 0 &&
        (host->settings == NULL || host->service->reload != NULL)) {
        memcpy(host->service->config, config, host->service->config_size);
    }
    free(config);
    return status;
}

/* --help and its like: an answer on standard output instead of a start. */
static int grant_wish(const struct fb_host *host)
{
    const struct fb_options_plan plan =
        plan_of(host, &host->settings->common, host->service->config);
    const struct fb_options_plan *plans[] = {&plan};
    struct fb_buffer text = {.data = NULL};
    bool failed;

    switch (host->settings->options.wish) {
    case FB_WISH_HELP:
        fb_options_help(&plan, &text);
        break;
    case FB_WISH_VERSION:
        fb_buffer_printf(&text, "%s %s\n", host->executable, FB_VERSION);
        break;
    case FB_WISH_PRINT_SCHEMA:
        fb_config_schema(plans, 1, &text);
        break;
    default:
        fb_notes_write(&host->settings->options.notes, host->executable, stderr);
        fb_options_print(&plan, &text);
        break;
    }
    failed =
        text.failed || fwrite(text.data, 1, text.size, stdout) != text.size || fflush(stdout) != 0;
    fb_buffer_finish(&text);
    return failed ? EXIT_INTERNAL : EXIT_SUCCESS;
}

static void log_notes(const struct fb_notes *notes)
{
    for (size_t i = 0; i < notes->count; i++) {
        if (notes->items[i].kind == FB_NOTE_HINT) {
            fb_log(FB_INFO, "a setting is not used", fb_kv_str("what", notes->items[i].text));
        } else {
            fb_log(FB_WARN, "a setting is ignored", fb_kv_str("what", notes->items[i].text));
        }
    }
    if (notes->left_off > 0) {
        fb_log(FB_WARN, "more settings are ignored", fb_kv_uint("count", notes->left_off));
    }
}

static void open_log(const struct fb_host *host)
{
    const struct fb_log_config config = {
        .program = host->executable,
        .fd = STDERR_FILENO,
        .least = (enum fb_level)host->settings->common.log_level,
        .format = (enum fb_line_format)host->settings->common.log_format,
    };

    fb_log_open(&config);
}

/* The first line of a file, for secrets that must not stand in a list of processes. */
static struct fb_status read_token(struct fb_arena *arena, const char *path, char *token)
{
    FILE *file;
    size_t length;
    bool read;

    if (path == NULL) {
        return fb_ok;
    }
    file = fopen(path, "re");
    if (file == NULL) {
        return fb_arena_fail(arena, errno == ENOENT ? FB_NOT_FOUND : FB_PERMISSION_DENIED,
                             "token file '%s' cannot be read: %s", path, strerror(errno));
    }
    read = fgets(token, TOKEN_BYTES, file) != NULL;
    fclose(file);
    length = read ? strcspn(token, "\r\n") : 0;
    token[length] = '\0';
    if (length == 0 || length == TOKEN_BYTES - 1) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT,
                             "token file '%s': its first line must be 1 to %d bytes", path,
                             TOKEN_BYTES - 2);
    }
    return fb_ok;
}

static struct fb_status open_secrets(struct fb_host *host)
{
    struct settings *settings = host->settings;
    const struct common *common = &settings->common;
    struct fb_status status;

    host->client_tls = (struct fb_tls_config){
        .ca_file = common->tls_ca,
        .cert_file = common->tls_cert,
        .key_file = common->tls_key,
        .server_name = common->tls_server_name,
    };
    host->server_tls = host->client_tls;
    if ((common->tls_cert == NULL) != (common->tls_key == NULL)) {
        return fb_fail(FB_FAILED_PRECONDITION,
                       "tls_cert and tls_key: one is set without the other");
    }
    host->server_tls.require_client_cert = common->tls_ca != NULL && common->tls_client_cert;
    status = read_token(&settings->arena, common->token_file, host->token);
    if (fb_is_ok(status)) {
        status = read_token(&settings->arena, common->ops_token_file, host->ops_token);
    }
    if (fb_is_ok(status) && common->tokens != NULL) {
        status = fb_tokens_open(common->tokens, &host->tokens);
    }
    return status;
}

/* --- the end --- */

static void finish_run(struct fb_host *host)
{
    if (host->phase == PHASE_STOPPED) {
        return;
    }
    become(host, PHASE_STOPPED);
    fb_timer_clear(&host->stop_end);
    fb_loop_stop(host->loop);
}

void fb_host_stopped(struct fb_host *host)
{
    assert(host->phase == PHASE_STOPPING || host->phase == PHASE_STOPPED);
    finish_run(host);
}

static void stop_took_too_long(struct fb_timer *timer)
{
    struct fb_host *host = (struct fb_host *)((char *)timer - offsetof(struct fb_host, stop_end));

    fb_log(FB_WARN, "did not stop in time", fb_kv_ms("limit", STOP_MS));
    finish_run(host);
}

static void drained(void *arg)
{
    struct fb_host *host = arg;

    if (host->phase == PHASE_STOPPED) {
        return;
    }
    become(host, PHASE_STOPPING);
    if (host->service->stop == NULL) {
        finish_run(host);
        return;
    }
    fb_timer_set(host->loop, &host->stop_end, fb_loop_now_ms(host->loop) + STOP_MS,
                 stop_took_too_long);
    host->service->stop(host->self);
}

static void begin_end(struct fb_host *host)
{
    if (host->phase >= PHASE_DRAINING) {
        return;
    }
    become(host, PHASE_DRAINING);
    fb_health_end(host->health);
    fb_reflection_end(host->reflection);
    if (host->service->drain != NULL) {
        host->service->drain(host->self);
    }
    fb_server_drain(host->server, fb_loop_now_ms(host->loop) + host->settings->common.drain_ms,
                    drained, host);
}

void fb_host_fail(struct fb_host *host, struct fb_status status)
{
    assert(host->phase != PHASE_STARTING && !fb_is_ok(status));
    fb_log(FB_ERROR, "cannot go on", fb_kv_status(status));
    host->exit_code = exit_code_of(status);
    begin_end(host);
}

/* --- signals --- */

static void reload(struct fb_host *host)
{
    struct settings *after;
    struct fb_status status = settings_read(host, &after);

    if (!fb_is_ok(status)) {
        fb_log(FB_ERROR, "new settings are wrong, the old ones stay", fb_kv_status(status));
        settings_destroy(after);
        return;
    }
    log_notes(&after->options.notes);
    fb_log_set_least((enum fb_level)after->common.log_level);
    host->settings->common.drain_ms = after->common.drain_ms;
    if (host->service->reload != NULL) {
        host->service->reload(host->self);
    }
    settings_destroy(host->reloaded);
    host->reloaded = after;
    if (host->service->reload != NULL) {
        fb_log(FB_INFO, "settings were read again");
    } else {
        fb_log(FB_INFO, "log_level and drain were read again; what else changed, the servers "
                        "included, is taken up when the program is started again");
    }
}

static void signal_came(struct fb_signals *signals, int number)
{
    struct fb_host *host = (struct fb_host *)((char *)signals - offsetof(struct fb_host, signals));

    if (number == SIGHUP) {
        reload(host);
        return;
    }
    if (host->phase >= PHASE_DRAINING) {
        fb_log(FB_WARN, "told to end again, so at once");
        finish_run(host);
        return;
    }
    fb_log(FB_INFO, "told to end", fb_kv_str("signal", number == SIGINT ? "INT" : "TERM"));
    begin_end(host);
}

/* --- the start --- */

/* Servers hold a descriptor per connection, a worker several per instance. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= DESCRIPTORS_WANTED) {
        return;
    }
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS_WANTED ? limit.rlim_max : DESCRIPTORS_WANTED;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static struct fb_status out_of_memory(void)
{
    return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory or descriptors left to start");
}

static struct fb_status open_runtime(struct fb_host *host)
{
    struct fb_status status;

    host->loop = fb_loop_create();
    if (host->loop == NULL) {
        return out_of_memory();
    }
    status = fb_signals_open(host->loop, &host->signals, signal_came);
    if (!fb_is_ok(status)) {
        return status;
    }
    host->server = fb_server_create(host->loop, &host->service->limits);
    host->health = fb_health_create();
    host->reflection =
        fb_reflection_create(flowbalancer_descriptors, flowbalancer_descriptors_size);
    if (host->server == NULL || host->health == NULL || host->reflection == NULL) {
        return out_of_memory();
    }
    fb_health_serve(host->health, host->server);
    fb_reflection_serve(host->reflection, host->server);
    fb_reflection_know(host->reflection, FB_HEALTH_SERVICE);
    if (host->service->metrics != NULL) {
        host->metrics = fb_metrics_create(host->service->metrics);
        return host->metrics == NULL ? out_of_memory() : fb_ok;
    }
    return fb_ok;
}

static struct fb_status listen_everywhere(struct fb_host *host)
{
    const struct fb_strings *addresses = &host->settings->common.listen;

    for (size_t i = 0; i < addresses->count; i++) {
        const bool local = fb_address_is_unix(addresses->items[i]);
        /* A Unix socket has its mode and the kernel's word for who calls. */
        const struct fb_listen_config config = {
            .address = addresses->items[i],
            .tls = local || host->server_tls.cert_file == NULL
                       ? (struct fb_tls_config){.ca_file = NULL}
                       : host->server_tls,
            .tokens = local ? NULL : host->tokens,
        };
        struct fb_status status = fb_server_listen(host->server, host->service->transport, &config);

        if (!fb_is_ok(status)) {
            return fb_arena_fail(&host->settings->arena, status.code, "listen '%s': %s",
                                 addresses->items[i], status.why);
        }
        fb_log(FB_INFO, "listens", fb_kv_str("address", fb_server_address(host->server, i)));
    }
    return fb_ok;
}

static struct fb_status is_ready(void *context)
{
    const struct fb_host *host = context;

    if (host->phase != PHASE_SERVING) {
        return fb_fail(FB_UNAVAILABLE, "it is shutting down");
    }
    return host->ready;
}

static struct fb_status open_ops(struct fb_host *host)
{
    const struct common *common = &host->settings->common;
    const struct fb_ops_page *pages = host->service->pages;
    struct fb_ops_config config = {
        .loop = host->loop,
        .listen = common->ops_listen,
        .token = host->ops_token[0] == '\0' ? NULL : host->ops_token,
        .metrics = host->shown,
        .pages = host->pages,
        .ready = is_ready,
        .context = host,
    };
    struct fb_status status;

    if (common->ops_listen == NULL) {
        return fb_ok;
    }
    host->vitals = fb_vitals_create(host->loop, host->server);
    if (host->vitals == NULL) {
        return out_of_memory();
    }
    host->shown[0] = fb_vitals_metrics(host->vitals);
    host->shown[1] = host->metrics;
    for (size_t i = 0; pages != NULL && pages[i].path != NULL; i++) {
        assert(i < PAGES_MOST);
        host->pages[i] = pages[i];
        host->pages[i].context = host->self;
    }
    status = fb_ops_open(&config, &host->ops);
    if (!fb_is_ok(status)) {
        return fb_arena_fail(&host->settings->arena, status.code, "ops_listen '%s': %s",
                             common->ops_listen, status.why);
    }
    fb_log(FB_INFO, "shows itself", fb_kv_str("ops", common->ops_listen),
           fb_kv_uint("port", fb_ops_port(host->ops)));
    return fb_ok;
}

void fb_host_set_ready(struct fb_host *host, struct fb_status status)
{
    host->ready = status;
    fb_health_set(host->health, fb_is_ok(status) && host->phase == PHASE_SERVING);
}

static struct fb_status bring_up(struct fb_host *host)
{
    struct fb_status status = open_secrets(host);

    if (fb_is_ok(status)) {
        status = open_runtime(host);
    }
    if (fb_is_ok(status)) {
        status = host->service->start(host, &host->self);
    }
    if (fb_is_ok(status)) {
        status = listen_everywhere(host);
    }
    if (fb_is_ok(status)) {
        status = open_ops(host);
    }
    return status;
}

static void take_down(struct fb_host *host)
{
    fb_ops_close(host->ops);
    fb_vitals_destroy(host->vitals);
    fb_server_destroy(host->server); /* tells the services which calls are cancelled */
    if (host->self != NULL && host->service->destroy != NULL) {
        host->service->destroy(host->self);
    }
    fb_health_destroy(host->health);
    fb_reflection_destroy(host->reflection);
    fb_metrics_destroy(host->metrics);
    fb_signals_close(&host->signals);
    fb_loop_destroy(host->loop);
    fb_tokens_destroy(host->tokens);
    settings_destroy(host->reloaded);
    settings_destroy(host->settings);
}

static int serve(struct fb_host *host)
{
    struct fb_status status = bring_up(host);

    if (!fb_is_ok(status)) {
        fb_log(FB_ERROR, "cannot start", fb_kv_status(status));
        return exit_code_of(status);
    }
    become(host, PHASE_SERVING);
    fb_host_set_ready(host, host->ready);
    if (host->service->listening != NULL) {
        host->service->listening(host->self);
    }
    fb_loop_run(host->loop);
    fb_log(FB_INFO, "ended");
    return host->exit_code;
}

int fb_service_main(int argc, char **argv, const struct fb_service *service)
{
    struct fb_host host = {
        .service = service,
        .argc = argc,
        .argv = argv,
        .ready = fb_ok,
    };
    struct settings *read;
    struct fb_status status;
    int code;

    umask(077);
    snprintf(host.executable, sizeof(host.executable), "flow-%s", service->name);
    memcpy(host.options, common_options, sizeof(common_options));
    host.options[0].fallback = service->listen;
    status = settings_read(&host, &read);
    host.settings = read;
    if (!fb_is_ok(status)) {
        fprintf(stderr, "%s: %s\n", host.executable, status.why);
        code = status.code == FB_INVALID_ARGUMENT ? EXIT_USAGE : exit_code_of(status);
    } else if (host.settings->options.wish != FB_WISH_RUN) {
        code = grant_wish(&host);
    } else {
        open_log(&host);
        log_notes(&host.settings->options.notes);
        raise_descriptor_limit();
        code = serve(&host);
    }
    take_down(&host);
    return code;
}

/* --- for services --- */

struct fb_loop *fb_host_loop(struct fb_host *host)
{
    return host->loop;
}

struct fb_server *fb_host_server(struct fb_host *host)
{
    return host->server;
}

void fb_host_serve(struct fb_host *host, const struct fb_rpc_service *service, void *self)
{
    assert(host->phase == PHASE_STARTING);
    fb_server_add(host->server, service, self);
    fb_health_know(host->health, service->descriptor->name);
    fb_reflection_know(host->reflection, service->descriptor->name);
}

struct fb_metrics *fb_host_metrics(struct fb_host *host)
{
    return host->metrics;
}

const char *fb_host_config_path(const struct fb_host *host)
{
    return host->settings->options.path;
}

const struct fb_tls_config *fb_host_client_tls(const struct fb_host *host)
{
    return &host->client_tls;
}

const char *fb_host_client_token(const struct fb_host *host)
{
    return host->token[0] == '\0' ? NULL : host->token;
}

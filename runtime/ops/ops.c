#include "runtime/ops/ops.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "runtime/ops/http_library.h"
#include "runtime/rpc/address.h"
#include "runtime/rpc/listening.h"

enum {
    CONNECTIONS = 64,
    CONNECTION_BYTES = 16 * 1024, /* what a request line with its headers may take */
    CONNECTION_IDLE_S = 30,
    PAGE_BYTES = 16 * 1024 * 1024,
    OWN_PAGES = 3
};

static const struct fb_http_library *http; /* since the first endpoint */

struct fb_ops {
    struct fb_loop *loop;
    struct fb_listening listening;
    struct MHD_Daemon *daemon;
    struct fb_watch watch; /* of the daemon's own epoll */
    struct fb_timer timer; /* when it wants to look at its connections */
    char *token;           /* NULL for none */
    bool checks_host;
    struct fb_metrics *const *metrics;
    const struct fb_ops_page *pages;
    struct fb_ops_page own[OWN_PAGES];
    fb_ops_check_fn *alive;
    fb_ops_check_fn *ready;
    void *context;
};

struct fb_ops_call {
    struct MHD_Connection *connection;
};

/* What gRPC's codes are in HTTP, as gRPC's own gateways have it. */
static const unsigned http_statuses[FB_CODE_COUNT] = {
    [FB_OK] = MHD_HTTP_OK,
    [FB_CANCELLED] = 499,
    [FB_UNKNOWN] = MHD_HTTP_INTERNAL_SERVER_ERROR,
    [FB_INVALID_ARGUMENT] = MHD_HTTP_BAD_REQUEST,
    [FB_DEADLINE_EXCEEDED] = MHD_HTTP_GATEWAY_TIMEOUT,
    [FB_NOT_FOUND] = MHD_HTTP_NOT_FOUND,
    [FB_ALREADY_EXISTS] = MHD_HTTP_CONFLICT,
    [FB_PERMISSION_DENIED] = MHD_HTTP_FORBIDDEN,
    [FB_RESOURCE_EXHAUSTED] = MHD_HTTP_TOO_MANY_REQUESTS,
    [FB_FAILED_PRECONDITION] = MHD_HTTP_BAD_REQUEST,
    [FB_ABORTED] = MHD_HTTP_CONFLICT,
    [FB_OUT_OF_RANGE] = MHD_HTTP_BAD_REQUEST,
    [FB_UNIMPLEMENTED] = MHD_HTTP_NOT_IMPLEMENTED,
    [FB_INTERNAL] = MHD_HTTP_INTERNAL_SERVER_ERROR,
    [FB_UNAVAILABLE] = MHD_HTTP_SERVICE_UNAVAILABLE,
    [FB_DATA_LOSS] = MHD_HTTP_INTERNAL_SERVER_ERROR,
    [FB_UNAUTHENTICATED] = MHD_HTTP_UNAUTHORIZED,
};

static const char plain_text[] = "text/plain; charset=utf-8";

const char *fb_ops_query(const struct fb_ops_call *call, const char *name)
{
    return http->lookup_connection_value(call->connection, MHD_GET_ARGUMENT_KIND, name);
}

/* --- our own pages --- */

static struct fb_status write_metrics(void *context, const struct fb_ops_call *call,
                                      struct fb_buffer *body)
{
    const struct fb_ops *ops = context;

    (void)call;
    for (size_t i = 0; ops->metrics != NULL && ops->metrics[i] != NULL; i++) {
        fb_metrics_write(ops->metrics[i], body);
    }
    return fb_ok;
}

static struct fb_status write_check(fb_ops_check_fn *check, void *context, struct fb_buffer *body)
{
    const struct fb_status status = check == NULL ? fb_ok : check(context);

    if (!fb_is_ok(status)) {
        return fb_fail(FB_UNAVAILABLE, status.why);
    }
    fb_buffer_string(body, "ok\n");
    return fb_ok;
}

static struct fb_status write_alive(void *context, const struct fb_ops_call *call,
                                    struct fb_buffer *body)
{
    const struct fb_ops *ops = context;

    (void)call;
    return write_check(ops->alive, ops->context, body);
}

static struct fb_status write_ready(void *context, const struct fb_ops_call *call,
                                    struct fb_buffer *body)
{
    const struct fb_ops *ops = context;

    (void)call;
    return write_check(ops->ready, ops->context, body);
}

/* --- answering --- */

/* Takes the buffer. What a page says belongs to the moment, so nobody may keep it. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type,
                              const char *extra_name, const char *extra, struct fb_buffer *body)
{
    struct MHD_Response *response = NULL;
    enum MHD_Result queued = MHD_NO;

    if (!body->failed) {
        response = http->create_response_from_buffer(body->size, body->data, MHD_RESPMEM_MUST_FREE);
    }
    if (response == NULL) {
        fb_buffer_finish(body);
        return MHD_NO;
    }
    if (http->add_response_header(response, "Content-Type", type) == MHD_YES &&
        http->add_response_header(response, "Cache-Control", "no-store") == MHD_YES &&
        http->add_response_header(response, "X-Content-Type-Options", "nosniff") == MHD_YES &&
        (extra == NULL || http->add_response_header(response, extra_name, extra) == MHD_YES)) {
        queued = http->queue_response(connection, status, response);
    }
    http->destroy_response(response);
    return queued;
}

static enum MHD_Result answer_error(struct MHD_Connection *connection, unsigned status,
                                    const char *extra_name, const char *extra, const char *words)
{
    struct fb_buffer body = {0};

    fb_buffer_string(&body, words);
    fb_buffer_string(&body, "\n");
    return answer(connection, status, plain_text, extra_name, extra, &body);
}

static enum MHD_Result answer_page(struct MHD_Connection *connection,
                                   const struct fb_ops_page *page)
{
    const struct fb_ops_call call = {.connection = connection};
    struct fb_buffer body = {.limit_bytes = PAGE_BYTES};
    const struct fb_status status = page->write(page->context, &call, &body);

    if (fb_is_ok(status) && !body.failed) {
        return answer(connection, MHD_HTTP_OK, page->type, NULL, NULL, &body);
    }
    fb_buffer_finish(&body);
    return answer_error(connection, http_statuses[fb_is_ok(status) ? FB_INTERNAL : status.code],
                        NULL, NULL, fb_is_ok(status) ? "the page is too large" : status.why);
}

static void list_page(const struct fb_ops_page *page, struct fb_buffer *body)
{
    fb_buffer_printf(body, "  %-20s %s\n", page->path, page->help);
}

static enum MHD_Result answer_not_found(const struct fb_ops *ops, struct MHD_Connection *connection)
{
    struct fb_buffer body = {0};

    fb_buffer_string(&body, "There is no such page. There are:\n");
    for (size_t i = 0; i < OWN_PAGES; i++) {
        list_page(&ops->own[i], &body);
    }
    for (size_t i = 0; ops->pages != NULL && ops->pages[i].path != NULL; i++) {
        list_page(&ops->pages[i], &body);
    }
    return answer(connection, MHD_HTTP_NOT_FOUND, plain_text, NULL, NULL, &body);
}

static const struct fb_ops_page *find_page(const struct fb_ops *ops, const char *path)
{
    for (size_t i = 0; ops->pages != NULL && ops->pages[i].path != NULL; i++) {
        if (strcmp(ops->pages[i].path, path) == 0) {
            return &ops->pages[i];
        }
    }
    for (size_t i = 0; i < OWN_PAGES; i++) {
        if (strcmp(ops->own[i].path, path) == 0) {
            return &ops->own[i];
        }
    }
    return NULL;
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
    return http->lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* Takes as long for a wrong token as for the right one. */
static bool is_token(const char *given, const char *wanted)
{
    const size_t size = strlen(wanted);
    unsigned char differs = strlen(given) != size;

    for (size_t i = 0; i < size && given[i] != '\0'; i++) {
        differs |= (unsigned char)(given[i] ^ wanted[i]);
    }
    return differs == 0;
}

/* Orchestrators probe without a token, and a probe learns no more than yes or no. */
static bool is_probe(const struct fb_ops_page *page)
{
    return page != NULL && (page->write == write_alive || page->write == write_ready);
}

static bool may_look(const struct fb_ops *ops, struct MHD_Connection *connection)
{
    static const char scheme[] = "Bearer ";
    const char *given = header(connection, "Authorization");

    return ops->token == NULL ||
           (given != NULL && strncasecmp(given, scheme, sizeof(scheme) - 1) == 0 &&
            is_token(given + sizeof(scheme) - 1, ops->token));
}

/*
 * A page of the web can have its own name resolve to 127.0.0.1 and then read us through the browser
 * of our user. What it cannot do is to send another name than its own as Host.
 */
static bool is_local_host(const char *host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};

    for (size_t i = 0; host != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
        const size_t size = strlen(names[i]);

        if (strncasecmp(host, names[i], size) == 0 && (host[size] == '\0' || host[size] == ':')) {
            return true;
        }
    }
    return false;
}

static bool has_body(struct MHD_Connection *connection)
{
    const char *length = header(connection, "Content-Length");

    return header(connection, "Transfer-Encoding") != NULL ||
           (length != NULL && strcmp(length, "0") != 0);
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **marker)
{
    static int seen;
    const struct fb_ops *ops = context;
    const struct fb_ops_page *page = find_page(ops, url);

    (void)version;
    (void)upload;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        return answer_error(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "Allow", "GET, HEAD",
                            "There is nothing to change here: GET or HEAD only.");
    }
    if (has_body(connection)) {
        return answer_error(connection, MHD_HTTP_CONTENT_TOO_LARGE, NULL, NULL,
                            "A request has no body here.");
    }
    if (*marker == NULL) {
        *marker = &seen; /* asked again when the request is complete */
        return MHD_YES;
    }
    *upload_size = 0;
    if (ops->checks_host && !is_local_host(header(connection, "Host"))) {
        return answer_error(connection, MHD_HTTP_FORBIDDEN, NULL, NULL,
                            "Ask for localhost, 127.0.0.1 or [::1].");
    }
    if (!is_probe(page) && !may_look(ops, connection)) {
        return answer_error(connection, MHD_HTTP_UNAUTHORIZED, "WWW-Authenticate", "Bearer",
                            "This needs a bearer token.");
    }
    return page == NULL ? answer_not_found(ops, connection) : answer_page(connection, page);
}

/* --- driven by the loop --- */

static void run(struct fb_ops *ops);

static void on_ready(struct fb_watch *watch, unsigned events)
{
    (void)events;
    run((struct fb_ops *)(void *)((char *)watch - offsetof(struct fb_ops, watch)));
}

static void on_time(struct fb_timer *timer)
{
    run((struct fb_ops *)(void *)((char *)timer - offsetof(struct fb_ops, timer)));
}

static void run(struct fb_ops *ops)
{
    unsigned long long wait_ms = 0;

    http->run(ops->daemon);
    if (http->get_timeout(ops->daemon, &wait_ms) == MHD_YES) {
        fb_timer_set(ops->loop, &ops->timer, fb_loop_now_ms(ops->loop) + (int64_t)wait_ms, on_time);
    } else {
        fb_timer_clear(&ops->timer);
    }
}

/* --- opening and closing --- */

static struct fb_ops *create(const struct fb_ops_config *config)
{
    struct fb_ops *ops = calloc(1, sizeof(*ops));

    if (ops == NULL) {
        return NULL;
    }
    ops->loop = config->loop;
    ops->listening.fd = -1;
    ops->watch.fd = -1;
    ops->metrics = config->metrics;
    ops->pages = config->pages;
    ops->alive = config->alive;
    ops->ready = config->ready;
    ops->context = config->context;
    ops->own[0] = (struct fb_ops_page){"/healthz", plain_text, write_alive, ops, "is it alive?"};
    ops->own[1] = (struct fb_ops_page){"/metrics", FB_METRICS_CONTENT_TYPE, write_metrics, ops,
                                       "numbers for Prometheus"};
    ops->own[2] =
        (struct fb_ops_page){"/readyz", plain_text, write_ready, ops, "does it take calls?"};
    if (config->token != NULL) {
        ops->token = strdup(config->token);
        if (ops->token == NULL) {
            free(ops);
            return NULL;
        }
    }
    return ops;
}

/* The daemon closes the socket that it is given, and so does `listening`: each has its own. */
static bool start_daemon(struct fb_ops *ops)
{
    const int fd = fcntl(ops->listening.fd, F_DUPFD_CLOEXEC, 0);

    if (fd < 0) {
        return false;
    }
    ops->daemon = http->start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, handle, ops,
                                     MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                                     (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                     (size_t)CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
                                     (unsigned)CONNECTION_IDLE_S, MHD_OPTION_END);
    if (ops->daemon == NULL) {
        close(fd);
    }
    return ops->daemon != NULL;
}

static struct fb_status begin(struct fb_ops *ops, const char *address)
{
    const union MHD_DaemonInfo *info;
    struct fb_status status = fb_listening_open(address, &ops->listening);

    if (!fb_is_ok(status)) {
        return status;
    }
    http = fb_http_library_open();
    if (http == NULL) {
        return fb_fail(FB_UNAVAILABLE, "libmicrohttpd.so.12, which serves pages, is not installed");
    }
    if (!start_daemon(ops)) {
        return fb_fail(FB_UNAVAILABLE, "no room for an HTTP endpoint");
    }
    info = http->get_daemon_info(ops->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL) {
        return fb_fail(FB_UNAVAILABLE, "no epoll for an HTTP endpoint");
    }
    status = fb_loop_watch(ops->loop, &ops->watch, info->epoll_fd, FB_READABLE, on_ready);
    ops->checks_host = ops->token == NULL && !ops->listening.local;
    return status;
}

struct fb_status fb_ops_open(const struct fb_ops_config *config, struct fb_ops **ops)
{
    struct fb_status status = fb_address_check(config->listen);
    struct fb_ops *made;

    *ops = NULL;
    if (!fb_is_ok(status)) {
        return status;
    }
    if (config->token == NULL && !fb_address_is_loopback(config->listen)) {
        return fb_fail(FB_PERMISSION_DENIED,
                       "without a token, pages are served on loopback and Unix sockets only");
    }
    made = create(config);
    if (made == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for an HTTP endpoint");
    }
    status = begin(made, config->listen);
    if (!fb_is_ok(status)) {
        fb_ops_close(made);
        return status;
    }
    *ops = made;
    return fb_ok;
}

void fb_ops_close(struct fb_ops *ops)
{
    if (ops == NULL) {
        return;
    }
    if (ops->watch.fd >= 0) {
        fb_loop_unwatch(&ops->watch);
    }
    fb_timer_clear(&ops->timer);
    if (ops->daemon != NULL) {
        http->stop_daemon(ops->daemon);
    }
    fb_listening_close(&ops->listening);
    free(ops->token);
    free(ops);
}

uint16_t fb_ops_port(const struct fb_ops *ops)
{
    const char *colon = strrchr(ops->listening.address, ':');
    uint64_t port = 0;

    if (ops->listening.local || colon == NULL || !fb_text_to_u64(fb_text_of(colon + 1), &port)) {
        return 0;
    }
    return (uint16_t)port;
}

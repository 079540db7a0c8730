#include "runtime/rpc/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>
#include <time.h>

#include "runtime/base/text.h"

enum {
    NAME_MOST = 253,
    ADDRESS_MOST = NAME_MOST + 16, /* with prefix, brackets and port */
    LIST_MOST = 64,
    RESOLVERS_MOST = 64, /* threads that wait for an answer, in the whole process */
};

/* --- spelling --- */

enum kind { KIND_UNIX, KIND_IPV4, KIND_IPV6, KIND_NAME };

struct target {
    enum kind kind;
    const char *path;         /* unix */
    char host[NAME_MOST + 1]; /* without brackets */
    uint16_t port;
};

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
}

static bool parse_port(const char *spelled, uint16_t *port)
{
    uint64_t value;

    if (strlen(spelled) > 5 || !fb_text_to_u64(fb_text_of(spelled), &value) || value > 65535) {
        return false;
    }
    *port = (uint16_t)value;
    return true;
}

static struct fb_status parse_unix(const char *path, struct target *target)
{
    if (path[0] != '/') {
        return fb_fail(FB_INVALID_ARGUMENT, "a Unix socket needs an absolute path: \"unix:/path\"");
    }
    if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        return fb_fail(FB_INVALID_ARGUMENT, "the path of a Unix socket is longer than 107 bytes");
    }
    target->kind = KIND_UNIX;
    target->path = path;
    return fb_ok;
}

static struct fb_status parse_ipv6(const char *spelled, struct target *target)
{
    const char *end = strchr(spelled, ']');
    struct in6_addr address;
    size_t size;

    if (end == NULL || end[1] != ':') {
        return fb_fail(FB_INVALID_ARGUMENT, "an IPv6 address is spelled \"[address]:port\"");
    }
    size = (size_t)(end - spelled) - 1;
    if (size > NAME_MOST) {
        return fb_fail(FB_INVALID_ARGUMENT, "what is in brackets is no IPv6 address");
    }
    memcpy(target->host, spelled + 1, size);
    target->host[size] = '\0';
    if (inet_pton(AF_INET6, target->host, &address) != 1) {
        return fb_fail(FB_INVALID_ARGUMENT, "what is in brackets is no IPv6 address");
    }
    if (!parse_port(end + 2, &target->port)) {
        return fb_fail(FB_INVALID_ARGUMENT, "the port is no number from 0 to 65535");
    }
    target->kind = KIND_IPV6;
    return fb_ok;
}

static struct fb_status parse_host(const char *spelled, struct target *target)
{
    const char *colon = strchr(spelled, ':');
    struct in_addr address;
    size_t size;

    if (colon == NULL) {
        return fb_fail(FB_INVALID_ARGUMENT, "the port is missing: \"host:port\" or \"unix:/path\"");
    }
    if (strchr(colon + 1, ':') != NULL) {
        return fb_fail(FB_INVALID_ARGUMENT,
                       "too many colons; an IPv6 address is spelled \"[address]:port\"");
    }
    size = (size_t)(colon - spelled);
    if (size == 0 || size > NAME_MOST) {
        return fb_fail(FB_INVALID_ARGUMENT, "the host is empty or longer than 253 bytes");
    }
    for (size_t i = 0; i < size; i++) {
        if (!is_name_byte(spelled[i])) {
            return fb_fail(FB_INVALID_ARGUMENT, "the host has a character that no name has");
        }
    }
    if (!parse_port(colon + 1, &target->port)) {
        return fb_fail(FB_INVALID_ARGUMENT, "the port is no number from 0 to 65535");
    }
    memcpy(target->host, spelled, size);
    target->host[size] = '\0';
    target->kind = KIND_NAME;
    if (target->host[strspn(target->host, "0123456789.")] == '\0') {
        if (inet_pton(AF_INET, target->host, &address) != 1) {
            return fb_fail(FB_INVALID_ARGUMENT, "the host is neither an IPv4 address nor a name");
        }
        target->kind = KIND_IPV4;
    }
    return fb_ok;
}

static struct fb_status parse(const char *spelled, struct target *target)
{
    *target = (struct target){.kind = KIND_NAME};
    if (spelled == NULL || spelled[0] == '\0') {
        return fb_fail(FB_INVALID_ARGUMENT, "the address is empty");
    }
    if (strncmp(spelled, "unix:", 5) == 0) {
        return parse_unix(spelled + 5, target);
    }
    if (strncmp(spelled, "dns:", 4) == 0) {
        spelled += 4;
    }
    return spelled[0] == '[' ? parse_ipv6(spelled, target) : parse_host(spelled, target);
}

/* Cuts the next of a comma-separated list into `one`; false when it is longer than any address may be. */
static bool next_of_list(const char **list, char *one, size_t room)
{
    const size_t size = strcspn(*list, ",");

    if (size >= room) {
        return false;
    }
    memcpy(one, *list, size);
    one[size] = '\0';
    *list += size;
    if (**list == ',') {
        (*list)++;
    }
    return true;
}

/* A list is of addresses that need no name server, so that it stays in its order. */
static struct fb_status check_list(const char *list)
{
    char one[ADDRESS_MOST];
    struct target parsed;
    size_t count = 0;

    while (*list != '\0') {
        struct fb_status status;

        if (++count > LIST_MOST) {
            return fb_fail(FB_INVALID_ARGUMENT, "the list has more than 64 addresses");
        }
        if (!next_of_list(&list, one, sizeof(one))) {
            return fb_fail(FB_INVALID_ARGUMENT, "an address of the list is too long");
        }
        status = parse(one, &parsed);
        if (!fb_is_ok(status)) {
            return status;
        }
        if (parsed.kind == KIND_NAME) {
            return fb_fail(FB_INVALID_ARGUMENT,
                           "a list is of numeric addresses and Unix sockets, not of names");
        }
    }
    return fb_ok;
}

struct fb_status fb_address_check(const char *target)
{
    struct target parsed;

    if (target != NULL && strchr(target, ',') != NULL) {
        return check_list(target);
    }
    return parse(target, &parsed);
}

bool fb_address_is_unix(const char *target)
{
    struct target parsed;

    return fb_is_ok(parse(target, &parsed)) && parsed.kind == KIND_UNIX;
}

bool fb_address_is_loopback(const char *target)
{
    struct target parsed;
    struct in_addr v4;
    struct in6_addr v6;

    if (!fb_is_ok(parse(target, &parsed))) {
        return false;
    }
    switch (parsed.kind) {
    case KIND_UNIX:
        return true;
    case KIND_IPV4:
        return inet_pton(AF_INET, parsed.host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
    case KIND_IPV6:
        return inet_pton(AF_INET6, parsed.host, &v6) == 1 &&
               (IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127));
    case KIND_NAME:
        return strcasecmp(parsed.host, "localhost") == 0;
    }
    return false;
}

void fb_address_format(const struct fb_address *address, char *out, size_t room)
{
    char host[INET6_ADDRSTRLEN] = "";

    switch (address->socket.ss_family) {
    case AF_UNIX: {
        const struct sockaddr_un *un = (const struct sockaddr_un *)&address->socket;
        size_t before = offsetof(struct sockaddr_un, sun_path);
        size_t size = address->size > before ? address->size - before : 0;

        /* Unnamed sockets have no path, abstract ones begin with NUL: both print as "unix:". */
        snprintf(out, room, "unix:%.*s", (int)strnlen(un->sun_path, size), un->sun_path);
        return;
    }
    case AF_INET: {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&address->socket;

        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        snprintf(out, room, "%s:%u", host, ntohs(in->sin_port));
        return;
    }
    case AF_INET6: {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)&address->socket;

        inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof(host));
        snprintf(out, room, "[%s]:%u", host, ntohs(in->sin6_port));
        return;
    }
    default:
        snprintf(out, room, "?");
    }
}

/* --- resolving --- */

/*
 * Shared by the loop and, for names, one thread. The thread touches the loop only while it holds the lock
 * and the loop still wants the answer, so a cancel makes it safe to destroy the loop.
 */
struct fb_resolving {
    struct fb_loop *loop;
    fb_resolved_fn *fn;
    void *arg;
    struct fb_defer later;

    pthread_mutex_t lock;
    bool threaded; /* a thread works, or worked, for it */
    bool cancelled;

    struct target target;
    struct fb_status status;
    size_t count;
    struct fb_address list[LIST_MOST];
};

static pthread_mutex_t resolvers_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned resolvers;

static bool resolver_acquire(void)
{
    bool free_one;

    pthread_mutex_lock(&resolvers_lock);
    free_one = resolvers < RESOLVERS_MOST;
    if (free_one) {
        resolvers++;
    }
    pthread_mutex_unlock(&resolvers_lock);
    return free_one;
}

static void resolver_release(void)
{
    pthread_mutex_lock(&resolvers_lock);
    resolvers--;
    pthread_mutex_unlock(&resolvers_lock);
}

static void resolving_free(struct fb_resolving *resolving)
{
    pthread_mutex_destroy(&resolving->lock);
    free(resolving);
}

static void tell(struct fb_resolving *resolving)
{
    if (!resolving->cancelled) {
        resolving->fn(resolving->arg, resolving->status, resolving->list, resolving->count);
    }
    resolving_free(resolving);
}

static void on_later(struct fb_defer *defer)
{
    tell((struct fb_resolving *)((char *)defer - offsetof(struct fb_resolving, later)));
}

static void on_posted(void *arg)
{
    struct fb_resolving *resolving = arg;

    /* The thread still holds the lock for a moment after it has posted. */
    pthread_mutex_lock(&resolving->lock);
    pthread_mutex_unlock(&resolving->lock);
    tell(resolving);
}

static void add(struct fb_resolving *resolving, const void *address, size_t size)
{
    struct fb_address *next = &resolving->list[resolving->count++];

    *next = (struct fb_address){.size = (socklen_t)size};
    memcpy(&next->socket, address, size);
}

static struct fb_status status_of_lookup(int error)
{
    switch (error) {
    case 0:
        return fb_ok;
    case EAI_NONAME:
        return fb_fail(FB_UNAVAILABLE, "no such host name");
    case EAI_AGAIN:
        return fb_fail(FB_UNAVAILABLE, "the name server does not answer");
    case EAI_MEMORY:
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory left to resolve a name");
    default:
        return fb_fail(FB_UNAVAILABLE, "the host name has no address");
    }
}

static void look_up(struct fb_resolving *resolving)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char port[8];

    snprintf(port, sizeof(port), "%u", resolving->target.port);
    resolving->status = status_of_lookup(getaddrinfo(resolving->target.host, port, &hints, &found));
    if (!fb_is_ok(resolving->status)) {
        return;
    }
    for (const struct addrinfo *it = found; it != NULL && resolving->count < LIST_MOST;
         it = it->ai_next) {
        if (it->ai_family == AF_INET || it->ai_family == AF_INET6) {
            add(resolving, it->ai_addr, it->ai_addrlen);
        }
    }
    freeaddrinfo(found);
    if (resolving->count == 0) {
        resolving->status = fb_fail(FB_UNAVAILABLE, "the host name has no address");
    }
}

/* Tells the loop, unless it lost interest. False: memory is exhausted for the moment. */
static bool hand_back(struct fb_resolving *resolving)
{
    bool forgotten;
    bool posted = false;

    pthread_mutex_lock(&resolving->lock);
    forgotten = resolving->cancelled;
    if (!forgotten) {
        posted = fb_loop_post(resolving->loop, on_posted, resolving);
    }
    pthread_mutex_unlock(&resolving->lock);
    if (forgotten) {
        resolving_free(resolving);
    }
    return forgotten || posted;
}

static void *resolver_main(void *arg)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};

    look_up(arg);
    resolver_release();
    while (!hand_back(arg)) {
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* Signals are the main thread's: a resolver that took one would only delay it. */
static bool start_resolver(struct fb_resolving *resolving)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    bool started;

    if (!resolver_acquire()) {
        return false;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    started = pthread_create(&thread, &attributes, resolver_main, resolving) == 0;
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!started) {
        resolver_release();
    }
    return started;
}

static void add_numeric(struct fb_resolving *resolving, const struct target *target)
{
    if (target->kind == KIND_UNIX) {
        struct sockaddr_un un = {.sun_family = AF_UNIX};

        memcpy(un.sun_path, target->path, strlen(target->path) + 1);
        add(resolving, &un, sizeof(un));
    } else if (target->kind == KIND_IPV4) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(target->port)};

        inet_pton(AF_INET, target->host, &in.sin_addr);
        add(resolving, &in, sizeof(in));
    } else {
        struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = htons(target->port)};

        inet_pton(AF_INET6, target->host, &in.sin6_addr);
        add(resolving, &in, sizeof(in));
    }
}

static void add_list(struct fb_resolving *resolving, const char *list)
{
    char one[ADDRESS_MOST];
    struct target target;

    while (*list != '\0' && next_of_list(&list, one, sizeof(one))) {
        parse(one, &target);
        add_numeric(resolving, &target);
    }
}

struct fb_resolving *fb_address_resolve(struct fb_loop *loop, const char *target,
                                        fb_resolved_fn *fn, void *arg)
{
    struct fb_resolving *resolving = calloc(1, sizeof(*resolving));

    if (resolving == NULL) {
        return NULL;
    }
    resolving->loop = loop;
    resolving->fn = fn;
    resolving->arg = arg;
    pthread_mutex_init(&resolving->lock, NULL);
    if (target != NULL && strchr(target, ',') != NULL) {
        resolving->status = check_list(target);
        if (fb_is_ok(resolving->status)) {
            add_list(resolving, target);
        }
        fb_loop_defer(loop, &resolving->later, on_later);
        return resolving;
    }
    resolving->status = parse(target, &resolving->target);
    if (fb_is_ok(resolving->status) && resolving->target.kind == KIND_NAME) {
        resolving->threaded = true;
        if (start_resolver(resolving)) {
            return resolving;
        }
        resolving->threaded = false;
        resolving->status = fb_fail(FB_RESOURCE_EXHAUSTED, "too many names are being resolved");
    } else if (fb_is_ok(resolving->status)) {
        add_numeric(resolving, &resolving->target);
    }
    fb_loop_defer(loop, &resolving->later, on_later);
    return resolving;
}

void fb_resolving_cancel(struct fb_resolving *resolving)
{
    if (resolving == NULL) {
        return;
    }
    if (!resolving->threaded) {
        fb_defer_cancel(&resolving->later);
        resolving_free(resolving);
        return;
    }
    pthread_mutex_lock(&resolving->lock);
    resolving->cancelled = true;
    pthread_mutex_unlock(&resolving->lock);
}

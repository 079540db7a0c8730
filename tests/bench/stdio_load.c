/*
 * stdio_load: drives one MCP server over stdio and measures it.
 *
 *     stdio_load [--calls N] [--warmup N] [--in-flight N] [--tool NAME] [--args JSON] [--spawns N]
 *                -- COMMAND [ARG…]
 *
 * Starts the command, makes the legacy handshake, keeps --in-flight calls of the tool unanswered until
 * --calls are answered, closes its input and waits. Prints one JSON object:
 *
 *     handshake_us        from fork to the answered initialize
 *     first_us            the first call, cold
 *     p50_us, p99_us      of a call; calls_per_s of the whole
 *     resident_kb         of the command's process after the calls (its own, not its children's)
 *     close_us            from closed input to the process's end
 *
 * With --spawns N it is started N times for the handshake alone, and the medians and extremes of
 * handshake_us and resident_kb are printed. Single-threaded; answers are matched by id, and one that is
 * an error ends the run with exit code 1.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MOST = 16 << 20, SILENCE_MS = 60000 };

struct plan {
    uint32_t calls;
    uint32_t warmup;
    uint32_t in_flight;
    uint32_t spawns;
    const char *tool;
    const char *args;
    char **command;
};

struct server {
    pid_t pid;
    int in;
    int out;
    int64_t started_us;
    char *buffer;
    size_t filled;
    size_t taken; /* of the line handed out last */
};

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "stdio_load: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

static struct server start(char **command)
{
    struct server server = {.started_us = now_us()};
    int in[2];
    int out[2];

    if (pipe(in) != 0 || pipe(out) != 0) {
        fail("pipe");
    }
    server.pid = fork();
    if (server.pid < 0) {
        fail("fork");
    }
    if (server.pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        for (int fd = 3; fd < 64; fd++) {
            close(fd);
        }
        execvp(command[0], command);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    server.in = in[1];
    server.out = out[0];
    server.buffer = malloc(LINE_MOST);
    if (server.buffer == NULL) {
        fail("malloc");
    }
    return server;
}

static void write_all(const struct server *server, const char *data, size_t size)
{
    while (size > 0) {
        const ssize_t written = write(server->in, data, size);

        if (written < 0) {
            fail("the server reads no more");
        }
        data += written;
        size -= (size_t)written;
    }
}

/* The next line, NUL in place of its LF; NULL when none is there yet and `wait` is false. */
static char *next_line(struct server *server, bool wait)
{
    memmove(server->buffer, server->buffer + server->taken, server->filled - server->taken);
    server->filled -= server->taken;
    server->taken = 0;
    for (;;) {
        char *end = memchr(server->buffer, '\n', server->filled);
        struct pollfd ready = {.fd = server->out, .events = POLLIN};
        ssize_t got;

        if (end != NULL) {
            *end = '\0';
            server->taken = (size_t)(end - server->buffer) + 1;
            return server->buffer;
        }
        if (!wait) {
            return NULL;
        }
        errno = 0;
        if (poll(&ready, 1, SILENCE_MS) != 1) {
            fail("no answer for a minute");
        }
        got = read(server->out, server->buffer + server->filled, LINE_MOST - server->filled);
        if (got <= 0) {
            fail("the server closed its output");
        }
        server->filled += (size_t)got;
    }
}

/* The id of a response, or 0 for a notification or request of the server's. */
static uint32_t id_of(const char *line)
{
    const char *id = strstr(line, "\"id\":");

    if (id == NULL || (strstr(line, "\"result\":") == NULL && strstr(line, "\"error\":") == NULL)) {
        return 0;
    }
    return (uint32_t)strtoul(id + 5, NULL, 10);
}

static void handshake(struct server *server)
{
    static const char hello[] =
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":"
        "\"2025-11-25\",\"capabilities\":{},\"clientInfo\":{\"name\":\"load\",\"version\":\"1\"}}}"
        "\n";
    static const char ready[] = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n";

    write_all(server, hello, sizeof(hello) - 1);
    while (id_of(next_line(server, true)) != 1) {
    }
    write_all(server, ready, sizeof(ready) - 1);
}

static long resident_kb(pid_t pid)
{
    char path[64];
    char line[256];
    long kb = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
    file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0) {
            kb = strtol(line + 6, NULL, 10);
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return kb;
}

/* Closes its input and waits; the time it took to end. */
static int64_t stop(struct server *server)
{
    const int64_t from_us = now_us();
    int status;

    close(server->in);
    while (waitpid(server->pid, &status, WNOHANG) == 0) {
        struct timespec pause = {.tv_nsec = 200000};

        if (now_us() - from_us > 5000000) {
            kill(server->pid, SIGKILL);
            waitpid(server->pid, &status, 0);
            break;
        }
        nanosleep(&pause, NULL);
    }
    close(server->out);
    free(server->buffer);
    return now_us() - from_us;
}

static int by_size(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static void measure_spawns(const struct plan *plan)
{
    int64_t *took = calloc(plan->spawns, sizeof(*took));
    int64_t *kb = calloc(plan->spawns, sizeof(*kb));

    if (took == NULL || kb == NULL) {
        fail("calloc");
    }
    for (uint32_t i = 0; i < plan->spawns; i++) {
        struct server server = start(plan->command);

        handshake(&server);
        took[i] = now_us() - server.started_us;
        kb[i] = resident_kb(server.pid);
        stop(&server);
    }
    qsort(took, plan->spawns, sizeof(*took), by_size);
    qsort(kb, plan->spawns, sizeof(*kb), by_size);
    printf("{\"spawns\":%u,\"handshake_us\":%lld,\"handshake_least_us\":%lld,"
           "\"handshake_most_us\":%lld,\"resident_kb\":%lld,\"resident_most_kb\":%lld}\n",
           plan->spawns, (long long)took[plan->spawns / 2], (long long)took[0],
           (long long)took[plan->spawns - 1], (long long)kb[plan->spawns / 2],
           (long long)kb[plan->spawns - 1]);
    free(took);
    free(kb);
}

static void send_call(const struct server *server, const struct plan *plan, uint32_t id)
{
    char line[65536];
    const int size = snprintf(line, sizeof(line),
                              "{\"jsonrpc\":\"2.0\",\"id\":%u,\"method\":\"tools/call\",\"params\":"
                              "{\"name\":\"%s\",\"arguments\":%s}}\n",
                              id, plan->tool, plan->args);

    if (size < 0 || (size_t)size >= sizeof(line)) {
        fail("--args is too long");
    }
    write_all(server, line, (size_t)size);
}

/* Calls 2 to 1 + count by id; the time of each goes into `took`. Returns the time of all. */
static int64_t run_calls(struct server *server, const struct plan *plan, uint32_t first_id,
                         uint32_t count, int64_t *took)
{
    int64_t *sent_us = calloc(count, sizeof(*sent_us));
    const int64_t from_us = now_us();
    uint32_t sent = 0;
    uint32_t answered = 0;
    int64_t all_us;

    if (sent_us == NULL) {
        fail("calloc");
    }
    while (answered < count) {
        char *line;

        while (sent < count && sent - answered < plan->in_flight) {
            sent_us[sent] = now_us();
            send_call(server, plan, first_id + sent);
            sent++;
        }
        line = next_line(server, true);
        do {
            const uint32_t id = id_of(line);

            if (id >= first_id && id < first_id + count) {
                if (strstr(line, "\"error\":") != NULL ||
                    strstr(line, "\"isError\":true") != NULL) {
                    errno = 0;
                    fprintf(stderr, "%.500s\n", line);
                    fail("a call failed");
                }
                took[id - first_id] = now_us() - sent_us[id - first_id];
                answered++;
            }
            line = next_line(server, false);
        } while (line != NULL);
    }
    all_us = now_us() - from_us;
    free(sent_us);
    return all_us;
}

static void measure_calls(const struct plan *plan)
{
    struct server server = start(plan->command);
    const uint32_t before = plan->warmup + 1;
    int64_t *took = calloc((size_t)before + plan->calls, sizeof(*took));
    int64_t handshake_us;
    int64_t first_us;
    int64_t all_us;
    long kb;

    if (took == NULL) {
        fail("calloc");
    }
    handshake(&server);
    handshake_us = now_us() - server.started_us;
    first_us = run_calls(&server, plan, 2, 1, took);
    if (plan->warmup > 0) {
        run_calls(&server, plan, 3, plan->warmup, took);
    }
    all_us = run_calls(&server, plan, 2 + before, plan->calls, took);
    kb = resident_kb(server.pid);
    qsort(took, plan->calls, sizeof(*took), by_size);
    printf("{\"calls\":%u,\"in_flight\":%u,\"handshake_us\":%lld,\"first_us\":%lld,\"p50_us\":%lld,"
           "\"p99_us\":%lld,\"calls_per_s\":%.0f,\"resident_kb\":%ld,\"close_us\":%lld}\n",
           plan->calls, plan->in_flight, (long long)handshake_us, (long long)first_us,
           (long long)took[plan->calls / 2], (long long)took[(uint64_t)plan->calls * 99 / 100],
           (double)plan->calls * 1e6 / (double)all_us, kb, (long long)stop(&server));
    free(took);
}

static uint32_t number(const char *text)
{
    char *end;
    const unsigned long value = strtoul(text, &end, 10);

    errno = 0;
    if (*text == '\0' || *end != '\0' || value > 100000000) {
        fail("an option wants a number");
    }
    return (uint32_t)value;
}

int main(int argc, char **argv)
{
    struct plan plan = {.calls = 2000,
                        .warmup = 200,
                        .in_flight = 1,
                        .tool = "echo",
                        .args = "{\"message\":\"hello\"}"};
    int at = 1;

    for (; at + 1 < argc && strcmp(argv[at], "--") != 0; at += 2) {
        if (strcmp(argv[at], "--calls") == 0) {
            plan.calls = number(argv[at + 1]);
        } else if (strcmp(argv[at], "--warmup") == 0) {
            plan.warmup = number(argv[at + 1]);
        } else if (strcmp(argv[at], "--in-flight") == 0) {
            plan.in_flight = number(argv[at + 1]);
        } else if (strcmp(argv[at], "--spawns") == 0) {
            plan.spawns = number(argv[at + 1]);
        } else if (strcmp(argv[at], "--tool") == 0) {
            plan.tool = argv[at + 1];
        } else if (strcmp(argv[at], "--args") == 0) {
            plan.args = argv[at + 1];
        } else {
            break;
        }
    }
    if (at + 1 >= argc || strcmp(argv[at], "--") != 0 || plan.calls == 0 || plan.in_flight == 0) {
        fprintf(stderr, "usage: stdio_load [--calls N] [--warmup N] [--in-flight N] [--tool NAME]\n"
                        "                  [--args JSON] [--spawns N] -- COMMAND [ARG...]\n");
        return 2;
    }
    plan.command = &argv[at + 1];
    signal(SIGPIPE, SIG_IGN);
    if (plan.spawns > 0) {
        measure_spawns(&plan);
    } else {
        measure_calls(&plan);
    }
    return 0;
}

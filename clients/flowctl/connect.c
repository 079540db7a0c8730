#include "clients/flowctl/connect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clients/flowctl/terminal.h"
#include "clients/flowctl/writer.h"

enum { TOKEN_BYTES = 1024 };

/* What a code means to a person at a terminal. */
static const struct {
    int exit_code;
    const char *next;
} meanings[FB_CODE_COUNT] = {
    [FB_OK] = {EXIT_DONE, NULL},
    [FB_CANCELLED] = {EXIT_UNAVAILABLE, "try again"},
    [FB_UNKNOWN] = {EXIT_NEGATIVE, NULL},
    [FB_INVALID_ARGUMENT] = {EXIT_USAGE, NULL},
    [FB_DEADLINE_EXCEEDED] = {EXIT_UNAVAILABLE, "allow it more time with --timeout, or look at "
                                                "\"flowctl status\" for what is busy"},
    [FB_NOT_FOUND] = {EXIT_NEGATIVE, NULL},
    [FB_ALREADY_EXISTS] = {EXIT_NEGATIVE, NULL},
    [FB_PERMISSION_DENIED] = {EXIT_DENIED, "check --tls-cert, --tls-key and --token-file, and who "
                                           "owns the suite"},
    [FB_RESOURCE_EXHAUSTED] = {EXIT_NEGATIVE, "\"flowctl status\" shows what is full"},
    [FB_FAILED_PRECONDITION] = {EXIT_NEGATIVE, NULL},
    [FB_ABORTED] = {EXIT_NEGATIVE, "try again"},
    [FB_OUT_OF_RANGE] = {EXIT_NEGATIVE, NULL},
    [FB_UNIMPLEMENTED] = {EXIT_NEGATIVE, "that program is of another version, or another program "
                                         "listens there"},
    [FB_INTERNAL] = {EXIT_INTERNAL, "please report this, with what the programs logged"},
    [FB_UNAVAILABLE] = {EXIT_UNAVAILABLE, "start the suite with \"flowctl up\", or see \"flowctl "
                                          "doctor\""},
    [FB_DATA_LOSS] = {EXIT_NEGATIVE, "run \"flowctl store check\", then restore a backup"},
    [FB_UNAUTHENTICATED] = {EXIT_DENIED, "show a token with --token-file or a certificate with "
                                         "--tls-cert and --tls-key"},
};

int connect_exit_code(enum fb_code code)
{
    return code < FB_CODE_COUNT ? meanings[code].exit_code : EXIT_INTERNAL;
}

/* The first line of the file, without its end. */
static struct fb_status read_token(const struct run *run, const char *path, const char **token)
{
    char line[TOKEN_BYTES] = "";
    FILE *file = fopen(path, "re");
    size_t size;

    if (file == NULL) {
        return fb_arena_fail(run->arena, FB_INVALID_ARGUMENT, "--token-file %s: %s", path,
                             strerror(errno));
    }
    size = fgets(line, sizeof(line), file) == NULL ? 0 : strcspn(line, "\r\n");
    fclose(file);
    if (size == 0 || size == sizeof(line) - 1) {
        return fb_arena_fail(run->arena, FB_INVALID_ARGUMENT,
                             "--token-file %s: its first line is no token of 1 to %d bytes", path,
                             TOKEN_BYTES - 2);
    }
    *token = fb_arena_copy(run->arena, line, size);
    return *token == NULL ? fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the token") : fb_ok;
}

struct fb_status connect_to(const struct run *run, const char *target, struct fb_client **client)
{
    const struct globals *globals = run->globals;
    struct fb_client_config config = {
        .target = target,
        .timeout_ms = globals->timeout_ms,
    };
    struct fb_status status = fb_ok;

    *client = NULL;
    /* A Unix socket is guarded by its mode and takes no TLS. */
    if (strncmp(target, "unix:", 5) != 0) {
        config.tls = (struct fb_tls_config){
            .ca_file = globals->tls_ca,
            .cert_file = globals->tls_cert,
            .key_file = globals->tls_key,
            .server_name = globals->tls_server_name,
        };
    }
    if (globals->token_file != NULL) {
        status = read_token(run, globals->token_file, &config.token);
    }
    return fb_is_ok(status) ? fb_client_open(&config, client) : status;
}

/* Whether the target is a socket of this machine that nobody has made yet. */
static bool is_absent(const char *target)
{
    return strncmp(target, "unix:", 5) == 0 && access(target + 5, F_OK) != 0 && errno == ENOENT;
}

/*
 * Whether it was asked and says no, rather than that it cannot be asked: then who said so is of no
 * interest, and what it says last, behind a semicolon, is the way out.
 */
static bool is_refusal(enum fb_code code)
{
    return code == FB_INVALID_ARGUMENT || code == FB_NOT_FOUND || code == FB_ALREADY_EXISTS ||
           code == FB_FAILED_PRECONDITION || code == FB_ABORTED || code == FB_OUT_OF_RANGE ||
           code == FB_DATA_LOSS;
}

static const char *last_part(const char *why)
{
    const char *last = NULL;

    for (const char *c = strstr(why, "; "); c != NULL; c = strstr(c + 2, "; ")) {
        last = c;
    }
    return last;
}

static void say_refusal(const struct run *run, struct fb_status status, const char *reason,
                        const char *next)
{
    const char *last = last_part(status.why);
    const int size = last == NULL ? (int)strlen(status.why) : (int)(last - status.why);
    const char *name = reason[0] == '\0' ? fb_code_name(status.code) : reason;

    if (last != NULL) {
        next = fb_arena_copy(run->arena, last + 2, strlen(last + 2));
    }
    terminal_complain(next, "%.*s (%s)", size, status.why, name);
}

static int complain(const struct run *run, const char *what, const char *target,
                    struct fb_status status, const char *reason, int64_t retry_ms)
{
    const char *next = status.code < FB_CODE_COUNT ? meanings[status.code].next : NULL;
    struct writer writer = {.depth = 0};

    if (status.code == FB_UNAVAILABLE && is_absent(target)) {
        status.why = "it does not run";
    }
    if (retry_ms >= 0) {
        next = fb_arena_printf(run->arena, "try again in %lld ms", (long long)retry_ms);
    }
    if (run->globals->json) {
        writer_open(&writer, '{');
        writer_key(&writer, "error");
        writer_open(&writer, '{');
        writer_key_string(&writer, "code", fb_code_name(status.code));
        writer_key_string(&writer, "message", status.why);
        writer_key_string(&writer, "reason", reason);
        writer_key_string(&writer, "target", target);
        writer_key_string(&writer, "next", next);
        writer_close(&writer, '}');
        writer_close(&writer, '}');
        writer_send(&writer);
    }
    if (is_refusal(status.code)) {
        say_refusal(run, status, reason, next);
        return connect_exit_code(status.code);
    }
    terminal_complain(next, "%s at %s: %s (%s%s%s)", what, target, status.why,
                      fb_code_name(status.code), reason[0] == '\0' ? "" : ", ", reason);
    return connect_exit_code(status.code);
}

int connect_complain(const struct run *run, const char *what, const char *target,
                     struct fb_answer *answer)
{
    return complain(run, what, target, answer->status, fb_answer_reason(answer),
                    fb_answer_retry_ms(answer));
}

int connect_complain_of(const struct run *run, const char *what, const char *target,
                        struct fb_status status)
{
    return complain(run, what, target, status, "", -1);
}

int connect_or_complain(const struct run *run, const char *what, const char *target,
                        struct fb_client **client)
{
    const struct fb_status status = connect_to(run, target, client);

    return fb_is_ok(status) ? EXIT_DONE : connect_complain_of(run, what, target, status);
}

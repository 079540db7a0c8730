/*
 * nasty_server: an MCP server over stdio that does what servers in the wild do, on demand.
 *
 * Options, any number of them:
 *   --banner           writes words that are no JSON on standard output before anything else
 *   --exit-on-probe    ends when it is asked server/discover before a handshake
 *   --mute-on-probe    does not answer it
 *   --modern           answers it: speaks 2026-07-28 and nothing else
 *   --refuse           answers the handshake with an error
 *   --mute             never answers anything
 *   --fail             writes a complaint on standard error and ends with exit code 3
 *   --flood            writes on standard error without end
 *   --deaf             reads nothing more once it was shaken hands with
 *   --stubborn         ignores SIGTERM and the end of standard input
 *   --litter           leaves a process behind that is in a session of its own
 *   --note FILE        appends one line for each start, call and cancellation to FILE
 *
 * Tools: see the list below. Its messages are told apart by searching the line, as it only ever talks
 * to our own worker.
 */
#define _GNU_SOURCE

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    bool banner, exit_on_probe, mute_on_probe, modern, refuse, mute, fail, flood, deaf, stubborn;
    bool litter;
    const char *note;
} options;

static const char tools[] =
    "{\"name\":\"echo\",\"inputSchema\":{\"type\":\"object\"},\"x-number\":1.50},"
    "{\"name\":\"crash\",\"description\":\"ends in the middle of the call\","
    "\"inputSchema\":{\"type\":\"object\"}},"
    "{\"name\":\"crash.once\",\"description\":\"ends in its first call, answers the next\","
    "\"inputSchema\":{\"type\":\"object\"},\"annotations\":{\"readOnlyHint\":true}},"
    "{\"name\":\"hang\",\"description\":\"never answers\",\"inputSchema\":{\"type\":\"object\"}},"
    "{\"name\":\"progress\",\"description\":\"tells of progress, then answers\","
    "\"inputSchema\":{\"type\":\"object\"}},"
    "{\"name\":\"log\",\"description\":\"logs, then "
    "answers\",\"inputSchema\":{\"type\":\"object\"}},"
    "{\"name\":\"huge\",\"description\":\"answers with too long a line\","
    "\"inputSchema\":{\"type\":\"object\"}},"
    "{\"name\":\"wrong\",\"description\":\"answers others before it answers, and twice\","
    "\"inputSchema\":{\"type\":\"object\"}},"
    "{\"name\":\"storm\",\"description\":\"announces changes of its tools 1,000 times\","
    "\"inputSchema\":{\"type\":\"object\"}},"
    "{\"name\":\"ask\",\"description\":\"pings and asks for roots, and answers with what it got\","
    "\"inputSchema\":{\"type\":\"object\"}},"
    "{\"name\":\"error\",\"description\":\"answers with an error\","
    "\"inputSchema\":{\"type\":\"object\"}}";

static char line[16 << 20];

static void note(const char *what)
{
    int fd;

    if (options.note == NULL) {
        return;
    }
    fd = open(options.note, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        char text[128];
        const int size = snprintf(text, sizeof(text), "%s\n", what);

        if (write(fd, text, (size_t)size) < 0) {
            abort();
        }
        close(fd);
    }
}

static size_t count_notes(const char *what)
{
    char text[128];
    size_t count = 0;
    FILE *file = options.note == NULL ? NULL : fopen(options.note, "r");

    while (file != NULL && fgets(text, sizeof(text), file) != NULL) {
        text[strcspn(text, "\n")] = '\0';
        count += strcmp(text, what) == 0;
    }
    if (file != NULL) {
        fclose(file);
    }
    return count;
}

static bool says(const char *method)
{
    char text[128];

    snprintf(text, sizeof(text), "\"method\":\"%s\"", method);
    return strstr(line, text) != NULL;
}

/* The id of a request, or where there is none "0". */
static const char *id(void)
{
    static char digits[32];
    const char *at = strstr(line, "\"id\":");

    snprintf(digits, sizeof(digits), "%s", at == NULL ? "0" : at + 5);
    digits[strspn(digits, "0123456789")] = '\0';
    return digits;
}

static bool calls(const char *name)
{
    char text[128];

    snprintf(text, sizeof(text), "\"params\":{\"name\":\"%s\"", name);
    return strstr(line, text) != NULL;
}

/* The arguments as they came; they are the last member but `_meta`. */
static const char *arguments(void)
{
    static char copy[1 << 20];
    const char *from = strstr(line, "\"arguments\":");
    const char *to;

    if (from == NULL) {
        return "{}";
    }
    from += 12;
    to = strstr(from, ",\"_meta\":{");
    if (to == NULL) {
        to = line + strlen(line) - 2; /* the braces of params and of the message */
    }
    snprintf(copy, sizeof(copy), "%.*s", (int)(to - from), from);
    return copy;
}

static void answer_with(const char *structured)
{
    printf(
        "{\"result\":{\"content\":[],\"structuredContent\":%s%s},\"jsonrpc\":\"2.0\",\"id\":%s}\n",
        structured, options.modern ? ",\"resultType\":\"complete\"" : "", id());
}

static void read_line(void)
{
    while (fgets(line, sizeof(line), stdin) == NULL) {
        if (!options.stubborn) {
            exit(0);
        }
        pause();
    }
    line[strcspn(line, "\r\n")] = '\0';
}

static void ask(void)
{
    char call_id[32];
    char got[2][256];

    snprintf(call_id, sizeof(call_id), "%s", id());
    printf("{\"jsonrpc\":\"2.0\",\"id\":\"p\",\"method\":\"ping\"}\n");
    printf("{\"jsonrpc\":\"2.0\",\"id\":\"r\",\"method\":\"roots/list\"}\n");
    fflush(stdout);
    for (int i = 0; i < 2; i++) {
        read_line();
        snprintf(got[i], sizeof(got[i]), "%.255s", line);
    }
    printf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"got\":[%s,%s]}}\n", call_id, got[0],
           got[1]);
}

static void huge(void)
{
    printf("{\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"");
    for (int i = 0; i < 11 * 1024; i++) {
        char block[1025];

        memset(block, 'x', 1024);
        block[1024] = '\0';
        fputs(block, stdout);
    }
    printf("\"}]},\"jsonrpc\":\"2.0\",\"id\":%s}\n", id());
}

static void call(void)
{
    note("call");
    if (calls("crash")) {
        kill(getpid(), SIGKILL);
    } else if (calls("crash.once")) {
        note("once");
        if (count_notes("once") < 2) {
            kill(getpid(), SIGKILL);
        }
        answer_with("{\"survived\":true}");
    } else if (calls("hang")) {
        return;
    } else if (calls("progress")) {
        for (int i = 1; i <= 3; i++) {
            printf("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
                   "\"progressToken\":%s,\"progress\":%d,\"total\":3.0}}\n",
                   id(), i);
        }
        answer_with(arguments());
    } else if (calls("log")) {
        printf("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{"
               "\"level\":\"warning\",\"data\":\"beware\"}}\n");
        answer_with(arguments());
    } else if (calls("huge")) {
        huge();
    } else if (calls("wrong")) {
        printf("{\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"result\":{\"bad\":1}}\n", id());
        printf("{\"jsonrpc\":\"2.0\",\"id\":1%s000000,\"result\":{\"bad\":2}}\n", id());
        answer_with(arguments());
        printf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"bad\":3}}\n", id());
    } else if (calls("storm")) {
        for (int i = 0; i < 1000; i++) {
            printf("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n");
        }
        answer_with(arguments());
    } else if (calls("ask")) {
        ask();
    } else if (calls("error")) {
        printf(
            "{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":-32602,\"message\":\"no \\u00fc\","
            "\"data\":{\"n\":1.0}}}\n",
            id());
    } else if (calls("echo")) {
        answer_with(arguments());
    } else {
        printf(
            "{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":-32602,\"message\":\"unknown\"}}\n",
            id());
    }
}

static void discover(void)
{
    if (options.exit_on_probe) {
        exit(1);
    }
    if (options.mute_on_probe) {
        return;
    }
    if (options.modern) {
        printf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"resultType\":\"complete\","
               "\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{\"tools\":{}},"
               "\"ttlMs\":0,\"cacheScope\":\"public\"}}\n",
               id());
        return;
    }
    printf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":-32601,\"message\":\"unknown\"}}\n",
           id());
}

static void initialize(void)
{
    if (options.refuse || options.modern) {
        printf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":-32000,\"message\":\"no "
               "licence\"}}\n",
               id());
        return;
    }
    printf("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n");
    printf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"protocolVersion\":\"2025-11-25\","
           "\"capabilities\":{\"tools\":{\"listChanged\":true},\"logging\":{}},"
           "\"serverInfo\":{\"name\":\"nasty\",\"version\":\"1\"}}}\n",
           id());
}

static void *flood(void *arg)
{
    (void)arg;
    for (;;) {
        fprintf(stderr, "still alive and talkative, line after line after line\n");
    }
    return NULL;
}

static void litter(void)
{
    if (fork() == 0) {
        setsid();
        signal(SIGTERM, SIG_IGN);
        for (;;) {
            pause();
        }
    }
}

static void read_options(char **argv)
{
    for (int i = 1; argv[i] != NULL; i++) {
        const struct {
            const char *name;
            bool *set;
        } flags[] = {
            {"--banner", &options.banner},
            {"--exit-on-probe", &options.exit_on_probe},
            {"--mute-on-probe", &options.mute_on_probe},
            {"--modern", &options.modern},
            {"--refuse", &options.refuse},
            {"--mute", &options.mute},
            {"--fail", &options.fail},
            {"--flood", &options.flood},
            {"--deaf", &options.deaf},
            {"--stubborn", &options.stubborn},
            {"--litter", &options.litter},
        };

        for (size_t k = 0; k < sizeof(flags) / sizeof(flags[0]); k++) {
            if (strcmp(argv[i], flags[k].name) == 0) {
                *flags[k].set = true;
            }
        }
        if (strcmp(argv[i], "--note") == 0 && argv[i + 1] != NULL) {
            options.note = argv[++i];
        }
    }
}

int main(int argc, char **argv)
{
    pthread_t thread;

    (void)argc;
    read_options(argv);
    note("start");
    if (options.fail) {
        fprintf(stderr, "cannot work like this\n");
        return 3;
    }
    if (options.stubborn) {
        signal(SIGTERM, SIG_IGN);
    }
    if (options.litter) {
        litter();
    }
    if (options.flood && pthread_create(&thread, NULL, flood, NULL) != 0) {
        return 4;
    }
    if (options.banner) {
        printf("Nasty server v1\r\n\n{not json}\n{\"level\":\"info\",\"msg\":\"hello\"}\n");
    }
    for (;;) {
        fflush(stdout);
        read_line();
        if (options.mute) {
            continue;
        }
        if (says("server/discover")) {
            discover();
        } else if (says("initialize")) {
            initialize();
        } else if (says("notifications/initialized") && options.deaf) {
            fflush(stdout);
            for (;;) {
                pause();
            }
        } else if (says("notifications/cancelled")) {
            note("cancelled");
        } else if (says("tools/list")) {
            printf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"tools\":[%s]%s}}\n", id(), tools,
                   options.modern ? ",\"resultType\":\"complete\",\"ttlMs\":5,"
                                    "\"cacheScope\":\"public\""
                                  : "");
        } else if (says("logging/setLevel")) {
            answer_with("{}");
        } else if (says("tools/call")) {
            call();
        }
    }
}

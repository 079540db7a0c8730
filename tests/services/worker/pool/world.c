#define _GNU_SOURCE /* memmem beside C17 */

#include "tests/services/worker/pool/world.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/loop/descendants.h"

static const char *guard_path;
static const char *nasty_path;

static const char *const environment[] = {"PATH=/usr/bin:/bin", NULL};

bool know_programs(int argc, char **argv)
{
    if (argc != 3) {
        return false;
    }
    guard_path = argv[1];
    nasty_path = argv[2];
    return true;
}

int set_up(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    return fb_descendants_adopt() ? 0 : -1;
}

/* --- a call and what became of it --- */

static struct told *told_of(struct pool_call *call)
{
    return (struct told *)(void *)call;
}

static void on_progress(struct pool_call *call, struct fb_text params)
{
    fb_buffer_text(&told_of(call)->text, params);
}

static void on_call_log(struct pool_call *call, struct fb_text params)
{
    fb_buffer_text(&told_of(call)->text, params);
}

static void on_call_end(struct pool_call *call, const struct pool_outcome *outcome)
{
    struct told *t = told_of(call);

    assert_false(t->ended);
    t->ended = true;
    t->end = outcome->end;
    t->code = outcome->status.code;
    snprintf(t->reason, sizeof(t->reason), "%s", outcome->reason);
    if (outcome->end == POOL_FAILED) {
        fb_buffer_string(&t->text, outcome->status.why);
    } else {
        fb_buffer_text(&t->text, outcome->body);
        assert_true(strlen(outcome->revision) == 10);
    }
}

const struct pool_call_events call_events = {
    .on_progress = on_progress,
    .on_log = on_call_log,
    .on_end = on_call_end,
};

void call_with(struct world *w, struct told *t, size_t server, const struct mcp_session_plan *say,
               bool repeatable)
{
    *t = (struct told){.text.limit_bytes = 0};
    fb_arena_init(&t->arena, 0);
    t->plan = (struct pool_call_plan){
        .server = server,
        .say = *say,
        .repeatable = repeatable,
        .has_deadline = true,
        .arena = &t->arena,
    };
    pool_call_start(w->pool, &t->call, &t->plan, &call_events);
}

struct mcp_session_plan say(const char *name)
{
    return (struct mcp_session_plan){
        .method = "tools/call",
        .name = fb_text_of(name),
        .arguments = FB_TEXT("{\"a\":1.50}"),
        .log_level = -1,
    };
}

void call(struct world *w, struct told *t, size_t server, const char *name)
{
    const struct mcp_session_plan plan = say(name);

    call_with(w, t, server, &plan, false);
}

bool holds(const struct told *t, const char *part)
{
    return memmem(t->text.data, t->text.size, part, strlen(part)) != NULL;
}

void forget(struct told *t)
{
    fb_buffer_finish(&t->text);
    fb_arena_finish(&t->arena);
}

/* --- the world --- */

static void on_tools(void *self, size_t server, const struct mcp_session_items *items,
                     const struct mcp_session_server *said)
{
    struct world *w = self;

    w->lists[server]++;
    w->tools[server] = items->count;
    w->era[server] = said->era;
}

static void on_state(void *self, size_t server)
{
    (void)self;
    (void)server;
}

static const struct pool_events pool_events = {.on_tools = on_tools, .on_state = on_state};

void add_server(struct world *w, const char *name, char *options)
{
    const size_t index = w->count++;
    size_t count = 0;

    w->argv[index][count++] = nasty_path;
    w->argv[index][count++] = "--note";
    w->argv[index][count++] = w->note;
    for (char *o = strtok(options, " "); o != NULL; o = strtok(NULL, " ")) {
        assert_true(count < ARGS);
        w->argv[index][count++] = o;
    }
    w->servers[index] = (struct pool_server){
        .name = name,
        .argv = w->argv[index],
        .env = environment,
        .start_ms = 20000,
        .call_ms = 20000,
        .idle_ms = 600000,
        .line_most_bytes = 10 << 20,
    };
}

struct world *world_of(void)
{
    struct world *w = calloc(1, sizeof(*w));
    int fd;

    assert_non_null(w);
    snprintf(w->note, sizeof(w->note), "/tmp/pool_test.XXXXXX");
    fd = mkstemp(w->note);
    assert_true(fd >= 0);
    close(fd);
    w->loop = fb_loop_create();
    assert_non_null(w->loop);
    return w;
}

void begin(struct world *w)
{
    const struct pool_config config = {
        .loop = w->loop,
        .servers = w->servers,
        .count = w->count,
        .guard_path = guard_path,
        .version = "1",
        .stop_ms = 300,
    };

    w->pool = pool_create(&config, &pool_events, w);
    assert_non_null(w->pool);
    fb_loop_turn(w->loop, 0);
}

void turn_until(struct world *w, bool (*done)(const struct world *w, const void *arg),
                const void *arg)
{
    const int64_t limit_ms = fb_clock_ms() + PATIENCE_MS;

    while (!done(w, arg)) {
        assert_true(fb_clock_ms() < limit_ms);
        fb_loop_turn(w->loop, 100);
    }
}

static bool has_ended(const struct world *w, const void *arg)
{
    (void)w;
    return ((const struct told *)arg)->ended;
}

void wait_for(struct world *w, const struct told *t)
{
    turn_until(w, has_ended, t);
}

size_t notes(const struct world *w, const char *what)
{
    char text[128];
    size_t count = 0;
    FILE *file = fopen(w->note, "r");

    assert_non_null(file);
    while (fgets(text, sizeof(text), file) != NULL) {
        text[strcspn(text, "\n")] = '\0';
        count += strcmp(text, what) == 0;
    }
    fclose(file);
    return count;
}

static void on_stopped(void *arg)
{
    ((struct world *)arg)->stopped = true;
}

static bool has_stopped(const struct world *w, const void *arg)
{
    (void)arg;
    return w->stopped;
}

void end(struct world *w)
{
    pool_stop(w->pool, on_stopped, w);
    turn_until(w, has_stopped, NULL);
    pool_destroy(w->pool);
    fb_loop_destroy(w->loop);
    assert_false(fb_descendants_reap(NULL, 0));
    unlink(w->note);
    free(w);
}

struct world *world_with(const char *options)
{
    static char copy[256];
    struct world *w = world_of();

    snprintf(copy, sizeof(copy), "%s", options);
    add_server(w, "nasty", copy);
    begin(w);
    return w;
}

void expect_echo(struct world *w, size_t server)
{
    struct told t;

    call(w, &t, server, "\"echo\"");
    wait_for(w, &t);
    assert_int_equal(t.end, POOL_RESULT);
    assert_true(holds(&t, "\"structuredContent\":{\"a\":1.50}"));
    forget(&t);
}

bool is_called(const struct world *w, const void *arg)
{
    (void)arg;
    return notes(w, "call") == 1;
}

#define _GNU_SOURCE /* pipe2 */

#include "services/worker/pool/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/log/log.h"
#include "runtime/log/ration.h"
#include "services/worker/mcp/lines.h"

enum {
    ROOM_BYTES = 256 * 1024, /* unwritten output above which no more requests are taken */
    READS_AT_ONCE = 4,       /* so that one talkative server does not starve the others */
    ERROR_READ_BYTES = 8 * 1024,
    ERROR_LINE_BYTES = 1024, /* of standard error, in one line of the log */
    ERROR_LINES_PER_S = 5,
    ERROR_LINES_BURST = 20,
    ERROR_REPEAT_MS = 60000,
    REQUESTS_MOST = 1024,   /* open at once */
    KILL_MARGIN_MS = 12000, /* what flow-guard may take beyond its grace */
};

enum stage {
    RUNNING,
    CLOSING,     /* standard input is closed */
    TERMINATING, /* flow-guard was asked to end all */
    KILLING,
    GONE,
};

struct instance {
    const struct instance_plan *plan;
    const struct instance_events *events;
    void *self;
    struct fb_loop *loop;
    struct mcp_session *session;
    enum stage stage;
    bool asked;
    bool was_ready;
    int64_t started_ms;

    struct fb_child child;
    int life_line;
    int input; /* of the server; -1 once closed */
    struct fb_watch input_watch;
    struct fb_watch output_watch;
    struct fb_watch error_watch;
    struct fb_timer timer;   /* what the session waits for */
    struct fb_timer stopper; /* the next step of stopping */
    struct fb_defer flush;

    struct mcp_lines lines;
    char error_line[ERROR_LINE_BYTES];
    size_t error_bytes;
    struct fb_ration ration;
    char grace[16];
    const char **argv;
};

#define OWNER_OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static void flush_later(struct instance *i);
static void set_timer(struct instance *i);

/* --- what the session tells --- */

static void on_ready(void *self)
{
    struct instance *i = self;

    i->was_ready = true;
    i->events->on_ready(i->self, i);
}

static void on_failed(void *self, enum mcp_session_failure failure, const char *why)
{
    struct instance *i = self;

    (void)failure;
    i->events->on_failed(i->self, i, why);
    instance_stop(i);
}

static void on_changed(void *self, enum mcp_session_list list)
{
    struct instance *i = self;

    i->events->on_changed(i->self, i, list);
}

static void on_listed(void *self, enum mcp_session_list list, struct fb_status status,
                      const struct mcp_session_items *items)
{
    struct instance *i = self;

    i->events->on_listed(i->self, i, list, status, items);
}

static void log_words(struct instance *i, const char *stream, struct fb_text text)
{
    const int64_t now_ms = fb_loop_now_ms(i->loop);
    uint64_t withheld = 0;

    if (fb_ration_pass(&i->ration, text, now_ms, &withheld)) {
        fb_log(FB_INFO, "a server says", fb_kv_str("server", i->plan->name),
               fb_kv_str("stream", stream), fb_kv_text("text", text),
               fb_kv_uint("withheld", withheld));
    }
}

static void on_log(void *self, struct fb_text params)
{
    struct instance *i = self;

    if (params.size > ERROR_LINE_BYTES) {
        params.size = ERROR_LINE_BYTES;
    }
    log_words(i, "notifications/message", params);
}

static const struct mcp_session_events mcp_session_events = {
    .on_ready = on_ready,
    .on_failed = on_failed,
    .on_changed = on_changed,
    .on_listed = on_listed,
    .on_log = on_log,
};

/* --- standard input --- */

static void close_watch(struct fb_watch *watch)
{
    const int fd = watch->fd;

    fb_loop_unwatch(watch);
    if (fd >= 0) {
        close(fd);
    }
}

static void close_input(struct instance *i)
{
    fb_loop_unwatch(&i->input_watch);
    if (i->input >= 0) {
        close(i->input);
        i->input = -1;
    }
}

static void write_output(struct instance *i)
{
    while (i->input >= 0) {
        const struct fb_text out = mcp_session_output(i->session);
        ssize_t wrote;

        if (out.size == 0) {
            break;
        }
        wrote = write(i->input, out.data, out.size);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote < 0 && errno == EAGAIN) {
            break;
        }
        if (wrote < 0) {
            /* It reads no more, so it can be of no more use; what it wrote is still read. */
            instance_stop(i);
            return;
        }
        mcp_session_written(i->session, (size_t)wrote);
    }
    if (i->input >= 0) {
        fb_watch_interest(&i->input_watch,
                          mcp_session_output(i->session).size != 0 ? FB_WRITABLE : 0);
    }
}

static void on_input(struct fb_watch *watch, unsigned events)
{
    struct instance *i = OWNER_OF(struct instance, input_watch, watch);

    (void)events;
    write_output(i);
    if (instance_has_room(i)) {
        i->events->on_room(i->self, i);
    }
}

static void on_flush(struct fb_defer *defer)
{
    struct instance *i = OWNER_OF(struct instance, flush, defer);

    write_output(i);
    set_timer(i);
}

static void flush_later(struct instance *i)
{
    if (i->stage != GONE) {
        fb_loop_defer(i->loop, &i->flush, on_flush);
    }
}

/* --- time --- */

static void on_timer(struct fb_timer *timer)
{
    struct instance *i = OWNER_OF(struct instance, timer, timer);

    mcp_session_tick(i->session, fb_loop_now_ms(i->loop));
    flush_later(i);
}

static void set_timer(struct instance *i)
{
    const int64_t due_ms = mcp_session_due_ms(i->session);

    if (due_ms == INT64_MAX || i->stage == GONE) {
        fb_timer_clear(&i->timer);
    } else {
        fb_timer_set(i->loop, &i->timer, due_ms, on_timer);
    }
}

/* --- standard output --- */

static void take_lines(struct instance *i)
{
    struct mcp_lines_line line;

    while (mcp_lines_next(&i->lines, &line)) {
        const uint64_t noise = mcp_session_oddities(i->session)->noise;

        if (line.too_long) {
            fb_log(FB_WARN, "a server wrote too long a line", fb_kv_str("server", i->plan->name),
                   fb_kv_bytes("size", line.size), fb_kv_bytes("most", i->plan->line_most_bytes));
            mcp_session_long_line(i->session, line.text, line.tail);
        } else {
            mcp_session_line(i->session, line.text, fb_loop_now_ms(i->loop));
        }
        if (mcp_session_oddities(i->session)->noise != noise && !line.too_long) {
            if (line.text.size > ERROR_LINE_BYTES) {
                line.text.size = ERROR_LINE_BYTES;
            }
            log_words(i, "stdout", line.text);
        }
    }
}

/* How much was read, 0 at the end for ever, -1 when there is nothing now. */
static ssize_t read_some(struct instance *i)
{
    char *room = mcp_lines_room(&i->lines);
    ssize_t got;

    if (room == NULL) {
        fb_log(FB_ERROR, "out of memory for what a server writes",
               fb_kv_str("server", i->plan->name));
        return 0;
    }
    do {
        got = read(i->output_watch.fd, room, LINES_READ_BYTES);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return errno == EAGAIN ? -1 : 0;
    }
    mcp_lines_added(&i->lines, (size_t)got);
    take_lines(i);
    return got;
}

static void on_output(struct fb_watch *watch, unsigned events)
{
    struct instance *i = OWNER_OF(struct instance, output_watch, watch);

    (void)events;
    for (int round = 0; round < READS_AT_ONCE; round++) {
        const ssize_t got = read_some(i);

        if (got == 0) {
            close_watch(&i->output_watch);
            instance_stop(i);
        }
        if (got < LINES_READ_BYTES) {
            break;
        }
    }
    if (instance_has_room(i)) {
        i->events->on_room(i->self, i);
    }
    flush_later(i);
}

/* --- standard error --- */

static void say_error_line(struct instance *i)
{
    size_t size = i->error_bytes;

    if (size > 0 && i->error_line[size - 1] == '\r') {
        size--;
    }
    if (size > 0) {
        log_words(i, "stderr", (struct fb_text){.data = i->error_line, .size = size});
    }
    i->error_bytes = 0;
}

static void take_errors(struct instance *i, const char *data, size_t size)
{
    for (size_t at = 0; at < size; at++) {
        if (data[at] == '\n') {
            say_error_line(i);
        } else if (i->error_bytes < sizeof(i->error_line)) {
            i->error_line[i->error_bytes++] = data[at]; /* the rest of a longer line is dropped */
        }
    }
}

/* False when there is no more to come. */
static bool read_errors(struct instance *i)
{
    char data[ERROR_READ_BYTES];

    for (int round = 0; round < READS_AT_ONCE; round++) {
        const ssize_t got = read(i->error_watch.fd, data, sizeof(data));

        if (got < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        if (got == 0) {
            return false;
        }
        take_errors(i, data, (size_t)got);
    }
    return true;
}

static void on_error(struct fb_watch *watch, unsigned events)
{
    struct instance *i = OWNER_OF(struct instance, error_watch, watch);

    (void)events;
    if (!read_errors(i)) {
        close_watch(&i->error_watch);
    }
}

/* --- the end --- */

static void on_stopper(struct fb_timer *timer)
{
    struct instance *i = OWNER_OF(struct instance, stopper, timer);
    const int64_t now_ms = fb_loop_now_ms(i->loop);

    if (i->stage == CLOSING) {
        i->stage = TERMINATING;
        /* flow-guard sends SIGTERM to all of it and, after its grace, SIGKILL. */
        fb_child_signal(&i->child, SIGTERM);
        fb_timer_set(i->loop, &i->stopper, now_ms + i->plan->stop_ms + KILL_MARGIN_MS, on_stopper);
    } else if (i->stage == TERMINATING) {
        i->stage = KILLING;
        fb_log(FB_WARN, "a server outlived its guard's patience",
               fb_kv_str("server", i->plan->name));
        fb_child_signal_group(&i->child, SIGKILL);
    }
}

void instance_stop(struct instance *i)
{
    if (i->stage != RUNNING) {
        return;
    }
    i->asked = true;
    i->stage = CLOSING;
    close_input(i);
    fb_timer_set(i->loop, &i->stopper, fb_loop_now_ms(i->loop) + i->plan->stop_ms, on_stopper);
}

static void on_child_end(struct fb_child *child, struct fb_child_end how)
{
    struct instance *i = OWNER_OF(struct instance, child, child);
    const struct instance_end end = {
        .how = how,
        .was_ready = i->was_ready,
        .was_probing = mcp_session_is_probing(i->session),
        .asked = i->asked,
        .ran_ms = fb_loop_now_ms(i->loop) - i->started_ms,
    };

    /* What it wrote before it ended still counts; nobody of it is left who could write more. */
    while (i->output_watch.fd >= 0 && read_some(i) > 0) {
    }
    close_watch(&i->output_watch);
    if (i->error_watch.fd >= 0) {
        (void)read_errors(i);
    }
    close_watch(&i->error_watch);
    say_error_line(i);
    i->stage = GONE;
    close_input(i);
    fb_timer_clear(&i->timer);
    fb_timer_clear(&i->stopper);
    fb_defer_cancel(&i->flush);
    mcp_session_lost(i->session);
    i->events->on_end(i->self, i, &end);
}

/* --- the start --- */

struct pipes {
    int input[2]; /* [0] to read, [1] to write */
    int output[2];
    int error[2];
    int life[2];
};

static void close_pair(int pair[2])
{
    for (int end = 0; end < 2; end++) {
        if (pair[end] >= 0) {
            close(pair[end]);
            pair[end] = -1;
        }
    }
}

static void close_pipes(struct pipes *p)
{
    close_pair(p->input);
    close_pair(p->output);
    close_pair(p->error);
    close_pair(p->life);
}

static bool open_pipes(struct pipes *p)
{
    *p = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
    return pipe2(p->input, O_CLOEXEC) == 0 && pipe2(p->output, O_CLOEXEC) == 0 &&
           pipe2(p->error, O_CLOEXEC) == 0 && pipe2(p->life, O_CLOEXEC) == 0 &&
           /* Our ends alone: the server's are for it to set. */
           fcntl(p->input[1], F_SETFL, O_NONBLOCK) == 0 &&
           fcntl(p->output[0], F_SETFL, O_NONBLOCK) == 0 &&
           fcntl(p->error[0], F_SETFL, O_NONBLOCK) == 0;
}

/* flow-guard --grace MS -- command arguments… */
static const char **guarded_argv(struct instance *i)
{
    const char *const *argv = i->plan->argv;
    size_t count = 0;
    const char **out;

    while (argv[count] != NULL) {
        count++;
    }
    out = calloc(count + 5, sizeof(*out));
    if (out == NULL) {
        return NULL;
    }
    snprintf(i->grace, sizeof(i->grace), "%lld", (long long)i->plan->stop_ms);
    out[0] = i->plan->guard_path;
    out[1] = "--grace";
    out[2] = i->grace;
    out[3] = "--";
    memcpy(out + 4, argv, count * sizeof(*out));
    return out;
}

static struct fb_status start_child(struct instance *i, struct pipes *p)
{
    const struct fb_child_plan plan = {
        .argv = i->argv,
        .env = i->plan->env,
        .cwd = i->plan->cwd,
        .stdin_fd = p->input[0],
        .stdout_fd = p->output[1],
        .stderr_fd = p->error[1],
        .keep_fd = p->life[0],
        .own_group = true,
        /* No death signal: the guard would die of it before it had ended the server. */
        .death_signal = 0,
    };

    return fb_child_start(i->loop, &i->child, &plan, on_child_end);
}

static struct fb_status watch_pipes(struct instance *i, struct pipes *p)
{
    struct fb_status status =
        fb_loop_watch(i->loop, &i->input_watch, p->input[1], FB_WRITABLE, on_input);

    if (!fb_is_ok(status)) {
        return status;
    }
    i->input = p->input[1];
    p->input[1] = -1;
    status = fb_loop_watch(i->loop, &i->output_watch, p->output[0], FB_READABLE, on_output);
    if (!fb_is_ok(status)) {
        return status;
    }
    p->output[0] = -1;
    status = fb_loop_watch(i->loop, &i->error_watch, p->error[0], FB_READABLE, on_error);
    if (fb_is_ok(status)) {
        p->error[0] = -1;
        i->life_line = p->life[1];
        p->life[1] = -1;
    }
    return status;
}

struct fb_status instance_create(struct fb_loop *loop, const struct instance_plan *plan,
                                 const struct instance_events *events, void *self,
                                 struct instance **instance)
{
    struct instance *i = calloc(1, sizeof(*i));
    struct pipes pipes = {{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
    struct fb_status status = fb_fail(FB_UNAVAILABLE, "out of memory or descriptors");

    if (i == NULL) {
        return status;
    }
    i->plan = plan;
    i->events = events;
    i->self = self;
    i->loop = loop;
    i->life_line = -1;
    i->input = -1;
    i->input_watch.fd = -1;
    i->output_watch.fd = -1;
    i->error_watch.fd = -1;
    i->started_ms = fb_loop_now_ms(loop);
    i->ration = fb_ration_of(ERROR_LINES_PER_S, ERROR_LINES_BURST, ERROR_REPEAT_MS, i->started_ms);
    mcp_lines_init(&i->lines, plan->line_most_bytes);
    i->session = mcp_session_create(&plan->session, &mcp_session_events, i);
    i->argv = guarded_argv(i);
    if (i->session != NULL && i->argv != NULL && open_pipes(&pipes)) {
        status = watch_pipes(i, &pipes);
        if (fb_is_ok(status)) {
            status = start_child(i, &pipes);
        }
    }
    close_pipes(&pipes);
    if (!fb_is_ok(status)) {
        instance_destroy(i);
        return status;
    }
    mcp_session_start(i->session, i->started_ms);
    flush_later(i);
    *instance = i;
    return fb_ok;
}

void instance_destroy(struct instance *i)
{
    if (i == NULL) {
        return;
    }
    fb_child_forget(&i->child);
    close_input(i);
    close_watch(&i->output_watch);
    close_watch(&i->error_watch);
    if (i->life_line >= 0) {
        close(i->life_line);
    }
    fb_timer_clear(&i->timer);
    fb_timer_clear(&i->stopper);
    fb_defer_cancel(&i->flush);
    mcp_lines_finish(&i->lines);
    mcp_session_destroy(i->session);
    free(i->argv);
    free(i);
}

/* --- work --- */

bool instance_is_ready(const struct instance *i)
{
    return i->stage == RUNNING && mcp_session_is_ready(i->session);
}

bool instance_has_room(const struct instance *i)
{
    return instance_is_ready(i) && mcp_session_output(i->session).size < ROOM_BYTES &&
           mcp_session_open_requests(i->session) < REQUESTS_MOST;
}

struct fb_status instance_request(struct instance *i, struct mcp_session_request *request,
                                  const struct mcp_session_request_events *events,
                                  const struct mcp_session_plan *plan)
{
    flush_later(i);
    return mcp_session_request(i->session, request, events, plan);
}

void instance_cancel(struct instance *i, struct mcp_session_request *request, const char *reason)
{
    mcp_session_cancel(i->session, request, reason);
    flush_later(i);
}

void instance_list(struct instance *i, enum mcp_session_list list)
{
    mcp_session_list(i->session, list, fb_loop_now_ms(i->loop));
    flush_later(i);
}

const struct mcp_session *instance_session(const struct instance *i)
{
    return i->session;
}

pid_t instance_pid(const struct instance *i)
{
    return i->child.pid;
}

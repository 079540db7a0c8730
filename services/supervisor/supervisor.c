#include "services/supervisor/supervisor.h"

#include <assert.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/text.h"
#include "runtime/base/version.h"
#include "runtime/log/log.h"
#include "runtime/loop/child.h"
#include "runtime/loop/descendants.h"
#include "services/supervisor/restart.h"

enum {
    PROGRAMS_MOST = FLEET_WORKERS_MOST + 2,
    ARGUMENTS_MOST = 24,
    SWEEP_EVERY_MS = 100,
    WRITE_AGAIN_MS = 1000, /* the suite file, when that failed */
    KILLED_MS = 5000       /* for what was killed to be gone */
};

/* In the order in which they end. */
enum role { ROLE_ROUTER, ROLE_WORKER, ROLE_STORE, ROLES };

enum program_state {
    PROGRAM_WAITING, /* to be started, by its timer */
    PROGRAM_RUNNING,
    PROGRAM_ENDING, /* has got SIGTERM; its timer kills */
    PROGRAM_ENDED,  /* for good */
    PROGRAM_STATES
};

static const char *const state_names[PROGRAM_STATES] = {
    [PROGRAM_WAITING] = "waiting",
    [PROGRAM_RUNNING] = "running",
    [PROGRAM_ENDING] = "ending",
    [PROGRAM_ENDED] = "ended",
};

static const unsigned program_may_become[PROGRAM_STATES] = {
    /* one bit per state */
    [PROGRAM_WAITING] = 1u << PROGRAM_RUNNING | 1u << PROGRAM_WAITING | 1u << PROGRAM_ENDED,
    [PROGRAM_RUNNING] = 1u << PROGRAM_WAITING | 1u << PROGRAM_ENDING,
    [PROGRAM_ENDING] = 1u << PROGRAM_ENDED,
    [PROGRAM_ENDED] = 0,
};

struct program {
    /* what it is: fixed */
    struct supervisor *supervisor;
    enum role role;
    const char *name;    /* "store", "router", "worker-warm-0" */
    const char *address; /* where it listens */
    const char *argv[ARGUMENTS_MOST + 1];
    size_t argc;

    /* how it is */
    enum program_state state;
    struct fb_child child;
    struct fb_timer timer; /* the next start, or the kill */
    struct restart restart;
    int64_t started_ms;
    int64_t started_unix_ms;
    uint32_t starts;
};

struct supervisor {
    struct supervisor_plan plan;
    struct program programs[PROGRAMS_MOST];
    size_t count;
    uint32_t chance; /* a small generator's state: nobody gains by guessing it */

    /* what programs left behind */
    struct fb_timer sweep;
    int64_t swept_since_ms;

    bool stopping;
    enum role ending; /* of those that are being ended */
    int64_t started_unix_ms;
    struct fb_defer write;
    struct fb_timer write_again;
    bool unwritten; /* the suite file is not what it should be */
};

static void become(struct program *program, enum program_state next)
{
    assert(program_may_become[program->state] & 1u << next);
    program->state = next;
}

static int64_t now_ms(const struct supervisor *supervisor)
{
    return fb_loop_now_ms(supervisor->plan.loop);
}

static uint32_t next_chance(struct supervisor *supervisor)
{
    supervisor->chance = supervisor->chance * 1664525 + 1013904223;
    return supervisor->chance >> 8;
}

/* --- the suite file --- */

static void print_program(struct fb_buffer *out, const struct program *program)
{
    fb_buffer_string(out, "{\"name\":");
    fb_buffer_json_string(out, fb_text_of(program->name));
    fb_buffer_string(out, ",\"address\":");
    fb_buffer_json_string(out, fb_text_of(program->address));
    fb_buffer_printf(out, ",\"state\":\"%s\",\"pid\":%d,\"started_unix_ms\":%lld,\"starts\":%u}",
                     state_names[program->state], (int)program->child.pid,
                     (long long)program->started_unix_ms, program->starts);
}

static void changed(struct supervisor *supervisor);

static void write_again(struct fb_timer *timer)
{
    changed((struct supervisor *)((char *)timer - offsetof(struct supervisor, write_again)));
}

/* A disk that is full may have room again, and who wants to end the suite reads the file. */
static void suite_written(struct supervisor *supervisor, struct fb_status status)
{
    if (!fb_is_ok(status)) {
        if (!supervisor->unwritten) {
            fb_log(FB_ERROR, "cannot say what runs", fb_kv_status(status));
        }
        supervisor->unwritten = true;
        fb_timer_set(supervisor->plan.loop, &supervisor->write_again,
                     now_ms(supervisor) + WRITE_AGAIN_MS, write_again);
        return;
    }
    if (supervisor->unwritten) {
        fb_log(FB_INFO, "can say again what runs");
    }
    supervisor->unwritten = false;
    fb_timer_clear(&supervisor->write_again);
}

static void write_suite(struct fb_defer *defer)
{
    struct supervisor *supervisor =
        (struct supervisor *)((char *)defer - offsetof(struct supervisor, write));
    struct fb_buffer text = {.data = NULL};
    struct fb_arena arena;
    struct fb_status status;

    fb_arena_init(&arena, 0);
    fb_buffer_printf(&text,
                     "{\"version\":\"%s\",\"pid\":%d,\"started_unix_ms\":%lld,\"programs\":[",
                     FB_VERSION, (int)getpid(), (long long)supervisor->started_unix_ms);
    for (size_t i = 0; i < supervisor->count; i++) {
        fb_buffer_string(&text, i == 0 ? "\n" : ",\n");
        print_program(&text, &supervisor->programs[i]);
    }
    fb_buffer_string(&text, "\n]}\n");
    status = text.failed ? fb_fail(FB_RESOURCE_EXHAUSTED, "no memory left for the suite file")
                         : place_write_suite(supervisor->plan.place, text.data, text.size, &arena);
    suite_written(supervisor, status);
    fb_buffer_finish(&text);
    fb_arena_finish(&arena);
}

static void changed(struct supervisor *supervisor)
{
    fb_loop_defer(supervisor->plan.loop, &supervisor->write, write_suite);
}

/* --- what programs leave behind --- */

static size_t running(const struct supervisor *supervisor, pid_t *pids)
{
    size_t count = 0;

    for (size_t i = 0; i < supervisor->count; i++) {
        if (supervisor->programs[i].child.pid != 0) {
            pids[count++] = supervisor->programs[i].child.pid;
        }
    }
    return count;
}

static bool all_ended(const struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->count; i++) {
        if (supervisor->programs[i].state != PROGRAM_ENDED) {
            return false;
        }
    }
    return true;
}

static void sweep(struct fb_timer *timer)
{
    struct supervisor *supervisor =
        (struct supervisor *)((char *)timer - offsetof(struct supervisor, sweep));
    const int64_t for_ms = now_ms(supervisor) - supervisor->swept_since_ms;
    pid_t spared[PROGRAMS_MOST];
    const size_t count = running(supervisor, spared);
    const bool kill_them = for_ms >= supervisor->plan.stop_ms;
    size_t left;

    fb_descendants_reap(spared, count);
    left = fb_descendants_signal(kill_them ? SIGKILL : 0, spared, count);
    if (left > 0 && for_ms < supervisor->plan.stop_ms + KILLED_MS) {
        if (kill_them) {
            fb_log(FB_WARN, "killed what an ended program left behind",
                   fb_kv_uint("processes", left));
        }
        fb_timer_set(supervisor->plan.loop, timer, now_ms(supervisor) + SWEEP_EVERY_MS, sweep);
        return;
    }
    fb_descendants_reap(spared, count);
    if (all_ended(supervisor)) {
        fb_log(FB_INFO, "the suite has ended");
        supervisor->plan.ended(supervisor->plan.arg);
    }
}

static void sweep_soon(struct supervisor *supervisor)
{
    supervisor->swept_since_ms = now_ms(supervisor);
    fb_timer_set(supervisor->plan.loop, &supervisor->sweep, supervisor->swept_since_ms, sweep);
}

/* --- starting --- */

static void program_ended(struct fb_child *child, struct fb_child_end end);

static void start_again(struct fb_timer *timer);

static void start_later(struct program *program, int64_t ran_ms)
{
    struct supervisor *supervisor = program->supervisor;
    const int64_t wait_ms = restart_wait_ms(&program->restart, ran_ms, next_chance(supervisor));

    become(program, PROGRAM_WAITING);
    fb_timer_set(supervisor->plan.loop, &program->timer, now_ms(supervisor) + wait_ms, start_again);
    fb_log(FB_INFO, "starts again later", fb_kv_str("name", program->name),
           fb_kv_ms("wait", wait_ms));
}

static void start_program(struct program *program)
{
    struct supervisor *supervisor = program->supervisor;
    const struct fb_child_plan plan = {
        .argv = program->argv,
        .stdin_fd = -1,
        .stdout_fd = supervisor->plan.output,
        .stderr_fd = supervisor->plan.output,
        .keep_fd = -1,
        .own_group = true,
        .death_signal = SIGTERM,
    };
    const struct fb_status status =
        fb_child_start(supervisor->plan.loop, &program->child, &plan, program_ended);

    changed(supervisor);
    if (!fb_is_ok(status)) {
        fb_log(FB_ERROR, "cannot start a program", fb_kv_str("name", program->name),
               fb_kv_status(status));
        start_later(program, 0);
        return;
    }
    become(program, PROGRAM_RUNNING);
    program->started_ms = now_ms(supervisor);
    program->started_unix_ms = fb_clock_unix_ms();
    program->starts++;
    fb_log(FB_INFO, "started", fb_kv_str("name", program->name),
           fb_kv_int("child", program->child.pid), fb_kv_str("address", program->address));
}

static void start_again(struct fb_timer *timer)
{
    start_program((struct program *)((char *)timer - offsetof(struct program, timer)));
}

/* --- ending --- */

static void kill_program(struct fb_timer *timer)
{
    struct program *program = (struct program *)((char *)timer - offsetof(struct program, timer));

    fb_log(FB_WARN, "did not end in time and is killed", fb_kv_str("name", program->name));
    fb_child_signal(&program->child, SIGKILL);
}

static void end_program(struct program *program)
{
    struct supervisor *supervisor = program->supervisor;

    if (program->state == PROGRAM_WAITING) {
        fb_timer_clear(&program->timer);
        become(program, PROGRAM_ENDED);
    } else if (program->state == PROGRAM_RUNNING) {
        become(program, PROGRAM_ENDING);
        fb_child_signal(&program->child, SIGTERM);
        fb_timer_set(supervisor->plan.loop, &program->timer,
                     now_ms(supervisor) + supervisor->plan.stop_ms, kill_program);
    }
}

/* Ends the programs of one role after the other, then sweeps. */
static void end_next(struct supervisor *supervisor)
{
    for (; supervisor->ending < ROLES; supervisor->ending++) {
        bool waiting = false;

        for (size_t i = 0; i < supervisor->count; i++) {
            struct program *program = &supervisor->programs[i];

            if (program->role == supervisor->ending) {
                end_program(program);
                waiting = waiting || program->state == PROGRAM_ENDING;
            }
        }
        if (waiting) {
            return;
        }
    }
    sweep_soon(supervisor);
}

static void program_ended(struct fb_child *child, struct fb_child_end end)
{
    struct program *program = (struct program *)((char *)child - offsetof(struct program, child));
    struct supervisor *supervisor = program->supervisor;
    const int64_t ran_ms = now_ms(supervisor) - program->started_ms;
    const bool as_asked = program->state == PROGRAM_ENDING;

    fb_log(as_asked ? FB_INFO : FB_WARN, "ended", fb_kv_str("name", program->name),
           fb_kv_int("exit_code", end.exit_code), fb_kv_int("signal", end.signal),
           fb_kv_ms("ran", ran_ms));
    changed(supervisor);
    fb_timer_clear(&program->timer);
    if (as_asked) {
        become(program, PROGRAM_ENDED);
    } else {
        start_later(program, ran_ms);
    }
    if (supervisor->stopping) {
        end_next(supervisor);
    } else {
        sweep_soon(supervisor);
    }
}

void supervisor_stop(struct supervisor *supervisor)
{
    if (!supervisor->stopping) {
        supervisor->stopping = true;
        changed(supervisor);
        end_next(supervisor);
        return;
    }
    supervisor->plan.stop_ms = 0;
    for (size_t i = 0; i < supervisor->count; i++) {
        end_program(&supervisor->programs[i]);
        fb_child_signal(&supervisor->programs[i].child, SIGKILL);
    }
}

void supervisor_signal(struct supervisor *supervisor, int number)
{
    for (size_t i = 0; i < supervisor->count; i++) {
        fb_child_signal(&supervisor->programs[i].child, number);
    }
}

/* --- the programs --- */

static struct program *add_program(struct supervisor *supervisor, enum role role, const char *path)
{
    struct program *program = &supervisor->programs[supervisor->count++];

    assert(supervisor->count <= PROGRAMS_MOST);
    *program = (struct program){
        .supervisor = supervisor,
        .role = role,
        .state = PROGRAM_WAITING,
        .argv = {path},
        .argc = 1,
    };
    return program;
}

static void add_argument(struct program *program, const char *option, const char *value)
{
    if (value == NULL) {
        return;
    }
    assert(program->argc + 2 <= ARGUMENTS_MOST);
    program->argv[program->argc++] = option;
    program->argv[program->argc++] = value;
}

/* What all programs are told. */
static struct fb_status name_program(struct program *program, const char *name,
                                     struct fb_arena *arena)
{
    const struct supervisor_plan *plan = &program->supervisor->plan;
    const struct fb_status status = place_address(plan->place, name, arena, &program->address);

    program->name = name;
    add_argument(program, "--listen", program->address);
    add_argument(program, "--config", plan->config);
    add_argument(program, "--log-level", plan->log_level);
    add_argument(program, "--log-format", plan->log_format);
    return status;
}

static struct fb_status add_worker(struct supervisor *supervisor, const char *tier, unsigned number,
                                   const char *store, const char *router, struct fb_arena *arena)
{
    struct program *program = add_program(supervisor, ROLE_WORKER, supervisor->plan.worker);
    const char *name = fb_arena_printf(arena, "worker-%s-%u", tier, number);
    struct fb_status status;

    if (name == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory left for names");
    }
    status = name_program(program, name, arena);
    add_argument(program, "--id", name);
    add_argument(program, "--tier", tier);
    add_argument(program, "--router", router);
    add_argument(program, "--store", store);
    add_argument(program, "--guard", supervisor->plan.guard);
    return status;
}

static struct fb_status add_programs(struct supervisor *supervisor, struct fb_arena *arena)
{
    const struct supervisor_plan *plan = &supervisor->plan;
    struct program *store = add_program(supervisor, ROLE_STORE, plan->store);
    struct program *router = add_program(supervisor, ROLE_ROUTER, plan->router);
    struct fb_status status = name_program(store, "store", arena);

    add_argument(store, "--database", plan->place->database);
    if (fb_is_ok(status)) {
        status = name_program(router, "router", arena);
    }
    for (int tier = 0; tier < FLEET_TIERS; tier++) {
        for (unsigned i = 0; i < plan->fleet.workers[tier] && fb_is_ok(status); i++) {
            status = add_worker(supervisor, fleet_tier_names[tier], i, store->address,
                                router->address, arena);
        }
    }
    return status;
}

struct fb_status supervisor_create(const struct supervisor_plan *plan, struct fb_arena *arena,
                                   struct supervisor **supervisor)
{
    struct supervisor *made = calloc(1, sizeof(*made));
    struct fb_status status;

    *supervisor = made;
    if (made == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory left for the supervisor");
    }
    made->plan = *plan;
    made->started_unix_ms = fb_clock_unix_ms();
    made->chance = (uint32_t)fb_clock_us() ^ (uint32_t)getpid();
    status = add_programs(made, arena);
    if (fb_is_ok(status) && !fb_descendants_adopt()) {
        status = fb_fail(FB_UNAVAILABLE, "the system does not let us adopt orphans");
    }
    for (size_t i = 0; i < made->count && fb_is_ok(status); i++) {
        start_program(&made->programs[i]);
    }
    return status;
}

void supervisor_destroy(struct supervisor *supervisor)
{
    if (supervisor == NULL) {
        return;
    }
    for (size_t i = 0; i < supervisor->count; i++) {
        fb_timer_clear(&supervisor->programs[i].timer);
        fb_child_forget(&supervisor->programs[i].child);
    }
    fb_timer_clear(&supervisor->sweep);
    fb_timer_clear(&supervisor->write_again);
    fb_defer_cancel(&supervisor->write);
    free(supervisor);
}

#include "tests/services/worker/sessions/world.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/log/log.h"
#include "runtime/rpc/h2/h2.h"
#include "services/worker/flow/snapshot.h"
#include "services/worker/sessions/reader.h"

enum { PATIENCE_MS = 60000 };

const char *world_store_program;

static int64_t passed_ms;

int64_t world_unix_ms(void)
{
    return fb_clock_unix_ms() + passed_ms;
}

void world_pass(int64_t ms)
{
    passed_ms += ms;
}

/* --- the store --- */

static void on_store_end(struct fb_child *child, struct fb_child_end end)
{
    struct world *world = (struct world *)(void *)((char *)child - offsetof(struct world, store));

    (void)end;
    world->store_ends++;
}

void world_start_store(struct world *world)
{
    char database[FOLDER_BYTES + 16];
    const char *const argv[] = {
        world_store_program, "--listen", world->target, "--database", database,
        "--log_level",       "error",    NULL};
    const struct fb_child_plan plan = {
        .argv = argv, .stdin_fd = -1, .stdout_fd = 2, .stderr_fd = 2, .keep_fd = -1};

    snprintf(database, sizeof(database), "%s/store.db", world->folder);
    assert_int_equal(fb_child_start(world->loop, &world->store, &plan, on_store_end).code, FB_OK);
}

void world_kill_store(struct world *world)
{
    const int ends = world->store_ends;

    fb_child_signal(&world->store, SIGKILL);
    world_until_int(world, &world->store_ends, ends + 1);
}

struct fb_channel *world_channel(struct world *world, const char *target)
{
    const struct fb_channel_config config = {
        .target = target == NULL ? world->target : target,
        .message_limit_bytes = 20 << 20,
        .backoff_first_ms = 10,
        .backoff_most_ms = 50,
    };
    struct fb_channel *channel = NULL;

    assert_int_equal(fb_channel_create(world->loop, &fb_h2, &config, &channel).code, FB_OK);
    return channel;
}

/* --- keepers --- */

struct keeper *world_keeper(struct world *world, unsigned number,
                            const struct keeper_config *config)
{
    struct keeper_config own = *config;
    char id[8];

    snprintf(id, sizeof(id), "w%u", number);
    own.loop = world->loop;
    own.worker_id = id;
    own.start_unix_ms = fb_clock_unix_ms();
    own.unix_ms = world_unix_ms;
    world->keepers[number] = keeper_create(
        &own, world_channel(world, world->through[0] == '\0' ? NULL : world->through));
    assert_non_null(world->keepers[number]);
    return world->keepers[number];
}

void world_lose_keeper(struct world *world, unsigned number)
{
    keeper_destroy(world->keepers[number]);
    world->keepers[number] = NULL;
}

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

void world_drain_keeper(struct world *world, unsigned number)
{
    bool done = false;

    keeper_drain(world->keepers[number], fb_loop_now_ms(world->loop) + PATIENCE_MS, set_true,
                 &done);
    world_until(world, &done);
    world_lose_keeper(world, number);
}

/* --- waiting --- */

void world_until(struct world *world, const bool *done)
{
    const int64_t deadline_ms = fb_clock_ms() + PATIENCE_MS;

    while (!*done) {
        assert_true(fb_clock_ms() < deadline_ms);
        fb_loop_turn(world->loop, 100);
    }
}

void world_until_int(struct world *world, const int *value, int wanted)
{
    const int64_t deadline_ms = fb_clock_ms() + PATIENCE_MS;

    while (*value < wanted) {
        assert_true(fb_clock_ms() < deadline_ms);
        fb_loop_turn(world->loop, 100);
    }
}

int world_set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    passed_ms = 0;
    world->loop = fb_loop_create();
    assert_non_null(world->loop);
    assert_true(folder_make(world->folder));
    snprintf(world->target, sizeof(world->target), "unix:%s/s", world->folder);
    world_start_store(world);
    *state = world;
    return 0;
}

int world_tear_down(void **state)
{
    struct world *world = *state;

    for (unsigned i = 0; i < WORLD_KEEPERS; i++) {
        keeper_destroy(world->keepers[i]);
    }
    if (world->store.pid != 0) {
        world_kill_store(world);
    }
    fb_loop_destroy(world->loop);
    folder_remove(world->folder);
    free(world);
    return 0;
}

/* --- calls --- */

static struct ask *ask_of(struct keeper_call *call)
{
    return call->self;
}

static void decide_plan_of(struct ask *ask, struct decision *d)
{
    struct plan_item *items = fb_arena_zalloc(&ask->arena, ask->count, sizeof(*items));
    struct plan_link *links = fb_arena_zalloc(&ask->arena, ask->count, sizeof(*links));

    assert_true(items != NULL && links != NULL);
    for (uint32_t i = 0; i < ask->count && items != NULL && links != NULL; i++) {
        links[i] = (struct plan_link){.item = i, .kind = EVENT_LINK_AFTER};
        items[i] = (struct plan_item){
            .task = {.title = FB_TEXT("a task of a test"),
                     .weight = 1,
                     .priority = 2,
                     .defer_until_unix_ms = ask->defer_until_ms},
            .links = &links[i],
            .link_count = ask->chained && i > 0,
        };
    }
    (void)decide_plan(
        d, &(struct plan_command){.agent = ask->call.actor, .items = items, .count = ask->count});
}

/* Many small notes: more events than fit into one append. */
static void decide_huge(struct ask *ask, struct decision *d)
{
    for (int i = 0; i < 4200; i++) {
        (void)decide_open(d, &(struct open_command){.name = FB_TEXT("huge"),
                                                    .agent = ask->call.actor,
                                                    .declares = true,
                                                    .held_most = (uint32_t)i % 7 + 1});
    }
}

static void take_look(struct ask *ask, struct decision *d)
{
    struct fb_buffer bytes = {.data = NULL};

    assert_true(snapshot_write(d->session, &bytes));
    ask->state.data = fb_arena_copy(&ask->arena, bytes.data, bytes.size);
    ask->state.size = bytes.size;
    fb_buffer_finish(&bytes);
    memcpy(ask->in_state, d->session->in_state, sizeof(ask->in_state));
    ask->fault = session_fault(d->session) != NULL;
}

static enum keeper_verdict decide(struct keeper_call *call, struct decision *d)
{
    struct ask *ask = ask_of(call);
    bool done = true;

    ask->decided++;
    ask->cause = call->cause;
    ask->got_task = call->cause == KEEPER_GRANTED ? call->task : 0;
    ask->got_fence = call->cause == KEEPER_GRANTED ? call->fence : 0;
    if (call->cause != KEEPER_FIRST) {
        ask->events = d->session->events;
        return KEEPER_ANSWER;
    }
    switch (ask->kind) {
    case ASK_OPEN:
        done = decide_open(d, &(struct open_command){.name = FB_TEXT("of a test"),
                                                     .agent = call->actor,
                                                     .declares = true,
                                                     .held_most = ask->count,
                                                     .lease_ms = ask->lease_ms});
        break;
    case ASK_PLAN:
        decide_plan_of(ask, d);
        break;
    case ASK_NEXT:
        done = decide_next(d, &(struct next_command){.agent = call->actor, .task = ask->task});
        break;
    case ASK_PULSE:
        done = decide_pulse(d, &(struct pulse_command){.agent = call->actor,
                                                       .task = ask->task,
                                                       .fence = ask->fence,
                                                       .note = fb_text_of(ask->note)});
        break;
    case ASK_FINISH:
        done = decide_done(d, &(struct done_command){.agent = call->actor,
                                                     .task = ask->task,
                                                     .fence = ask->fence,
                                                     .summary = FB_TEXT("done"),
                                                     .next = ask->next});
        break;
    case ASK_LOOK:
        take_look(ask, d);
        break;
    case ASK_CHANGE:
        break;
    case ASK_HUGE:
        decide_huge(ask, d);
        break;
    }
    ask->events = d->session->events;
    ask->refusal = d->refusal.kind;
    ask->repeated = d->repeated;
    ask->got_task = d->task;
    ask->got_fence = d->fence;
    if (ask->kind == ASK_CHANGE) {
        return KEEPER_WAIT_CHANGE;
    }
    return ask->kind == ASK_NEXT && !done && call->wait_ms > 0 ? KEEPER_WAIT_WORK : KEEPER_ANSWER;
}

static void on_wait(struct keeper_call *call)
{
    ask_of(call)->waited = true;
}

static void on_end(struct keeper_call *call, const struct keeper_end *end)
{
    struct ask *ask = ask_of(call);

    assert_false(ask->ended);
    ask->ended = true;
    ask->end = *end;
}

static const struct keeper_call_events ask_events = {
    .decide = decide,
    .on_wait = on_wait,
    .on_end = on_end,
};

void ask_begin(struct keeper *keeper, struct ask *ask)
{
    fb_arena_init(&ask->arena, 0);
    ask->keeper = keeper;
    ask->call.session = fb_text_of(ask->session);
    ask->call.actor = fb_text_of(ask->agent == NULL ? "ada" : ask->agent);
    ask->call.request_id = fb_text_of(ask->request);
    ask->call.create |= ask->kind == ASK_OPEN;
    ask->call.arena = &ask->arena;
    ask->call.events = &ask_events;
    ask->call.self = ask;
    keeper_begin(keeper, &ask->call);
    assert_false(ask->ended);
}

void ask_wait(struct world *world, struct ask *ask)
{
    world_until(world, &ask->ended);
}

void ask_do(struct world *world, struct keeper *keeper, struct ask *ask)
{
    ask_begin(keeper, ask);
    ask_wait(world, ask);
}

void ask_finish(struct ask *ask)
{
    keeper_cancel(ask->keeper, &ask->call);
    fb_arena_finish(&ask->arena);
}

struct ask must(struct world *world, struct keeper *keeper, struct ask ask)
{
    ask_do(world, keeper, &ask);
    assert_string_equal(ask.end.status.why, "");
    assert_int_equal(ask.end.status.code, FB_OK);
    assert_int_equal(ask.refusal, REFUSAL_NONE);
    ask_finish(&ask);
    return ask;
}

struct ask look(struct world *world, struct keeper *keeper, const char *session)
{
    struct ask ask = {.kind = ASK_LOOK, .session = session};

    ask_do(world, keeper, &ask);
    assert_string_equal(ask.end.status.why, "");
    assert_false(ask.fault);
    return ask;
}

/* --- the store's own view --- */

struct view {
    int64_t sequence;
    bool ended;
    struct fb_status status;
};

static void view_event(void *self, int64_t sequence, struct fb_text payload)
{
    struct view *view = self;

    (void)payload;
    assert_int_equal(sequence, view->sequence + 1);
    view->sequence = sequence;
}

static void view_end(void *self, struct fb_status status)
{
    struct view *view = self;

    view->ended = true;
    view->status = status;
}

int64_t stored_sequence(struct world *world, const char *session)
{
    static const struct reader_events events = {.on_event = view_event, .on_end = view_end};
    const struct reading reading = {.session = fb_text_of(session)};
    struct fb_channel *channel = world_channel(world, NULL);
    struct view view = {.sequence = 0};

    assert_non_null(reader_create(world->loop, channel, &reading, &events, &view));
    world_until(world, &view.ended);
    assert_int_equal(view.status.code, FB_OK);
    fb_channel_destroy(channel);
    return view.sequence;
}

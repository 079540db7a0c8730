#include "tests/services/worker/flow/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "services/worker/flow/snapshot.h"

const struct fb_text ann = {.data = "ann", .size = 3};
const struct fb_text bob = {.data = "bob", .size = 3};

void world_begin(struct world *w)
{
    fb_arena_init(&w->arena, 0);
    w->d = (struct decision){.session = session_create(), .arena = &w->arena, .now_ms = 1000};
    assert_non_null(w->d.session);
    assert_true(decide_open(&w->d, &(struct open_command){.name = FB_TEXT("s"), .agent = ann}));
    assert_true(decide_open(&w->d, &(struct open_command){.name = FB_TEXT("s"), .agent = bob}));
}

static void expect_same_state(struct session *a, struct session *b)
{
    struct fb_buffer x = {.data = NULL};
    struct fb_buffer y = {.data = NULL};

    assert_true(snapshot_write(a, &x) && snapshot_write(b, &y));
    assert_int_equal(x.size, y.size);
    assert_memory_equal(x.data, y.data, x.size);
    fb_buffer_finish(&x);
    fb_buffer_finish(&y);
}

/* The session half way, from its snapshot. */
static struct session *read_back(struct session *session)
{
    struct fb_buffer bytes = {.data = NULL};
    struct session *read;

    assert_true(snapshot_write(session, &bytes));
    assert_true(
        fb_is_ok(snapshot_read((struct fb_text){.data = bytes.data, .size = bytes.size}, &read)));
    fb_buffer_finish(&bytes);
    session_destroy(session);
    return read;
}

void world_finish(struct world *w)
{
    struct session *again = session_create();

    expect_sound(w);
    assert_non_null(again);
    for (size_t i = 0; i < w->d.event_count; i++) {
        struct fb_arena arena;
        struct event event;
        struct fb_text bytes;

        if (i == w->d.event_count / 2 && i > 0) {
            again = read_back(again);
        }
        fb_arena_init(&arena, 0);
        assert_true(fb_is_ok(event_pack(&w->d.events[i], &arena, &bytes)));
        assert_true(fb_is_ok(event_unpack(bytes, &arena, &event)));
        assert_true(fb_is_ok(session_fold(again, &event)));
        fb_arena_finish(&arena);
    }
    expect_same_state(w->d.session, again);
    session_destroy(again);
    session_destroy(w->d.session);
    fb_arena_finish(&w->arena);
}

struct plan_item item(const char *key, const struct plan_link *links, size_t count)
{
    return (struct plan_item){
        .task = {.title = FB_TEXT("task"), .key = fb_text_of(key), .weight = 1, .priority = 2},
        .links = links,
        .link_count = count,
    };
}

bool plan(struct world *w, const struct plan_item *items, size_t count)
{
    return decide_plan(&w->d, &(struct plan_command){.agent = ann, .items = items, .count = count});
}

bool next(struct world *w, struct fb_text agent, uint32_t task)
{
    return decide_next(&w->d, &(struct next_command){.agent = agent, .task = task});
}

bool done(struct world *w, struct fb_text agent, uint32_t task, uint64_t fence)
{
    return decide_done(&w->d, &(struct done_command){.agent = agent, .task = task, .fence = fence});
}

void expect(const struct world *w, enum refusal_kind kind, const char *says)
{
    assert_string_equal(refusal_name(w->d.refusal.kind), refusal_name(kind));
    if (strstr(w->d.refusal.why, says) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", w->d.refusal.why, says);
    }
}

void expect_state(const struct world *w, uint32_t task, enum task_state state)
{
    assert_string_equal(task_state_name(w->d.session->tasks[task].state), task_state_name(state));
}

void expect_sound(const struct world *w)
{
    const char *fault = session_fault(w->d.session);

    if (fault != NULL) {
        fail_msg("%s", fault);
    }
}

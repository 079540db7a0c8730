/*
 * Whatever a planner says, either all of it is planned and the session is sound, the events being what
 * another session makes the same state of, or none of it is and the refusal says why. The input is read
 * as plans: see `take_plan`.
 */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/arena.h"
#include "services/worker/flow/decide.h"
#include "services/worker/flow/snapshot.h"

enum { ITEMS_MOST = 64, LINKS_MOST = 8, PLANS_MOST = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *at;
    const uint8_t *end;
};

static uint32_t take_byte(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

/* A byte for the size, in steps of one or, above 127, of 512 bytes. */
static struct fb_text take_text(struct input *input)
{
    const uint32_t said = take_byte(input);
    const size_t size = said < 128 ? said : (said - 127) * 512;
    const size_t left = (size_t)(input->end - input->at);
    const struct fb_text text = {.data = (const char *)input->at,
                                 .size = size < left ? size : left};

    input->at += text.size;
    return text;
}

/* One byte for the kind, one for what it names and how: an item, a task, a key. */
static struct plan_link take_link(struct input *input)
{
    struct plan_link link = {.kind = (enum event_link_kind)(take_byte(input) % 8)};
    const uint32_t on = take_byte(input);

    switch (on % 4) {
    case 0:
        link.key = take_text(input);
        break;
    case 1:
        link.task = on / 4;
        break;
    default:
        link.item = on / 4;
        break;
    }
    return link;
}

static struct plan_item take_item(struct input *input, struct fb_arena *arena)
{
    const uint32_t bits = take_byte(input);
    const uint32_t links = take_byte(input) % LINKS_MOST;
    struct plan_link *made = fb_arena_zalloc(arena, LINKS_MOST, sizeof(*made));
    struct fb_text *needs = fb_arena_zalloc(arena, 4, sizeof(*needs));
    struct plan_item item = {.links = made, .chain = (bits & 1) != 0};

    if (made == NULL || needs == NULL) {
        abort();
    }
    item.task.weight = (bits >> 1) % 12;
    item.task.priority = take_byte(input) % 6;
    item.task.title = take_text(input);
    if ((bits & 32) != 0) {
        item.task.key = take_text(input);
    }
    if ((bits & 64) != 0) {
        item.task.body = take_text(input);
        item.task.accept = take_text(input);
    }
    if ((bits & 128) != 0) {
        item.task.needs.items = needs;
        item.task.needs.count = take_byte(input) % 4;
        for (size_t i = 0; i < item.task.needs.count; i++) {
            needs[i] = take_text(input);
        }
        item.task.defer_until_unix_ms = (int64_t)take_byte(input) * 1000 - 1000;
    }
    for (uint32_t i = 0; i < links; i++) {
        made[item.link_count++] = take_link(input);
    }
    return item;
}

static struct fb_buffer snapshot_of(struct session *session)
{
    struct fb_buffer bytes = {.data = NULL};

    if (!snapshot_write(session, &bytes)) {
        abort();
    }
    return bytes;
}

static void expect_same(struct fb_buffer a, struct fb_buffer b)
{
    assert(a.size == b.size && memcmp(a.data, b.data, a.size) == 0);
    fb_buffer_finish(&a);
    fb_buffer_finish(&b);
}

/* The events as they are kept. */
static void replay(const struct decision *d, size_t from, struct session *again)
{
    for (size_t i = from; i < d->event_count; i++) {
        struct fb_arena arena;
        struct fb_text bytes;
        struct event event;

        fb_arena_init(&arena, 0);
        if (!fb_is_ok(event_pack(&d->events[i], &arena, &bytes)) ||
            !fb_is_ok(event_unpack(bytes, &arena, &event)) ||
            !fb_is_ok(session_fold(again, &event))) {
            abort();
        }
        fb_arena_finish(&arena);
    }
}

/* Agent, request id, plan key and chains, then items. */
static void take_plan(struct input *input, struct decision *d, struct session *again)
{
    struct plan_item *items = fb_arena_zalloc(d->arena, ITEMS_MOST, sizeof(*items));
    struct plan_command command = {.items = items};
    struct fb_buffer before = snapshot_of(d->session);
    const size_t from = d->event_count;
    bool done;

    if (items == NULL) {
        abort();
    }
    command.agent = take_byte(input) % 8 == 0 ? take_text(input) : FB_TEXT("ann");
    d->request_id = take_byte(input) % 4 == 0 ? take_text(input) : FB_TEXT("");
    command.plan_key = take_byte(input) % 4 == 0 ? take_text(input) : FB_TEXT("");
    command.chains_most = take_byte(input) % 16;
    command.count = take_byte(input) % ITEMS_MOST;
    for (size_t i = 0; i < command.count; i++) {
        items[i] = take_item(input, d->arena);
    }
    done = decide_plan(d, &command);
    assert(done == (d->refusal.kind == REFUSAL_NONE));
    assert(!done || (d->task != 0 && d->task_count != 0));
    assert(session_fault(d->session) == NULL);
    if (!done || d->repeated) {
        assert(d->event_count == from);
        assert(done || d->refusal.why[0] != '\0');
        expect_same(before, snapshot_of(d->session));
        return;
    }
    fb_buffer_finish(&before);
    replay(d, from, again);
    expect_same(snapshot_of(d->session), snapshot_of(again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {.at = data, .end = data + size};
    struct fb_arena arena;
    struct decision d = {.session = session_create(), .arena = &arena, .now_ms = 1000};
    struct session *again = session_create();

    if (d.session == NULL || again == NULL) {
        abort();
    }
    fb_arena_init(&arena, 0);
    if (!decide_open(&d, &(struct open_command){.name = FB_TEXT("s"), .agent = FB_TEXT("ann")})) {
        abort();
    }
    replay(&d, 0, again);
    for (int i = 0; i < PLANS_MOST && input.at < input.end; i++) {
        d.now_ms += 1000;
        take_plan(&input, &d, again);
    }
    session_destroy(again);
    session_destroy(d.session);
    fb_arena_finish(&arena);
    return 0;
}

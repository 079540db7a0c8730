#include "services/worker/flow/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flowbalancer/v1/flow_event.pb-c.h"

static const struct fb_text words[] = {{.data = "abc", .size = 3}, {.data = "d", .size = 1}};
static const struct event_link links[] = {
    {.task = 2, .on = 1, .kind = EVENT_LINK_AFTER},
    {.task = 2, .on = 3, .kind = EVENT_LINK_PARENT, .dropped = true},
};

static const char digest[] = "0123456789abcdef0123456789abcdef";
static const struct event_evidence shown[] = {
    {.kind = EVENT_EVIDENCE_FILE,
     .ref = {.data = "/src/a.c", .size = 8},
     .sha256 = {.data = digest, .size = EVENT_SHA256_BYTES},
     .size = 77,
     .host = {.data = "here", .size = 4}},
    {.kind = EVENT_EVIDENCE_COMMAND, .ref = {.data = "make test", .size = 9}},
};

/* Packs, unpacks and packs again. */
static void expect_same_bytes(const struct event *event)
{
    struct fb_arena arena;
    struct event back;
    struct fb_text bytes;
    struct fb_text again;

    fb_arena_init(&arena, 0);
    assert_true(fb_is_ok(event_check(event)));
    assert_true(fb_is_ok(event_pack(event, &arena, &bytes)));
    assert_true(fb_is_ok(event_unpack(bytes, &arena, &back)));
    assert_int_equal(back.kind, event->kind);
    assert_int_equal(back.task, event->task);
    assert_true(fb_text_equal(back.actor, event->actor));
    assert_true(fb_text_equal(back.request_id, event->request_id));
    assert_true(fb_text_equal(back.origin, event->origin));
    assert_int_equal(back.lamport, event->lamport);
    assert_int_equal(back.command, event->command);
    assert_int_equal(back.continues, event->continues);
    assert_true(fb_is_ok(event_pack(&back, &arena, &again)));
    assert_true(fb_text_equal(bytes, again));
    fb_arena_finish(&arena);
}

static void every_kind_comes_back_as_it_was(void **state)
{
    const struct event_texts texts = {.items = words, .count = 2};
    const struct event_evidence_list evidence = {.items = shown, .count = 2};
    const struct event_planned_task task = {
        .title = FB_TEXT("t"),
        .key = FB_TEXT("k"),
        .body = FB_TEXT("b"),
        .accept = FB_TEXT("a"),
        .weight = 10,
        .priority = 4,
        .phase = 3,
        .needs = texts,
        .defer_until_unix_ms = 77,
    };
    const struct event_look looks[] = {
        {.ref = FB_TEXT("a.c"), .state = EVENT_LOOK_MISSING, .host = FB_TEXT("h")},
        {.ref = FB_TEXT("b.c"), .state = EVENT_LOOK_UNCHANGED},
    };
    const struct event events[] = {
        {.kind = EVENT_OPENED,
         .opened = {.name = FB_TEXT("s"), .active_most = 3, .load_most = 4, .automatic = true}},
        {.kind = EVENT_SEEN, .seen = {.caps = texts, .held_most = 2, .declares = true}},
        {.kind = EVENT_PLANNED,
         .planned = {.first_task = 2,
                     .tasks = &task,
                     .task_count = 1,
                     .links = links,
                     .link_count = 2,
                     .plan_key = FB_TEXT("p"),
                     .items = 1}},
        {.kind = EVENT_LINKED, .linked = {.links = links, .link_count = 2}},
        {.kind = EVENT_CLAIMED,
         .task = 1,
         .claimed = {.fence = 9, .lasts_ms = 5, .implicit = true}},
        {.kind = EVENT_NOTED,
         .task = 1,
         .noted = {.note = FB_TEXT("n"), .evidence = evidence, .percent = 40}},
        {.kind = EVENT_RESTED, .task = 1},
        {.kind = EVENT_BLOCKED, .task = 1, .blocked = {.gate = FB_TEXT("why?")}},
        {.kind = EVENT_REQUEUED,
         .task = 1,
         .requeued = {.cause = EVENT_REOPENED, .reason = FB_TEXT("no"), .defer_until_unix_ms = 8}},
        {.kind = EVENT_FINISHED,
         .task = 1,
         .finished =
             {.outcome = EVENT_FAILED, .fence = 9, .summary = FB_TEXT("s"), .evidence = evidence}},
        {.kind = EVENT_EDITED,
         .task = 1,
         .edited = {.fields = EVENT_FIELDS, .title = FB_TEXT("t"), .weight = 2, .priority = 1}},
        {.kind = EVENT_UNATTACHED,
         .task = 1,
         .unattached = {.fence = 3, .note = FB_TEXT("n"), .evidence = evidence}},
        {.kind = EVENT_VERIFIED, .task = 1, .verified = {.looks = looks, .look_count = 2}},
        {.kind = EVENT_MUTED, .task = 1, .muted = {.kind = 3, .until_unix_ms = 9}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        struct event event = events[i];

        event.unix_ms = 1000 + (int64_t)i;
        event.actor = FB_TEXT("agent");
        event.request_id = FB_TEXT("r-1");
        event.command = EVENT_COMMAND_EDIT;
        event.continues = i % 2 == 0;
        event.origin = FB_TEXT("elsewhere");
        event.origin_sequence = 5;
        event.lamport = 6;
        expect_same_bytes(&event);
    }
}

static void a_kind_of_a_later_version_is_kept_byte_for_byte(void **state)
{
    /* unix_ms = 5, actor = "a", field 99 = "x" */
    static const char later[] = {0x08, 5, 0x12, 1, 'a', (char)0x9a, 0x06, 1, 'x'};
    struct fb_arena arena;
    struct event event;
    struct fb_text bytes;

    (void)state;
    fb_arena_init(&arena, 0);
    assert_true(fb_is_ok(
        event_unpack((struct fb_text){.data = later, .size = sizeof(later)}, &arena, &event)));
    assert_int_equal(event.kind, EVENT_UNKNOWN);
    assert_int_equal(event.unix_ms, 5);
    assert_true(fb_text_is(event.actor, "a"));
    assert_true(fb_is_ok(event_pack(&event, &arena, &bytes)));
    assert_int_equal(bytes.size, sizeof(later));
    assert_memory_equal(bytes.data, later, sizeof(later));
    fb_arena_finish(&arena);
}

static void expect_refusal(const struct event *event, const char *begins)
{
    const struct fb_status status = event_check(event);

    assert_int_equal(status.code, FB_INVALID_ARGUMENT);
    assert_true(fb_text_begins(fb_text_of(status.why), begins));
}

static void what_is_out_of_bounds_is_refused_by_the_name_of_the_field(void **state)
{
    char *title = calloc(1, 1 << 20);
    struct event_planned_task task = {.title = FB_TEXT("t"), .weight = 1};
    struct event event = {
        .kind = EVENT_PLANNED,
        .planned = {.first_task = 1, .tasks = &task, .task_count = 1},
    };

    (void)state;
    assert_non_null(title);
    memset(title, 'x', 1 << 20);
    task.title = (struct fb_text){.data = title, .size = 1 << 20};
    expect_refusal(&event, "title:");
    task.title = FB_TEXT("\xff");
    expect_refusal(&event, "title:");
    task.title = FB_TEXT("t");
    task.weight = 11;
    expect_refusal(&event, "weight:");
    task.weight = 0;
    expect_refusal(&event, "weight:");
    task.weight = 1;
    task.priority = 5;
    expect_refusal(&event, "priority:");
    task.priority = 0;
    task.key = FB_TEXT("a\0b");
    expect_refusal(&event, "key:");
    task.key = FB_TEXT("");
    task.defer_until_unix_ms = INT64_MAX;
    expect_refusal(&event, "defer_until:");
    task.defer_until_unix_ms = 0;
    event.request_id = (struct fb_text){.data = title, .size = EVENT_REQUEST_BYTES + 1};
    expect_refusal(&event, "request_id:");
    event.request_id.size = 1;
    event.unix_ms = -1;
    expect_refusal(&event, "unix_ms:");
    free(title);
}

static void evidence_is_held_to_its_limits(void **state)
{
    struct event_evidence one = shown[0];
    struct event event = {
        .kind = EVENT_NOTED, .task = 1, .noted = {.evidence = {.items = &one, .count = 1}}};

    (void)state;
    assert_true(fb_is_ok(event_check(&event)));
    one.ref.size = 0;
    expect_refusal(&event, "evidence:");
    one = shown[0];
    one.sha256.size = 31;
    expect_refusal(&event, "evidence:");
    one = shown[0];
    one.size = -1;
    expect_refusal(&event, "evidence:");
    one = shown[0];
    event.noted.evidence.count = EVENT_EVIDENCE + 1;
    expect_refusal(&event, "evidence:");
}

static void bytes_that_are_no_event_are_refused(void **state)
{
    static const char *const broken[] = {"\x08", "\x0a\x01", "\x6a\x05zz", "\xff\xff\xff\xff"};
    struct fb_arena arena;
    struct event event;

    (void)state;
    fb_arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        assert_int_equal(event_unpack(fb_text_of(broken[i]), &arena, &event).code,
                         FB_INVALID_ARGUMENT);
    }
    fb_arena_finish(&arena);
}

static void kinds_have_the_numbers_of_their_fields(void **state)
{
    (void)state;
    assert_int_equal(EVENT_OPENED, FLOWBALANCER__V1__FLOW_EVENT__KIND_OPENED);
    assert_int_equal(EVENT_UNATTACHED, FLOWBALANCER__V1__FLOW_EVENT__KIND_UNATTACHED);
    assert_int_equal(EVENT_LINK_DUP, FLOWBALANCER__V1__FLOW_LINK_KIND__FLOW_LINK_KIND_DUP);
    assert_int_equal(EVENT_RESTORED,
                     FLOWBALANCER__V1__FLOW_REQUEUE_CAUSE__FLOW_REQUEUE_CAUSE_RESTORED);
    assert_int_equal(EVENT_COMMAND_UNDO, FLOWBALANCER__V1__FLOW_COMMAND__FLOW_COMMAND_UNDO);
    assert_int_equal(EVENT_EVIDENCE_OTHER,
                     FLOWBALANCER__V1__FLOW_EVIDENCE_KIND__FLOW_EVIDENCE_KIND_OTHER);
    assert_int_equal(EVENT_CANCELLED, FLOWBALANCER__V1__FLOW_OUTCOME__FLOW_OUTCOME_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_comes_back_as_it_was),
        cmocka_unit_test(a_kind_of_a_later_version_is_kept_byte_for_byte),
        cmocka_unit_test(what_is_out_of_bounds_is_refused_by_the_name_of_the_field),
        cmocka_unit_test(evidence_is_held_to_its_limits),
        cmocka_unit_test(bytes_that_are_no_event_are_refused),
        cmocka_unit_test(kinds_have_the_numbers_of_their_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

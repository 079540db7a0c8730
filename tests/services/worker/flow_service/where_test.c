#include "services/worker/flow_service/where.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/worker/flow/task.h"

static struct fb_arena arena;
static struct where where;

static int setup(void **state)
{
    (void)state;
    fb_arena_init(&arena, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fb_arena_finish(&arena);
    return 0;
}

static struct fb_status read_text(const char *text)
{
    return where_read(fb_text_of(text), &arena, &where);
}

static void refused(const char *text, const char *named)
{
    const struct fb_status status = read_text(text);

    assert_int_equal(status.code, FB_INVALID_ARGUMENT);
    assert_non_null(strstr(status.why, "where"));
    assert_non_null(strstr(status.why, named));
}

static void no_condition_asks_for_nothing(void **state)
{
    static const struct where nothing;

    (void)state;
    assert_true(fb_is_ok(read_text("")));
    assert_memory_equal(&where, &nothing, sizeof(where));
    assert_true(fb_is_ok(read_text("   ")));
    assert_memory_equal(&where, &nothing, sizeof(where));
}

static void every_condition_is_read(void **state)
{
    (void)state;
    assert_true(fb_is_ok(read_text("state:active,blocked agent:ada key:build/ parent:#3 after:12 "
                                   "before:#7 p:0-1 w:5 #:10-20 since:30m has:note has:gate")));
    assert_int_equal(where.states, 1u << TASK_ACTIVE | 1u << TASK_BLOCKED);
    assert_false(where.ready);
    assert_true(fb_text_is(where.agent, "ada"));
    assert_true(fb_text_is(where.key, "build/"));
    assert_int_equal(where.parent, 3);
    assert_int_equal(where.after, 12);
    assert_int_equal(where.before, 7);
    assert_true(where_in(&where.priority, 0) && where_in(&where.priority, 1));
    assert_false(where_in(&where.priority, 2));
    assert_true(where_in(&where.weight, 5));
    assert_false(where_in(&where.weight, 4) || where_in(&where.weight, 6));
    assert_true(where_in(&where.number, 10) && where_in(&where.number, 20));
    assert_false(where_in(&where.number, 9) || where_in(&where.number, 21));
    assert_int_equal(where.since_ms, 30 * 60 * 1000);
    assert_int_equal(where.has, WHERE_NOTE | WHERE_GATE);
}

static void open_is_four_states_and_ready_is_none(void **state)
{
    (void)state;
    assert_true(fb_is_ok(read_text("state:open")));
    assert_int_equal(where.states, 1u << TASK_QUEUED | 1u << TASK_ACTIVE | 1u << TASK_BLOCKED |
                                       1u << TASK_RESTING);
    assert_true(fb_is_ok(read_text("state:ready,active")));
    assert_true(where.ready);
    assert_int_equal(where.states, 1u << TASK_ACTIVE);
}

static void a_value_with_spaces_is_quoted(void **state)
{
    (void)state;
    assert_true(fb_is_ok(read_text("agent:\"Ada L\" p:2")));
    assert_true(fb_text_is(where.agent, "Ada L"));
    assert_true(where.priority.asked);
    assert_true(fb_is_ok(read_text("key:a:b")));
    assert_true(fb_text_is(where.key, "a:b"));
}

static void times_have_units(void **state)
{
    (void)state;
    assert_true(fb_is_ok(read_text("since:45s")));
    assert_int_equal(where.since_ms, 45000);
    assert_true(fb_is_ok(read_text("since:2h")));
    assert_int_equal(where.since_ms, 7200000);
    assert_true(fb_is_ok(read_text("since:7d")));
    assert_int_equal(where.since_ms, 604800000);
    refused("since:30", "since:30");
    refused("since:m", "30m");
    refused("since:0m", "since:0m");
    refused("since:99999999999999d", "ten years");
}

static void what_is_not_understood_is_named_together_with_what_is(void **state)
{
    (void)state;
    refused("state:active colour:red", "\"colour:red\"");
    refused("colour:red", "state: agent: key:");
    refused("state:actve", "queued, active, blocked");
    refused("state:active,", "\"state:active,\"");
    refused("active", "a word, a colon and a value");
    refused("agent:", "\"agent:\"");
    refused("agent:\"ada", "quoted");
    refused("agent:\"\"", "quoted");
    refused("parent:x", "as 12 or #12");
    refused("after:0", "as 12 or #12");
    refused("before:4294967296", "as 12 or #12");
    refused("p:3-1", "\"p:3-1\"");
    refused("p:-", "\"p:-\"");
    refused("w:1-2-3", "\"w:1-2-3\"");
    refused("#:4294967296", "range");
    refused("has:beard", "evidence, note, gate and alarm");
    refused("p:1 p:2", "twice");
}

static void more_than_its_limit_is_refused(void **state)
{
    char text[WHERE_BYTES + 2];

    (void)state;
    memset(text, ' ', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(read_text(text).code, FB_INVALID_ARGUMENT);
    text[sizeof(text) - 2] = '\0';
    assert_true(fb_is_ok(read_text(text)));
}

/* --- whatever comes --- */

static uint64_t seed = 88172645463325252u;

static uint32_t draw_below(uint32_t most)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 11) % most;
}

static void whatever_is_put_together_of_its_words_is_read_or_named(void **state)
{
    static const char *const parts[] = {
        "state", "agent", "key", "parent", "after", "before", "p",   "w",
        "#",     "since", "has", ":",      " ",     "\"",     "-",   ",",
        "12",    "0",     "7d",  "3m",     "open",  "note",   "ada", "#5",
    };

    (void)state;
    for (int i = 0; i < 200000; i++) {
        struct fb_buffer text = {0};
        struct fb_status status;

        for (uint32_t left = draw_below(9); left > 0; left--) {
            fb_buffer_string(&text, parts[draw_below(sizeof(parts) / sizeof(parts[0]))]);
        }
        /* As large as the text, so that a sanitizer sees a step beyond it. */
        text.data = realloc(text.data, text.size == 0 ? 1 : text.size);
        status = where_read((struct fb_text){.data = text.data, .size = text.size}, &arena, &where);
        fb_buffer_finish(&text);
        if (!fb_is_ok(status)) {
            assert_int_equal(status.code, FB_INVALID_ARGUMENT);
            assert_true(strncmp(status.why, "where", 5) == 0);
        }
        if (i % 1000 == 0) {
            fb_arena_reset(&arena);
        }
    }
}

/* Conditions that were written from a value are read as that value, in any order. */
static void what_is_written_is_what_is_read(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        const uint32_t least = draw_below(5);
        const uint32_t most = least + draw_below(3);
        const uint32_t task = 1 + draw_below(100000);
        const uint32_t minutes = 1 + draw_below(10000);
        char items[4][32];
        struct fb_buffer text = {0};
        uint32_t first = draw_below(4);

        snprintf(items[0], sizeof(items[0]), "p:%u-%u", least, most);
        snprintf(items[1], sizeof(items[1]), "after:%s%u", draw_below(2) ? "#" : "", task);
        snprintf(items[2], sizeof(items[2]), "since:%um", minutes);
        snprintf(items[3], sizeof(items[3]), "agent:a%u", task);
        for (int part = 0; part < 4; part++) {
            fb_buffer_string(&text, items[first++ % 4]);
            fb_buffer_string(&text, draw_below(2) ? "  " : " ");
        }
        assert_true(fb_is_ok(
            where_read((struct fb_text){.data = text.data, .size = text.size}, &arena, &where)));
        assert_int_equal(where.priority.least, least);
        assert_int_equal(where.priority.most, most);
        assert_int_equal(where.after, task);
        assert_int_equal(where.since_ms, (int64_t)minutes * 60000);
        assert_int_equal(where.states, 0);
        assert_true(where.agent.size > 1 && where.agent.data[0] == 'a');
        fb_buffer_finish(&text);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(no_condition_asks_for_nothing),
        CASE(every_condition_is_read),
        CASE(open_is_four_states_and_ready_is_none),
        CASE(a_value_with_spaces_is_quoted),
        CASE(times_have_units),
        CASE(what_is_not_understood_is_named_together_with_what_is),
        CASE(more_than_its_limit_is_refused),
        CASE(whatever_is_put_together_of_its_words_is_read_or_named),
        CASE(what_is_written_is_what_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

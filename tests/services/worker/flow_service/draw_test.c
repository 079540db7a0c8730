#include "services/worker/flow_service/draw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/worker/flow/decide.h"

static struct fb_arena arena;
static struct session *session;
static struct drawing drawing;

static struct decision decision_now(void)
{
    return (struct decision){.session = session, .arena = &arena, .now_ms = 1000000};
}

static int setup(void **state)
{
    struct decision d;

    (void)state;
    fb_arena_init(&arena, 0);
    session = session_create();
    assert_non_null(session);
    d = decision_now();
    assert_true(decide_open(
        &d, &(struct open_command){.name = FB_TEXT("Work <&> \"all\""), .agent = FB_TEXT("ada")}));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    session_destroy(session);
    fb_arena_finish(&arena);
    return 0;
}

static uint32_t plan_task(const char *title, uint32_t weight, const uint32_t *after, size_t count)
{
    struct decision d = decision_now();
    struct plan_link links[8] = {{.item = 0}};
    const struct plan_item item = {
        .task = {.title = fb_text_of(title), .weight = weight, .priority = 2},
        .links = links,
        .link_count = count,
    };

    for (size_t i = 0; i < count; i++) {
        links[i] = (struct plan_link){.task = after[i], .kind = EVENT_LINK_AFTER};
    }
    assert_true(decide_plan(
        &d, &(struct plan_command){.agent = FB_TEXT("ada"), .items = &item, .count = 1}));
    return d.task;
}

static uint32_t plan_after(const char *title, uint32_t after)
{
    return plan_task(title, 3, &after, after == 0 ? 0 : 1);
}

static void finish(uint32_t task)
{
    struct decision d = decision_now();

    assert_true(decide_done(&d, &(struct done_command){.agent = FB_TEXT("ada"), .task = task}));
}

static const char *drawn(struct draw_wish wish)
{
    assert_true(fb_is_ok(draw(session, &wish, &arena, &drawing)));
    assert_int_equal(strlen(drawing.bytes.data), drawing.bytes.size);
    return drawing.bytes.data;
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;

    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part)) {
        count++;
    }
    return count;
}

/* --- what is drawn --- */

static void a_session_without_tasks_is_a_picture_too(void **state)
{
    (void)state;
    assert_non_null(strstr(drawn((struct draw_wish){.format = DRAW_DOT}), "digraph"));
    assert_non_null(strstr(drawn((struct draw_wish){.format = DRAW_SVG}), "</svg>"));
    assert_non_null(strstr(drawn((struct draw_wish){.format = DRAW_JSON}), "\"tasks\":[]"));
}

static void every_task_and_link_is_drawn(void **state)
{
    const uint32_t first = plan_after("first", 0);
    const uint32_t second = plan_after("second", first);

    (void)state;
    plan_after("third", second);
    assert_int_equal(count_of(drawn((struct draw_wish){.format = DRAW_DOT}), " -> "), 2);
    assert_int_equal(count_of(drawing.bytes.data, "label=\"#"), 3);
    assert_int_equal(count_of(drawn((struct draw_wish){.format = DRAW_SVG}), "<g>"), 3);
    assert_int_equal(count_of(drawing.bytes.data, "marker-end"), 2);
    assert_int_equal(count_of(drawn((struct draw_wish){.format = DRAW_JSON}), "\"kind\":\"after\""),
                     2);
    assert_int_equal(drawing.left_out, 0);
}

static void the_longest_chain_is_told_and_marked(void **state)
{
    const uint32_t root = plan_after("root", 0);
    const uint32_t heavy = plan_task("heavy", 9, &root, 1);
    const uint32_t light = plan_task("light", 1, &root, 1);
    const uint32_t both[] = {heavy, light};
    const uint32_t last = plan_task("last", 2, both, 2);

    (void)state;
    drawn((struct draw_wish){.format = DRAW_DOT});
    assert_int_equal(drawing.critical_count, 3);
    assert_int_equal(drawing.critical[0], root);
    assert_int_equal(drawing.critical[1], heavy);
    assert_int_equal(drawing.critical[2], last);
    assert_int_equal(count_of(drawing.bytes.data, "penwidth=3"), 3 + 2);
    drawn((struct draw_wish){.format = DRAW_JSON});
    assert_int_equal(count_of(drawing.bytes.data, "\"critical\":true}"), 3 + 2);
    finish(root);
    drawn((struct draw_wish){.format = DRAW_DOT});
    assert_int_equal(drawing.critical_count, 2);
    assert_int_equal(drawing.critical[0], heavy);
}

static uint32_t layer_of(uint32_t task)
{
    char head[32];
    const char *at;

    snprintf(head, sizeof(head), "{\"task\":%u,\"title\"", task);
    at = strstr(drawing.bytes.data, head);
    assert_non_null(at);
    at = strstr(at, "\"layer\":");
    assert_non_null(at);
    return (uint32_t)strtoul(at + strlen("\"layer\":"), NULL, 10);
}

static void each_layer_waits_for_those_before_it(void **state)
{
    uint32_t tasks[40];
    uint32_t links[40][3];
    uint64_t seed = 7;

    (void)state;
    for (uint32_t i = 0; i < 40; i++) {
        size_t count = 0;

        for (size_t k = 0; k < 3 && i > 0; k++) {
            uint32_t on;

            seed = seed * 6364136223846793005u + 1442695040888963407u;
            on = tasks[(seed >> 33) % i];
            if ((count < 1 || links[i][0] != on) && (count < 2 || links[i][1] != on)) {
                links[i][count++] = on;
            }
        }
        tasks[i] = plan_task("task", 1 + i % 10, links[i], count);
        memset(&links[i][count], 0, (3 - count) * sizeof(links[i][0]));
    }
    drawn((struct draw_wish){.format = DRAW_JSON});
    for (uint32_t i = 0; i < 40; i++) {
        for (size_t k = 0; k < 3 && links[i][k] != 0; k++) {
            assert_true(layer_of(links[i][k]) < layer_of(tasks[i]));
        }
    }
}

static void what_has_ended_can_be_left_out(void **state)
{
    const uint32_t first = plan_after("first", 0);

    (void)state;
    plan_after("second", first);
    finish(first);
    assert_int_equal(count_of(drawn((struct draw_wish){.format = DRAW_SVG}), "<g>"), 2);
    assert_int_equal(
        count_of(drawn((struct draw_wish){.format = DRAW_SVG, .open_only = true}), "<g>"), 1);
    assert_int_equal(count_of(drawing.bytes.data, "marker-end"), 0);
}

static void only_what_hangs_together_with_a_task_can_be_drawn(void **state)
{
    const uint32_t first = plan_after("first", 0);
    const uint32_t second = plan_after("second", first);
    struct draw_wish wish = {.format = DRAW_JSON};

    (void)state;
    plan_after("apart", 0);
    wish.around = second;
    assert_int_equal(count_of(drawn(wish), "\"title\""), 2);
    assert_null(strstr(drawing.bytes.data, "apart"));
    assert_int_equal(drawing.left_out, 0);
    wish.around = 99;
    assert_int_equal(draw(session, &wish, &arena, &drawing).code, FB_NOT_FOUND);
}

static void the_most_critical_are_drawn_where_not_all_are(void **state)
{
    uint32_t chain = 0;
    char title[16];

    (void)state;
    for (int i = 0; i < 5; i++) {
        plan_after("aside", 0);
        snprintf(title, sizeof(title), "link %d", i);
        chain = plan_after(title, chain);
    }
    drawn((struct draw_wish){.format = DRAW_JSON, .tasks_most = 4});
    assert_int_equal(drawing.left_out, 6);
    assert_int_equal(drawing.critical_count, 5);
    assert_int_equal(count_of(drawing.bytes.data, "\"title\":\"link"), 4);
}

static void five_thousand_tasks_are_drawn_within_the_limit(void **state)
{
    struct plan_item *items = calloc(6000, sizeof(*items));
    struct plan_link *links = calloc(6000, sizeof(*links));
    struct decision d = decision_now();

    (void)state;
    assert_non_null(items);
    assert_non_null(links);
    for (uint32_t i = 0; i < 6000; i++) {
        links[i] = (struct plan_link){.item = i / 3, .kind = EVENT_LINK_AFTER};
        items[i] = (struct plan_item){
            .task = {.title = FB_TEXT("a task like any other, with a title of some length"),
                     .weight = 1 + i % 10},
            .links = &links[i],
            .link_count = i < 3 ? 0 : 1,
        };
    }
    assert_true(decide_plan(
        &d, &(struct plan_command){.agent = FB_TEXT("ada"), .items = items, .count = 6000}));
    drawn((struct draw_wish){.format = DRAW_SVG, .tasks_most = 100000});
    assert_int_equal(drawing.left_out, 1000);
    assert_int_equal(count_of(drawing.bytes.data, "<g>"), 5000);
    free(items);
    free(links);
}

/* --- whatever stands in it --- */

static void titles_are_text_and_nothing_else(void **state)
{
    (void)state;
    plan_after("</svg><script>alert(1)</script> & \"quotes\" 'too' \\", 0);
    plan_after("\x01\x1f\x7f tab\there \xef\xbf\xbe end", 0);
    drawn((struct draw_wish){.format = DRAW_SVG});
    assert_null(strstr(drawing.bytes.data, "<script"));
    assert_int_equal(count_of(drawing.bytes.data, "</svg>"), 1);
    assert_non_null(strstr(drawing.bytes.data, "&lt;script&gt;"));
    assert_non_null(
        strstr(drawing.bytes.data, "<title>Work &lt;&amp;&gt; &quot;all&quot;</title>"));
    assert_null(strstr(drawing.bytes.data, "\xef\xbf\xbe"));
    for (size_t i = 0; i < drawing.bytes.size; i++) {
        const unsigned char c = (unsigned char)drawing.bytes.data[i];

        assert_true(c == '\n' || (c >= ' ' && c != 0x7f));
    }
    drawn((struct draw_wish){.format = DRAW_DOT});
    assert_non_null(strstr(drawing.bytes.data, "\\\"quotes\\\" 'too' \\\\\\n"));
    drawn((struct draw_wish){.format = DRAW_JSON});
    assert_non_null(strstr(drawing.bytes.data, "\\\"quotes\\\" 'too' \\\\\""));
}

static void a_long_title_is_cut_between_its_letters(void **state)
{
    char title[301] = "";

    (void)state;
    for (size_t i = 0; i < 100; i++) {
        memcpy(title + 3 * i, "\xe2\x82\xac", 3);
    }
    plan_after(title, 0);
    drawn((struct draw_wish){.format = DRAW_SVG});
    assert_int_equal(fb_utf8_check(drawing.bytes.data, drawing.bytes.size), drawing.bytes.size);
    assert_non_null(strstr(drawing.bytes.data, "\xe2\x82\xac\xe2\x80\xa6</text>"));
    drawn((struct draw_wish){.format = DRAW_DOT});
    assert_int_equal(fb_utf8_check(drawing.bytes.data, drawing.bytes.size), drawing.bytes.size);
}

static void a_state_is_said_in_words_too(void **state)
{
    const uint32_t first = plan_after("first", 0);
    const uint32_t second = plan_after("second", first);
    struct decision d = decision_now();

    (void)state;
    assert_true(decide_next(&d, &(struct next_command){.agent = FB_TEXT("ada"), .task = first}));
    plan_after("third", second);
    plan_after("fourth", 0);
    drawn((struct draw_wish){.format = DRAW_SVG});
    assert_non_null(strstr(drawing.bytes.data, ">active \xc2\xb7 ada</text></g>"));
    assert_int_equal(count_of(drawing.bytes.data, ">queued</text></g>"), 2);
    assert_int_equal(count_of(drawing.bytes.data, ">ready</text></g>"), 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_session_without_tasks_is_a_picture_too),
        CASE(every_task_and_link_is_drawn),
        CASE(the_longest_chain_is_told_and_marked),
        CASE(each_layer_waits_for_those_before_it),
        CASE(what_has_ended_can_be_left_out),
        CASE(only_what_hangs_together_with_a_task_can_be_drawn),
        CASE(the_most_critical_are_drawn_where_not_all_are),
        CASE(five_thousand_tasks_are_drawn_within_the_limit),
        CASE(titles_are_text_and_nothing_else),
        CASE(a_long_title_is_cut_between_its_letters),
        CASE(a_state_is_said_in_words_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

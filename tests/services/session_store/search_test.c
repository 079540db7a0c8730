#include "tests/services/session_store/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/text.h"

static int set_up(void **state)
{
    int failed = world_set_up(state);

    world_open(*state);
    return failed;
}

static void plan(struct world *world)
{
    struct engine_task tasks[] = {
        task_of(1, "api-1", "Parse the configuration", "Read the file and name unknown keys."),
        task_of(2, "api-2", "Test the parser", "Cover configuration errors."),
        task_of(3, "doc-1", "Document the Übersicht",
                "A page for the parser of the configuration."),
        task_of(4, "", "Release", "Tag and publish."),
    };

    tasks[1].state = 1;
    tasks[1].agent = "ada";
    tasks[1].priority = 0;
    tasks[2].weight = 9;
    tasks[3].priority = 4;
    tasks[3].state = 4;
    must_plan(world->engine, "s", tasks, 4);
}

/* Searches with one change to what search_of asks. */
#define FIND(text, change, expected)                                          \
    do {                                                                      \
        struct engine_search_tasks search = search_of(&world->arena, (text)); \
        change;                                                               \
        assert_found(world->engine, search, (expected));                      \
    } while (0)

static void texts_are_found_by_words_phrases_and_beginnings(void **state)
{
    struct world *world = *state;

    plan(world);
    FIND("parser", (void)0, "2 3");
    FIND("PARSER configuration", (void)0, "2 3");
    FIND("\"the parser\"", (void)0, "2 3");
    FIND("\"parser the\"", (void)0, "");
    FIND("pars*", (void)0, "2 1 3");
    FIND("pars", (void)0, "");
    FIND("\"name unk\"*", (void)0, "1");
    FIND("uber*", (void)0, "3");
    FIND("übersicht", (void)0, "3");
    FIND("doc-1", (void)0, "3");
    FIND("nothing", (void)0, "");
}

static void what_means_something_to_the_index_means_nothing_here(void **state)
{
    static const char *const texts[] = {"\"",
                                        "\"\"",
                                        "*",
                                        "**",
                                        "\"*",
                                        "AND",
                                        "parser OR",
                                        "NEAR(parser release)",
                                        "title:",
                                        "^parser",
                                        "parser)",
                                        "(parser",
                                        "-parser",
                                        "+parser",
                                        "{title body}: parser",
                                        "'",
                                        ";--",
                                        "\\",
                                        "a\"b\"c*",
                                        "parser NOT release",
                                        "---",
                                        "--- parser",
                                        "\"---\"* parser",
                                        " ",
                                        "%",
                                        "key : x",
                                        "🦀",
                                        "*parser"};
    struct world *world = *state;
    char numbers[256];

    plan(world);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct engine_search_tasks search = search_of(&world->arena, texts[i]);

        search_do(world->engine, &search, numbers);
        op_finish(&search.op);
    }
    FIND("-parser", (void)0, "2 3");
    FIND("--- parser", (void)0, "2 3");
    FIND("parser NOT release", (void)0, "");
}

static void sixty_four_words_are_no_trouble(void **state)
{
    struct world *world = *state;
    char text[1024] = "";

    plan(world);
    for (int i = 0; i < 64; i++) {
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "parser* ");
    }
    FIND(text, (void)0, "2 3");
}

static void a_match_in_the_key_or_title_counts_more(void **state)
{
    struct world *world = *state;
    const struct engine_task tasks[] = {
        task_of(1, "", "one", "A cache is mentioned here."),
        task_of(2, "", "The cache", "Nothing else."),
        task_of(3, "cache", "three", "Nothing else."),
    };
    struct engine_search_tasks search = search_of(&world->arena, "cache");
    char numbers[256];

    must_plan(world->engine, "s", tasks, 3);
    search_do(world->engine, &search, numbers);
    assert_string_equal(numbers, "3 2 1");
    assert_true(search.found[0].place.first < search.found[1].place.first);
    op_finish(&search.op);
}

static void a_snippet_shows_where_the_match_is(void **state)
{
    struct world *world = *state;
    struct engine_search_tasks search = search_of(&world->arena, "unknown");
    char numbers[256];

    plan(world);
    search_do(world->engine, &search, numbers);
    assert_string_equal(numbers, "1");
    assert_string_equal(search.found[0].snippet, "Read the file and name \2unknown\3 keys.");
    op_finish(&search.op);
    search = search_of(&world->arena, "unkn* rea*");
    search_do(world->engine, &search, numbers);
    assert_string_equal(search.found[0].snippet, "\2Read\3 the file and name \2unknown\3 keys.");
    op_finish(&search.op);
    search.snippets = false;
    search_do(world->engine, &search, numbers);
    assert_string_equal(search.found[0].snippet, "");
    op_finish(&search.op);
}

static void a_snippet_of_a_word_without_end_is_cut(void **state)
{
    struct world *world = *state;
    char *body = calloc(1, 16385);
    struct engine_task task = task_of(1, "", "needle", body);
    struct engine_search_tasks search = search_of(&world->arena, "hay*");
    char numbers[256];

    memcpy(body, "hay", 3);
    for (size_t i = 3; i + 1 < 16384; i += 2) {
        memcpy(body + i, "ü", 2);
    }
    must_plan(world->engine, "s", &task, 1);
    search_do(world->engine, &search, numbers);
    assert_string_equal(numbers, "1");
    assert_true(strlen(search.found[0].snippet) < 1100);
    assert_int_equal(fb_utf8_check(search.found[0].snippet, strlen(search.found[0].snippet)),
                     strlen(search.found[0].snippet));
    op_finish(&search.op);
    free(body);
}

static void tasks_are_chosen_by_what_they_are(void **state)
{
    struct world *world = *state;

    plan(world);
    FIND(NULL, (void)0, "4 3 2 1");
    FIND(NULL, search.states = 1u << 0, "3 1");
    FIND(NULL, search.states = 1u << 1 | 1u << 4, "4 2");
    FIND(NULL, search.agent = "ada", "2");
    FIND(NULL, search.priority_least = 2, "4 3 1");
    FIND(NULL, search.priority_below = 2, "2");
    FIND(NULL, search.weight_least = 6, "3");
    FIND(NULL, search.weight_most = 5, "4 2 1");
    FIND(NULL, search.updated_since_unix_ms = 3, "4 3");
    FIND(NULL, search.key_prefix = "api-", "2 1");
    FIND(NULL, search.session_id = "s", "4 3 2 1");
    FIND(NULL, search.order = ENGINE_TASKS_BY_PRIORITY, "2 3 1 4");
    FIND("parser", search.order = ENGINE_TASKS_BY_UPDATED, "3 2");
    FIND("parser", search.states = 1, "3");
    FIND("parser", search.key_prefix = "doc", "3");
}

static void tasks_are_sought_in_one_scope_session_or_beginning_of_a_name(void **state)
{
    static const char *const names[] = {"alpha-1", "alpha-2", "beta"};
    struct world *world = *state;
    struct engine_search_tasks stranger;

    for (uint32_t i = 0; i < 3; i++) {
        const struct engine_task task = task_of(i + 1, "", "same", "");
        struct engine_acquire acquire = acquire_of(names[i], "w");

        acquire.name = names[i];
        acquire.scope = i == 1 ? "another" : "";
        op_do(world->engine, &acquire.op);
        op_finish(&acquire.op);
        must_append(world->engine, names[i], 1, 0, "r", TEXTS("x"));
        must_project(world->engine, names[i], 1, 1, &task, 1);
    }
    FIND("same", (void)0, "1 3");
    FIND("same", search.scope = "another", "2");
    FIND("same", search.session_name_prefix = "alpha", "1");
    FIND("same", search.session_id = "beta", "3");
    FIND(NULL, search.session_id = "beta", "3");
    FIND(NULL, search.session_name_prefix = "alpha", "1");
    stranger = search_of(&world->arena, NULL);
    stranger.session_id = "alpha-2";
    op_do(world->engine, &stranger.op);
    assert_int_equal(stranger.op.status.code, FB_NOT_FOUND);
    op_finish(&stranger.op);
}

/* Reads all pages; how often each of `count` tasks was there. */
static void read_pages(struct world *world, struct engine_search_tasks search, size_t count)
{
    uint8_t *seen = calloc(count + 1, 1);
    size_t sum = 0;

    do {
        op_do(world->engine, &search.op);
        assert_int_equal(search.op.status.code, FB_OK);
        for (size_t i = 0; i < search.found_count; i++) {
            assert_true(search.found[i].task.number <= count);
            assert_int_equal(seen[search.found[i].task.number]++, 0);
        }
        sum += search.found_count;
        if (search.found_count > 0) {
            search.after = search.found[search.found_count - 1].place;
        }
        op_finish(&search.op);
    } while (search.more);
    assert_int_equal(sum, count);
    free(seen);
}

static void pages_show_every_task_once_in_every_order(void **state)
{
    enum { TASKS = 500 };
    struct world *world = *state;
    struct engine_task *tasks = calloc(TASKS, sizeof(*tasks));
    char(*bodies)[64] = calloc(TASKS, sizeof(*bodies));

    for (uint32_t i = 0; i < TASKS; i++) {
        snprintf(bodies[i], sizeof(bodies[i]), "word %s number %u", i % 3 == 0 ? "word word" : "",
                 i);
        tasks[i] = task_of(i + 1, "", "title", bodies[i]);
        tasks[i].updated_unix_ms = i / 7; /* many are alike in each order */
        tasks[i].priority = i % 4;
    }
    must_plan(world->engine, "s", tasks, TASKS);
    for (int order = ENGINE_TASKS_BY_RANK; order <= ENGINE_TASKS_BY_PRIORITY; order++) {
        for (int with_text = 0; with_text < 2; with_text++) {
            struct engine_search_tasks search = search_of(&world->arena, with_text ? "word" : NULL);

            if (order == ENGINE_TASKS_BY_RANK && !with_text) {
                continue;
            }
            search.order = (enum engine_task_order)order;
            search.most = 33;
            search.snippets = false;
            read_pages(world, search, TASKS);
        }
    }
    free(bodies);
    free(tasks);
}

static void of_too_many_matches_the_latest_that_are_as_asked_are_ranked(void **state)
{
    enum { TASKS = ENGINE_RANKED_MOST + 100 };
    struct world *world = *state;
    struct engine_task *tasks = calloc(TASKS, sizeof(*tasks));

    for (uint32_t i = 0; i < TASKS; i++) {
        tasks[i] = task_of(i + 1, "", i == 0 || i == 150 ? "word word" : "word", "");
        tasks[i].agent = i < 3 ? "ada" : "";
    }
    must_plan(world->engine, "s", tasks, TASKS);
    free(tasks);
    FIND("word", search.most = 1, "151"); /* 1 is one too early */
    FIND("word", search.agent = "ada", "1 2 3");
    FIND("word", (search.order = ENGINE_TASKS_BY_UPDATED, search.updated_since_unix_ms = TASKS),
         "20100");
}

static void tasks_of_a_deleted_session_are_found_no_more(void **state)
{
    struct world *world = *state;
    struct engine_delete_session delete = {
        .op = {.kind = ENGINE_DELETE_SESSION}, .scope = "", .session_id = "s", .epoch = 1};

    plan(world);
    op_do(world->engine, &delete.op);
    assert_int_equal(delete.op.status.code, FB_OK);
    op_finish(&delete.op);
    FIND("parser", (void)0, "");
    FIND(NULL, (void)0, "");
    assert_int_equal(findings_of(world->engine), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, world_tear_down)
        TEST(texts_are_found_by_words_phrases_and_beginnings),
        TEST(what_means_something_to_the_index_means_nothing_here),
        TEST(sixty_four_words_are_no_trouble),
        TEST(a_match_in_the_key_or_title_counts_more),
        TEST(a_snippet_shows_where_the_match_is),
        TEST(a_snippet_of_a_word_without_end_is_cut),
        TEST(tasks_are_chosen_by_what_they_are),
        TEST(tasks_are_sought_in_one_scope_session_or_beginning_of_a_name),
        TEST(pages_show_every_task_once_in_every_order),
        TEST(of_too_many_matches_the_latest_that_are_as_asked_are_ranked),
        TEST(tasks_of_a_deleted_session_are_found_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

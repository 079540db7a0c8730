#include "gateway/flow/args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct args {
    const char *text;
    int64_t whole;
    bool truth;
    int choice;
    struct flow_ref task;
    struct flow_refs tasks;
    struct flow_texts texts;
};

static const char *const choices[] = {"red", "green", NULL};

static const struct flow_arg table[] = {
    {.name = "text", .kind = FLOW_ARG_TEXT, .at = offsetof(struct args, text), .required = true},
    {.name = "whole",
     .kind = FLOW_ARG_WHOLE,
     .at = offsetof(struct args, whole),
     .least = -1,
     .most = 9},
    {.name = "truth", .kind = FLOW_ARG_TRUTH, .at = offsetof(struct args, truth)},
    {.name = "choice",
     .kind = FLOW_ARG_CHOICE,
     .at = offsetof(struct args, choice),
     .choices = choices},
    {.name = "task", .kind = FLOW_ARG_TASK, .at = offsetof(struct args, task)},
    {.name = "tasks", .kind = FLOW_ARG_TASKS, .at = offsetof(struct args, tasks)},
    {.name = "texts", .kind = FLOW_ARG_TEXTS, .at = offsetof(struct args, texts)},
    {.name = NULL},
};

static int setup(void **state)
{
    static struct fb_arena arena;

    fb_arena_init(&arena, 1 << 20);
    *state = &arena;
    return 0;
}

static int teardown(void **state)
{
    fb_arena_finish(*state);
    return 0;
}

static const char *read_args(struct fb_arena *arena, const char *json, struct args *args)
{
    *args = (struct args){.whole = 5};
    return flow_args_read(table, fb_text_of(json), "x.", arena, args);
}

static void what_models_write_for_a_number_a_truth_or_a_list_is_taken(void **state)
{
    struct args args;

    assert_null(read_args(*state,
                          "{\"text\":\"t\",\"whole\":\"7\",\"truth\":\"true\",\"choice\":\"green\","
                          "\"task\":\"12\",\"tasks\":\"#3\",\"texts\":\"one\"}",
                          &args));
    assert_int_equal(args.whole, 7);
    assert_true(args.truth);
    assert_int_equal(args.choice, 1);
    assert_int_equal(args.task.task, 12);
    assert_int_equal(args.tasks.count, 1);
    assert_int_equal(args.tasks.items[0].task, 3);
    assert_int_equal(args.texts.count, 1);
    assert_string_equal(args.texts.items[0], "one");
}

static void what_is_absent_or_null_stays_as_it_was(void **state)
{
    struct args args;

    assert_null(read_args(*state, "{\"text\":\"t\",\"whole\":null}", &args));
    assert_int_equal(args.whole, 5);
    assert_null(args.task.key);
}

static void a_task_is_a_number_or_a_key(void **state)
{
    struct args args;

    assert_null(read_args(*state, "{\"text\":\"t\",\"tasks\":[1,\"#2\",\"3\",\"k-4\"]}", &args));
    assert_int_equal(args.tasks.count, 4);
    assert_int_equal(args.tasks.items[2].task, 3);
    assert_string_equal(args.tasks.items[3].key, "k-4");
}

static void what_is_wrong_is_named_with_what_was_wanted(void **state)
{
    static const struct {
        const char *json;
        const char *why;
    } cases[] = {
        {"{}", "x.text: it is missing"},
        {"", "x.text: it is missing"},
        {"{\"text\":7}", "x.text: wanted a string"},
        {"{\"text\":\"a\\u0000b\"}", "x.text: wanted a string without NUL"},
        {"{\"text\":\"t\",\"whole\":10}", "x.whole: wanted a whole number from -1 to 9"},
        {"{\"text\":\"t\",\"whole\":1.5}", "x.whole: wanted a whole number from -1 to 9"},
        {"{\"text\":\"t\",\"truth\":1}", "x.truth: wanted true or false"},
        {"{\"text\":\"t\",\"choice\":\"blue\"}", "x.choice: wanted one of red, green"},
        {"{\"text\":\"t\",\"task\":0}", "x.task: wanted a task, by number as \"#12\" or by key"},
        {"{\"text\":\"t\",\"task\":\"#x\"}",
         "x.task: wanted a task, by number as \"#12\" or by key"},
        {"{\"text\":\"t\",\"task\":\"\"}", "x.task: wanted a task, by number as \"#12\" or by key"},
        {"{\"text\":\"t\",\"tasks\":[1,-1]}",
         "x.tasks: wanted tasks, each by number as \"#12\" or by key"},
        {"{\"text\":\"t\",\"texts\":[1]}", "x.texts: wanted a list of strings"},
        {"{\"text\":\"t\",\"tsk\":1}", "x.tsk: there is no such argument; there are text, whole, "
                                       "truth, choice, task, tasks, texts"},
    };
    struct args args;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *why = read_args(*state, cases[i].json, &args);

        assert_non_null(why);
        assert_string_equal(why, cases[i].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_models_write_for_a_number_a_truth_or_a_list_is_taken,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_absent_or_null_stays_as_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(a_task_is_a_number_or_a_key, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_named_with_what_was_wanted, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

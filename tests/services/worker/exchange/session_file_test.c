#include "services/worker/exchange/session_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/services/worker/exchange/arriving.h"

/* Of the shape of the system before ours; numbers, spaces, escapes and the order of keys are odd on
 * purpose. */
static const char garden[] =
    "{\n"
    "  \"sessionId\": \"Garden-Phase1\", \"created\": \"2025-01-02T03:04:05Z\",\n"
    "  \"status\": \"warming\",\n"
    "  \"context\": {\"project\": \"a garden\", \"precise\": 1.10, \"huge\": "
    "12345678901234567890123},\n"
    "  \"comprehensive_todos\": [\"\\u2728 dig\", \"plant\"],\n"
    "  \"tasks\": [\n"
    "    {\"id\": \"task-1\", \"description\": \"Dig the beds\", \"context\": \"Two of them\",\n"
    "     \"weight\": 4, \"dependencies\": [], \"state\": \"completed\", \"momentum\": 100,\n"
    "     \"priority\": \"high\", \"sanctuary_notes\": \"with care\"},\n"
    "    {\"id\": \"task-2\", \"description\": \"Plant\", \"weight\": 4, \"dependencies\": "
    "[\"task-1\"],\n"
    "     \"state\": \"in-progress\", \"momentum\": 80, \"priority\": \"critical\", \"extra\": [1, "
    "2.50]},\n"
    "    {\"id\": \"task-3\", \"description\": \"Water\", \"weight\": 4.0,\n"
    "     \"dependencies\": [\"task-2\"], \"state\": \"queued\", \"priority\": \"low\"},\n"
    "    {\"id\": \"task-4\", \"description\": \"Rest\", \"weight\": 4, \"state\": \"resting\"},\n"
    "    {\"weight\": 4, \"state\": \"active\", \"description\": \"Watch\", \"id\": \"task-5\"},\n"
    "    {\"id\": \"task-6\", \"description\": \"Harvest\", \"weight\": 4, \"priority\": "
    "\"medium\",\n"
    "     \"dependencies\": [\"task-3\", \"task-4\"]}\n"
    "  ],\n"
    "  \"workLog\": [{\"timestamp\": \"2025-01-02T03:04:05Z\", \"action\": \"began\", \"details\": "
    "\"-\"}],\n"
    "  \"momentum\": {\"overall\": 83, \"notes\": \"declared\"},\n"
    "  \"recommendations\": {\"nextSession\": [], \"pauseSignals\": [\"rain\"]},\n"
    "  \"meta\": {\"free\": null}, \"anything\": {\"else\": [true, 0.10e+01]}\n"
    "}\n";

static void tasks_come_in_with_state_links_weight_and_priority(void **state)
{
    static const enum task_state states[] = {TASK_COMPLETED, TASK_QUEUED, TASK_QUEUED,
                                             TASK_RESTING,   TASK_QUEUED, TASK_QUEUED};
    static const uint32_t priorities[] = {1, 0, 3, 2, 2, 2};
    struct import *import = arriving_must(garden);
    struct session *session = arriving_session(import);

    (void)state;
    assert_int_equal(import_format(import), IMPORT_SESSION_FILE);
    assert_int_equal(session->task_count, 6);
    assert_string_equal(session->name, "Garden-Phase1");
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(session_task(session, i + 1)->state, states[i]);
        assert_int_equal(session_task(session, i + 1)->priority, priorities[i]);
        assert_int_equal(session_task(session, i + 1)->weight, 4);
    }
    assert_string_equal(session_task(session, 1)->body, "Two of them");
    assert_string_equal(session_task(session, 1)->note, "with care");
    assert_non_null(strstr(session_task(session, 2)->note, "under way"));
    assert_int_equal(session_task_of_key(session, FB_TEXT("task-6")), 6);
    assert_int_equal(session_holds_up(session, 3), 2);
    assert_int_equal(session_holds_up(session, 6), 3);
    assert_int_equal(session_holds_up(session, 2), 0);
    session_destroy(session);
    import_destroy(import);
}

static void progress_is_computed_not_declared(void **state)
{
    struct import *import = arriving_must(garden);

    (void)state;
    assert_int_equal(session_progress(import_session(import)), 17);
    import_destroy(import);
}

static struct fb_buffer written(const struct session *session, struct fb_text document)
{
    struct fb_arena arena;
    struct fb_buffer out = {.data = NULL};
    struct fb_status status;

    fb_arena_init(&arena, 0);
    status = session_file_write(session, document, &arena, &out);
    if (!fb_is_ok(status)) {
        fail_msg("%s", status.why);
    }
    fb_arena_finish(&arena);
    fb_buffer_append(&out, "", 1);
    return out;
}

static void an_unchanged_session_gives_the_document_back_byte_for_byte(void **state)
{
    struct import *import = arriving_must(garden);
    struct fb_buffer kept = arriving_document(import);
    struct fb_buffer out;

    (void)state;
    assert_int_equal(kept.size, sizeof(garden) - 1);
    out = written(import_session(import), (struct fb_text){.data = kept.data, .size = kept.size});
    assert_string_equal(out.data, garden);
    fb_buffer_finish(&kept);
    fb_buffer_finish(&out);
    import_destroy(import);
}

static void must_fold(struct session *session, struct event event)
{
    struct fb_status status;

    event.unix_ms = session->last_ms;
    status = session_fold(session, &event);
    if (!fb_is_ok(status)) {
        fail_msg("%s", status.why);
    }
}

static void finish(struct session *session, uint32_t task)
{
    must_fold(session, (struct event){.kind = EVENT_CLAIMED,
                                      .task = task,
                                      .actor = FB_TEXT("ann"),
                                      .claimed = {.fence = session->fence + 1, .lasts_ms = 60000}});
    must_fold(session,
              (struct event){.kind = EVENT_FINISHED,
                             .task = task,
                             .actor = FB_TEXT("ann"),
                             .finished = {.outcome = EVENT_COMPLETED, .fence = session->fence}});
}

static void states_that_changed_and_new_tasks_are_laid_over_the_document(void **state)
{
    const struct event_planned_task more = {
        .title = FB_TEXT("Compost \"all\""), .weight = 2, .priority = 4};
    const struct event_link link = {.task = 7, .on = 3, .kind = EVENT_LINK_AFTER};
    struct import *import = arriving_must(garden);
    struct session *session = arriving_session(import);
    struct import *again;
    struct fb_buffer out;

    (void)state;
    finish(session, 2);
    finish(session, 5);
    must_fold(session, (struct event){.kind = EVENT_PLANNED,
                                      .planned = {.first_task = 7,
                                                  .tasks = &more,
                                                  .task_count = 1,
                                                  .links = &link,
                                                  .link_count = 1}});
    out = written(session, (struct fb_text){.data = garden, .size = sizeof(garden) - 1});
    assert_non_null(strstr(out.data,
                           "\"dependencies\": [\"task-1\"],\n     \"state\": \"completed\", "
                           "\"momentum\": 80"));
    assert_non_null(strstr(out.data, "{\"weight\": 4, \"state\": \"completed\", "
                                     "\"description\": \"Watch\""));
    assert_non_null(strstr(out.data, "{\"id\":\"flow-7\",\"description\":\"Compost \\\"all\\\"\""));
    assert_non_null(strstr(out.data, "\"dependencies\":[\"task-3\"]"));
    assert_non_null(strstr(out.data, "\"huge\": 12345678901234567890123"));
    again = arriving_must(out.data);
    assert_int_equal(import_session(again)->task_count, 7);
    assert_int_equal(session_task(import_session(again), 5)->state, TASK_COMPLETED);
    assert_int_equal(session_holds_up(import_session(again), 7), 3);
    fb_buffer_finish(&out);
    import_destroy(again);
    session_destroy(session);
    import_destroy(import);
}

static void a_session_without_a_document_is_written_as_one_of_its_own(void **state)
{
    struct import *import = arriving_must(garden);
    struct fb_buffer out = written(import_session(import), (struct fb_text){.size = 0});
    struct import *again = arriving_must(out.data);

    (void)state;
    assert_int_equal(import_format(again), IMPORT_SESSION_FILE);
    assert_int_equal(import_session(again)->task_count, 6);
    assert_int_equal(session_progress(import_session(again)), 17);
    assert_int_equal(session_holds_up(import_session(again), 6), 3);
    fb_buffer_finish(&out);
    import_destroy(again);
    import_destroy(import);
}

#define TASKS(text) "{\"sessionId\":\"s\",\"tasks\":[" text "]}"

static void what_is_wrong_is_named_by_its_place_with_the_way_out(void **state)
{
    (void)state;
    arriving_refused(TASKS("{\"id\":\"a\"},{\"id\":\"a\"}"), FB_INVALID_ARGUMENT,
                     "$.tasks[1]: the id \"a\" is that of $.tasks[0] already");
    arriving_refused(TASKS("{\"id\":\"a\",\"dependencies\":[\"b\"]}"), FB_INVALID_ARGUMENT,
                     "$.tasks[0].dependencies[0]: there is no task \"b\"");
    arriving_refused(TASKS("{\"id\":\"a\",\"dependencies\":[\"a\"]}"), FB_FAILED_PRECONDITION,
                     "$.tasks[0].dependencies[0]: the task hangs on itself");
    arriving_refused(TASKS("{\"id\":\"x\"},{\"id\":\"a\",\"dependencies\":[\"b\"]},"
                           "{\"id\":\"b\",\"dependencies\":[\"c\"]},"
                           "{\"id\":\"c\",\"dependencies\":[\"x\",\"a\"]}"),
                     FB_FAILED_PRECONDITION, "a -> b -> c -> a");
    arriving_refused(TASKS("{\"description\":\"x\"}"), FB_INVALID_ARGUMENT,
                     "$.tasks[0].id: expected an id");
    arriving_refused(TASKS("{\"id\":\"a\",\"dependencies\":\"b\"}"), FB_INVALID_ARGUMENT,
                     "$.tasks[0].dependencies: expected a list");
    arriving_refused(TASKS("7"), FB_INVALID_ARGUMENT, "$.tasks[0]: expected an object");
    arriving_refused(TASKS("{\"id\":\"a\"}") "x", FB_INVALID_ARGUMENT, "line 1, byte 38");
    arriving_refused("{\"sessionId\":\"s\",\n\"tasks\":[", FB_INVALID_ARGUMENT,
                     "line 2, byte 27: the document is cut off");
}

static void what_exceeds_our_limits_is_brought_within_them_and_said(void **state)
{
    struct fb_buffer text = {.data = NULL};
    struct import *import;
    const struct task *task;

    (void)state;
    fb_buffer_string(&text, "{\"sessionId\":\"s\",\"tasks\":[{\"id\":\"a\",\"description\":\"");
    for (int i = 0; i < 500; i++) {
        fb_buffer_string(&text, "\xc3\xa4"
                                "bc");
    }
    fb_buffer_string(&text, "\",\"weight\":1e99,\"priority\":-7,\"state\":\"surprised\"},"
                            "{\"id\":\"b\",\"weight\":\"heavy\",\"priority\":\"purple\"},"
                            "{\"id\":\"c\",\"weight\":2.6,\"description\":\"\\u0000\\ud800\"}]}");
    fb_buffer_append(&text, "", 1);
    import = arriving_must(text.data);
    task = session_task(import_session(import), 1);
    assert_int_equal(strlen(task->title), 512);
    assert_int_equal(strlen(task->body), 2000);
    assert_int_equal(task->weight, 10);
    assert_int_equal(task->priority, 0);
    assert_int_equal(task->state, TASK_QUEUED);
    assert_int_equal(session_task(import_session(import), 2)->weight, 5);
    assert_int_equal(session_task(import_session(import), 2)->priority, 2);
    assert_int_equal(session_task(import_session(import), 3)->weight, 3);
    assert_string_equal(session_task(import_session(import), 3)->title, "\xef\xbf\xbd\xef\xbf\xbd");
    assert_true(arriving_warned(import, "$.tasks[0].weight: 1e99 is not one of 1 to 10"));
    assert_true(arriving_warned(import, "$.tasks[0]: the state \"surprised\" is not known"));
    assert_true(arriving_warned(import, "$.tasks[0]: the title is 2000 bytes long"));
    assert_true(arriving_warned(import, "$.tasks[1].weight: expected a number"));
    assert_true(arriving_warned(import, "$.tasks[1].priority: expected 0 to 4"));
    import_destroy(import);
    fb_buffer_finish(&text);
}

static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    struct fb_buffer bytes = {.data = NULL};
    char part[4096];
    size_t got;

    if (file == NULL) {
        return NULL;
    }
    while ((got = fread(part, 1, sizeof(part), file)) != 0) {
        fb_buffer_append(&bytes, part, got);
    }
    fclose(file);
    *size = bytes.size;
    fb_buffer_append(&bytes, "", 1);
    return bytes.data;
}

/* With --test_env=FLOW_SESSION_FILE=...: a file that was really used. */
static void a_real_session_file_comes_in_whole_and_goes_out_equal(void **state)
{
    const char *path = getenv("FLOW_SESSION_FILE");
    size_t size = 0;
    char *text = path == NULL ? NULL : read_file(path, &size);
    struct fb_buffer out;
    struct import *import;

    (void)state;
    if (text == NULL) {
        skip();
    }
    import = arriving_must(text);
    printf("%u tasks, progress %u %%\n", (unsigned)import_tasks(import),
           (unsigned)session_progress(import_session(import)));
    out = written(import_session(import), (struct fb_text){.data = text, .size = size});
    assert_string_equal(out.data, text);
    fb_buffer_finish(&out);
    import_destroy(import);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_come_in_with_state_links_weight_and_priority),
        cmocka_unit_test(progress_is_computed_not_declared),
        cmocka_unit_test(an_unchanged_session_gives_the_document_back_byte_for_byte),
        cmocka_unit_test(states_that_changed_and_new_tasks_are_laid_over_the_document),
        cmocka_unit_test(a_session_without_a_document_is_written_as_one_of_its_own),
        cmocka_unit_test(what_is_wrong_is_named_by_its_place_with_the_way_out),
        cmocka_unit_test(what_exceeds_our_limits_is_brought_within_them_and_said),
        cmocka_unit_test(a_real_session_file_comes_in_whole_and_goes_out_equal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

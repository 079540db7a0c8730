#include "services/worker/exchange/task_master.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/services/worker/exchange/arriving.h"

#define BRIDGE                                                                                  \
    "[{\"id\":1,\"title\":\"Survey\",\"description\":\"Where\",\"details\":\"Both banks\","     \
    "\"testStrategy\":\"A map\",\"status\":\"done\",\"priority\":\"high\",\"dependencies\":[]," \
    "\"subtasks\":[]},"                                                                         \
    "{\"id\":2,\"title\":\"Build\",\"status\":\"in-progress\",\"dependencies\":[1],"            \
    "\"complexity\":8,\"subtasks\":["                                                           \
    "{\"id\":1,\"title\":\"Piers\",\"status\":\"done\",\"dependencies\":[]},"                   \
    "{\"id\":2,\"title\":\"Deck\",\"status\":\"pending\",\"dependencies\":[1,\"2.1\"]},"        \
    "{\"id\":3,\"title\":\"Rails\",\"status\":\"review\",\"dependencies\":[2]}]},"              \
    "{\"id\":\"paint\",\"title\":\"Paint\",\"status\":\"deferred\",\"dependencies\":[\"2\"]},"  \
    "{\"id\":4,\"title\":\"Toll\",\"status\":\"cancelled\"},"                                   \
    "{\"id\":5,\"title\":\"Lights\",\"status\":\"blocked\",\"dependencies\":[\"2.3\"]}]"

static void check_bridge(const struct session *session)
{
    static const enum task_state states[] = {
        TASK_COMPLETED, TASK_QUEUED,  TASK_COMPLETED, TASK_QUEUED,
        TASK_QUEUED,    TASK_RESTING, TASK_CANCELLED, TASK_QUEUED,
    };

    assert_int_equal(session->task_count, 8);
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(session_task(session, i + 1)->state, states[i]);
    }
    assert_string_equal(session_task(session, 1)->body, "Where\n\nBoth banks");
    assert_string_equal(session_task(session, 1)->accept, "A map");
    assert_int_equal(session_task(session, 1)->priority, 1);
    assert_int_equal(session_task(session, 2)->weight, 8);
    for (uint32_t i = 3; i <= 5; i++) {
        assert_int_equal(session_task(session, i)->parent, 2);
    }
    assert_int_equal(session_task_of_key(session, FB_TEXT("master:2.2")), 4);
    assert_int_equal(session_task_of_key(session, FB_TEXT("master:paint")), 6);
    assert_int_equal(session_task(session, 4)->unmet, 0); /* the piers stand */
    assert_int_equal(session_holds_up(session, 5), 4);
    assert_int_equal(session_holds_up(session, 6), 2);
    assert_int_equal(session_holds_up(session, 8), 5);
}

static void both_forms_come_in_the_same(void **state)
{
    struct import *old = arriving_must("{\"tasks\":" BRIDGE ",\"metadata\":{\"x\":1}}");
    struct import *tagged =
        arriving_must("{\"master\":{\"tasks\":" BRIDGE ",\"metadata\":{\"description\":\"d\"}}}");

    (void)state;
    assert_int_equal(import_format(old), IMPORT_TASK_MASTER);
    assert_int_equal(import_format(tagged), IMPORT_TASK_MASTER);
    check_bridge(import_session(old));
    check_bridge(import_session(tagged));
    import_destroy(old);
    import_destroy(tagged);
}

static void after_task_master_has_migrated_a_file_nothing_is_new(void **state)
{
    static const char migrated[] = "{\"master\":{\"tasks\":" BRIDGE ",\"metadata\":{}}}";
    struct import *old = arriving_must("{\"tasks\":" BRIDGE "}");
    struct session *session = arriving_session(old);
    struct fb_status status;
    struct import *again = arriving_import(migrated, sizeof(migrated) - 1, 100, session, &status);

    (void)state;
    assert_true(fb_is_ok(status));
    assert_int_equal(import_tasks(again), 0);
    assert_true(arriving_warned(again, "8 tasks are in the session already"));
    import_destroy(again);
    session_destroy(session);
    import_destroy(old);
}

static void tags_keep_their_tasks_apart(void **state)
{
    struct import *import =
        arriving_must("{\"a\":{\"tasks\":[{\"id\":1,\"title\":\"x\"}]},\"note\":3,"
                      "\"b\":{\"tasks\":[{\"id\":1,\"title\":\"y\"},{\"id\":2,"
                      "\"title\":\"z\",\"dependencies\":[1]}]}}");

    (void)state;
    assert_int_equal(import_session(import)->task_count, 3);
    assert_int_equal(session_task_of_key(import_session(import), FB_TEXT("b:1")), 2);
    assert_int_equal(session_holds_up(import_session(import), 3), 2);
    import_destroy(import);
}

static void what_is_wrong_is_named_by_its_place_with_the_way_out(void **state)
{
    (void)state;
    arriving_refused("{\"tasks\":[{\"title\":\"no id\"}]}", FB_INVALID_ARGUMENT,
                     "$.tasks[0].id: expected an id");
    arriving_refused(
        "{\"m\":{\"tasks\":[{\"id\":1,\"subtasks\":[{\"id\":1,\"dependencies\":[9]}]}]}}",
        FB_INVALID_ARGUMENT, "$.m.tasks[0].subtasks[0].dependencies[0]: there is no task \"m:9\"");
    /* A child that waits for its parent, which waits for its children. */
    arriving_refused("{\"tasks\":[{\"id\":7,\"subtasks\":[{\"id\":1,\"dependencies\":[7]}]}]}",
                     FB_FAILED_PRECONDITION, "master:7 -> master:7.1 -> master:7");
    arriving_refused("{\"tasks\":[{\"id\":1,\"dependencies\":[[1]]}]}", FB_INVALID_ARGUMENT,
                     "$.tasks[0].dependencies[0]: expected an id");
    arriving_refused("{\"whatever\":1}", FB_INVALID_ARGUMENT, "none that is known");
    arriving_refused("[1]", FB_INVALID_ARGUMENT, "none that is known");
    arriving_refused("", FB_INVALID_ARGUMENT, "empty");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms_come_in_the_same),
        cmocka_unit_test(after_task_master_has_migrated_a_file_nothing_is_new),
        cmocka_unit_test(tags_keep_their_tasks_apart),
        cmocka_unit_test(what_is_wrong_is_named_by_its_place_with_the_way_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "services/worker/exchange/beads.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/services/worker/exchange/arriving.h"

#define ON(id, type) "{\"issue_id\":\"-\",\"depends_on_id\":\"" id "\",\"type\":\"" type "\"}"

static const char ship[] =
    "{\"id\":\"sh-1\",\"title\":\"Ship\",\"description\":\"Whole\",\"design\":\"Oak\","
    "\"acceptance_criteria\":\"It floats\",\"notes\":\"hm\",\"status\":\"open\",\"priority\":0,"
    "\"issue_type\":\"epic\",\"labels\":[\"x\"]}\n"
    "{\"id\":\"sh-1.1\",\"title\":\"Keel\",\"status\":\"closed\",\"priority\":1,"
    "\"close_reason\":\"laid\",\"dependencies\":[" ON(
        "sh-1",
        "parent-child") "]}\n"
                        "\n"
                        "{\"id\":\"sh-1.2\",\"title\":\"Hull\",\"status\":\"in_progress\","
                        "\"priority\":1,"
                        "\"dependencies\":[" ON("sh-1", "parent-child") "," ON(
                            "sh-1.1",
                            "block"
                            "s") "," ON("sh-1",
                                        "blocks") "]}\n"
                                                  "{\"id\":\"sh-2\",\"title\":\"Sail\",\"status\":"
                                                  "\"blocked\",\"priority\":4,"
                                                  "\"dependencies\":[" ON("sh-1.2", "blocks") "," ON(
                                                      "sh-1",
                                                      "related") "]}\n"
                                                                 "{\"id\":\"sh-3\",\"title\":"
                                                                 "\"Leak\","
                                                                 "\"status\":\"blocked\","
                                                                 "\"priority\":9,"
                                                                 "\"dependencies\":[" ON(
                                                                     "sh-1.2",
                                                                     "discovered-from") "]}\n"
                                                                                        "{\"id\":"
                                                                                        "\"sh-4\","
                                                                                        "\"title\":"
                                                                                        "\"Sell\","
                                                                                        "\"status\""
                                                                                        ":"
                                                                                        "\"tombston"
                                                                                        "e\"}\n"
                                                                                        "{\"id\":"
                                                                                        "\"sh-5\","
                                                                                        "\"title\":"
                                                                                        "\"Pump\","
                                                                                        "\"status\""
                                                                                        ":"
                                                                                        "\"deferred"
                                                                                        "\","
                                                                                        "\"dependen"
                                                                                        "cies\":"
                                                                                        "[" ON(
                                                                                            "sh-3",
                                                                                            "condit"
                                                                                            "ional-"
                                                                                            "block"
                                                                                            "s") "]"
                                                                                                 "}";

static void issues_come_in_with_their_links(void **state)
{
    static const enum task_state states[] = {TASK_QUEUED,  TASK_COMPLETED, TASK_QUEUED, TASK_QUEUED,
                                             TASK_BLOCKED, TASK_CANCELLED, TASK_RESTING};
    struct import *import = arriving_must(ship);
    const struct session *session = import_session(import);

    (void)state;
    assert_int_equal(import_format(import), IMPORT_BEADS);
    assert_int_equal(session->task_count, 7);
    for (uint32_t i = 0; i < 7; i++) {
        assert_int_equal(session_task(session, i + 1)->state, states[i]);
    }
    assert_string_equal(session_task(session, 1)->body, "Whole\n\nOak");
    assert_string_equal(session_task(session, 1)->accept, "It floats");
    assert_string_equal(session_task(session, 1)->note, "hm");
    assert_string_equal(session_task(session, 2)->summary, "laid");
    assert_int_equal(session_task(session, 3)->parent, 1);
    assert_int_equal(session_task(session, 3)->unmet, 0); /* not by its own parent */
    assert_int_equal(session_holds_up(session, 4), 3);
    assert_int_equal(session_task(session, 5)->priority, 4);
    assert_non_null(session_task(session, 5)->gate);
    assert_true(graph_has_edge(session->graph, (struct graph_edge){3, 5, GRAPH_FROM}));
    assert_true(graph_has_edge(session->graph, (struct graph_edge){5, 7, GRAPH_ON_FAIL}));
    assert_true(arriving_warned(import, "line 4: it is part of what blocks it"));
    import_destroy(import);
}

static void what_is_wrong_is_named_by_its_line(void **state)
{
    (void)state;
    arriving_refused("{\"id\":\"a\",\"title\":\"a\"}\n{\"id\":\"b\",\"ti", FB_INVALID_ARGUMENT,
                     "line 2, byte 36: the line is cut off");
    arriving_refused("{\"id\":\"a\",\"title\":\"a\"}\n{\"id\":}\n{\"id\":\"b\",\"title\":\"b\"}\n",
                     FB_INVALID_ARGUMENT, "line 2, byte 29: no JSON");
    arriving_refused("{\"id\":\"a\",\"title\":\"a\"}\n[]\n", FB_INVALID_ARGUMENT,
                     "line 2: expected an issue");
    arriving_refused("{\"id\":\"a\",\"title\":\"a\",\"dependencies\":[" ON("b", "blocks") "]}",
                     FB_INVALID_ARGUMENT, "line 1.dependencies[0]: there is no task \"b\"");
    arriving_refused("{\"id\":\"a\",\"title\":\"a\",\"dependencies\":[{\"type\":\"blocks\"}]}",
                     FB_INVALID_ARGUMENT, "line 1.dependencies[0].depends_on_id: expected an id");
    arriving_refused("{\"id\":\"a\",\"title\":\"a\",\"dependencies\":[" ON(
                         "b", "parent-child") "]}\n"
                                              "{\"id\":\"b\",\"title\":\"b\",\"dependencies\":[" ON(
                                                  "a", "parent-child") "]}",
                     FB_FAILED_PRECONDITION, " -> ");
}

static void unknown_links_are_dropped_where_that_is_asked_for(void **state)
{
    static const char text[] =
        "{\"id\":\"a\",\"title\":\"a\",\"dependencies\":[" ON("b", "blocks") "]}";
    struct import *import = import_create(&(struct import_options){.drop_unknown_links = true});

    (void)state;
    assert_non_null(import);
    assert_true(fb_is_ok(import_feed(import, FB_TEXT(text))));
    assert_true(fb_is_ok(import_finish(import)));
    assert_int_equal(import_tasks(import), 1);
    assert_true(arriving_warned(import, "line 1.dependencies[0]: dropped"));
    import_destroy(import);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(issues_come_in_with_their_links),
        cmocka_unit_test(what_is_wrong_is_named_by_its_line),
        cmocka_unit_test(unknown_links_are_dropped_where_that_is_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

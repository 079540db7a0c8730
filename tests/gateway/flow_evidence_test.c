#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clients/evidence/evidence.h"
#include "tests/gateway/flow_world.h"
#include "tests/support/folder.h"

/* What the gateway has asked to be looked at is looked at now. */
static void look(struct world *world)
{
    struct look_job *job = world->look;

    assert_non_null(job);
    world->look = NULL;
    look_job_do(job);
    look_job_end(job);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void files_are_digested_and_the_rest_is_recorded(void **state)
{
    Flowbalancer__V1__FinishResponse response = FLOWBALANCER__V1__FINISH_RESPONSE__INIT;
    const Flowbalancer__V1__FinishRequest *asked;
    struct world *world = *state;
    char host[FB_EVIDENCE_HOST_BYTES + 1];
    char folder[FOLDER_BYTES];
    char arguments[512];
    char path[64];

    fb_evidence_host(host);
    assert_true(folder_make(folder));
    snprintf(path, sizeof(path), "%s/a.c", folder);
    write_file(path, "abc");
    snprintf(arguments, sizeof(arguments),
             "{\"session\":\"w@ada\",\"task\":3,\"fence\":9,\"summary\":\"s\",\"next\":true,"
             "\"evidence\":[\"%s\",\"deadbeef\",\"make test\",\"%s/none.c\"]}",
             path, folder);
    call_flow(world, "flow_done", arguments);
    assert_int_equal(world->suite.count, 0);
    look(world);
    asked = asked_flow(world, "Finish");
    assert_int_equal(asked->by->fence, 9);
    assert_true(asked->next);
    assert_int_equal(asked->n_evidence, 4);
    assert_int_equal(asked->evidence[0]->kind,
                     FLOWBALANCER__V1__FLOW_EVIDENCE_KIND__FLOW_EVIDENCE_KIND_FILE);
    assert_string_equal(asked->evidence[0]->ref, path);
    assert_int_equal(asked->evidence[0]->sha256.len, 32);
    assert_int_equal(asked->evidence[0]->size, 3);
    assert_string_equal(asked->evidence[0]->host, host);
    assert_int_equal(asked->evidence[1]->kind,
                     FLOWBALANCER__V1__FLOW_EVIDENCE_KIND__FLOW_EVIDENCE_KIND_COMMIT);
    assert_int_equal(asked->evidence[2]->kind,
                     FLOWBALANCER__V1__FLOW_EVIDENCE_KIND__FLOW_EVIDENCE_KIND_COMMAND);
    assert_int_equal(asked->evidence[3]->kind,
                     FLOWBALANCER__V1__FLOW_EVIDENCE_KIND__FLOW_EVIDENCE_KIND_FILE);
    assert_int_equal(asked->evidence[3]->sha256.len, 0);
    reply(world, &response.base);
    hears(world, "missing: ", "/none.c: it is not there on ", host, "\"missing\":[\"");
    assert_true(folder_remove(folder));
}

static void a_call_that_is_cancelled_while_files_are_read_leaves_nothing(void **state)
{
    struct world *world = *state;
    struct look_job *job;

    call_flow(world, "flow_done", "{\"session\":\"w@ada\",\"task\":3,\"evidence\":\"/none\"}");
    job = world->look;
    assert_non_null(job);
    say(world,
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":"
        "1}}");
    assert_true(atomic_load(&job->abandoned));
    assert_int_equal(mcp_unanswered(world->mcp), 0);
    look_job_do(job);
    look_job_end(job);
    assert_int_equal(world->suite.count, 0);
}

static Flowbalancer__V1__FlowEvidence file_of(const char *path, const char *host)
{
    Flowbalancer__V1__FlowEvidence evidence = FLOWBALANCER__V1__FLOW_EVIDENCE__INIT;

    evidence.kind = FLOWBALANCER__V1__FLOW_EVIDENCE_KIND__FLOW_EVIDENCE_KIND_FILE;
    evidence.ref = S(path);
    evidence.host = S(host);
    return evidence;
}

static void evidence_is_verified_where_it_is(void **state)
{
    Flowbalancer__V1__VerifyResponse response = FLOWBALANCER__V1__VERIFY_RESPONSE__INIT;
    Flowbalancer__V1__FlowEvidence evidence[3];
    Flowbalancer__V1__FlowVerified verified[3];
    Flowbalancer__V1__FlowVerified *pointers[3];
    const Flowbalancer__V1__VerifyRequest *asked;
    struct world *world = *state;
    char host[FB_EVIDENCE_HOST_BYTES + 1];
    char folder[FOLDER_BYTES];
    char path[64];

    fb_evidence_host(host);
    assert_true(folder_make(folder));
    snprintf(path, sizeof(path), "%s/a.c", folder);
    write_file(path, "abc");
    evidence[0] = file_of(path, host);
    evidence[1] = file_of("/none/b.c", host);
    evidence[2] = file_of("/none/c.c", "elsewhere");
    for (uint32_t i = 0; i < 3; i++) {
        verified[i] = (Flowbalancer__V1__FlowVerified)FLOWBALANCER__V1__FLOW_VERIFIED__INIT;
        verified[i].task = i + 1;
        verified[i].evidence = &evidence[i];
        pointers[i] = &verified[i];
    }
    response.n_verified = 3;
    response.verified = pointers;
    call_flow(world, "flow_find", "{\"session\":\"w@ada\",\"view\":\"evidence\"}");
    asked = asked_flow(world, "Verify");
    assert_int_equal(asked->n_observations, 0);
    assert_null(asked->by);
    reply(world, &response.base);
    look(world);
    asked = asked_flow(world, "Verify");
    assert_string_equal(asked->host, host);
    assert_string_equal(asked->by->actor, "ada");
    assert_int_equal(asked->n_observations, 2);
    assert_int_equal(asked->observations[0]->task, 1);
    assert_string_equal(asked->observations[0]->ref, path);
    assert_int_equal(asked->observations[0]->sha256.len, 32);
    assert_int_equal(asked->observations[1]->sha256.len, 0);
    verified[0].state = FLOWBALANCER__V1__FLOW_EVIDENCE_STATE__FLOW_EVIDENCE_STATE_CHANGED;
    verified[1].state = FLOWBALANCER__V1__FLOW_EVIDENCE_STATE__FLOW_EVIDENCE_STATE_MISSING;
    reply(world, &response.base);
    hears(world, "\"lines\":[\"#1 changed ", "\"#2 missing /none/b.c, on ",
          "\"#3 not checked /none/c.c, it is on elsewhere\"]", "\"bad\":2,\"elsewhere\":1",
          "0 unchanged, 2 missing or changed, 1 files not checked here");
    assert_true(folder_remove(folder));
}

static void lines_that_the_budget_has_no_room_for_are_counted(void **state)
{
    Flowbalancer__V1__VerifyResponse response = FLOWBALANCER__V1__VERIFY_RESPONSE__INIT;
    Flowbalancer__V1__FlowEvidence evidence = file_of("/none/c.c", "elsewhere");
    Flowbalancer__V1__FlowVerified verified = FLOWBALANCER__V1__FLOW_VERIFIED__INIT;
    Flowbalancer__V1__FlowVerified *pointers[] = {&verified, &verified, &verified};
    struct world *world = *state;

    verified.task = 3;
    verified.evidence = &evidence;
    response.n_verified = 3;
    response.verified = pointers;
    call_flow(world, "flow_find", "{\"session\":\"w\",\"view\":\"evidence\",\"budget\":1}");
    reply(world, &response.base);
    hears(world, "\"lines\":[\"#3 not checked /none/c.c, it is on elsewhere\"]", "\"elsewhere\":3",
          "; 2 lines left out, raise budget");
}

static void one_tasks_evidence_is_asked_for_by_its_name(void **state)
{
    struct world *world = *state;

    call_flow(world, "flow_find", "{\"session\":\"w@ada\",\"view\":\"evidence\",\"q\":\"#4\"}");
    assert_int_equal(
        ((const Flowbalancer__V1__VerifyRequest *)asked_flow(world, "Verify"))->task->task, 4);
    fake_end(last_call(world), fb_fail(FB_NOT_FOUND, "there is no task 4"), "no_such", -1);
    hears(world, "\"text\":\"no_such: there is no task 4 → flow_find tells what there is\"");
    call_flow(world, "flow_find", "{\"view\":\"evidence\"}");
    hears(world, "invalid: session: this view is of one session");
    call_flow(world, "flow_find",
              "{\"session\":\"w\",\"view\":\"evidence\",\"where\":\"agent:ada\"}");
    hears(world, "invalid: where: view graph knows only state:open", "name a task in q for less");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_flow(files_are_digested_and_the_rest_is_recorded),
        in_flow(a_call_that_is_cancelled_while_files_are_read_leaves_nothing),
        in_flow(evidence_is_verified_where_it_is),
        in_flow(lines_that_the_budget_has_no_room_for_are_counted),
        in_flow(one_tasks_evidence_is_asked_for_by_its_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

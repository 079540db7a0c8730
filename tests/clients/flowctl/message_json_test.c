#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "clients/flowctl/message_json.h"
#include "flowbalancer/v1/flow.pb-c.h"

static void expect(const ProtobufCMessage *message, const char *wanted)
{
    struct writer writer = {.depth = 0};

    message_json(&writer, message);
    fb_buffer_append(&writer.text, "", 1);
    assert_string_equal(writer.text.data, wanted);
    fb_buffer_finish(&writer.text);
}

static void fields_stand_under_their_names_and_enums_are_words(void **state)
{
    Flowbalancer__V1__FlowCommitted committed = FLOWBALANCER__V1__FLOW_COMMITTED__INIT;
    Flowbalancer__V1__CompactResponse response = FLOWBALANCER__V1__COMPACT_RESPONSE__INIT;
    Flowbalancer__V1__ExportRequest request = FLOWBALANCER__V1__EXPORT_REQUEST__INIT;

    (void)state;
    committed.seq = 7;
    committed.repeated = 1;
    response.committed = &committed;
    response.bytes = UINT64_MAX;
    expect(&response.base, "{\"committed\":{\"seq\":7,\"rev\":0,\"repeated\":true},\"tasks\":0,"
                           "\"bytes\":18446744073709551615}");
    request.format = FLOWBALANCER__V1__FLOW_FORMAT__FLOW_FORMAT_TASK_MASTER;
    expect(&request.base, "{\"format\":\"task_master\"}");
    request.format = FLOWBALANCER__V1__FLOW_FORMAT__FLOW_FORMAT_UNSPECIFIED;
    expect(&request.base, "{\"format\":\"\"}");
    request.format = (Flowbalancer__V1__FlowFormat)99;
    expect(&request.base, "{\"format\":\"?\"}");
}

static void of_a_oneof_stands_only_what_is_set(void **state)
{
    Flowbalancer__V1__FlowTaskRef ref = FLOWBALANCER__V1__FLOW_TASK_REF__INIT;

    (void)state;
    expect(&ref.base, "{}");
    ref.ref_case = FLOWBALANCER__V1__FLOW_TASK_REF__REF_TASK;
    expect(&ref.base, "{\"task\":0}");
    ref.ref_case = FLOWBALANCER__V1__FLOW_TASK_REF__REF_KEY;
    ref.key = (char *)(uintptr_t) "a\"b";
    expect(&ref.base, "{\"key\":\"a\\\"b\"}");
}

static void lists_hold_numbers_words_and_messages_and_bytes_are_hexadecimal(void **state)
{
    static uint8_t digest[] = {0, 0xab, 0xff};
    double probabilities[] = {0.5, 1e-9};
    char *kinds[] = {(char *)(uintptr_t) "claimed", (char *)(uintptr_t) "noted"};
    Flowbalancer__V1__FlowReadiness readiness = FLOWBALANCER__V1__FLOW_READINESS__INIT;
    Flowbalancer__V1__FlowReadiness *list[] = {&readiness, &readiness};
    Flowbalancer__V1__ForecastResponse forecast = FLOWBALANCER__V1__FORECAST_RESPONSE__INIT;
    Flowbalancer__V1__FlowObservation observation = FLOWBALANCER__V1__FLOW_OBSERVATION__INIT;
    Flowbalancer__V1__WatchRequest watch = FLOWBALANCER__V1__WATCH_REQUEST__INIT;

    (void)state;
    readiness.task = 3;
    readiness.probability = probabilities;
    readiness.n_probability = 2;
    forecast.readiness = list;
    forecast.n_readiness = 2;
    expect(&forecast.base,
           "{\"readiness\":[{\"task\":3,\"probability\":[0.5,1e-09]},"
           "{\"task\":3,\"probability\":[0.5,1e-09]}],\"likely\":[],\"likely_hits\":0,"
           "\"likely_baseline_hits\":0,\"effort_error\":0,\"effort_prior_error\":0}");
    observation.sha256 = (ProtobufCBinaryData){.len = sizeof(digest), .data = digest};
    expect(&observation.base, "{\"task\":0,\"ref\":\"\",\"sha256\":\"00abff\"}");
    watch.kinds = kinds;
    watch.n_kinds = 2;
    expect(&watch.base, "{\"since_seq\":0,\"kinds\":[\"claimed\",\"noted\"]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_stand_under_their_names_and_enums_are_words),
        cmocka_unit_test(of_a_oneof_stands_only_what_is_set),
        cmocka_unit_test(lists_hold_numbers_words_and_messages_and_bytes_are_hexadecimal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

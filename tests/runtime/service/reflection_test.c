#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "google/protobuf/descriptor.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"

#include "tests/runtime/service/world.h"

typedef Grpc__Reflection__V1__ServerReflectionRequest reflection_request;
typedef Grpc__Reflection__V1__ServerReflectionResponse reflection_response;

static const char *const versions[] = {
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
};

static const reflection_response *reflect(struct made *made, const reflection_request *request)
{
    const int before = made->messages;

    fb_client_call_send(made->call, &request->base);
    turn_until(&made->messages, before + 1);
    return (const reflection_response *)made->message;
}

static void reflection_lists_the_services(void **state)
{
    const char *const expected[] = {
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "grpc.health.v1.Health",
        "flowbalancer.v1.AdminService",
    };

    (void)state;
    start_and_dial();
    for (int i = 0; i < 2; i++) {
        reflection_request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
        const reflection_response *answer;
        struct made made;

        begin(&made, versions[i], &grpc__reflection__v1__server_reflection_response__descriptor);
        request.host = (char *)"me";
        request.message_request_case =
            GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES;
        request.list_services = (char *)"*";
        answer = reflect(&made, &request);
        assert_string_equal(answer->valid_host, "me");
        assert_string_equal(answer->original_request->list_services, "*");
        assert_non_null(answer->list_services_response);
        assert_int_equal(answer->list_services_response->n_service, 4);
        for (int k = 0; k < 4; k++) {
            assert_string_equal(answer->list_services_response->service[k]->name, expected[k]);
        }
        fb_client_call_half_close(made.call);
        turn_until(&made.ends, 1);
        assert_int_equal(made.code, FB_OK);
        finish(&made);
    }
    end_program();
}

/* The names of the files of an answer, each unpacked as a client would do it. */
static void files_are(const reflection_response *answer, const char *const *names, size_t count)
{
    const Grpc__Reflection__V1__FileDescriptorResponse *files = answer->file_descriptor_response;

    assert_int_equal(
        answer->message_response_case,
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE);
    assert_int_equal(files->n_file_descriptor_proto, count);
    for (size_t i = 0; i < count; i++) {
        Google__Protobuf__FileDescriptorProto *file =
            google__protobuf__file_descriptor_proto__unpack(
                NULL, files->file_descriptor_proto[i].len, files->file_descriptor_proto[i].data);

        assert_non_null(file);
        assert_string_equal(file->name, names[i]);
        google__protobuf__file_descriptor_proto__free_unpacked(file, NULL);
    }
}

static void reflection_gives_the_file_of_any_symbol_with_its_imports(void **state)
{
    static const char *const admin[] = {"flowbalancer/v1/admin.proto",
                                        "flowbalancer/v1/registry.proto"};
    static const char *const health[] = {"grpc/health/v1/health.proto"};
    static const struct {
        const char *symbol;
        const char *const *files;
        size_t count;
    } cases[] = {
        {"flowbalancer.v1.AdminService", admin, 2},                      /* service */
        {"flowbalancer.v1.AdminService.GetOverview", admin, 2},          /* method */
        {"flowbalancer.v1.RouterOverview", admin, 2},                    /* message */
        {"flowbalancer.v1.RouterOverview.router_id", admin, 2},          /* field */
        {"flowbalancer.v1.WorkerState", admin, 2},                       /* enum */
        {"grpc.health.v1.HealthCheckResponse.ServingStatus", health, 1}, /* enum in a message */
        {"grpc.health.v1.HealthCheckResponse.ServingStatus.SERVING", health, 1}, /* its value */
    };
    struct made made;

    (void)state;
    start_and_dial();
    begin(&made, versions[0], &grpc__reflection__v1__server_reflection_response__descriptor);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        reflection_request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;

        request.message_request_case =
            GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL;
        request.file_containing_symbol = (char *)cases[i].symbol;
        files_are(reflect(&made, &request), cases[i].files, cases[i].count);
    }
    finish(&made);
    end_program();
}

static void reflection_gives_a_file_by_its_name(void **state)
{
    static const char *const health[] = {"grpc/health/v1/health.proto"};
    reflection_request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    struct made made;

    (void)state;
    start_and_dial();
    begin(&made, versions[0], &grpc__reflection__v1__server_reflection_response__descriptor);
    request.message_request_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME;
    request.file_by_filename = (char *)health[0];
    files_are(reflect(&made, &request), health, 1);
    finish(&made);
    end_program();
}

static void reflection_says_what_it_does_not_know_and_goes_on(void **state)
{
    static const char *const unknown[] = {"",
                                          ".",
                                          "flowbalancer",
                                          "flowbalancer.v1",
                                          "flowbalancer.v1.",
                                          "flowbalancer.v1.AdminServic",
                                          "flowbalancer.v1.AdminService.",
                                          "flowbalancer.v1.AdminServiceX",
                                          "flowbalancer.v1.AdminService.GetOverview.x",
                                          "flowbalancerXv1.AdminService"};
    struct made made;
    reflection_request empty = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    const reflection_response *answer;

    (void)state;
    start_and_dial();
    begin(&made, versions[0], &grpc__reflection__v1__server_reflection_response__descriptor);
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        reflection_request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;

        request.message_request_case =
            GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL;
        request.file_containing_symbol = (char *)unknown[i];
        answer = reflect(&made, &request);
        assert_int_equal(
            answer->message_response_case,
            GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE);
        assert_int_equal(answer->error_response->error_code, FB_NOT_FOUND);
    }
    answer = reflect(&made, &empty);
    assert_int_equal(answer->error_response->error_code, FB_INVALID_ARGUMENT);
    finish(&made);
    end_program();
}

static void reflection_ends_a_stream_of_garbage_with_the_reason(void **state)
{
    struct made made;

    (void)state;
    start_and_dial();
    begin(&made, versions[0], &grpc__reflection__v1__server_reflection_response__descriptor);
    fb_client_call_send_bytes(made.call, (const uint8_t *)"\xff\xff\xff", 3);
    turn_until(&made.ends, 1);
    assert_int_equal(made.code, FB_INVALID_ARGUMENT);
    finish(&made);
    greeting_is("hello");
    end_program();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        SERVICE_TEST(reflection_lists_the_services),
        SERVICE_TEST(reflection_gives_the_file_of_any_symbol_with_its_imports),
        SERVICE_TEST(reflection_gives_a_file_by_its_name),
        SERVICE_TEST(reflection_says_what_it_does_not_know_and_goes_on),
        SERVICE_TEST(reflection_ends_a_stream_of_garbage_with_the_reason),
    };

    return world_takes(argc, argv) ? cmocka_run_group_tests(tests, NULL, NULL) : 2;
}

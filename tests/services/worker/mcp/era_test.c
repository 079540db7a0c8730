#include "services/worker/mcp/era.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static enum era_verdict judge(const char *line)
{
    struct wire_message m;

    assert_true(fb_is_ok(wire_check(fb_text_of(line))));
    assert_true(fb_is_ok(wire_read(fb_text_of(line), &m)));
    return era_judge(&m);
}

static void every_answer_to_the_probe_has_its_verdict(void **state)
{
    static const struct {
        const char *line;
        enum era_verdict verdict;
    } cases[] = {
        /* a discover result with our revision */
        {"{\"id\":1,\"result\":{\"resultType\":\"complete\",\"supportedVersions\":[\"2026-07-28\"],"
         "\"capabilities\":{},\"ttlMs\":0,\"cacheScope\":\"public\"}}",
         ERA_SAYS_MODERN},
        {"{\"id\":1,\"result\":{\"supportedVersions\":[\"2025-11-25\",\"2026-07-28\",\"2027-01-"
         "01\"],"
         "\"capabilities\":{\"tools\":{}}}}",
         ERA_SAYS_MODERN},
        /* results that are none */
        {"{\"id\":1,\"result\":{}}", ERA_SAYS_LEGACY},
        {"{\"id\":1,\"result\":{\"supportedVersions\":\"2026-07-28\",\"capabilities\":{}}}",
         ERA_SAYS_LEGACY},
        {"{\"id\":1,\"result\":{\"supportedVersions\":[\"2026-07-28\"]}}", ERA_SAYS_LEGACY},
        {"{\"id\":1,\"result\":{\"supportedVersions\":[\"2025-11-25\"],\"capabilities\":{}}}",
         ERA_SAYS_LEGACY},
        {"{\"id\":1,\"result\":{\"supportedVersions\":[\"2027-01-01\"],\"capabilities\":{}}}",
         ERA_SAYS_NEITHER},
        /* unsupported version */
        {"{\"id\":1,\"error\":{\"code\":-32022,\"message\":\"\",\"data\":{\"supported\":"
         "[\"2026-07-28\"],\"requested\":\"2026-07-28\"}}}",
         ERA_SAYS_RETRY},
        {"{\"id\":1,\"error\":{\"code\":-32022,\"message\":\"\",\"data\":{\"supported\":"
         "[\"2025-06-18\",\"2025-11-25\"]}}}",
         ERA_SAYS_LEGACY},
        {"{\"id\":1,\"error\":{\"code\":-32022,\"message\":\"\",\"data\":{\"supported\":"
         "[\"2027-01-01\"]}}}",
         ERA_SAYS_NEITHER},
        {"{\"id\":1,\"error\":{\"code\":-32022,\"message\":\"\",\"data\":{\"supported\":"
         "[\"2027-01-01\",\"2024-11-05\"]}}}",
         ERA_SAYS_LEGACY},
        {"{\"id\":1,\"error\":{\"code\":-32022,\"message\":\"\"}}", ERA_SAYS_LEGACY},
        /* any other error, whatever its code */
        {"{\"id\":1,\"error\":{\"code\":-32601,\"message\":\"Method not found\"}}",
         ERA_SAYS_LEGACY},
        {"{\"id\":1,\"error\":{\"code\":-32602,\"message\":\"before initialization\"}}",
         ERA_SAYS_LEGACY},
        {"{\"id\":1,\"error\":{\"code\":0,\"message\":\"\"}}", ERA_SAYS_LEGACY},
        {"{\"id\":1,\"error\":{}}", ERA_SAYS_LEGACY},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(judge(cases[i].line), cases[i].verdict);
    }
}

static void the_four_legacy_revisions_are_known_and_no_other(void **state)
{
    static const char *const known[] = {"\"2024-11-05\"", "\"2025-03-26\"", "\"2025-06-18\"",
                                        "\"2025-11-25\""};
    static const char *const unknown[] = {"\"2024-10-07\"", "\"2026-07-28\"", "\"\"",
                                          "20251125",       "null",           ""};

    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        const char *revision = era_legacy_revision(fb_text_of(known[i]));

        assert_non_null(revision);
        assert_memory_equal(revision, known[i] + 1, 10);
    }
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        assert_null(era_legacy_revision(fb_text_of(unknown[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_to_the_probe_has_its_verdict),
        cmocka_unit_test(the_four_legacy_revisions_are_known_and_no_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

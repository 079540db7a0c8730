#include "tests/runtime/rpc/conformance/conformance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/runtime/rpc/conformance/world.h"

/* The leak sanitizer asks for it: the name resolver that gRPC C core uses keeps a name. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libcares.so";
}

int conformance_run(const struct fb_transport *of_server, const struct fb_transport *of_client)
{
    static int (*const groups[])(void) = {
        conformance_calls,     conformance_endings,     conformance_statuses,
        conformance_pressure,  conformance_connections, conformance_draining,
        conformance_strangers, conformance_addresses,   conformance_security,
    };
    int failed = 0;

    cmocka_set_test_filter(getenv("TESTBRIDGE_TEST_ONLY")); /* bazel test --test_filter=... */
    if (!world_open(of_server, of_client)) {
        return 1;
    }
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        failed += groups[i]();
    }
    return world_close() ? failed : failed + 1;
}

#include "services/worker/flow_service/refusals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flowbalancer/v1/flow.pb-c.h"

static struct fb_arena arena;

static Flowbalancer__V1__FlowRefusal *packed(struct refusal refusal)
{
    const struct fb_text bytes = refusal_pack(&refusal, &arena);
    Flowbalancer__V1__FlowRefusal *said =
        flowbalancer__v1__flow_refusal__unpack(NULL, bytes.size, (const uint8_t *)bytes.data);

    assert_non_null(said);
    return said;
}

static void each_kind_has_the_code_of_the_contract(void **state)
{
    static const struct {
        enum refusal_kind kind;
        const char *name;
        enum fb_code code;
    } table[] = {
        {REFUSAL_INVALID, "invalid", FB_INVALID_ARGUMENT},
        {REFUSAL_CONFLICT, "conflict", FB_ABORTED},
        {REFUSAL_CYCLE, "cycle", FB_FAILED_PRECONDITION},
        {REFUSAL_NOT_READY, "not_ready", FB_FAILED_PRECONDITION},
        {REFUSAL_WIP_LIMIT, "wip_limit", FB_RESOURCE_EXHAUSTED},
        {REFUSAL_NEEDS_CAPS, "needs_caps", FB_FAILED_PRECONDITION},
        {REFUSAL_STALE_REV, "stale_rev", FB_ABORTED},
        {REFUSAL_DUPLICATE_KEY, "duplicate_key", FB_ALREADY_EXISTS},
        {REFUSAL_NO_SUCH, "no_such", FB_NOT_FOUND},
        {REFUSAL_BUDGET, "budget", FB_RESOURCE_EXHAUSTED},
    };

    (void)state;
    assert_int_equal(sizeof(table) / sizeof(table[0]), REFUSAL_KINDS - 1);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_string_equal(refusal_name(table[i].kind), table[i].name);
        assert_int_equal(refusal_code(table[i].kind), table[i].code);
    }
}

static void a_conflict_names_the_holder_and_its_fence(void **state)
{
    Flowbalancer__V1__FlowRefusal *said = packed((struct refusal){
        .kind = REFUSAL_CONFLICT, .task = 3, .other = 4, .fence = 77, .holder = FB_TEXT("ada")});

    (void)state;
    assert_string_equal(said->reason, "conflict");
    assert_int_equal(said->task, 3);
    assert_int_equal(said->other, 4);
    assert_string_equal(said->holder, "ada");
    assert_int_equal(said->fence, 77);
    assert_int_equal(said->rev, 0);
    flowbalancer__v1__flow_refusal__free_unpacked(said, NULL);
}

static void a_stale_rev_names_the_rev_that_there_is(void **state)
{
    Flowbalancer__V1__FlowRefusal *said =
        packed((struct refusal){.kind = REFUSAL_STALE_REV, .task = 3, .fence = 12});

    (void)state;
    assert_int_equal(said->rev, 12);
    assert_int_equal(said->fence, 0);
    flowbalancer__v1__flow_refusal__free_unpacked(said, NULL);
}

static int setup(void **state)
{
    (void)state;
    fb_arena_init(&arena, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fb_arena_finish(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_has_the_code_of_the_contract),
        cmocka_unit_test(a_conflict_names_the_holder_and_its_fence),
        cmocka_unit_test(a_stale_rev_names_the_rev_that_there_is),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

#include "runtime/trace/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char parent[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

static void a_traceparent_goes_through_unchanged(void **state)
{
    struct fb_trace_context context = {.flags = 0};
    char out[FB_TRACE_PARENT_BYTES + 1];

    (void)state;
    assert_true(fb_trace_parse(fb_text_of(parent), &context));
    assert_int_equal(context.trace_id[0], 0x0a);
    assert_int_equal(context.trace_id[15], 0x9c);
    assert_int_equal(context.span_id[0], 0xb7);
    assert_int_equal(context.span_id[7], 0x31);
    assert_int_equal(context.flags, FB_TRACE_SAMPLED);
    fb_trace_format(&context, out);
    assert_string_equal(out, parent);
}

static void what_the_standard_forbids_is_no_traceparent(void **state)
{
    static const char *const bad[] = {
        "",
        "00",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "0x-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-B7AD6B7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0G",
        "00-0af7651916cd43dd8448eb211c80319-b7ad6b71692033311-01",
        "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
        " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct fb_trace_context context = {.flags = 7};

        assert_false(fb_trace_parse(fb_text_of(bad[i]), &context));
        assert_int_equal(context.flags, 7);
        assert_false(fb_trace_is_set(&context));
    }
}

static void a_later_version_is_read_as_far_as_ours_goes(void **state)
{
    static const char *const later[] = {
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-holds",
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-f9-",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(later); i++) {
        struct fb_trace_context context = {.flags = 0};
        char out[FB_TRACE_PARENT_BYTES + 1];

        assert_true(fb_trace_parse(fb_text_of(later[i]), &context));
        fb_trace_format(&context, out);
        assert_string_equal(out, parent);
    }
}

static void a_child_is_of_the_same_trace_under_another_id(void **state)
{
    const struct fb_trace_context context =
        fb_trace_join(fb_text_of(parent), FB_TEXT("a=1"), FB_TEXT("user=x"), false);
    const struct fb_trace_context child = fb_trace_child(&context);

    (void)state;
    assert_memory_equal(child.trace_id, context.trace_id, 16);
    assert_memory_not_equal(child.span_id, context.span_id, 8);
    assert_int_equal(child.flags, FB_TRACE_SAMPLED);
    assert_true(fb_text_is(child.state, "a=1"));
    assert_true(fb_text_is(child.baggage, "user=x"));
}

static void a_bad_traceparent_begins_a_new_trace_without_the_state(void **state)
{
    const struct fb_trace_context context =
        fb_trace_join(FB_TEXT("00-nonsense"), FB_TEXT("a=1"), FB_TEXT("user=x"), true);

    (void)state;
    assert_true(fb_trace_is_set(&context));
    assert_int_equal(context.flags, FB_TRACE_SAMPLED | FB_TRACE_RANDOM);
    assert_int_equal(context.state.size, 0);
    assert_true(fb_text_is(context.baggage, "user=x"));
}

static void a_bad_state_is_dropped_alone(void **state)
{
    const struct fb_trace_context context =
        fb_trace_join(fb_text_of(parent), FB_TEXT("A=1"), FB_TEXT("no value"), true);

    (void)state;
    assert_int_equal(context.trace_id[0], 0x0a);
    assert_int_equal(context.state.size, 0);
    assert_int_equal(context.baggage.size, 0);
}

static void new_traces_never_share_an_id(void **state)
{
    enum { TRACES = 1000 };
    static struct fb_trace_context all[TRACES];

    (void)state;
    for (size_t i = 0; i < TRACES; i++) {
        all[i] = fb_trace_begin(false);
        assert_true(fb_trace_is_set(&all[i]));
        assert_int_equal(all[i].flags, FB_TRACE_RANDOM);
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(all[i].trace_id, all[j].trace_id, 16);
            assert_memory_not_equal(all[i].span_id, all[j].span_id, 8);
        }
    }
}

/* `count` members of the form k<n>=v. */
static char *members(size_t count, const char *value)
{
    char *list = calloc(count + 1, 16 + strlen(value));
    size_t size = 0;

    assert_non_null(list);
    for (size_t i = 0; i < count; i++) {
        size += (size_t)sprintf(list + size, "%sk%zu=%s", i == 0 ? "" : ",", i, value);
    }
    return list;
}

static void a_tracestate_is_a_list_of_up_to_32_distinct_vendors(void **state)
{
    static const char *const good[] = {
        "",
        "a=1",
        "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
        "a=1 ,\tb=2",
        "a=1,,b=2,",
        "fw529a3039@dt=FfAAAA",
        "0tenant@system=x",
        "a_-*/0=!\"#$%&'()*+-./:;<>?@[]^_`{|}~",
        "a= leading space is fine",
    };
    static const char *const bad[] = {
        "a",       "=1",    "a=",   "A=1",  "0a=1",  "a=1,a=2", "a=b=c",     "a=\xc3\xa4",
        "a=x\x7f", "a b=1", "a@=1", "@b=1", "a@B=1", "a@b@c=1", "a=1;b=2,c", "a@systemnamelong15=1",
    };
    char *list;

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(fb_trace_state_is_valid(fb_text_of(good[i])));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(fb_trace_state_is_valid(fb_text_of(bad[i])));
    }
    list = members(32, "v");
    assert_true(fb_trace_state_is_valid(fb_text_of(list)));
    free(list);
    list = members(33, "v");
    assert_false(fb_trace_state_is_valid(fb_text_of(list)));
    free(list);
    list = members(32, "a-value-that-makes-it-long");
    assert_true(strlen(list) > FB_TRACE_STATE_BYTES);
    assert_false(fb_trace_state_is_valid(fb_text_of(list)));
    free(list);
}

static void baggage_is_a_list_of_up_to_64_pairs_with_properties(void **state)
{
    static const char *const good[] = {
        "",        "user=x", "key1=value1,key2 = value2 ; property1;propertyKey = propertyValue",
        "empty=",  "a=b=c",  "Key!#$%&'*+-.^_`|~=value%20encoded",
        "a=1,a=2",
    };
    static const char *const bad[] = {
        "user", "=x",    "a=1,",   ",a=1",       "a b=1",  "a=x y",   "a=\"x\"",
        "a=1;", "a=1;=", "a=x\\y", "a=\xc3\xa4", "a(b)=1", "a=1;b c",
    };
    char *list;

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(fb_trace_baggage_is_valid(fb_text_of(good[i])));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(fb_trace_baggage_is_valid(fb_text_of(bad[i])));
    }
    list = members(64, "v");
    assert_true(fb_trace_baggage_is_valid(fb_text_of(list)));
    free(list);
    list = members(65, "v");
    assert_false(fb_trace_baggage_is_valid(fb_text_of(list)));
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_traceparent_goes_through_unchanged),
        cmocka_unit_test(what_the_standard_forbids_is_no_traceparent),
        cmocka_unit_test(a_later_version_is_read_as_far_as_ours_goes),
        cmocka_unit_test(a_child_is_of_the_same_trace_under_another_id),
        cmocka_unit_test(a_bad_traceparent_begins_a_new_trace_without_the_state),
        cmocka_unit_test(a_bad_state_is_dropped_alone),
        cmocka_unit_test(new_traces_never_share_an_id),
        cmocka_unit_test(a_tracestate_is_a_list_of_up_to_32_distinct_vendors),
        cmocka_unit_test(baggage_is_a_list_of_up_to_64_pairs_with_properties),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

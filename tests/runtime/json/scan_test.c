#include "runtime/json/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A copy on the heap without a byte behind it, so that a sanitizer sees any step outside. */
static struct fb_text exactly(const void *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);

    assert_non_null(copy);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    return (struct fb_text){.data = copy, .size = size};
}

static void release(struct fb_text text)
{
    free((void *)(uintptr_t)text.data);
}

static bool accepts(const void *data, size_t size, size_t *offset)
{
    struct fb_text text = exactly(data, size);
    bool good = fb_is_ok(fb_json_check(text, FB_JSON_DEPTH, offset));

    release(text);
    return good;
}

static void each_form_of_rfc_8259_is_accepted(void **state)
{
    static const char *const good[] = {
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-1",
        "10",
        "123456789012345678901234567890",
        "1.5",
        "-0.0",
        "1e3",
        "1E+3",
        "1e-03",
        "0.1e99999",
        "\"\"",
        "\"a\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"\\udfff\\ud800\"",
        "\"\\uD83D\\uDe00\"",
        "\"\x7f\"",
        "\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"",
        "\"\xe2\x80\xa8\xe2\x80\xa9\xef\xbb\xbf\"",
        "[]",
        "[ ]",
        "{}",
        "{ \t\r\n}",
        " [1 , \"a\",null , [ ] ,{\"a\" : { } } ] ",
        "{\"a\":1,\"a\":2}",
        "{\"\":0}",
        "\t\r\n 1 \t\r\n",
        "[[[[[[]]]]]]",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        if (!accepts(good[i], strlen(good[i]), NULL)) {
            fail_msg("refused: %s", good[i]);
        }
    }
}

struct bad {
    const char *text;
    size_t offset;
};

static void what_is_no_json_is_refused_where_it_ceases_to_be(void **state)
{
    static const struct bad bad[] = {
        {"", 0},
        {" ", 1},
        {"nul", 3},
        {"nulL", 3},
        {"True", 0},
        {"truee", 4},
        {"NaN", 0},
        {"Infinity", 0},
        {"-Infinity", 1},
        {"+1", 0},
        {".5", 0},
        {"-", 1},
        {"-a", 1},
        {"01", 1},
        {"-01", 2},
        {"1.", 2},
        {"1.e3", 2},
        {"1e", 2},
        {"1e+", 3},
        {"0x10", 1},
        {"1 2", 2},
        {"'a'", 0},
        {"\"", 1},
        {"\"a", 2},
        {"\"\\", 2},
        {"\"\\x41\"", 2},
        {"\"\\a\"", 2},
        {"\"\\u12\"", 5},
        {"\"\\u12g4\"", 5},
        {"\"\\U0041\"", 2},
        {"\"a\nb\"", 2},
        {"\"a\tb\"", 2},
        {"\"1234567\x1f\"", 8},
        {"\"\x80\"", 1},
        {"\"\xc0\xaf\"", 1},
        {"\"\xe0\x9f\xbf\"", 1},
        {"\"\xed\xa0\x80\"", 1},
        {"\"\xf0\x8f\xbf\xbf\"", 1},
        {"\"\xf4\x90\x80\x80\"", 1},
        {"\"\xf5\x80\x80\x80\"", 1},
        {"\"\xc3\"", 1},
        {"\"ab\xe2\x82\"", 3},
        {"\"\xff\"", 1},
        {"\xef\xbb\xbf[]", 0},
        {"\xc3\xa9", 0},
        {"[", 1},
        {"[1", 2},
        {"[1,", 3},
        {"[1,]", 3},
        {"[,1]", 1},
        {"[1 2]", 3},
        {"[1}", 2},
        {"[1]]", 3},
        {"]", 0},
        {"{", 1},
        {"{1:2}", 1},
        {"{a:1}", 1},
        {"{\"a\"", 4},
        {"{\"a\" 1}", 5},
        {"{\"a\":}", 5},
        {"{\"a\":1", 6},
        {"{\"a\":1,}", 7},
        {"{\"a\":1]", 6},
        {"{\"a\":1 \"b\":2}", 7},
        {"{,}", 1},
        {"[1] // note", 4},
        {"[\f1]", 1},
        {"[\xc2\xa0]", 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        size_t offset = 9999;

        if (accepts(bad[i].text, strlen(bad[i].text), &offset) || offset != bad[i].offset) {
            fail_msg("%s: offset %zu", bad[i].text, offset);
        }
    }
    assert_false(accepts("1\0", 2, NULL));
    assert_false(accepts("\"\0\"", 3, NULL));
}

static void nesting_is_allowed_up_to_the_given_depth(void **state)
{
    char text[2 * FB_JSON_DEPTH_MOST + 2];
    static const unsigned depths[] = {1, 2, 63, 64, 65, 128, FB_JSON_DEPTH_MOST};

    (void)state;
    for (size_t i = 0; i < COUNT(depths); i++) {
        size_t offset = 0;
        unsigned depth = depths[i];
        struct fb_status status;

        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        status = fb_json_check((struct fb_text){text, 2 * (size_t)depth}, depth, NULL);
        assert_int_equal(status.code, FB_OK);
        memset(text, '[', depth + 1);
        memset(text + depth + 1, ']', depth + 1);
        status = fb_json_check((struct fb_text){text, 2 * (size_t)depth + 2}, depth, &offset);
        assert_int_equal(status.code, FB_INVALID_ARGUMENT);
        assert_string_equal(status.why, "nested too deep");
        assert_int_equal(offset, depth);
    }
}

static void objects_and_arrays_may_alternate_to_any_depth(void **state)
{
    struct fb_buffer text = {0};
    const int pairs = FB_JSON_DEPTH_MOST / 2;

    (void)state;
    for (int i = 0; i < pairs; i++) {
        fb_buffer_string(&text, "[{\"k\":");
    }
    fb_buffer_string(&text, "0");
    for (int i = 0; i < pairs; i++) {
        fb_buffer_string(&text, "}]");
    }
    assert_true(
        fb_is_ok(fb_json_check((struct fb_text){text.data, text.size}, FB_JSON_DEPTH_MOST, NULL)));
    text.data[text.size - 1] = '}';
    assert_false(
        fb_is_ok(fb_json_check((struct fb_text){text.data, text.size}, FB_JSON_DEPTH_MOST, NULL)));
    fb_buffer_finish(&text);
}

static void kinds_are_told_by_the_first_byte(void **state)
{
    (void)state;
    assert_int_equal(fb_json_kind_of(FB_TEXT(" ")), FB_JSON_NONE);
    assert_int_equal(fb_json_kind_of(FB_TEXT(" null")), FB_JSON_NULL);
    assert_int_equal(fb_json_kind_of(FB_TEXT("true")), FB_JSON_TRUE);
    assert_int_equal(fb_json_kind_of(FB_TEXT("false ")), FB_JSON_FALSE);
    assert_int_equal(fb_json_kind_of(FB_TEXT("-1")), FB_JSON_NUMBER);
    assert_int_equal(fb_json_kind_of(FB_TEXT("\"\"")), FB_JSON_STRING);
    assert_int_equal(fb_json_kind_of(FB_TEXT("[]")), FB_JSON_ARRAY);
    assert_int_equal(fb_json_kind_of(FB_TEXT("\t{}")), FB_JSON_OBJECT);
}

static void only_numbers_spelled_whole_are_integers(void **state)
{
    int64_t number = 7;

    (void)state;
    assert_true(fb_json_is_integer(FB_TEXT("0")));
    assert_true(fb_json_is_integer(FB_TEXT("-12")));
    assert_true(fb_json_is_integer(FB_TEXT("123456789012345678901234567890")));
    assert_false(fb_json_is_integer(FB_TEXT("")));
    assert_false(fb_json_is_integer(FB_TEXT("-")));
    assert_false(fb_json_is_integer(FB_TEXT("1.0")));
    assert_false(fb_json_is_integer(FB_TEXT("1e3")));
    assert_false(fb_json_is_integer(FB_TEXT("\"1\"")));
    assert_true(fb_json_to_i64(FB_TEXT("9223372036854775807"), &number));
    assert_true(number == INT64_MAX);
    assert_true(fb_json_to_i64(FB_TEXT("-9223372036854775808"), &number));
    assert_true(number == INT64_MIN);
    assert_false(fb_json_to_i64(FB_TEXT("9223372036854775808"), &number));
    assert_false(fb_json_to_i64(FB_TEXT("-9223372036854775809"), &number));
    assert_true(number == INT64_MIN);
}

static void a_walk_shows_every_member_as_it_was_written(void **state)
{
    struct fb_json_walk walk = fb_json_walk(
        FB_TEXT(" { \"a\" : 1.50 ,\"b\\n\":\"x,]}\\\"\", \"a\":[1,{\"}\":2}] , \"\":{ } }\n"));

    (void)state;
    assert_true(fb_json_next(&walk));
    assert_true(fb_text_is(walk.key, "\"a\""));
    assert_true(fb_text_is(walk.value, "1.50"));
    assert_true(fb_json_next(&walk));
    assert_true(fb_text_is(walk.key, "\"b\\n\""));
    assert_true(fb_text_is(walk.value, "\"x,]}\\\"\""));
    assert_true(fb_json_next(&walk));
    assert_true(fb_text_is(walk.value, "[1,{\"}\":2}]"));
    assert_true(fb_json_next(&walk));
    assert_true(fb_text_is(walk.key, "\"\""));
    assert_true(fb_text_is(walk.value, "{ }"));
    assert_false(fb_json_next(&walk));
    assert_false(fb_json_next(&walk));
}

static void a_walk_shows_every_element(void **state)
{
    struct fb_json_walk walk = fb_json_walk(FB_TEXT("[ \"a:b\" ,[ ], -1e3,true ]"));

    (void)state;
    assert_true(fb_json_next(&walk));
    assert_int_equal(walk.key.size, 0);
    assert_true(fb_text_is(walk.value, "\"a:b\""));
    assert_true(fb_json_next(&walk));
    assert_true(fb_text_is(walk.value, "[ ]"));
    assert_true(fb_json_next(&walk));
    assert_true(fb_text_is(walk.value, "-1e3"));
    assert_true(fb_json_next(&walk));
    assert_true(fb_text_is(walk.value, "true"));
    assert_false(fb_json_next(&walk));
}

static void what_holds_nothing_is_walked_in_no_step(void **state)
{
    static const char *const texts[] = {"", "1", "\"[]\"", "[]", " { } ", "null"};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct fb_json_walk walk = fb_json_walk(fb_text_of(texts[i]));

        assert_false(fb_json_next(&walk));
    }
}

static void of_equal_keys_the_last_one_counts(void **state)
{
    struct fb_text value = {0};

    (void)state;
    assert_true(fb_json_find(FB_TEXT("{\"a\":1,\"b\":2,\"\\u0061\":3}"), "a", &value));
    assert_true(fb_text_is(value, "3"));
    assert_false(fb_json_find(FB_TEXT("{\"a\":{\"c\":1}}"), "c", &value));
    assert_false(fb_json_find(FB_TEXT("[\"a\",1]"), "a", &value));
    assert_true(fb_text_is(value, "3"));
}

static void strings_are_compared_with_their_escapes_undone(void **state)
{
    (void)state;
    assert_true(fb_json_string_is(FB_TEXT("\"tools/call\""), "tools/call"));
    assert_true(fb_json_string_is(FB_TEXT("\"tools\\/c\\u0061ll\""), "tools/call"));
    assert_true(fb_json_string_is(FB_TEXT("\"\\ud83d\\ude00\""), "\xf0\x9f\x98\x80"));
    assert_true(fb_json_string_is(FB_TEXT("\"\""), ""));
    assert_false(fb_json_string_is(FB_TEXT("\"tools/cal\""), "tools/call"));
    assert_false(fb_json_string_is(FB_TEXT("\"tools/calls\""), "tools/call"));
    assert_false(fb_json_string_is(FB_TEXT("\"\\n\""), "\\n"));
    assert_false(fb_json_string_is(FB_TEXT("\"a\\u0000\""), "a"));
    assert_false(fb_json_string_is(FB_TEXT("\"\\ud800\""), "\xef\xbf\xbd"));
    assert_false(fb_json_string_is(FB_TEXT("tools/call"), "tools/call"));
}

static void strings_come_out_in_utf8(void **state)
{
    struct fb_arena arena;
    struct fb_text text;
    struct fb_text plain = FB_TEXT("\"plain \xc3\xa9\"");
    bool exact = false;

    (void)state;
    fb_arena_init(&arena, 4096);
    assert_true(fb_is_ok(fb_json_unescape(plain, &arena, &text, &exact)));
    assert_true(exact);
    assert_ptr_equal(text.data, plain.data + 1);
    assert_int_equal(text.size, plain.size - 2);
    assert_true(fb_is_ok(fb_json_unescape(
        FB_TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20AC\\ud83d\\ude00\\u0000.\""), &arena,
        &text, &exact)));
    assert_true(exact);
    assert_true(
        fb_text_equal(text, FB_TEXT("\"\\/\b\f\n\r\t\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\0.")));
    assert_true(fb_is_ok(
        fb_json_unescape(FB_TEXT("\"\\ud800\\ud83d\\ude00\\udc00x\""), &arena, &text, &exact)));
    assert_false(exact);
    assert_true(fb_text_is(text, "\xef\xbf\xbd\xf0\x9f\x98\x80\xef\xbf\xbdx"));
    assert_int_equal(fb_json_unescape(FB_TEXT("12"), &arena, &text, NULL).code,
                     FB_INVALID_ARGUMENT);
    fb_arena_finish(&arena);
    fb_arena_init(&arena, 4);
    assert_int_equal(fb_json_unescape(FB_TEXT("\"\\n23456789\""), &arena, &text, NULL).code,
                     FB_RESOURCE_EXHAUSTED);
    fb_arena_finish(&arena);
}

static void compact_text_keeps_all_but_the_space_between_tokens(void **state)
{
    struct fb_buffer out = {0};

    (void)state;
    fb_json_append_compact(&out,
                           FB_TEXT("\n{ \"a b\" :\t[ 1.50 ,\r\n\" \\\" x \" ] , \"c\":null }\n"));
    assert_true(fb_text_is((struct fb_text){out.data, out.size},
                           "{\"a b\":[1.50,\" \\\" x \"],\"c\":null}"));
    fb_buffer_finish(&out);
}

/* --- against another reader --- */

static uint32_t seed = 20260728;

static uint32_t below(uint32_t most)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % most;
}

static void grow(struct fb_buffer *out, unsigned depth)
{
    static const char *const leaves[] = {
        "0",
        "-1",
        "3.25",
        "1e5",
        "12345678",
        "true",
        "false",
        "null",
        "\"\"",
        "\"ab\"",
        "\"é€😀\"",
        "\"\\n\\\"\"",
        "\"\\u0041\\u00e9\"",
        "\"a long string without any escape in it\"",
    };
    static const char *const spaces[] = {"", "", "", " ", "\t", "\r\n"};
    uint32_t form = depth == 0 ? 0 : below(4);
    uint32_t count = below(4);

    fb_buffer_string(out, spaces[below(COUNT(spaces))]);
    if (form < 2) {
        fb_buffer_string(out, leaves[below(COUNT(leaves))]);
    } else {
        fb_buffer_string(out, form == 2 ? "[" : "{");
        for (uint32_t i = 0; i < count; i++) {
            fb_buffer_string(out, i > 0 ? "," : "");
            if (form == 3) {
                fb_buffer_printf(out, "%s\"k%u\"%s:", spaces[below(COUNT(spaces))], below(9),
                                 spaces[below(COUNT(spaces))]);
            }
            grow(out, depth - 1);
        }
        fb_buffer_string(out, form == 2 ? "]" : "}");
    }
    fb_buffer_string(out, spaces[below(COUNT(spaces))]);
}

static void spoil(struct fb_buffer *text)
{
    static const char bytes[] = "{}[]\":,0.e+-tnu\\ \n\x01\x7f\x80\xc3\xed\xf4";
    size_t at = text->size > 0 ? below((uint32_t)text->size) : 0;

    switch (below(3)) {
    case 0:
        if (at < text->size) {
            text->data[at] = bytes[below(sizeof(bytes) - 1)];
        }
        break;
    case 1:
        text->size = at;
        break;
    default:
        fb_buffer_append(text, &bytes[below(sizeof(bytes) - 1)], 1);
        break;
    }
}

/* What jansson cannot hold although it is JSON. */
static bool beyond_jansson(const json_error_t *error)
{
    return json_error_code(error) == json_error_numeric_overflow ||
           strstr(error->text, "Unicode") != NULL || strstr(error->text, "real") != NULL;
}

static void any_text_is_judged_as_jansson_judges_it(void **state)
{
    size_t good = 0;
    size_t bad = 0;

    (void)state;
    for (int round = 0; round < 60000; round++) {
        struct fb_buffer text = {0};
        json_error_t error;
        json_t *json;
        bool accepted;

        grow(&text, 4);
        for (uint32_t i = below(3); i > 0; i--) {
            spoil(&text);
        }
        accepted = accepts(text.data, text.size, NULL);
        json = json_loadb(text.data, text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
        if (accepted != (json != NULL) && !(accepted && beyond_jansson(&error))) {
            fail_msg("%.*s: %s", (int)text.size, text.data, json == NULL ? error.text : "accepted");
        }
        good += accepted;
        bad += !accepted;
        json_decref(json);
        fb_buffer_finish(&text);
    }
    assert_true(good > 10000);
    assert_true(bad > 10000);
}

static void same(json_t *json, struct fb_text slice)
{
    struct fb_text value = fb_json_trim(slice);
    struct fb_json_walk walk = fb_json_walk(value);
    size_t members = 0;

    if (json_is_object(json)) {
        const char *key;
        json_t *member;

        assert_int_equal(fb_json_kind_of(value), FB_JSON_OBJECT);
        json_object_foreach(json, key, member)
        {
            struct fb_text found;

            assert_true(fb_json_find(value, key, &found));
            same(member, found);
        }
        return;
    }
    if (json_is_array(json)) {
        while (fb_json_next(&walk)) {
            same(json_array_get(json, members++), walk.value);
        }
        assert_int_equal(members, json_array_size(json));
        return;
    }
    if (json_is_string(json)) {
        struct fb_arena arena;
        struct fb_text text;

        fb_arena_init(&arena, 0);
        assert_true(fb_is_ok(fb_json_unescape(value, &arena, &text, NULL)));
        assert_int_equal(text.size, json_string_length(json));
        assert_memory_equal(text.data, json_string_value(json), text.size);
        assert_true(fb_json_string_is(value, json_string_value(json)));
        fb_arena_finish(&arena);
        return;
    }
    assert_int_equal(fb_json_kind_of(value), json_is_null(json)    ? FB_JSON_NULL
                                             : json_is_true(json)  ? FB_JSON_TRUE
                                             : json_is_false(json) ? FB_JSON_FALSE
                                                                   : FB_JSON_NUMBER);
}

static void any_document_is_walked_as_jansson_holds_it(void **state)
{
    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct fb_buffer text = {0};
        struct fb_buffer compact = {0};
        struct fb_text exact;
        json_t *json;

        grow(&text, 5);
        exact = exactly(text.data, text.size);
        json = json_loadb(text.data, text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_non_null(json);
        same(json, exact);
        fb_json_append_compact(&compact, exact);
        assert_null(memchr(compact.data, '\n', compact.size));
        same(json, (struct fb_text){compact.data, compact.size});
        json_decref(json);
        release(exact);
        fb_buffer_finish(&compact);
        fb_buffer_finish(&text);
    }
}

static void an_unchecked_text_never_leads_outside_of_it(void **state)
{
    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct fb_buffer text = {0};
        struct fb_buffer out = {0};
        struct fb_arena arena;
        struct fb_json_walk walk;
        struct fb_text exact;
        struct fb_text found;

        grow(&text, 4);
        for (uint32_t i = 1 + below(4); i > 0; i--) {
            spoil(&text);
        }
        exact = exactly(text.data, text.size);
        fb_arena_init(&arena, 0);
        walk = fb_json_walk(exact);
        while (fb_json_next(&walk)) {
            fb_json_unescape(walk.value, &arena, &found, NULL);
            fb_json_find(walk.value, "k1", &found);
        }
        fb_json_append_compact(&out, exact);
        fb_arena_finish(&arena);
        release(exact);
        fb_buffer_finish(&out);
        fb_buffer_finish(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_of_rfc_8259_is_accepted),
        cmocka_unit_test(what_is_no_json_is_refused_where_it_ceases_to_be),
        cmocka_unit_test(nesting_is_allowed_up_to_the_given_depth),
        cmocka_unit_test(objects_and_arrays_may_alternate_to_any_depth),
        cmocka_unit_test(kinds_are_told_by_the_first_byte),
        cmocka_unit_test(only_numbers_spelled_whole_are_integers),
        cmocka_unit_test(a_walk_shows_every_member_as_it_was_written),
        cmocka_unit_test(a_walk_shows_every_element),
        cmocka_unit_test(what_holds_nothing_is_walked_in_no_step),
        cmocka_unit_test(of_equal_keys_the_last_one_counts),
        cmocka_unit_test(strings_are_compared_with_their_escapes_undone),
        cmocka_unit_test(strings_come_out_in_utf8),
        cmocka_unit_test(compact_text_keeps_all_but_the_space_between_tokens),
        cmocka_unit_test(any_text_is_judged_as_jansson_judges_it),
        cmocka_unit_test(any_document_is_walked_as_jansson_holds_it),
        cmocka_unit_test(an_unchecked_text_never_leads_outside_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "runtime/config/document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/arena.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct fb_document parse(struct fb_arena *arena, const char *text)
{
    struct fb_document document;
    const struct fb_status status = fb_document_parse("f.json", fb_text_of(text), arena, &document);

    assert_string_equal(status.why, "");
    assert_true(fb_is_ok(status));
    return document;
}

static void assert_refused(struct fb_arena *arena, const char *text, const char *why)
{
    struct fb_document document;
    const struct fb_status status = fb_document_parse("f.json", fb_text_of(text), arena, &document);

    assert_int_equal(status.code, FB_INVALID_ARGUMENT);
    assert_string_equal(status.why, why);
    fb_document_finish(&document);
}

static void comments_and_trailing_commas_are_accepted(void **state)
{
    static const char *const texts[] = {
        "{\"a\": [1, 2,], \"b\": {\"c\": 3,},}",
        "// first\n{\"a\": [1, /* one */ 2 /* two */,\n], \"b\": {\"c\": 3}} // last",
        "\xef\xbb\xbf{\"a\":[1,2,/**/] ,\"b\":{\"c\":3 , // end\n}\n,}",
        "/* /* // */{\"a\":[1,2],\"b\":{\"c\":3}}//",
    };

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct fb_document document = parse(*state, texts[i]);

        assert_int_equal(json_array_size(json_object_get(document.root, "a")), 2);
        assert_int_equal(
            json_integer_value(json_object_get(json_object_get(document.root, "b"), "c")), 3);
        fb_document_finish(&document);
    }
}

static void what_looks_like_a_comment_in_a_string_stays(void **state)
{
    struct fb_document document =
        parse(*state, "{\"url\": \"https://x/*y*/,]\", \"q\": \"a\\\\\", \"r\": \"\\\"//\"}");

    assert_string_equal(json_string_value(json_object_get(document.root, "url")),
                        "https://x/*y*/,]");
    assert_string_equal(json_string_value(json_object_get(document.root, "q")), "a\\");
    assert_string_equal(json_string_value(json_object_get(document.root, "r")), "\"//");
    fb_document_finish(&document);
}

static void a_comma_without_a_value_before_it_is_still_wrong(void **state)
{
    static const char *const texts[] = {"{\"a\":[,]}", "{,}", "{\"a\":[1,,]}", "{\"a\":,}",
                                        "{\"a\":[/**/,]}"};

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct fb_document document;

        assert_int_equal(fb_document_parse("f.json", fb_text_of(texts[i]), *state, &document).code,
                         FB_INVALID_ARGUMENT);
    }
}

static void an_error_names_file_line_and_column_and_quotes_nothing(void **state)
{
    struct fb_document document;
    const struct fb_status status =
        fb_document_parse("f.json", FB_TEXT("{\n  \"token\": secret-word\n}"), *state, &document);

    assert_int_equal(status.code, FB_INVALID_ARGUMENT);
    assert_memory_equal(status.why, "f.json:2:", 9);
    assert_null(strstr(status.why, "secret"));
    assert_refused(*state, "{}\n/* never ends", "f.json:2:1: this comment does not end");
    assert_refused(*state, "{\"\xc3\xa4\": \"\xff\"}", "f.json:1:8: a byte that is not UTF-8");
    assert_refused(*state, "[1]", "f.json: wanted an object in braces");
    assert_refused(*state, "", "f.json:1:1: no JSON: '[' or '{' expected near end of file");
}

static void a_nul_byte_is_refused_wherever_it_stands(void **state)
{
    static const struct fb_text texts[] = {{"{\"a\": 5\0}", 9}, {"{\"a\0\": 5}", 9}, {"\0", 1}};

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct fb_document document;
        const struct fb_status status = fb_document_parse("f.json", texts[i], *state, &document);

        assert_int_equal(status.code, FB_INVALID_ARGUMENT);
        assert_non_null(strstr(status.why, "a NUL byte"));
    }
}

static void nesting_is_limited(void **state)
{
    char text[512] = "{\"a\":";
    struct fb_document document;
    size_t size = strlen(text);

    memset(text + size, '[', 63);
    memset(text + size + 63, ']', 63);
    memcpy(text + size + 126, "}", 2);
    document = parse(*state, text);
    fb_document_finish(&document);
    memset(text + size, '[', 64);
    memset(text + size + 64, ']', 64);
    memcpy(text + size + 128, "}", 2);
    assert_refused(*state, text, "f.json:1:69: nested deeper than 64 levels");
}

static void members_are_walked_in_the_order_of_the_file_with_their_places(void **state)
{
    struct fb_document document = parse(
        *state, "{ \"b\" : {\"x\":[1,{\"y\":\"}\"}]},\n  // between\n  \"a\\u0041\":2, \"b\": 3 }");
    static const char *const keys[] = {"b", "aA", "b"};
    static const char *const places[] = {"f.json:1:3", "f.json:3:3", "f.json:3:16"};
    size_t cursor = fb_document_root(&document);
    struct fb_document_member member;

    for (size_t i = 0; i < COUNT(keys); i++) {
        assert_true(fb_document_next(&document, *state, &cursor, &member));
        assert_string_equal(member.key, keys[i]);
        assert_string_equal(fb_document_place(&document, *state, member.key_at), places[i]);
    }
    assert_false(fb_document_next(&document, *state, &cursor, &member));
    assert_true(fb_document_find(&document, 0, "b", &member));
    assert_string_equal(fb_document_place(&document, *state, member.value_at), "f.json:3:21");
    assert_true(fb_document_find(&document, 0, "aA", &member));
    assert_false(fb_document_find(&document, 0, "c", &member));
    assert_false(fb_document_find(&document, member.value_at, "c", &member));
    fb_document_finish(&document);
}

static void what_is_no_file_is_named(void **state)
{
    struct fb_document document;
    char fifo[] = "/tmp/fb-document-XXXXXX";
    struct fb_status status = fb_document_read("/nowhere/f.json", *state, &document);

    assert_int_equal(status.code, FB_NOT_FOUND);
    assert_string_equal(status.why, "/nowhere/f.json: there is no such file");
    assert_int_equal(fb_document_read("/tmp", *state, &document).code, FB_INVALID_ARGUMENT);
    assert_non_null(mkdtemp(fifo));
    assert_int_equal(rmdir(fifo), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(fb_document_read(fifo, *state, &document).code, FB_INVALID_ARGUMENT);
    assert_int_equal(unlink(fifo), 0);
}

static void a_file_larger_than_the_limit_is_refused_unread(void **state)
{
    struct fb_document document;
    char path[] = "/tmp/fb-document-XXXXXX";
    const int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, FB_DOCUMENT_BYTES + 1), 0);
    close(fd);
    assert_int_equal(fb_document_read(path, *state, &document).code, FB_INVALID_ARGUMENT);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(comments_and_trailing_commas_are_accepted),
        ARENA_TEST(what_looks_like_a_comment_in_a_string_stays),
        ARENA_TEST(a_comma_without_a_value_before_it_is_still_wrong),
        ARENA_TEST(an_error_names_file_line_and_column_and_quotes_nothing),
        ARENA_TEST(a_nul_byte_is_refused_wherever_it_stands),
        ARENA_TEST(nesting_is_limited),
        ARENA_TEST(members_are_walked_in_the_order_of_the_file_with_their_places),
        ARENA_TEST(what_is_no_file_is_named),
        ARENA_TEST(a_file_larger_than_the_limit_is_refused_unread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "runtime/log/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

static const struct fb_line silent = {
    .at_unix_ms = INT64_C(1732127445007), /* 2024-11-20T18:30:45.007Z */
    .level = FB_WARN,
    .program = "router",
    .pid = 42,
    .sentence = "worker went silent",
};

static void assert_logfmt(const struct fb_kv *fields, const char *expected)
{
    static const char head[] =
        "ts=2024-11-20T18:30:45.007Z level=warn program=router pid=42 msg=\"worker went silent\"";
    char line[FB_LINE_BYTES];
    const size_t size = fb_line_write(line, FB_LINE_LOGFMT, &silent, fields);

    assert_int_equal(size, strlen(head) + strlen(expected) + 1);
    assert_memory_equal(line, head, strlen(head));
    assert_memory_equal(line + strlen(head), expected, strlen(expected));
    assert_int_equal(line[size - 1], '\n');
}

static void a_line_is_time_level_program_pid_sentence_and_fields(void **state)
{
    const struct fb_kv none[] = {fb_kv_end()};
    const struct fb_kv all[] = {
        fb_kv_str("worker", "w1"),
        fb_kv_text("raw", FB_TEXT("a\0b")),
        fb_kv_int("low", INT64_MIN),
        fb_kv_uint("high", UINT64_MAX),
        fb_kv_ms("silent", 6001),
        fb_kv_us("took", -1),
        fb_kv_bytes("sent", 4096),
        fb_kv_bool("ready", false),
        fb_kv_status(fb_ok),
        fb_kv_status(fb_fail(FB_UNAVAILABLE, "no worker")),
        fb_kv_end(),
    };

    (void)state;
    assert_logfmt(none, "");
    assert_logfmt(all, " worker=w1 raw=\"a\\u0000b\" low=-9223372036854775808"
                       " high=18446744073709551615 silent_ms=6001 took_us=-1 sent_bytes=4096"
                       " ready=false code=OK code=UNAVAILABLE why=\"no worker\"");
}

static void a_value_is_quoted_when_a_reader_could_take_it_for_more(void **state)
{
    const struct fb_kv fields[] = {
        fb_kv_str("a", ""),
        fb_kv_str("b", NULL),
        fb_kv_str("c", "x=y"),
        fb_kv_str("d", "say \"hi\""),
        fb_kv_str("e", "C:\\x"),
        fb_kv_str("f", "/plain/path:1-2"),
        fb_kv_end(),
    };

    (void)state;
    assert_logfmt(fields, " a=\"\" b=\"\" c=\"x=y\" d=\"say \\\"hi\\\"\" e=\"C:\\\\x\""
                          " f=/plain/path:1-2");
}

static void an_outsider_cannot_begin_a_line_or_command_a_terminal(void **state)
{
    const struct fb_kv fields[] = {
        fb_kv_str("a", "x\nlevel=error"),
        fb_kv_str("b", "\r\t\x1b[2J\x7f"),
        fb_kv_str("c", "\xc2\x9b"
                       "2J"), /* CSI as a C1 control */
        fb_kv_str("d", "\xff\xc3\xa4\xed\xa0\x80"),
        fb_kv_end(),
    };

    (void)state;
    assert_logfmt(fields, " a=\"x\\nlevel=error\" b=\"\\r\\t\\u001b[2J\\u007f\""
                          " c=\"\xef\xbf\xbd\xef\xbf\xbd"
                          "2J\""
                          " d=\"\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

static json_t *read_json(const struct fb_kv *fields)
{
    char line[FB_LINE_BYTES];
    const size_t size = fb_line_write(line, FB_LINE_JSON, &silent, fields);
    json_t *object;

    assert_in_range(size, 1, FB_LINE_BYTES);
    assert_int_equal(line[size - 1], '\n');
    assert_null(memchr(line, '\n', size - 1));
    object = json_loadb(line, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    assert_true(json_is_object(object));
    return object;
}

static void a_json_line_says_the_same(void **state)
{
    const struct fb_kv fields[] = {
        fb_kv_str("worker", "w \"1\"\n"),
        fb_kv_ms("silent", -5),
        fb_kv_bool("ready", true),
        fb_kv_status(fb_fail(FB_ABORTED, "someone else was first")),
        fb_kv_end(),
    };
    json_t *line = read_json(fields);

    (void)state;
    assert_string_equal(json_string_value(json_object_get(line, "ts")), "2024-11-20T18:30:45.007Z");
    assert_string_equal(json_string_value(json_object_get(line, "level")), "warn");
    assert_string_equal(json_string_value(json_object_get(line, "program")), "router");
    assert_int_equal(json_integer_value(json_object_get(line, "pid")), 42);
    assert_string_equal(json_string_value(json_object_get(line, "msg")), "worker went silent");
    assert_string_equal(json_string_value(json_object_get(line, "worker")), "w \"1\"\n");
    assert_int_equal(json_integer_value(json_object_get(line, "silent_ms")), -5);
    assert_true(json_is_true(json_object_get(line, "ready")));
    assert_string_equal(json_string_value(json_object_get(line, "code")), "ABORTED");
    assert_string_equal(json_string_value(json_object_get(line, "why")), "someone else was first");
    json_decref(line);
}

/* Every length around the end of the room, of characters of one, three and six bytes when written. */
static void a_line_too_long_is_cut_and_still_whole(void **state)
{
    static const char *const units[] = {"a", "\xe2\x82\xac", "\x01"};
    char *text = malloc(16384);

    (void)state;
    assert_non_null(text);
    for (size_t unit = 0; unit < 3; unit++) {
        const size_t width = strlen(units[unit]);

        for (size_t bytes = 500 * width; bytes < 12288;
             bytes += bytes < 4200 ? width : 997 * width) {
            struct fb_kv fields[] = {fb_kv_int("before", 1), fb_kv_str("text", NULL),
                                     fb_kv_int("after", 2), fb_kv_end()};
            char line[FB_LINE_BYTES];
            json_t *object;
            bool cut;

            for (size_t i = 0; i < bytes; i++) {
                text[i] = units[unit][i % width];
            }
            fields[1].as.text = (struct fb_text){.data = text, .size = bytes};
            object = read_json(fields);
            cut = json_is_true(json_object_get(object, "cut"));
            assert_int_equal(json_integer_value(json_object_get(object, "before")), 1);
            assert_int_equal(cut, json_object_get(object, "after") == NULL);
            if (bytes > 4096) {
                assert_true(cut);
                assert_true(json_string_length(json_object_get(object, "text")) >= 300);
            }
            json_decref(object);
            assert_in_range(fb_line_write(line, FB_LINE_LOGFMT, &silent, fields), 1, FB_LINE_BYTES);
        }
    }
    free(text);
}

static void a_sentence_too_long_is_cut_too(void **state)
{
    char *sentence = malloc(8192);
    struct fb_line line = silent;
    const struct fb_kv fields[] = {fb_kv_int("after", 1), fb_kv_end()};
    char out[FB_LINE_BYTES];
    json_t *object;
    size_t size;

    (void)state;
    assert_non_null(sentence);
    memset(sentence, 's', 8191);
    sentence[8191] = '\0';
    line.sentence = sentence;
    size = fb_line_write(out, FB_LINE_JSON, &line, fields);
    object = json_loadb(out, size, 0, NULL);
    assert_true(json_is_object(object));
    assert_true(json_is_true(json_object_get(object, "cut")));
    json_decref(object);
    free(sentence);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_time_level_program_pid_sentence_and_fields),
        cmocka_unit_test(a_value_is_quoted_when_a_reader_could_take_it_for_more),
        cmocka_unit_test(an_outsider_cannot_begin_a_line_or_command_a_terminal),
        cmocka_unit_test(a_json_line_says_the_same),
        cmocka_unit_test(a_line_too_long_is_cut_and_still_whole),
        cmocka_unit_test(a_sentence_too_long_is_cut_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

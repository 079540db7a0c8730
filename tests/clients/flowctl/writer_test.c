#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "clients/flowctl/writer.h"

static void expect(struct writer *writer, const char *wanted)
{
    fb_buffer_append(&writer->text, "", 1);
    assert_string_equal(writer->text.data, wanted);
    fb_buffer_finish(&writer->text);
}

static void commas_stand_between_values_and_nowhere_else(void **state)
{
    struct writer writer = {.depth = 0};

    (void)state;
    writer_open(&writer, '{');
    writer_key(&writer, "list");
    writer_open(&writer, '[');
    writer_int(&writer, -1);
    writer_open(&writer, '[');
    writer_close(&writer, ']');
    writer_bool(&writer, true);
    writer_close(&writer, ']');
    writer_key_uint(&writer, "n", UINT64_MAX);
    writer_key(&writer, "empty");
    writer_open(&writer, '{');
    writer_close(&writer, '}');
    writer_key_string(&writer, "none", NULL);
    writer_close(&writer, '}');
    expect(&writer,
           "{\"list\":[-1,[],true],\"n\":18446744073709551615,\"empty\":{},\"none\":null}");
}

static void strings_are_escaped_and_raw_json_is_not(void **state)
{
    struct writer writer = {.depth = 0};

    (void)state;
    writer_open(&writer, '[');
    writer_string(&writer, "a\"b\n");
    writer_raw(&writer, FB_TEXT("{\"k\": 1.50}"));
    writer_raw(&writer, (struct fb_text){.data = NULL});
    writer_close(&writer, ']');
    expect(&writer, "[\"a\\\"b\\n\",{\"k\": 1.50},null]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_stand_between_values_and_nowhere_else),
        cmocka_unit_test(strings_are_escaped_and_raw_json_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

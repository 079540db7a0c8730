#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "clients/flowctl/terminal.h"

static void expect(struct fb_text text, const char *wanted)
{
    struct fb_buffer out = {.data = NULL};

    terminal_escape(text, &out);
    fb_buffer_append(&out, "", 1);
    assert_string_equal(out.data, wanted);
    fb_buffer_finish(&out);
}

static void text_of_strangers_cannot_drive_the_terminal(void **state)
{
    (void)state;
    expect(FB_TEXT("\033[31mred\007\r\b\177"), "^[[31mred^G^M^H^?");
    expect(FB_TEXT("a\0b"), "a^@b");
    expect(FB_TEXT("\302\233"
                   "2J"),
           "^[[2J");
}

static void lines_tabs_and_letters_stay_as_they_are(void **state)
{
    (void)state;
    expect(FB_TEXT("a\tb\nc"), "a\tb\nc");
    expect(FB_TEXT("h\303\244llo \302\265s \342\202\254"), "h\303\244llo \302\265s \342\202\254");
    expect(FB_TEXT("cut \302"), "cut \302");
}

static void colours_are_there_only_when_they_are_wanted(void **state)
{
    (void)state;
    terminal_open(TERMINAL_COLOUR_ALWAYS, "1", NULL);
    assert_string_equal(terminal_colour(TERMINAL_BAD), "\033[31m");
    terminal_open(TERMINAL_COLOUR_NEVER, NULL, "xterm");
    assert_string_equal(terminal_colour(TERMINAL_BAD), "");
    /* The output of a test is no terminal. */
    terminal_open(TERMINAL_COLOUR_AUTO, NULL, "xterm");
    assert_string_equal(terminal_colour(TERMINAL_BAD), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_of_strangers_cannot_drive_the_terminal),
        cmocka_unit_test(lines_tabs_and_letters_stay_as_they_are),
        cmocka_unit_test(colours_are_there_only_when_they_are_wanted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "services/supervisor/journal.h"
#include "tests/support/folder.h"

enum { MOST_BYTES = 1000, LINES = 100 };

static struct fb_loop *loop;
static struct journal journal;
static char folder[FOLDER_BYTES];
static char path[64];
static char old_path[64];

static int set_up(void **state)
{
    (void)state;
    if (!folder_make(folder)) {
        return -1;
    }
    snprintf(path, sizeof(path), "%s/suite.log", folder);
    snprintf(old_path, sizeof(old_path), "%s/suite.log.1", folder);
    loop = fb_loop_create();
    return loop != NULL && fb_is_ok(journal_open(&journal, loop, path, MOST_BYTES)) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    journal_close(&journal);
    fb_loop_destroy(loop);
    return folder_remove(folder) ? 0 : -1;
}

static size_t read_file(const char *name, char *text, size_t room)
{
    FILE *file = fopen(name, "re");
    size_t size;

    assert_non_null(file);
    size = fread(text, 1, room - 1, file);
    text[size] = '\0';
    fclose(file);
    return size;
}

static void say(const char *line)
{
    assert_int_equal(write(journal.input, line, strlen(line)), (ssize_t)strlen(line));
}

static void lines_of_programs_arrive_in_the_file(void **state)
{
    char text[256];
    struct stat info;

    (void)state;
    say("one\n");
    say("two\n");
    fb_loop_turn(loop, 1000);
    read_file(path, text, sizeof(text));
    assert_string_equal(text, "one\ntwo\n");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

/* The number in a line. */
static long number_of(const char *line)
{
    assert_int_equal(strncmp(line, "line ", 5), 0);
    return strtol(line + 5, NULL, 10);
}

static void what_is_in_the_pipe_at_the_end_is_not_lost(void **state)
{
    char text[256];

    (void)state;
    say("last words\n");
    journal_close(&journal);
    read_file(path, text, sizeof(text));
    assert_string_equal(text, "last words\n");
}

static void a_full_file_is_begun_anew_and_one_old_one_is_kept(void **state)
{
    char text[4096];
    char line[64];
    long first;

    (void)state;
    for (int i = 0; i < LINES; i++) {
        snprintf(line, sizeof(line), "line %d with some more words to fill it\n", i);
        say(line);
        fb_loop_turn(loop, 1000);
    }
    assert_true(read_file(old_path, text, sizeof(text)) < MOST_BYTES + sizeof(line));
    first = number_of(text);
    assert_true(first > 0);
    /* Old and new together hold a row of lines without a gap, up to the last. */
    for (const char *at = text; *at != '\0'; at = strchr(at, '\n') + 1) {
        assert_int_equal(number_of(at), first++);
    }
    assert_true(read_file(path, text, sizeof(text)) < MOST_BYTES + sizeof(line));
    for (const char *at = text; *at != '\0'; at = strchr(at, '\n') + 1) {
        assert_int_equal(number_of(at), first++);
    }
    assert_int_equal(first, LINES);
}

static void a_file_is_never_cut_within_a_line(void **state)
{
    char text[4096];
    char half[MOST_BYTES + 1];

    (void)state;
    memset(half, 'x', MOST_BYTES);
    half[MOST_BYTES] = '\0';
    say(half);
    fb_loop_turn(loop, 1000);
    say(" and its end\n");
    fb_loop_turn(loop, 1000);
    assert_int_equal(access(old_path, F_OK), -1);
    say("new\n");
    fb_loop_turn(loop, 1000);
    read_file(path, text, sizeof(text));
    assert_string_equal(text, "new\n");
}

static void the_supervisors_own_descriptor_follows_to_the_new_file(void **state)
{
    char text[4096];
    char full[MOST_BYTES + 1];
    int file = journal.file;

    (void)state;
    memset(full, 'x', MOST_BYTES - 1);
    full[MOST_BYTES - 1] = '\n';
    full[MOST_BYTES] = '\0';
    say(full);
    fb_loop_turn(loop, 1000);
    say("new\n");
    fb_loop_turn(loop, 1000);
    assert_int_equal(journal.file, file);
    assert_int_equal(write(file, "own\n", 4), 4);
    read_file(path, text, sizeof(text));
    assert_string_equal(text, "new\nown\n");
}

#define JOURNAL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOURNAL_TEST(lines_of_programs_arrive_in_the_file),
        JOURNAL_TEST(what_is_in_the_pipe_at_the_end_is_not_lost),
        JOURNAL_TEST(a_full_file_is_begun_anew_and_one_old_one_is_kept),
        JOURNAL_TEST(a_file_is_never_cut_within_a_line),
        JOURNAL_TEST(the_supervisors_own_descriptor_follows_to_the_new_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "clients/evidence/evidence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/folder.h"

struct world {
    char folder[FOLDER_BYTES];
    struct fb_arena arena;
};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    assert_true(folder_make(world->folder));
    fb_arena_init(&world->arena, 1 << 20);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    fb_arena_finish(&world->arena);
    assert_true(folder_remove(world->folder));
    free(world);
    return 0;
}

static void write_file(const struct world *world, const char *name, const char *text)
{
    char path[512];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", world->folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fputs(text, file) >= 0, 1);
    assert_int_equal(fclose(file), 0);
}

static struct fb_evidence look(struct world *world, const char *said)
{
    struct fb_evidence evidence;
    const char *why;

    assert_true(fb_evidence_look(said, world->folder, NULL, &world->arena, &evidence, &why));
    assert_string_equal(why, "");
    return evidence;
}

static void a_file_has_the_digest_of_its_content(void **state)
{
    static const uint8_t abc[32] = {
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
        0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
        0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
    };
    struct fb_evidence evidence;
    char path[512];

    write_file(*state, "a b", "abc");
    evidence = look(*state, "a b");
    snprintf(path, sizeof(path), "%s/a b", ((struct world *)*state)->folder);
    assert_int_equal(evidence.kind, FB_EVIDENCE_FILE);
    assert_string_equal(evidence.ref, path);
    assert_true(evidence.digested);
    assert_int_equal(evidence.size, 3);
    assert_memory_equal(evidence.sha256, abc, sizeof(abc));
    assert_memory_equal(look(*state, path).sha256, abc, sizeof(abc));
    assert_string_equal(look(*state, "./a b").ref, path);
}

static void a_path_that_leads_nowhere_is_a_missing_file(void **state)
{
    static const char *const paths[] = {"src/none.c", "none.c", "/none/none", "./none"};

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        const struct fb_evidence evidence = look(*state, paths[i]);

        assert_int_equal(evidence.kind, FB_EVIDENCE_FILE);
        assert_false(evidence.there);
        assert_false(evidence.digested);
        assert_string_equal(evidence.why, "it is not there");
    }
}

static void what_is_no_plain_file_is_not_read(void **state)
{
    struct world *world = *state;
    char pipe[512];

    snprintf(pipe, sizeof(pipe), "%s/pipe", world->folder);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_string_equal(look(world, "pipe").why, "it is no plain file");
    assert_string_equal(look(world, world->folder).why, "it is no plain file");
    assert_true(look(world, "pipe").there);
}

static void commits_commands_and_links_are_told_from_paths(void **state)
{
    static const struct {
        const char *said;
        enum fb_evidence_kind kind;
        const char *ref;
    } cases[] = {
        {"deadbeef", FB_EVIDENCE_COMMIT, "deadbeef"},
        {"commit 0123456789abcdef0123456789abcdef01234567", FB_EVIDENCE_COMMIT,
         "0123456789abcdef0123456789abcdef01234567"},
        {"make test", FB_EVIDENCE_COMMAND, "make test"},
        {"$ ./run.sh", FB_EVIDENCE_COMMAND, "./run.sh"},
        {"bazel test //...", FB_EVIDENCE_COMMAND, "bazel test //..."},
        {"https://example.org/build/7", FB_EVIDENCE_OTHER, "https://example.org/build/7"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct fb_evidence evidence = look(*state, cases[i].said);

        assert_int_equal(evidence.kind, cases[i].kind);
        assert_string_equal(evidence.ref, cases[i].ref);
    }
}

static void a_file_with_the_name_of_a_commit_is_a_file(void **state)
{
    write_file(*state, "deadbeef", "x");
    assert_int_equal(look(*state, "deadbeef").kind, FB_EVIDENCE_FILE);
}

static void too_long_or_empty_is_refused(void **state)
{
    struct world *world = *state;
    struct fb_evidence evidence;
    char text[FB_EVIDENCE_REF_BYTES + 2];
    const char *why;

    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    assert_false(fb_evidence_look(text, world->folder, NULL, &world->arena, &evidence, &why));
    assert_string_equal(why, "evidence: each is of 1 to 1,024 bytes");
    assert_false(fb_evidence_look("", world->folder, NULL, &world->arena, &evidence, &why));
    assert_false(fb_evidence_look("$ ", world->folder, NULL, &world->arena, &evidence, &why));
}

static void reading_ends_when_it_is_told_to(void **state)
{
    atomic_bool stop = true;
    struct world *world = *state;
    char path[512];

    write_file(world, "a", "abc");
    snprintf(path, sizeof(path), "%s/a", world->folder);
    assert_string_equal(fb_evidence_of_file(path, &stop).why, "it was not read to its end");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_has_the_digest_of_its_content, setup, teardown),
        cmocka_unit_test_setup_teardown(a_path_that_leads_nowhere_is_a_missing_file, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_no_plain_file_is_not_read, setup, teardown),
        cmocka_unit_test_setup_teardown(commits_commands_and_links_are_told_from_paths, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_file_with_the_name_of_a_commit_is_a_file, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(too_long_or_empty_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(reading_ends_when_it_is_told_to, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

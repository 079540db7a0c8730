#include "runtime/config/option.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/arena.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct config {
    const char *name;
    const char *listen;
    const char *target;
    const char *path;
    bool verbose;
    int64_t count;
    int64_t room_bytes;
    int64_t grace_ms;
    int tier;
    struct fb_strings tags;
    struct fb_strings routers;
    const char *token;
};

static const char *const tiers[] = {"hot", "warm", "cold", NULL};

enum { NAME, LISTEN, TARGET, PATH, VERBOSE, SUM, ROOM, GRACE, TIER, TAGS, ROUTERS, TOKEN };

static const struct fb_option options[] = {
    [NAME] = {"name", FB_OPTION_STRING, offsetof(struct config, name), .fallback = "ada"},
    [LISTEN] = {"listen", FB_OPTION_ADDRESS, offsetof(struct config, listen), .help = ""},
    [TARGET] = {"target", FB_OPTION_TARGET, offsetof(struct config, target), .help = ""},
    [PATH] = {"path", FB_OPTION_PATH, offsetof(struct config, path), .help = ""},
    [VERBOSE] = {"verbose", FB_OPTION_BOOL, offsetof(struct config, verbose), .help = ""},
    [SUM] = {"count", FB_OPTION_INTEGER, offsetof(struct config, count), .fallback = "-3",
             .least = "-5", .most = "10"},
    [ROOM] = {"room", FB_OPTION_SIZE, offsetof(struct config, room_bytes), .fallback = "64MiB"},
    [GRACE] = {"heartbeat_grace", FB_OPTION_DURATION, offsetof(struct config, grace_ms),
               .fallback = "6s", .least = "1s", .most = "5m"},
    [TIER] = {"tier", FB_OPTION_CHOICE, offsetof(struct config, tier), .fallback = "warm",
              .choices = tiers},
    [TAGS] = {"tags", FB_OPTION_LIST, offsetof(struct config, tags), .fallback = "a,b"},
    [ROUTERS] = {"routers", FB_OPTION_ADDRESSES, offsetof(struct config, routers), .help = ""},
    [TOKEN] = {"token", FB_OPTION_INTEGER, offsetof(struct config, count), .secret = true},
    {.name = NULL},
};

static void each_option_gets_its_fallback_or_nothing(void **state)
{
    struct config config;

    memset(&config, 0xa5, sizeof(config));
    assert_true(fb_option_set_fallbacks(options, &config, *state));
    assert_string_equal(config.name, "ada");
    assert_null(config.listen);
    assert_false(config.verbose);
    assert_int_equal(config.room_bytes, 64 * 1024 * 1024);
    assert_int_equal(config.grace_ms, 6000);
    assert_int_equal(config.tier, 1);
    assert_int_equal(config.tags.count, 2);
    assert_string_equal(config.tags.items[1], "b");
    assert_null(config.tags.items[2]);
    assert_int_equal(config.routers.count, 0);
    assert_null(config.routers.items[0]);
}

static void set_good(struct fb_arena *arena, struct config *config, size_t option,
                     const char *value)
{
    const struct fb_status status =
        fb_option_set_value(&options[option], config, "--x", value, arena);

    assert_string_equal(status.why, "");
}

static void set_bad(struct fb_arena *arena, size_t option, const char *value, const char *why)
{
    struct config config = {.count = 77};
    const struct fb_status status =
        fb_option_set_value(&options[option], &config, "--x", value, arena);

    assert_int_equal(status.code, FB_INVALID_ARGUMENT);
    assert_string_equal(status.why, why);
    assert_int_equal(config.count, 77);
}

static void a_value_is_read_as_its_kind_says(void **state)
{
    struct config config = {.count = 0};

    set_good(*state, &config, NAME, "");
    assert_string_equal(config.name, "");
    set_good(*state, &config, VERBOSE, "on");
    assert_true(config.verbose);
    set_good(*state, &config, VERBOSE, "0");
    assert_false(config.verbose);
    set_good(*state, &config, SUM, "-5");
    assert_int_equal(config.count, -5);
    set_good(*state, &config, GRACE, "5m");
    assert_int_equal(config.grace_ms, 300000);
    set_good(*state, &config, TIER, "cold");
    assert_int_equal(config.tier, 2);
    set_good(*state, &config, TAGS, "x,,y,");
    assert_int_equal(config.tags.count, 2);
    set_good(*state, &config, TAGS, "");
    assert_int_equal(config.tags.count, 0);
    assert_null(config.tags.items[0]);
    setenv("HOME", "/home/ada", 1);
    set_good(*state, &config, PATH, "~/x");
    assert_string_equal(config.path, "/home/ada/x");
}

static void a_bad_value_is_named_with_what_is_allowed(void **state)
{
    set_bad(*state, SUM, "11", "--x: \"11\" is not a whole number, from -5 to 10");
    set_bad(*state, SUM, "-6", "--x: \"-6\" is not a whole number, from -5 to 10");
    set_bad(*state, SUM, "9223372036854775808",
            "--x: \"9223372036854775808\" is not a whole number, from -5 to 10");
    set_bad(*state, SUM, "", "--x: \"\" is not a whole number, from -5 to 10");
    set_bad(*state, GRACE, "999ms",
            "--x: \"999ms\" is not a duration like 200ms, 30s or 5m, from 1s to 5m");
    set_bad(*state, ROOM, "64M", "--x: \"64M\" is not a size like 64KiB or 64MiB");
    set_bad(*state, TIER, "hott", "--x: \"hott\" is not one of hot, warm, cold");
    set_bad(*state, VERBOSE, "maybe", "--x: \"maybe\" is not true or false");
    set_bad(*state, PATH, "", "--x: \"\" is not a path");
}

static void a_secret_is_not_repeated(void **state)
{
    set_bad(*state, TOKEN, "hunter2", "--x: not what is wanted: a whole number");
}

static void addresses_are_host_and_port_or_a_unix_path(void **state)
{
    static const char *const good[] = {
        "127.0.0.1:0",  "localhost:65535", "my-host.example_1:7070", "[::1]:80",
        "[fe80::1]:80", "dns:router:7070", "dns:[::1]:80",           "unix:/run/x.sock",
    };
    static const char *const bad[] = {
        "",        "127.0.0.1", ":80",      "host:",      "host:65536", "host:-1",
        "::1:80",  "[::1]",     "[::g]:80", "[]:80",      "unix:",      "unix:x.sock",
        "ho st:1", "host:8x",   "dns:host", "http://x:1", "[::1:80",    "a:b:80",
    };
    char longest[120] = "unix:/";
    struct config config = {.count = 0};

    for (size_t i = 0; i < COUNT(good); i++) {
        set_good(*state, &config, LISTEN, good[i]);
        assert_string_equal(config.listen, good[i]);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(fb_option_set_value(&options[LISTEN], &config, "--x", bad[i], *state).code,
                         FB_INVALID_ARGUMENT);
    }
    memset(longest + 6, 'x', 106);
    set_good(*state, &config, LISTEN, longest);
    longest[112] = 'x';
    assert_int_equal(fb_option_set_value(&options[LISTEN], &config, "--x", longest, *state).code,
                     FB_INVALID_ARGUMENT);
    set_good(*state, &config, ROUTERS, "a:1,b:2");
    assert_int_equal(config.routers.count, 2);
    assert_int_equal(fb_option_set_value(&options[ROUTERS], &config, "--x", "a:1,b", *state).code,
                     FB_INVALID_ARGUMENT);
    assert_int_equal(config.routers.count, 2);
}

static void a_target_is_one_address_or_several(void **state)
{
    static const char *const bad[] = {"", ",", "a:1,", ",a:1", "a:1,,b:2", "a:1,b", "a:1;b:2"};
    struct config config = {.count = 0};

    set_good(*state, &config, TARGET, "127.0.0.1:1,unix:/run/x.sock,[::1]:2");
    assert_string_equal(config.target, "127.0.0.1:1,unix:/run/x.sock,[::1]:2");
    set_good(*state, &config, TARGET, "dns:router:7070");
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(fb_option_set_value(&options[TARGET], &config, "--x", bad[i], *state).code,
                         FB_INVALID_ARGUMENT);
    }
}

static void an_option_is_found_with_dashes_and_underscores(void **state)
{
    (void)state;
    assert_ptr_equal(fb_option_find(options, "heartbeat_grace"), &options[GRACE]);
    assert_ptr_equal(fb_option_find(options, "heartbeat-grace"), &options[GRACE]);
    assert_null(fb_option_find(options, "heartbeat"));
    assert_null(fb_option_find(options, "heartbeat_grace_"));
    assert_null(fb_option_find(options, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(each_option_gets_its_fallback_or_nothing),
        ARENA_TEST(a_value_is_read_as_its_kind_says),
        ARENA_TEST(a_bad_value_is_named_with_what_is_allowed),
        ARENA_TEST(a_secret_is_not_repeated),
        ARENA_TEST(addresses_are_host_and_port_or_a_unix_path),
        ARENA_TEST(a_target_is_one_address_or_several),
        cmocka_unit_test(an_option_is_found_with_dashes_and_underscores),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

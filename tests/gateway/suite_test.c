#define _GNU_SOURCE /* flock */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/suite.h"
#include "runtime/base/clock.h"
#include "tests/support/folder.h"

enum { PATIENCE_MS = 30000, PATH_ROOM = FOLDER_BYTES + 64 };

static struct fb_loop *loop;
static char folder[FOLDER_BYTES];
static char socket_path[PATH_ROOM];
static char supervisor[PATH_ROOM];

/* What became of the wish. */
static int dones;
static enum fb_code code;
static char why[512];

static int listener = -1;
static struct fb_timer arrival; /* of a suite that somebody else brings up */

static int set_up(void **state)
{
    (void)state;
    dones = 0;
    loop = fb_loop_create();
    if (loop == NULL || !folder_make(folder)) {
        return -1;
    }
    snprintf(socket_path, sizeof(socket_path), "%s/run/router.sock", folder);
    snprintf(supervisor, sizeof(supervisor), "%s/supervisor", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (listener >= 0) {
        close(listener);
        listener = -1;
    }
    fb_timer_clear(&arrival);
    fb_loop_destroy(loop);
    return folder_remove(folder) ? 0 : -1;
}

/* What is started as the supervisor. */
static void write_supervisor(const char *body)
{
    FILE *file = fopen(supervisor, "we");

    assert_non_null(file);
    fprintf(file, "#!/bin/sh\n%s\n", body);
    fclose(file);
    assert_int_equal(chmod(supervisor, 0700), 0);
}

static void open_socket(struct fb_timer *timer)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)timer;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 8), 0);
}

static void is_done(void *arg, struct fb_status status)
{
    (void)arg;
    dones++;
    code = status.code;
    snprintf(why, sizeof(why), "%s", status.why);
}

static void wish_for(const struct suite_config *wish)
{
    const struct suite_config config = *wish;
    const int64_t deadline_ms = fb_clock_ms() + PATIENCE_MS;
    struct suite *suite = suite_create(loop, &config);

    assert_non_null(suite);
    suite_start(suite, is_done, NULL);
    while (dones == 0) {
        assert_true(fb_clock_ms() < deadline_ms);
        fb_loop_turn(loop, 100);
    }
    assert_int_equal(dones, 1);
    suite_destroy(suite);
}

static void wish_for_suite(int64_t patience_ms)
{
    wish_for(&(struct suite_config){
        .state_dir = folder,
        .socket = socket_path,
        .supervisor = supervisor,
        .beside = "",
        .patience_ms = patience_ms,
    });
}

static void a_suite_that_accepts_is_left_alone(void **state)
{
    char run[PATH_ROOM];

    (void)state;
    snprintf(run, sizeof(run), "%s/run", folder);
    assert_int_equal(mkdir(run, 0700), 0);
    open_socket(NULL);
    write_supervisor("touch \"$0.started\"");
    wish_for_suite(PATIENCE_MS);
    assert_int_equal(code, FB_OK);
    snprintf(run, sizeof(run), "%s/supervisor.started", folder);
    assert_int_equal(access(run, F_OK), -1);
}

static void a_suite_that_is_just_coming_up_is_waited_for(void **state)
{
    (void)state;
    write_supervisor("exit 75"); /* says that one runs already */
    fb_timer_set(loop, &arrival, fb_clock_ms() + 100, open_socket);
    wish_for_suite(PATIENCE_MS);
    assert_int_equal(code, FB_OK);
}

static void a_supervisor_that_fails_is_named_with_its_code(void **state)
{
    (void)state;
    write_supervisor("exit 78");
    wish_for_suite(PATIENCE_MS);
    assert_int_equal(code, FB_UNAVAILABLE);
    assert_non_null(strstr(why, "ended with code 78"));
}

static void a_suite_that_was_going_down_is_started_again_when_it_has(void **state)
{
    (void)state;
    write_supervisor("[ -e \"$0.gone\" ] && exit 78; touch \"$0.gone\"; exit 75");
    wish_for_suite(PATIENCE_MS);
    assert_non_null(strstr(why, "ended with code 78"));
}

static void a_supervisor_beside_us_is_found_however_we_were_called(void **state)
{
    (void)state;
    snprintf(supervisor, sizeof(supervisor), "%s/flow-supervisor", folder);
    write_supervisor("exit 78");
    assert_int_equal(chdir(folder), 0);
    wish_for(&(struct suite_config){
        .state_dir = folder,
        .socket = socket_path,
        .beside = "./flow-gateway",
        .patience_ms = PATIENCE_MS,
    });
    assert_int_equal(chdir("/"), 0);
    assert_non_null(strstr(why, "ended with code 78"));
}

static void a_long_wait_for_another_s_lock_costs_no_memory(void **state)
{
    char deep[3000];
    char path[sizeof(deep) + 32];
    size_t size = (size_t)snprintf(deep, sizeof(deep), "%s/", folder);
    int fd;

    (void)state;
    while (size + 2 < sizeof(deep)) { /* long words, few folders */
        deep[size] = size % 200 == 0 ? '/' : 'd';
        size++;
    }
    deep[size] = '\0';
    wish_for(&(struct suite_config){.state_dir = deep,
                                    .socket = deep,
                                    .supervisor = "/nowhere",
                                    .beside = "",
                                    .patience_ms = PATIENCE_MS});
    assert_int_equal(code, FB_FAILED_PRECONDITION); /* but the folder is there now */
    snprintf(path, sizeof(path), "%s/run/start.lock", deep);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    dones = 0;
    wish_for(&(struct suite_config){.state_dir = deep,
                                    .socket = deep,
                                    .supervisor = supervisor,
                                    .beside = "",
                                    .patience_ms = 300});
    close(fd);
    assert_int_equal(code, FB_UNAVAILABLE);
}

static void a_suite_that_never_accepts_is_given_up(void **state)
{
    (void)state;
    write_supervisor("exit 75");
    wish_for_suite(100);
    assert_int_equal(code, FB_UNAVAILABLE);
    assert_non_null(strstr(why, "nothing accepts at"));
}

#define SUITE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(a_suite_that_accepts_is_left_alone),
        SUITE_TEST(a_suite_that_is_just_coming_up_is_waited_for),
        SUITE_TEST(a_supervisor_that_fails_is_named_with_its_code),
        SUITE_TEST(a_suite_that_was_going_down_is_started_again_when_it_has),
        SUITE_TEST(a_supervisor_beside_us_is_found_however_we_were_called),
        SUITE_TEST(a_long_wait_for_another_s_lock_costs_no_memory),
        SUITE_TEST(a_suite_that_never_accepts_is_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

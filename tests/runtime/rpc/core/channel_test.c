#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/loop/loop.h"
#include "runtime/rpc/channel.h"
#include "runtime/rpc/core/core.h"
#include "runtime/rpc/server.h"

static struct fb_loop *loop;

static int set_up(void **state)
{
    (void)state;
    loop = fb_loop_create();
    return loop == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    fb_loop_destroy(loop);
    return 0;
}

static enum fb_code code_of(const char *target)
{
    const struct fb_channel_config config = {.target = target};
    struct fb_channel *channel;
    struct fb_status status = fb_channel_create(loop, &fb_core, &config, &channel);

    fb_channel_destroy(channel);
    return status.code;
}

static void a_list_is_of_one_kind_of_addresses(void **state)
{
    (void)state;
    assert_int_equal(code_of("unix:/a,unix:/b"), FB_OK);
    assert_int_equal(code_of("127.0.0.1:1,dns:127.0.0.2:2"), FB_OK);
    assert_int_equal(code_of("[::1]:1,[::2]:2"), FB_OK);
    assert_int_equal(code_of("127.0.0.1:1,[::1]:2"), FB_INVALID_ARGUMENT);
    assert_int_equal(code_of("unix:/a,127.0.0.1:1"), FB_INVALID_ARGUMENT);
}

static void a_channel_may_be_made_and_unmade_without_a_word(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(code_of("127.0.0.1:1"), FB_OK);
    }
}

static void a_listener_may_be_made_and_unmade_without_a_word(void **state)
{
    const struct fb_server_config config = {.connections = 1};
    const struct fb_listen_config place = {.address = "127.0.0.1:0"};

    (void)state;
    for (int i = 0; i < 20; i++) {
        struct fb_server *server = fb_server_create(loop, &config);

        assert_int_equal(fb_server_listen(server, &fb_core, &place).code, FB_OK);
        fb_server_destroy(server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_list_is_of_one_kind_of_addresses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_channel_may_be_made_and_unmade_without_a_word, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_listener_may_be_made_and_unmade_without_a_word, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

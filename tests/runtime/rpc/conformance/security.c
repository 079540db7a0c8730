#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/runtime/rpc/conformance/world.h"

/* Of conformance: TLS and tokens. */

/* --- TLS --- */

static void use_server_tls(bool mutual)
{
    listen_config.address = "127.0.0.1:0";
    listen_config.tls = (struct fb_tls_config){
        .cert_file = in_certificates("server.pem"),
        .key_file = in_certificates("server.key"),
        .ca_file = mutual ? in_certificates("ca.pem") : NULL,
        .require_client_cert = mutual,
    };
    serve();
    channel_config.target = fb_server_address(server, 0);
    channel_config.tls.ca_file = in_certificates("ca.pem");
}

static void tls_protects_a_call(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    use_server_tls(false);
    dial();
    run(heard, REQUEST(.payload = many_bytes(1 << 20)));
    assert_ended(heard, FB_OK);
    assert_int_equal(heard->bytes, 1 << 20);
    assert_string_equal(heard->answer->subject, "");
    assert_int_equal(strncmp(heard->answer->peer, "127.0.0.1:", 10), 0);
    forget(heard);
    heard = hear(EXPAND);
    run(heard, REQUEST(.repeat = 300, .answer_bytes = 50000));
    assert_ended(heard, FB_OK);
    assert_int_equal(heard->messages, 300);
    forget(heard);
}

static void a_server_of_an_unknown_authority_is_not_trusted(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    use_server_tls(false);
    channel_config.tls.ca_file = in_certificates("other/ca.pem");
    dial();
    run(heard, REQUEST());
    assert_ended(heard, FB_UNAVAILABLE);
    assert_true(heard->not_run);
    assert_int_equal(echo.begun, 0);
    forget(heard);
}

static void a_server_of_another_name_is_not_trusted(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    use_server_tls(false);
    channel_config.tls.server_name = "elsewhere.example";
    dial();
    run(heard, REQUEST());
    assert_ended(heard, FB_UNAVAILABLE);
    forget(heard);
    fb_channel_destroy(channel);
    channel = NULL;
    channel_config.tls.server_name = "localhost";
    dial();
    assert_int_equal(code_of_unary(), FB_OK);
}

static void a_plain_client_gets_nowhere_with_tls(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    use_server_tls(false);
    channel_config.tls.ca_file = NULL;
    dial();
    run(heard, REQUEST());
    assert_ended(heard, FB_UNAVAILABLE);
    assert_int_equal(echo.begun, 0);
    forget(heard);
}

static void mutual_tls_tells_who_calls(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    use_server_tls(true);
    channel_config.tls.cert_file = in_certificates("dev.pem");
    channel_config.tls.key_file = in_certificates("dev.key");
    dial();
    run(heard, REQUEST());
    assert_ended(heard, FB_OK);
    assert_string_equal(heard->answer->subject, "dev");
    forget(heard);
}

static void mutual_tls_refuses_who_has_no_certificate(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    use_server_tls(true);
    dial();
    run(heard, REQUEST());
    assert_ended(heard, FB_UNAVAILABLE);
    forget(heard);
    fb_channel_destroy(channel);
    channel = NULL;
    channel_config.tls.cert_file = in_certificates("other/dev.pem");
    channel_config.tls.key_file = in_certificates("other/dev.key");
    dial();
    heard = hear(UNARY);
    run(heard, REQUEST());
    assert_ended(heard, FB_UNAVAILABLE);
    assert_int_equal(echo.begun, 0);
    forget(heard);
}

static void assert_names(struct fb_status status, const char *file)
{
    assert_int_equal(status.code, FB_INVALID_ARGUMENT);
    if (strstr(status.why, file) == NULL) {
        fail_msg("\"%s\" does not name %s", status.why, file);
    }
}

static void unreadable_tls_files_are_named(void **state)
{
    (void)state;
    listen_config.address = "127.0.0.1:0";
    listen_config.tls.cert_file = in_certificates("missing.pem");
    listen_config.tls.key_file = in_certificates("server.key");
    assert_names(listen_there(), "missing.pem");
    listen_config.tls.cert_file = in_certificates("server.key");
    assert_names(listen_there(), "server.key");
    listen_config.tls.cert_file = in_certificates("server.pem");
    listen_config.tls.key_file = in_certificates("dev.key");
    assert_names(listen_there(), "dev.key");
    channel_config.tls.ca_file = in_certificates("missing.pem");
    assert_names(fb_channel_create(loop, client_side, &channel_config, &channel), "missing.pem");
    assert_null(channel);
}

/* --- tokens --- */

static void a_token_gives_the_tenant_and_none_is_refused(void **state)
{
    static const char *const tokens_sent[] = {"0123456789abcdef", NULL, "0123456789abcdeX"};
    char path[64];
    struct fb_tokens *tokens;
    FILE *file;

    (void)state;
    snprintf(path, sizeof(path), "%s/tokens", folder);
    file = fopen(path, "w");
    fputs("team-a 0123456789abcdef\n", file);
    fclose(file);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(fb_tokens_open(path, &tokens).code, FB_OK);
    listen_config.tokens = tokens;
    serve();
    for (int i = 0; i < 3; i++) {
        struct heard *heard = hear(UNARY);

        channel_config.token = tokens_sent[i];
        dial();
        run(heard, REQUEST());
        if (i == 0) {
            assert_ended(heard, FB_OK);
            assert_string_equal(heard->answer->tenant, "team-a");
        } else {
            assert_ended(heard, FB_UNAUTHENTICATED);
        }
        forget(heard);
        fb_channel_destroy(channel);
        channel = NULL;
    }
    assert_int_equal(echo.begun, 1);
    fb_server_destroy(server);
    server = NULL;
    fb_tokens_destroy(tokens);
    assert_int_equal(unlink(path), 0);
}

int conformance_security(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(tls_protects_a_call),
        WORLD_TEST(a_server_of_an_unknown_authority_is_not_trusted),
        WORLD_TEST(a_server_of_another_name_is_not_trusted),
        WORLD_TEST(a_plain_client_gets_nowhere_with_tls),
        WORLD_TEST(mutual_tls_tells_who_calls),
        WORLD_TEST(mutual_tls_refuses_who_has_no_certificate),
        WORLD_TEST(unreadable_tls_files_are_named),
        WORLD_TEST(a_token_gives_the_tenant_and_none_is_refused),
    };

    return cmocka_run_group_tests_name("security", tests, NULL, NULL);
}

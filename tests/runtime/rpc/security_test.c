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

#include "runtime/rpc/security.h"

#define TOKEN_A "aaaaaaaaaaaaaaaa"
#define TOKEN_B "bbbbbbbbbbbbbbbb+/=~!"

static char path[64];

static int set_up(void **state)
{
    int file;

    (void)state;
    snprintf(path, sizeof(path), "/tmp/fb-tokens-XXXXXX");
    file = mkstemp(path);
    return file < 0 ? -1 : close(file);
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void assert_refused(const char *text, const char *says)
{
    struct fb_tokens *tokens = (struct fb_tokens *)path;
    struct fb_status status;

    write_file(text);
    status = fb_tokens_open(path, &tokens);
    assert_int_equal(status.code, FB_INVALID_ARGUMENT);
    assert_null(tokens);
    assert_non_null(strstr(status.why, path));
    if (strstr(status.why, says) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", status.why, says);
    }
}

static void a_token_gives_its_tenant(void **state)
{
    struct fb_tokens *tokens;

    (void)state;
    write_file("# who may call\n\nteam-a " TOKEN_A "\n\tteam-b \t" TOKEN_B "  \r\n"
               "team-a cccccccccccccccc");
    assert_int_equal(fb_tokens_open(path, &tokens).code, FB_OK);
    assert_string_equal(fb_tokens_tenant(tokens, FB_TEXT("Bearer " TOKEN_A)), "team-a");
    assert_string_equal(fb_tokens_tenant(tokens, FB_TEXT("bearer " TOKEN_B)), "team-b");
    assert_string_equal(fb_tokens_tenant(tokens, FB_TEXT("BEARER  cccccccccccccccc")), "team-a");
    fb_tokens_destroy(tokens);
}

static void what_is_not_a_known_token_is_nobodys(void **state)
{
    static const char *const others[] = {
        "",
        "Bearer",
        "Bearer ",
        TOKEN_A,
        "Basic " TOKEN_A,
        "Bearer " TOKEN_A "a",
        "Bearer aaaaaaaaaaaaaaa",
        "Bearer " TOKEN_A " ",
        "Bearer\t" TOKEN_A,
        "Bearer team-a " TOKEN_A,
        "Bearer bbbbbbbbbbbbbbbb",
    };
    struct fb_tokens *tokens;

    (void)state;
    write_file("team-a " TOKEN_A "\n");
    assert_int_equal(fb_tokens_open(path, &tokens).code, FB_OK);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_null(fb_tokens_tenant(tokens, fb_text_of(others[i])));
    }
    fb_tokens_destroy(tokens);
}

static void a_bad_line_is_named_by_its_number(void **state)
{
    static char longest[2000];

    (void)state;
    assert_refused("", "no token in it");
    assert_refused("# nothing\n", "no token in it");
    assert_refused("a " TOKEN_A "\nTeam " TOKEN_B "\n", "line 2: a tenant");
    assert_refused("\na/b " TOKEN_A "\n", "line 2: a tenant");
    assert_refused("a\n", "line 1: a token");
    assert_refused("a short\n", "line 1: a token");
    assert_refused("a " TOKEN_A "\xc3\xa9\n", "line 1: a token");
    assert_refused("a " TOKEN_A " more\n", "line 1: more than");
    assert_refused("a " TOKEN_A "\nb " TOKEN_A "\n", "line 2: the same token stands twice");
    memset(longest, 'x', sizeof(longest) - 1);
    assert_refused(longest, "line 1: longer than");
}

static void the_token_is_never_in_what_is_said(void **state)
{
    struct fb_tokens *tokens;
    struct fb_status status;

    (void)state;
    write_file("a " TOKEN_A "\nb " TOKEN_A "\n");
    status = fb_tokens_open(path, &tokens);
    assert_null(strstr(status.why, TOKEN_A));
}

static void lengths_of_tenant_and_token_are_bounded(void **state)
{
    struct fb_tokens *tokens;
    char text[700];
    char header[700];

    (void)state;
    snprintf(text, sizeof(text), "%064d %0512d\n", 0, 0);
    snprintf(header, sizeof(header), "Bearer %0512d", 0);
    write_file(text);
    assert_int_equal(fb_tokens_open(path, &tokens).code, FB_OK);
    assert_int_equal(strlen(fb_tokens_tenant(tokens, fb_text_of(header))), 64);
    fb_tokens_destroy(tokens);
    snprintf(text, sizeof(text), "%065d %0512d\n", 0, 0);
    assert_refused(text, "line 1: a tenant");
    snprintf(text, sizeof(text), "%064d %0513d\n", 0, 0);
    assert_refused(text, "line 1: a token");
    snprintf(text, sizeof(text), "%064d %015d\n", 0, 0);
    assert_refused(text, "line 1: a token");
}

static void a_file_that_others_may_read_is_refused(void **state)
{
    struct fb_tokens *tokens;

    (void)state;
    write_file("a " TOKEN_A "\n");
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(fb_tokens_open(path, &tokens).code, FB_PERMISSION_DENIED);
    assert_null(tokens);
    assert_int_equal(chmod(path, 0660), 0);
    assert_int_equal(fb_tokens_open(path, &tokens).code, FB_PERMISSION_DENIED);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(fb_tokens_open(path, &tokens).code, FB_OK);
    fb_tokens_destroy(tokens);
}

static void a_file_that_is_not_there_is_not_found(void **state)
{
    struct fb_tokens *tokens;

    (void)state;
    assert_int_equal(fb_tokens_open("/tmp/fb-no-such-file", &tokens).code, FB_NOT_FOUND);
    assert_null(tokens);
    assert_int_equal(fb_tokens_open("/tmp", &tokens).code, FB_INVALID_ARGUMENT);
    fb_tokens_destroy(NULL);
}

static void beyond_loopback_one_listens_with_mutual_tls_or_tls_and_tokens(void **state)
{
    const struct fb_tls_config none = {.ca_file = NULL};
    const struct fb_tls_config plain = {.cert_file = "c", .key_file = "k"};
    const struct fb_tls_config half = {.cert_file = "c"};
    const struct fb_tls_config mutual = {
        .ca_file = "a", .cert_file = "c", .key_file = "k", .require_client_cert = true};
    const struct fb_tls_config no_ca = {
        .cert_file = "c", .key_file = "k", .require_client_cert = true};
    const struct fb_tls_config only_ca = {.ca_file = "a", .require_client_cert = true};
    struct fb_tokens *tokens;
    const struct {
        const char *address;
        const struct fb_tls_config *tls;
        const struct fb_tokens *tokens;
        enum fb_code code;
    } rows[] = {
        {"unix:/x", NULL, NULL, FB_OK},
        {"unix:/x", &none, NULL, FB_OK},
        {"127.0.0.1:0", &none, NULL, FB_OK},
        {"[::1]:0", &none, NULL, FB_OK},
        {"localhost:0", &plain, NULL, FB_OK},
        {"0.0.0.0:0", NULL, NULL, FB_FAILED_PRECONDITION},
        {"0.0.0.0:0", &none, NULL, FB_FAILED_PRECONDITION},
        {"[::]:0", &none, NULL, FB_FAILED_PRECONDITION},
        {"router.example:0", &none, NULL, FB_FAILED_PRECONDITION},
        {"0.0.0.0:0", &plain, NULL, FB_FAILED_PRECONDITION},
        {"0.0.0.0:0", &mutual, NULL, FB_OK},
        {"0.0.0.0:0", &no_ca, NULL, FB_FAILED_PRECONDITION},
        {"0.0.0.0:0", &only_ca, NULL, FB_FAILED_PRECONDITION},
        {"nonsense", &mutual, NULL, FB_INVALID_ARGUMENT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(fb_listen_allowed(rows[i].address, rows[i].tls, rows[i].tokens).code,
                         rows[i].code);
    }
    write_file("a " TOKEN_A "\n");
    assert_int_equal(fb_tokens_open(path, &tokens).code, FB_OK);
    assert_int_equal(fb_listen_allowed("0.0.0.0:0", &plain, tokens).code, FB_OK);
    assert_int_equal(fb_listen_allowed("0.0.0.0:0", &mutual, tokens).code, FB_OK);
    assert_int_equal(fb_listen_allowed("0.0.0.0:0", &none, tokens).code, FB_FAILED_PRECONDITION);
    assert_int_equal(fb_listen_allowed("0.0.0.0:0", &half, tokens).code, FB_FAILED_PRECONDITION);
    fb_tokens_destroy(tokens);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_token_gives_its_tenant),
        TEST(what_is_not_a_known_token_is_nobodys),
        TEST(a_bad_line_is_named_by_its_number),
        TEST(the_token_is_never_in_what_is_said),
        TEST(lengths_of_tenant_and_token_are_bounded),
        TEST(a_file_that_others_may_read_is_refused),
        TEST(a_file_that_is_not_there_is_not_found),
        TEST(beyond_loopback_one_listens_with_mutual_tls_or_tls_and_tokens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "gateway/project.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum what { TOOL, RESULT, PROGRESS };

static void check(enum what what, enum revision to, const char *in, const char *out)
{
    struct fb_buffer buffer = {0};

    switch (what) {
    case TOOL:
        project_tool(&buffer, fb_text_of(in), to);
        break;
    case RESULT:
        project_call_result(&buffer, fb_text_of(in), to, FB_TEXT("{\"name\":\"we\"}"));
        break;
    case PROGRESS:
        project_progress(&buffer, fb_text_of(in), FB_TEXT("\"t\""), to);
        break;
    }
    fb_buffer_append(&buffer, "", 1);
    if (strcmp(buffer.data, out) != 0) {
        fail_msg("%s: %s", revision_names[to], buffer.data);
    }
    fb_buffer_finish(&buffer);
}

static void each_revision_is_shown_the_members_of_a_tool_that_it_knows(void **state)
{
    static const char tool[] =
        "{ \"name\" : "
        "\"t\",\"title\":\"T\",\"icons\":[],\"execution\":{\"taskSupport\":\"optional\"},"
        "\"annotations\":{},\"inputSchema\":{\"type\":\"object\" },\"outputSchema\":{\"type\":"
        "\"object\"},\"_meta\":{\"a\":1},\"x\":1.0,\"description\":null}";

    (void)state;
    check(TOOL, REVISION_2024_11_05, tool,
          "{\"name\":\"t\",\"inputSchema\":{\"type\":\"object\" },\"x\":1.0}");
    check(TOOL, REVISION_2025_03_26, tool,
          "{\"name\":\"t\",\"annotations\":{},\"inputSchema\":{\"type\":\"object\" },\"x\":1.0}");
    check(
        TOOL, REVISION_2025_06_18, tool,
        "{\"name\":\"t\",\"title\":\"T\",\"annotations\":{},\"inputSchema\":{\"type\":\"object\" },"
        "\"outputSchema\":{\"type\":\"object\"},\"_meta\":{\"a\":1},\"x\":1.0}");
    check(
        TOOL, REVISION_2025_11_25, tool,
        "{\"name\":\"t\",\"title\":\"T\",\"icons\":[],\"execution\":{\"taskSupport\":\"optional\"},"
        "\"annotations\":{},\"inputSchema\":{\"type\":\"object\" },\"outputSchema\":{\"type\":"
        "\"object\"},\"_meta\":{\"a\":1},\"x\":1.0}");
    check(
        TOOL, REVISION_2026_07_28, tool,
        "{\"name\":\"t\",\"title\":\"T\",\"icons\":[],\"annotations\":{},\"inputSchema\":{\"type\":"
        "\"object\" },\"outputSchema\":{\"type\":\"object\"},\"_meta\":{\"a\":1},\"x\":1.0}");
}

static void an_output_schema_of_no_object_is_for_modern_agents_only(void **state)
{
    static const char tool[] = "{\"name\":\"t\",\"inputSchema\":{\"type\":\"object\"},"
                               "\"outputSchema\":{\"type\":\"array\"}}";

    (void)state;
    check(TOOL, REVISION_2025_11_25, tool,
          "{\"name\":\"t\",\"inputSchema\":{\"type\":\"object\"}}");
    check(TOOL, REVISION_2026_07_28, tool, tool);
}

static void an_input_schema_is_always_of_an_object(void **state)
{
    (void)state;
    check(TOOL, REVISION_2025_11_25, "{\"name\":\"t\"}",
          "{\"name\":\"t\",\"inputSchema\":{\"type\":\"object\"}}");
    check(TOOL, REVISION_2025_11_25, "{\"inputSchema\":{\"properties\":{}},\"name\":\"t\"}",
          "{\"inputSchema\":{\"type\":\"object\",\"properties\":{}},\"name\":\"t\"}");
    check(TOOL, REVISION_2026_07_28, "{\"inputSchema\":true,\"name\":\"t\"}",
          "{\"inputSchema\":{\"type\":\"object\"},\"name\":\"t\"}");
    check(TOOL, REVISION_2026_07_28, "{\"inputSchema\":null,\"name\":\"t\"}",
          "{\"name\":\"t\",\"inputSchema\":{\"type\":\"object\"}}");
}

static void a_plain_result_passes_as_it_came(void **state)
{
    static const char result[] =
        "{\"isError\":false,\"x\":[1.50],\"content\":[{\"type\":\"text\", \"text\":\"\\u00e9\"}]}";

    (void)state;
    for (int to = 0; to < REVISION_MODERN; to++) {
        if (to >= REVISION_2025_06_18) {
            check(RESULT, (enum revision)to, result, result);
        }
    }
    check(
        RESULT, REVISION_2024_11_05, result,
        "{\"isError\":false,\"x\":[1.50],\"content\":[{\"type\":\"text\",\"text\":\"\\u00e9\"}]}");
}

static void a_modern_result_names_its_type_and_us(void **state)
{
    (void)state;
    check(RESULT, REVISION_2026_07_28, "{\"content\":[]}",
          "{\"resultType\":\"complete\",\"content\":[],\"_meta\":{"
          "\"io.modelcontextprotocol/serverInfo\":{\"name\":\"we\"}}}");
    check(
        RESULT, REVISION_2026_07_28,
        "{\"_meta\":{\"k\":1,\"io.modelcontextprotocol/"
        "serverInfo\":{}},\"resultType\":\"complete\","
        "\"structuredContent\":[1]}",
        "{\"resultType\":\"complete\",\"structuredContent\":[1],\"content\":[],\"_meta\":{\"k\":1,"
        "\"io.modelcontextprotocol/serverInfo\":{\"name\":\"we\"}}}");
}

static void a_legacy_result_has_nothing_modern(void **state)
{
    (void)state;
    check(RESULT, REVISION_2025_11_25,
          "{\"resultType\":\"complete\",\"ttlMs\":1,\"cacheScope\":\"public\",\"content\":[],\"_"
          "meta\":{"
          "\"io.modelcontextprotocol/serverInfo\":{},\"k\":1,"
          "\"io.modelcontextprotocol/related-task\":{}}}",
          "{\"content\":[],\"_meta\":{\"k\":1,\"io.modelcontextprotocol/related-task\":{}}}");
    check(RESULT, REVISION_2025_11_25,
          "{\"_meta\":{\"io.modelcontextprotocol/serverInfo\":{}},\"isError\":null}",
          "{\"content\":[]}");
}

static void a_structured_result_that_cannot_be_shown_becomes_text(void **state)
{
    static const char object[] = "{\"structuredContent\":{\"a\":1.0}}";
    static const char array[] = "{\"structuredContent\":[1.0],\"content\":[]}";
    static const char twin[] =
        "{\"structuredContent\":{\"a\":1},\"content\":[{\"type\":\"text\",\"text\":\"1\"}]}";

    (void)state;
    check(RESULT, REVISION_2025_03_26, object,
          "{\"content\":[{\"type\":\"text\",\"text\":\"{\\\"a\\\":1.0}\"}]}");
    check(RESULT, REVISION_2025_06_18, object,
          "{\"structuredContent\":{\"a\":1.0},\"content\":[]}");
    check(RESULT, REVISION_2025_11_25, array,
          "{\"content\":[{\"type\":\"text\",\"text\":\"[1.0]\"}]}");
    check(RESULT, REVISION_2025_03_26, twin, "{\"content\":[{\"type\":\"text\",\"text\":\"1\"}]}");
    check(RESULT, REVISION_2025_06_18, twin, twin);
}

static void content_of_later_revisions_is_said_in_older_words(void **state)
{
    static const char audio[] =
        "{\"content\":[{\"type\":\"audio\",\"data\":\"QQ==\",\"mimeType\":\"audio/wav\"}]}";
    static const char link[] =
        "{\"content\":[{\"type\":\"resource_link\",\"uri\":\"file:///a\",\"name\":\"a\"}]}";
    static const char odd[] = "{\"content\":[{\"type\":\"hologram\"}]}";

    (void)state;
    check(
        RESULT, REVISION_2024_11_05, audio,
        "{\"content\":[{\"type\":\"resource\",\"resource\":{\"uri\":\"urn:mcp:audio\",\"mimeType\":"
        "\"audio/wav\",\"blob\":\"QQ==\"}}]}");
    check(RESULT, REVISION_2025_03_26, audio, audio);
    check(RESULT, REVISION_2025_03_26, link,
          "{\"content\":[{\"type\":\"text\",\"text\":\"file:///a\"}]}");
    check(RESULT, REVISION_2025_06_18, link, link);
    check(RESULT, REVISION_2025_11_25, odd,
          "{\"content\":[{\"type\":\"text\",\"text\":\"{\\\"type\\\":\\\"hologram\\\"}\"}]}");
    check(RESULT, REVISION_2025_03_26,
          "{\"content\":[{\"type\":\"text\",\"text\":\"x\",\"_meta\":{},\"annotations\":{"
          "\"priority\":1,"
          "\"lastModified\":\"y\"}}]}",
          "{\"content\":[{\"type\":\"text\",\"text\":\"x\",\"annotations\":{\"priority\":1}}]}");
}

static void progress_carries_our_token_in_place_of_theirs(void **state)
{
    static const char params[] =
        "{\"progressToken\":\"theirs\",\"progress\":1.50,\"total\":null,\"message\":\"m\"}";

    (void)state;
    check(PROGRESS, REVISION_2025_03_26, params,
          "{\"progressToken\":\"t\",\"progress\":1.50,\"message\":\"m\"}");
    check(PROGRESS, REVISION_2024_11_05, params, "{\"progressToken\":\"t\",\"progress\":1.50}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_revision_is_shown_the_members_of_a_tool_that_it_knows),
        cmocka_unit_test(an_output_schema_of_no_object_is_for_modern_agents_only),
        cmocka_unit_test(an_input_schema_is_always_of_an_object),
        cmocka_unit_test(a_plain_result_passes_as_it_came),
        cmocka_unit_test(a_modern_result_names_its_type_and_us),
        cmocka_unit_test(a_legacy_result_has_nothing_modern),
        cmocka_unit_test(a_structured_result_that_cannot_be_shown_becomes_text),
        cmocka_unit_test(content_of_later_revisions_is_said_in_older_words),
        cmocka_unit_test(progress_carries_our_token_in_place_of_theirs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

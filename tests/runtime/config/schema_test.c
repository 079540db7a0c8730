#include "runtime/config/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

struct config {
    const char *listen;
    int64_t grace_ms;
    int64_t count;
};

static const struct fb_option options[] = {
    {"listen", FB_OPTION_ADDRESS, offsetof(struct config, listen), .help = "where \"we\" are"},
    {"grace", FB_OPTION_DURATION, offsetof(struct config, grace_ms), .fallback = "6s",
     .least = "1s", .most = "5m", .help = "silence"},
    {"count", FB_OPTION_INTEGER, offsetof(struct config, count), .least = "1", .most = "9",
     .help = "how many"},
    {.name = NULL},
};

static const struct fb_options_plan router = {.section = "router",
                                              .executable = "flow-router",
                                              .purpose = "Routes calls",
                                              .sets = {{options, NULL}}};
static const struct fb_options_plan worker = {.section = "worker",
                                              .executable = "flow-worker",
                                              .purpose = "Runs calls",
                                              .sets = {{options, NULL}}};

static const json_t *at(const json_t *value, const char *const *path)
{
    for (; *path != NULL; path++) {
        value = json_object_get(value, *path);
    }
    assert_non_null(value);
    return value;
}

#define AT(value, ...) at(value, (const char *const[]){__VA_ARGS__, NULL})

static void the_schema_describes_every_option_of_every_program(void **state)
{
    const struct fb_options_plan *const plans[] = {&router, &worker};
    struct fb_buffer out = {0};
    json_error_t error;
    json_t *schema;

    (void)state;
    fb_config_schema(plans, 2, &out);
    assert_false(out.failed);
    schema = json_loadb(out.data, out.size, JSON_REJECT_DUPLICATES, &error);
    assert_string_equal(error.text, "");
    assert_non_null(schema);
    assert_string_equal(json_string_value(AT(schema, "$schema")),
                        "https://json-schema.org/draft/2020-12/schema");
    for (size_t i = 0; i < 2; i++) {
        const json_t *section =
            AT(schema, "properties", "flow", "properties", plans[i]->section, "properties");

        assert_string_equal(json_string_value(AT(section, "grace", "description")),
                            "silence; a duration like 200ms, 30s or 5m, from 1s to 5m (default "
                            "6s)");
        assert_int_equal(json_integer_value(AT(section, "count", "maximum")), 9);
        assert_int_equal(json_object_size(section), 3);
    }
    AT(schema, "properties", "flow", "properties", "servers", "properties", "tier", "enum");
    AT(schema, "properties", "flow", "properties", "inputs");
    AT(schema, "properties", "mcpServers", "additionalProperties", "$ref");
    AT(schema, "$defs", "server", "properties", "flow", "properties", "sharing");
    AT(schema, "$defs", "server", "properties", "command");
    json_decref(schema);
    fb_buffer_finish(&out);
}

static void without_programs_the_servers_are_still_described(void **state)
{
    struct fb_buffer out = {0};
    json_t *schema;

    (void)state;
    fb_config_schema(NULL, 0, &out);
    schema = json_loadb(out.data, out.size, 0, NULL);
    assert_non_null(schema);
    json_decref(schema);
    fb_buffer_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_schema_describes_every_option_of_every_program),
        cmocka_unit_test(without_programs_the_servers_are_still_described),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

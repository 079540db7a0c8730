#include "runtime/config/schema.h"

#include "runtime/config/server_flow.h"

/* What an entry of `mcpServers` may have; ours are added from their table. */
static const char entry_properties[] =
    "\"type\": {\"enum\": [\"stdio\", \"http\", \"sse\", \"streamable-http\", \"streamableHttp\"]}"
    ", \"command\": {\"type\": \"string\", \"description\": \"the program to start\"}"
    ", \"args\": {\"type\": \"array\", \"items\": {\"type\": \"string\"}}"
    ", \"env\": {\"type\": \"object\", \"additionalProperties\": {\"type\": [\"string\", "
    "\"number\", \"boolean\", \"null\"]}}"
    ", \"envFile\": {\"type\": \"string\", \"description\": \"a .env file; env wins over it\"}"
    ", \"cwd\": {\"type\": \"string\", \"description\": \"relative to this file\"}"
    ", \"url\": {\"type\": \"string\", \"description\": \"of a server reached by HTTP\"}"
    ", \"headers\": {\"type\": \"object\", \"additionalProperties\": {\"type\": \"string\"}}"
    ", \"disabled\": {\"type\": \"boolean\"}"
    ", \"enabled\": {\"type\": \"boolean\"}"
    ", \"timeout\": {\"type\": [\"string\", \"integer\"]}";

static void write_string(struct fb_buffer *out, const char *string)
{
    fb_buffer_json_string(out, fb_text_of(string));
}

static void write_type(const struct fb_option *option, struct fb_buffer *out)
{
    switch (option->kind) {
    case FB_OPTION_BOOL:
        fb_buffer_string(out, "\"type\": \"boolean\"");
        break;
    case FB_OPTION_INTEGER:
        fb_buffer_string(out, "\"type\": \"integer\"");
        if (option->least != NULL) {
            fb_buffer_printf(out, ", \"minimum\": %s", option->least);
        }
        if (option->most != NULL) {
            fb_buffer_printf(out, ", \"maximum\": %s", option->most);
        }
        break;
    case FB_OPTION_SIZE:
        fb_buffer_string(out, "\"type\": [\"string\", \"integer\"], \"pattern\": "
                              "\"^[0-9]+(B|kB|KiB|MB|MiB|GB|GiB|TB|TiB)?$\"");
        break;
    case FB_OPTION_DURATION:
        fb_buffer_string(out, "\"type\": [\"string\", \"integer\"], \"pattern\": "
                              "\"^(0|[0-9]+(ms|s|m|h|d))$\"");
        break;
    case FB_OPTION_CHOICE:
        fb_buffer_string(out, "\"enum\": [");
        for (size_t i = 0; option->choices[i] != NULL; i++) {
            fb_buffer_string(out, i == 0 ? "" : ", ");
            write_string(out, option->choices[i]);
        }
        fb_buffer_string(out, "]");
        break;
    case FB_OPTION_LIST:
    case FB_OPTION_ADDRESSES:
        fb_buffer_string(out, "\"type\": [\"array\", \"string\"], \"items\": {\"type\": "
                              "\"string\"}");
        break;
    case FB_OPTION_STRING:
    case FB_OPTION_ADDRESS:
    case FB_OPTION_TARGET:
    case FB_OPTION_PATH:
        fb_buffer_string(out, "\"type\": \"string\"");
        break;
    }
}

/* Help, range and default in one description: editors show it beside the key. */
static void write_description(const struct fb_option *option, struct fb_buffer *out)
{
    struct fb_buffer words = {.limit_bytes = 4096};

    fb_buffer_string(&words, option->help);
    if (option->kind != FB_OPTION_CHOICE && option->kind != FB_OPTION_BOOL) {
        fb_buffer_string(&words, "; ");
        fb_option_describe(option, &words);
    }
    if (option->fallback != NULL && option->fallback[0] != '\0') {
        fb_buffer_printf(&words, " (default %s)", option->fallback);
    }
    fb_buffer_string(out, ", \"description\": ");
    fb_buffer_json_string(out, (struct fb_text){.data = words.data, .size = words.size});
    fb_buffer_finish(&words);
}

static void write_options(const struct fb_option *options, const char **before,
                          struct fb_buffer *out)
{
    for (; options->name != NULL; options++) {
        fb_buffer_string(out, *before);
        write_string(out, options->name);
        fb_buffer_string(out, ": {");
        write_type(options, out);
        write_description(options, out);
        fb_buffer_string(out, "}");
        *before = ",\n        ";
    }
}

static void write_section(const struct fb_options_plan *plan, struct fb_buffer *out)
{
    const char *before = "";

    write_string(out, plan->section);
    fb_buffer_string(out, ": {\"type\": \"object\", \"description\": ");
    write_string(out, plan->purpose);
    fb_buffer_string(out, ", \"additionalProperties\": false, \"properties\": {\n        ");
    for (size_t i = 0; i < FB_OPTION_SETS && plan->sets[i].options != NULL; i++) {
        write_options(plan->sets[i].options, &before, out);
    }
    fb_buffer_string(out, "}}");
}

static void write_server_settings(const char *purpose, struct fb_buffer *out)
{
    const char *before = "";

    fb_buffer_string(out, "{\"type\": \"object\", \"description\": ");
    write_string(out, purpose);
    fb_buffer_string(out, ", \"additionalProperties\": false, \"properties\": {\n        ");
    write_options(fb_server_options, &before, out);
    fb_buffer_string(out, "}}");
}

static void write_servers(const char *key, const char *purpose, struct fb_buffer *out)
{
    fb_buffer_string(out, ",\n    ");
    write_string(out, key);
    fb_buffer_string(out, ": {\"type\": \"object\", \"description\": ");
    write_string(out, purpose);
    fb_buffer_string(out, ", \"additionalProperties\": {\"$ref\": \"#/$defs/server\"}}");
}

void fb_config_schema(const struct fb_options_plan *const *plans, size_t count,
                      struct fb_buffer *out)
{
    fb_buffer_string(out,
                     "{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
                     "  \"title\": \"flow-balancer\",\n  \"type\": \"object\",\n"
                     "  \"properties\": {\n    \"flow\": {\"type\": \"object\", "
                     "\"description\": \"settings of flow-balancer\", \"properties\": {\n      "
                     "\"inputs\": {\"type\": \"object\", \"description\": \"values of "
                     "${input:id}\", \"additionalProperties\": {\"type\": \"string\"}},\n      "
                     "\"servers\": ");
    write_server_settings("settings of servers that say nothing else", out);
    for (size_t i = 0; i < count; i++) {
        fb_buffer_string(out, ",\n      ");
        write_section(plans[i], out);
    }
    fb_buffer_string(out, "}}");
    write_servers("mcpServers", "MCP servers by name", out);
    write_servers("servers", "MCP servers by name, as VS Code has them", out);
    fb_buffer_string(out, ",\n    \"inputs\": {\"type\": \"array\", \"description\": \"VS Code's "
                          "inputs; ${input:id} stands for the default\"}\n  },\n"
                          "  \"$defs\": {\n    \"server\": {\"type\": \"object\", "
                          "\"properties\": {");
    fb_buffer_string(out, entry_properties);
    fb_buffer_string(out, ",\n      \"flow\": ");
    write_server_settings("settings of flow-balancer for this server", out);
    fb_buffer_string(out, "}}\n  }\n}\n");
}

#include "runtime/config/option.h"

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "runtime/config/environment.h"
#include "runtime/config/quantity.h"

enum { ADDRESS_BYTES = 300, GIVEN_BYTES = 100 };

/* Where the value of an option is, as what its kind says it is. */
static void *field_of(const struct fb_option *option, void *config)
{
    return (char *)config + option->offset;
}

static const void *value_of(const struct fb_option *option, const void *config)
{
    return (const char *)config + option->offset;
}

static const char *const kind_words[] = {
    [FB_OPTION_STRING] = "text",
    [FB_OPTION_ADDRESS] = "an address: host:port, [::1]:port, dns:host:port or unix:/path",
    [FB_OPTION_TARGET] =
        "addresses with commas between: host:port, [::1]:port, dns:host:port or unix:/path",
    [FB_OPTION_PATH] = "a path",
    [FB_OPTION_BOOL] = "true or false",
    [FB_OPTION_INTEGER] = "a whole number",
    [FB_OPTION_SIZE] = "a size like 64KiB or 64MiB",
    [FB_OPTION_DURATION] = "a duration like 200ms, 30s or 5m",
    [FB_OPTION_CHOICE] = "one of ",
    [FB_OPTION_LIST] = "a list",
    [FB_OPTION_ADDRESSES] =
        "a list of addresses: host:port, [::1]:port, dns:host:port or unix:/path",
};

void fb_option_describe(const struct fb_option *option, struct fb_buffer *out)
{
    fb_buffer_string(out, kind_words[option->kind]);
    if (option->kind == FB_OPTION_CHOICE) {
        for (size_t i = 0; option->choices[i] != NULL; i++) {
            fb_buffer_printf(out, "%s%s", i == 0 ? "" : ", ", option->choices[i]);
        }
    }
    if (option->least != NULL && option->most != NULL) {
        fb_buffer_printf(out, ", from %s to %s", option->least, option->most);
    } else if (option->least != NULL) {
        fb_buffer_printf(out, ", at least %s", option->least);
    } else if (option->most != NULL) {
        fb_buffer_printf(out, ", at most %s", option->most);
    }
}

static struct fb_status refuse(const struct fb_option *option, const char *as, const char *value,
                               struct fb_arena *arena)
{
    struct fb_buffer words = {.limit_bytes = 1024};
    struct fb_status status;

    fb_option_describe(option, &words);
    if (option->secret) {
        status = fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: not what is wanted: %.*s", as,
                               (int)words.size, words.data);
    } else {
        status = fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: \"%.*s\" is not %.*s", as,
                               GIVEN_BYTES, value, (int)words.size, words.data);
    }
    fb_buffer_finish(&words);
    return status;
}

static struct fb_status no_memory(void)
{
    return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the configuration");
}

static bool parse_integer(const char *text, int64_t *value)
{
    const bool negative = text[0] == '-';
    uint64_t size;

    if (!fb_text_to_u64(fb_text_of(text + (negative ? 1 : 0)), &size)) {
        return false;
    }
    if (size > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return false;
    }
    *value = negative ? (int64_t)(0 - size) : (int64_t)size;
    return true;
}

static bool parse_number(enum fb_option_kind kind, const char *text, int64_t *value)
{
    switch (kind) {
    case FB_OPTION_SIZE:
        return fb_size_parse(text, value);
    case FB_OPTION_DURATION:
        return fb_duration_parse(text, value);
    default:
        return parse_integer(text, value);
    }
}

static bool is_within(const struct fb_option *option, int64_t value)
{
    int64_t bound = 0;

    if (option->least != NULL) {
        const bool parsed = parse_number(option->kind, option->least, &bound);

        assert(parsed);
        if (!parsed || value < bound) {
            return false;
        }
    }
    if (option->most != NULL) {
        const bool parsed = parse_number(option->kind, option->most, &bound);

        assert(parsed);
        return parsed && value <= bound;
    }
    return true;
}

static bool parse_bool(const char *text, bool *value)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            *value = i % 2 == 1;
            return true;
        }
    }
    return false;
}

static bool is_host(struct fb_text host)
{
    for (size_t i = 0; i < host.size; i++) {
        const char c = host.data[i];
        const char lower = (char)(c | 0x20);

        if ((lower < 'a' || lower > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' &&
            c != '_') {
            return false;
        }
    }
    return host.size > 0 && host.size <= 253;
}

static bool is_ipv6_in_brackets(struct fb_text host)
{
    struct in6_addr address;
    char text[INET6_ADDRSTRLEN];

    if (host.size < 2 || host.size - 2 >= sizeof(text) || host.data[0] != '[' ||
        host.data[host.size - 1] != ']') {
        return false;
    }
    memcpy(text, host.data + 1, host.size - 2);
    text[host.size - 2] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

static bool is_address(const char *text)
{
    const char *colon;
    uint64_t port;

    if (strncmp(text, "unix:", 5) == 0) {
        return text[5] == '/' && strlen(text + 5) < sizeof(((struct sockaddr_un *)NULL)->sun_path);
    }
    if (strncmp(text, "dns:", 4) == 0) {
        text += 4;
    }
    colon = strrchr(text, ':');
    if (colon == NULL || strlen(text) > ADDRESS_BYTES ||
        !fb_text_to_u64(fb_text_of(colon + 1), &port) || port > 65535) {
        return false;
    }
    return is_host((struct fb_text){.data = text, .size = (size_t)(colon - text)}) ||
           is_ipv6_in_brackets((struct fb_text){.data = text, .size = (size_t)(colon - text)});
}

static bool is_target(const char *text)
{
    for (;;) {
        const size_t size = strcspn(text, ",");
        char one[ADDRESS_BYTES + 1];

        if (size > ADDRESS_BYTES) {
            return false;
        }
        memcpy(one, text, size);
        one[size] = '\0';
        if (!is_address(one)) {
            return false;
        }
        if (text[size] == '\0') {
            return true;
        }
        text += size + 1;
    }
}

static struct fb_status set_string(const struct fb_option *option, const char **field,
                                   const char *as, const char *value, struct fb_arena *arena)
{
    if ((option->kind == FB_OPTION_ADDRESS && !is_address(value)) ||
        (option->kind == FB_OPTION_TARGET && !is_target(value))) {
        return refuse(option, as, value, arena);
    }
    if (option->kind == FB_OPTION_PATH) {
        if (value[0] == '\0') {
            return refuse(option, as, value, arena);
        }
        value = fb_config_path(arena, value);
    }
    *field = value == NULL ? NULL : fb_arena_copy(arena, value, strlen(value));
    return *field == NULL ? no_memory() : fb_ok;
}

static struct fb_status set_choice(const struct fb_option *option, int *field, const char *as,
                                   const char *value, struct fb_arena *arena)
{
    for (int i = 0; option->choices[i] != NULL; i++) {
        if (strcmp(option->choices[i], value) == 0) {
            *field = i;
            return fb_ok;
        }
    }
    return refuse(option, as, value, arena);
}

static struct fb_status set_number(const struct fb_option *option, int64_t *field, const char *as,
                                   const char *value, struct fb_arena *arena)
{
    int64_t number = 0;

    if (!parse_number(option->kind, value, &number) || !is_within(option, number)) {
        return refuse(option, as, value, arena);
    }
    *field = number;
    return fb_ok;
}

struct fb_status fb_option_set_list(const struct fb_option *option, void *config, const char *as,
                                    const char *const *items, size_t count, struct fb_arena *arena)
{
    struct fb_strings *field = field_of(option, config);
    const char **copy = fb_arena_zalloc(arena, count + 1, sizeof(*copy));

    if (copy == NULL) {
        return no_memory();
    }
    for (size_t i = 0; i < count; i++) {
        if (option->kind == FB_OPTION_ADDRESSES && !is_address(items[i])) {
            return refuse(option, as, items[i], arena);
        }
        copy[i] = fb_arena_copy(arena, items[i], strlen(items[i]));
        if (copy[i] == NULL) {
            return no_memory();
        }
    }
    *field = (struct fb_strings){.items = copy, .count = count};
    return fb_ok;
}

/* Empty items are nothing, so that "" is the empty list and a comma at the end does no harm. */
static struct fb_status set_split(const struct fb_option *option, void *config, const char *as,
                                  const char *value, struct fb_arena *arena)
{
    const char *items[FB_OPTION_VALUES];
    size_t count = 0;

    while (value[0] != '\0') {
        const size_t size = strcspn(value, ",");

        if (size > 0) {
            if (count == FB_OPTION_VALUES) {
                return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: more than %d values", as,
                                     FB_OPTION_VALUES);
            }
            items[count] = fb_arena_copy(arena, value, size);
            if (items[count++] == NULL) {
                return no_memory();
            }
        }
        value += size + (value[size] == ',' ? 1 : 0);
    }
    return fb_option_set_list(option, config, as, items, count, arena);
}

struct fb_status fb_option_set_value(const struct fb_option *option, void *config, const char *as,
                                     const char *value, struct fb_arena *arena)
{
    void *field = field_of(option, config);

    switch (option->kind) {
    case FB_OPTION_STRING:
    case FB_OPTION_ADDRESS:
    case FB_OPTION_TARGET:
    case FB_OPTION_PATH:
        return set_string(option, field, as, value, arena);
    case FB_OPTION_BOOL:
        return parse_bool(value, field) ? fb_ok : refuse(option, as, value, arena);
    case FB_OPTION_INTEGER:
    case FB_OPTION_SIZE:
    case FB_OPTION_DURATION:
        return set_number(option, field, as, value, arena);
    case FB_OPTION_CHOICE:
        return set_choice(option, field, as, value, arena);
    case FB_OPTION_LIST:
    case FB_OPTION_ADDRESSES:
        break;
    }
    return set_split(option, config, as, value, arena);
}

static void clear(const struct fb_option *option, void *config)
{
    static const char *const nothing[] = {NULL};
    void *field = field_of(option, config);

    switch (option->kind) {
    case FB_OPTION_STRING:
    case FB_OPTION_ADDRESS:
    case FB_OPTION_TARGET:
    case FB_OPTION_PATH:
        *(const char **)field = NULL;
        break;
    case FB_OPTION_BOOL:
        *(bool *)field = false;
        break;
    case FB_OPTION_INTEGER:
    case FB_OPTION_SIZE:
    case FB_OPTION_DURATION:
        *(int64_t *)field = 0;
        break;
    case FB_OPTION_CHOICE:
        *(int *)field = 0;
        break;
    case FB_OPTION_LIST:
    case FB_OPTION_ADDRESSES:
        *(struct fb_strings *)field = (struct fb_strings){.items = nothing};
        break;
    }
}

bool fb_option_set_fallbacks(const struct fb_option *options, void *config, struct fb_arena *arena)
{
    for (; options->name != NULL; options++) {
        clear(options, config);
        if (options->fallback != NULL) {
            const struct fb_status status =
                fb_option_set_value(options, config, options->name, options->fallback, arena);

            assert(status.code != FB_INVALID_ARGUMENT); /* a table with a wrong fallback */
            if (!fb_is_ok(status)) {
                return false;
            }
        }
    }
    return true;
}

static bool is_name(const char *name, const char *as)
{
    for (; *name != '\0'; name++, as++) {
        if (*as != *name && !(*name == '_' && *as == '-')) {
            return false;
        }
    }
    return *as == '\0';
}

const struct fb_option *fb_option_find(const struct fb_option *options, const char *name)
{
    for (; options->name != NULL; options++) {
        if (is_name(options->name, name)) {
            return options;
        }
    }
    return NULL;
}

static void print_list(const struct fb_strings *list, struct fb_buffer *out)
{
    fb_buffer_string(out, "[");
    for (size_t i = 0; i < list->count; i++) {
        fb_buffer_string(out, i == 0 ? "" : ", ");
        fb_buffer_json_string(out, fb_text_of(list->items[i]));
    }
    fb_buffer_string(out, "]");
}

static void print_string(const struct fb_option *option, const char *value, struct fb_buffer *out)
{
    if (value == NULL) {
        fb_buffer_string(out, "null");
    } else {
        fb_buffer_json_string(out, option->secret ? FB_TEXT("(set)") : fb_text_of(value));
    }
}

void fb_option_print(const struct fb_option *option, const void *config, struct fb_buffer *out)
{
    const void *value = value_of(option, config);
    char quantity[FB_QUANTITY_BYTES];

    switch (option->kind) {
    case FB_OPTION_STRING:
    case FB_OPTION_ADDRESS:
    case FB_OPTION_TARGET:
    case FB_OPTION_PATH:
        print_string(option, *(const char *const *)value, out);
        break;
    case FB_OPTION_BOOL:
        fb_buffer_string(out, *(const bool *)value ? "true" : "false");
        break;
    case FB_OPTION_INTEGER:
        fb_buffer_printf(out, "%" PRId64, *(const int64_t *)value);
        break;
    case FB_OPTION_SIZE:
        fb_size_format(*(const int64_t *)value, quantity);
        fb_buffer_json_string(out, fb_text_of(quantity));
        break;
    case FB_OPTION_DURATION:
        fb_duration_format(*(const int64_t *)value, quantity);
        fb_buffer_json_string(out, fb_text_of(quantity));
        break;
    case FB_OPTION_CHOICE:
        fb_buffer_json_string(out, fb_text_of(option->choices[*(const int *)value]));
        break;
    case FB_OPTION_LIST:
    case FB_OPTION_ADDRESSES:
        print_list(value, out);
        break;
    }
}

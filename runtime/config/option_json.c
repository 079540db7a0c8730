#include "runtime/config/option_json.h"

#include <stdbool.h>
#include <stdio.h>

#include "runtime/base/text.h"

static struct fb_status wrong_type(const struct fb_option *option, const char *as,
                                   struct fb_arena *arena)
{
    struct fb_buffer words = {.limit_bytes = 1024};
    struct fb_status status;

    fb_option_describe(option, &words);
    status = fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: wanted %.*s", as, (int)words.size,
                           words.data);
    fb_buffer_finish(&words);
    return status;
}

static bool is_list(const struct fb_option *option)
{
    return option->kind == FB_OPTION_LIST || option->kind == FB_OPTION_ADDRESSES;
}

static struct fb_status set_array(const struct fb_option *option, void *config, const char *as,
                                  const json_t *array, struct fb_arena *arena)
{
    const size_t count = json_array_size(array);
    const char **items = fb_arena_zalloc(arena, count + 1, sizeof(*items));

    if (items == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the configuration");
    }
    for (size_t i = 0; i < count; i++) {
        items[i] = json_string_value(json_array_get(array, i));
        if (items[i] == NULL) {
            return wrong_type(option, as, arena);
        }
    }
    return fb_option_set_list(option, config, as, items, count, arena);
}

struct fb_status fb_option_set_json(const struct fb_option *option, void *config, const char *as,
                                    const json_t *value, struct fb_arena *arena)
{
    const bool is_number = option->kind == FB_OPTION_INTEGER || option->kind == FB_OPTION_SIZE ||
                           option->kind == FB_OPTION_DURATION;
    char digits[32];

    if (json_is_null(value)) {
        return fb_ok;
    }
    if (json_is_array(value) && is_list(option)) {
        return set_array(option, config, as, value, arena);
    }
    if (json_is_string(value)) {
        const char *item = json_string_value(value);

        return is_list(option) ? fb_option_set_list(option, config, as, &item, 1, arena)
                               : fb_option_set_value(option, config, as, item, arena);
    }
    if (json_is_boolean(value) && option->kind == FB_OPTION_BOOL) {
        return fb_option_set_value(option, config, as, json_is_true(value) ? "true" : "false",
                                   arena);
    }
    if (json_is_integer(value) && is_number) {
        snprintf(digits, sizeof(digits), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return fb_option_set_value(option, config, as, digits, arena);
    }
    return wrong_type(option, as, arena);
}

#include "runtime/config/quantity.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t factor;
    bool shown; /* used for printing */
};

/* Largest first, for printing. */
static const struct unit durations[] = {
    {"d", INT64_C(86400000), true}, {"h", INT64_C(3600000), true}, {"m", INT64_C(60000), true},
    {"s", INT64_C(1000), true},     {"ms", INT64_C(1), true},      {NULL, 0, false},
};

static const struct unit sizes[] = {
    {"TiB", INT64_C(1) << 40, true},
    {"TB", INT64_C(1000000000000), false},
    {"GiB", INT64_C(1) << 30, true},
    {"GB", INT64_C(1000000000), false},
    {"MiB", INT64_C(1) << 20, true},
    {"MB", INT64_C(1000000), false},
    {"KiB", INT64_C(1) << 10, true},
    {"kB", INT64_C(1000), false},
    {"B", INT64_C(1), false},
    {"", INT64_C(1), true},
    {NULL, 0, false},
};

static bool parse(const char *text, const struct unit *units, int64_t *value)
{
    const char *end = text;
    int64_t number = 0;

    for (; *end >= '0' && *end <= '9'; end++) {
        const int digit = *end - '0';

        if (number > (INT64_MAX - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    if (end == text) {
        return false;
    }
    for (; units->name != NULL; units++) {
        if (strcmp(end, units->name) == 0) {
            if (number > INT64_MAX / units->factor) {
                return false;
            }
            *value = number * units->factor;
            return true;
        }
    }
    return false;
}

static void format(int64_t value, const struct unit *units, char out[FB_QUANTITY_BYTES])
{
    while (!units->shown || (units->factor != 1 && (value == 0 || value % units->factor != 0))) {
        units++;
    }
    snprintf(out, FB_QUANTITY_BYTES, "%" PRId64 "%s", value / units->factor, units->name);
}

bool fb_duration_parse(const char *text, int64_t *ms)
{
    if (strcmp(text, "0") == 0) {
        *ms = 0;
        return true;
    }
    return parse(text, durations, ms);
}

bool fb_size_parse(const char *text, int64_t *bytes)
{
    return parse(text, sizes, bytes);
}

void fb_duration_format(int64_t ms, char out[FB_QUANTITY_BYTES])
{
    format(ms, durations, out);
}

void fb_size_format(int64_t bytes, char out[FB_QUANTITY_BYTES])
{
    format(bytes, sizes, out);
}

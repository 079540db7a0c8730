#include "clients/flowctl/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

const char *units_bytes(int64_t bytes, char out[UNITS_ROOM])
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)(bytes < 0 ? 0 : bytes);
    unsigned unit = 0;

    while (value >= 999.5 && unit < sizeof(names) / sizeof(names[0]) - 1) {
        value /= 1024;
        unit++;
    }
    snprintf(out, UNITS_ROOM, unit > 0 && value < 9.95 ? "%.1f %s" : "%.0f %s", value, names[unit]);
    return out;
}

const char *units_ms(int64_t ms, char out[UNITS_ROOM])
{
    const int64_t s = ms / 1000;

    if (ms < 1000) {
        snprintf(out, UNITS_ROOM, "%" PRId64 " ms", ms < 0 ? 0 : ms);
    } else if (ms < 9950) {
        snprintf(out, UNITS_ROOM, "%.1f s", (double)ms / 1000);
    } else if (s < 120) {
        snprintf(out, UNITS_ROOM, "%" PRId64 " s", s);
    } else if (s < 3600) {
        snprintf(out, UNITS_ROOM, "%" PRId64 " min", s / 60);
    } else if (s < 86400) {
        snprintf(out, UNITS_ROOM, "%" PRId64 " h %" PRId64 " min", s / 3600, s % 3600 / 60);
    } else {
        snprintf(out, UNITS_ROOM, "%" PRId64 " d %" PRId64 " h", s / 86400, s % 86400 / 3600);
    }
    return out;
}

const char *units_us(int64_t us, char out[UNITS_ROOM])
{
    if (us >= 100000) {
        return units_ms(us / 1000, out);
    }
    if (us >= 1000) {
        snprintf(out, UNITS_ROOM, "%.1f ms", (double)us / 1000);
    } else {
        snprintf(out, UNITS_ROOM, "%" PRId64 " µs", us < 0 ? 0 : us);
    }
    return out;
}

static const char *local_time(int64_t unix_ms, const char *format, char out[UNITS_ROOM])
{
    const time_t seconds = (time_t)(unix_ms / 1000);
    struct tm local;

    out[0] = '\0';
    if (localtime_r(&seconds, &local) != NULL) {
        strftime(out, UNITS_ROOM, format, &local);
    }
    return out;
}

const char *units_time_of_day(int64_t unix_ms, char out[UNITS_ROOM])
{
    char day[UNITS_ROOM];

    local_time(unix_ms, "%H:%M:%S", day);
    snprintf(out, UNITS_ROOM, "%.12s.%03d", day, (int)(unix_ms % 1000));
    return out;
}

const char *units_date(int64_t unix_ms, char out[UNITS_ROOM])
{
    return local_time(unix_ms, "%Y-%m-%d %H:%M:%S", out);
}

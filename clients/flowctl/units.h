#ifndef FB_CLIENTS_FLOWCTL_UNITS_H
#define FB_CLIENTS_FLOWCTL_UNITS_H

/*
 * units: quantities as people write them. Pure; each writes into the caller's array.
 */

#include <stdint.h>

enum { UNITS_ROOM = 24 };

/* "0 B", "999 B", "1.5 KiB", "64 MiB", "2.1 GiB": three digits at most. */
const char *units_bytes(int64_t bytes, char out[UNITS_ROOM]);

/* "0 ms", "999 ms", "1.5 s", "59 s", "12 min", "3 h 5 min", "4 d 2 h". */
const char *units_ms(int64_t ms, char out[UNITS_ROOM]);

/* The same, from "850 µs" on. */
const char *units_us(int64_t us, char out[UNITS_ROOM]);

/* Local time of day, "14:03:59.250"; and the date with it, "2026-11-20 14:03:59". */
const char *units_time_of_day(int64_t unix_ms, char out[UNITS_ROOM]);
const char *units_date(int64_t unix_ms, char out[UNITS_ROOM]);

#endif

#ifndef FB_RUNTIME_CONFIG_QUANTITY_H
#define FB_RUNTIME_CONFIG_QUANTITY_H

/*
 * quantity: durations and sizes as people write them.
 *
 * Pure. Whole numbers with a unit and nothing between: what is exact is easy to check.
 */

#include <stdbool.h>
#include <stdint.h>

enum { FB_QUANTITY_BYTES = 32 };

/* "200ms", "30s", "5m", "2h", "7d"; of numbers without a unit only "0". False when it is none. */
bool fb_duration_parse(const char *text, int64_t *ms);

/* "4096", "4096B", "64KiB", "64MiB", "1GiB", "1TiB"; "10kB" and so on are powers of ten. */
bool fb_size_parse(const char *text, int64_t *bytes);

/* In the largest unit that says it exactly: "90s", "64MiB". */
void fb_duration_format(int64_t ms, char out[FB_QUANTITY_BYTES]);
void fb_size_format(int64_t bytes, char out[FB_QUANTITY_BYTES]);

#endif

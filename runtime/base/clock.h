#ifndef FB_RUNTIME_BASE_CLOCK_H
#define FB_RUNTIME_BASE_CLOCK_H

/*
 * clock: what time it is.
 *
 * Only the edges ask; modules that decide are handed the time. Any thread may use it.
 */

#include <stdint.h>

/* Monotonic, from an unspecified start. */
int64_t fb_clock_ms(void);
int64_t fb_clock_us(void);

/* Wall clock since 1970. */
int64_t fb_clock_unix_ms(void);
int64_t fb_clock_unix_us(void);

#endif

#ifndef FB_RUNTIME_BASE_PROCESS_H
#define FB_RUNTIME_BASE_PROCESS_H

/*
 * process: what this process uses of the machine. Any thread may ask.
 */

#include <stdint.h>

/* User and system time since the start, of all threads. */
int64_t fb_process_cpu_ms(void);

/* Memory resident now; 0 where /proc cannot be read. */
int64_t fb_process_resident_bytes(void);

#endif

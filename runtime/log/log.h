#ifndef FB_RUNTIME_LOG_LOG_H
#define FB_RUNTIME_LOG_LOG_H

/*
 * log: one line per event, each by one write.
 *
 * A line is a constant sentence plus fields:
 *
 *     fb_log(FB_WARN, "worker went silent", fb_kv_str("worker", id), fb_kv_ms("silent", ms));
 *
 * Any thread may log; lines never mix. No secret belongs in a field.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/log/line.h"

struct fb_log_config {
    const char *program; /* borrowed for the life of the process */
    int fd;              /* stays the caller's; standard error by default */
    enum fb_level least; /* lines below it are not even built */
    enum fb_line_format format;
    /*
     * For programs whose host may never read what they log: a line that would block is dropped and
     * counted, and the next one that fits says how many were. Without it a write may block.
     */
    bool may_drop;
};

/*
 * Until this is called: logfmt to standard error from FB_INFO on, without a program's name. Lines
 * dropped before, and not told of yet, stay untold.
 */
void fb_log_open(const struct fb_log_config *config);

/* Lines that were not written since the start: the descriptor would have blocked or is broken. */
uint64_t fb_log_dropped(void);

/* Changes the filter while running. */
void fb_log_set_least(enum fb_level least);

extern _Atomic int fb_log_least; /* read by fb_log_enabled alone */

static inline bool fb_log_enabled(enum fb_level level)
{
    return (int)level >= atomic_load_explicit(&fb_log_least, memory_order_relaxed);
}

/* What fb_log calls. `fields` ends with fb_kv_end. */
void fb_log_event(enum fb_level level, const char *sentence, const struct fb_kv *fields);

/*
 * fb_log(level, "sentence", fields…): the sentence is a string constant, the fields are made by
 * fb_kv_…; they are evaluated only when the level passes the filter.
 */
#define fb_log(level, ...)                                                                 \
    do {                                                                                   \
        if (fb_log_enabled(level)) {                                                       \
            fb_log_event((level), "" FB_LOG_SENTENCE(__VA_ARGS__, 0),                      \
                         (const struct fb_kv[]){FB_LOG_FIELDS(__VA_ARGS__, fb_kv_end())}); \
        }                                                                                  \
    } while (0)
#define FB_LOG_SENTENCE(sentence, ...) sentence
#define FB_LOG_FIELDS(sentence, ...)   __VA_ARGS__

#endif

#include "gateway/lines.h"

#include <string.h>

enum { PART_KEEP_BYTES = 64 * 1024 };

struct lines lines_begin(size_t limit_bytes, const struct lines_events *events, void *arg)
{
    return (struct lines){.events = events, .arg = arg, .limit_bytes = limit_bytes};
}

void lines_finish(struct lines *lines)
{
    fb_buffer_finish(&lines->part);
}

static void deliver(struct lines *lines, struct fb_text line)
{
    if (!lines->begun && fb_text_begins(line, "\xef\xbb\xbf")) {
        line = (struct fb_text){.data = line.data + 3, .size = line.size - 3};
    }
    lines->begun = true;
    if (line.size > 0 && line.data[line.size - 1] == '\r') {
        line.size--;
    }
    if (line.size > lines->limit_bytes) {
        lines->events->on_too_long(lines->arg);
        return;
    }
    for (size_t i = 0; i < line.size; i++) {
        if (line.data[i] != ' ' && line.data[i] != '\t') {
            lines->events->on_line(lines->arg, line);
            return;
        }
    }
}

/* A piece of a line without its end. */
static void keep(struct lines *lines, const char *data, size_t size)
{
    if (lines->skipping) {
        return;
    }
    /* Room for a CR that does not count. */
    if (size > lines->limit_bytes + 1 || lines->part.size > lines->limit_bytes + 1 - size) {
        lines->skipping = true;
        fb_buffer_clear(&lines->part, 0);
        lines->events->on_too_long(lines->arg);
        return;
    }
    fb_buffer_append(&lines->part, data, size);
    if (lines->part.failed) {
        lines->skipping = true;
        fb_buffer_clear(&lines->part, 0);
        lines->events->on_too_long(lines->arg);
    }
}

void lines_feed(struct lines *lines, const char *data, size_t size)
{
    const char *end = data + size;

    while (data < end) {
        const char *stop = memchr(data, '\n', (size_t)(end - data));

        if (stop == NULL) {
            keep(lines, data, (size_t)(end - data));
            return;
        }
        if (lines->part.size > 0 && !lines->skipping) {
            keep(lines, data, (size_t)(stop - data));
        }
        if (lines->skipping) {
            lines->skipping = false;
            lines->begun = true;
        } else if (lines->part.size > 0) {
            deliver(lines, (struct fb_text){.data = lines->part.data, .size = lines->part.size});
            fb_buffer_clear(&lines->part, PART_KEEP_BYTES);
        } else {
            deliver(lines, (struct fb_text){.data = data, .size = (size_t)(stop - data)});
        }
        data = stop + 1;
    }
}

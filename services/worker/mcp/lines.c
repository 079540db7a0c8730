#include "services/worker/mcp/lines.h"

#include <string.h>

enum { KEEP_BYTES = 4 * LINES_READ_BYTES };

void mcp_lines_init(struct mcp_lines *lines, size_t most_bytes)
{
    *lines = (struct mcp_lines){.most_bytes = most_bytes};
}

void mcp_lines_finish(struct mcp_lines *lines)
{
    fb_buffer_finish(&lines->held);
    mcp_lines_init(lines, lines->most_bytes);
}

/* Moves what is left to the front, so that the buffer does not grow for what was handed out. */
static void compact(struct mcp_lines *lines)
{
    if (lines->taken == lines->held.size) {
        fb_buffer_clear(&lines->held, KEEP_BYTES);
    } else {
        fb_buffer_consume(&lines->held, lines->taken);
    }
    lines->searched -= lines->taken;
    lines->taken = 0;
}

char *mcp_lines_room(struct mcp_lines *lines)
{
    if (lines->taken != 0) {
        compact(lines);
    }
    lines->held.failed = false;
    return fb_buffer_reserve(&lines->held, LINES_READ_BYTES);
}

void mcp_lines_added(struct mcp_lines *lines, size_t size)
{
    lines->held.size += size;
}

/* Keeps the last LINES_EDGE_BYTES of a line that comes piece by piece. */
static void keep_tail(struct mcp_lines *lines, const char *data, size_t size)
{
    const size_t fresh = size < LINES_EDGE_BYTES ? size : LINES_EDGE_BYTES;
    size_t old = lines->tail_bytes;

    if (old > LINES_EDGE_BYTES - fresh) {
        old = LINES_EDGE_BYTES - fresh;
    }
    memmove(lines->tail, lines->tail + lines->tail_bytes - old, old);
    memcpy(lines->tail + old, data + size - fresh, fresh);
    lines->tail_bytes = old + fresh;
    lines->skipped_bytes += size;
}

static size_t without_cr(const char *data, size_t size)
{
    return size > 0 && data[size - 1] == '\r' ? size - 1 : size;
}

/* What is held belongs to a line that is too long: only its edges stay. */
static void skip_held(struct mcp_lines *lines, size_t end)
{
    const char *data = lines->held.data + lines->taken;

    if (!lines->skipping) {
        lines->skipping = true;
        lines->skipped_bytes = 0;
        lines->tail_bytes = 0;
        memcpy(lines->head, data, LINES_EDGE_BYTES);
    }
    keep_tail(lines, data, end - lines->taken);
    lines->taken = end;
}

bool mcp_lines_next(struct mcp_lines *lines, struct mcp_lines_line *line)
{
    const char *data = lines->held.data;
    const char *found = NULL;
    size_t end;
    size_t size;

    if (lines->held.size > lines->searched) {
        found = memchr(data + lines->searched, '\n', lines->held.size - lines->searched);
    }
    if (found == NULL) {
        lines->searched = lines->held.size;
        if (lines->skipping || lines->held.size - lines->taken > lines->most_bytes + 1) {
            skip_held(lines, lines->held.size);
        }
        return false;
    }
    end = (size_t)(found - data);
    size = without_cr(data + lines->taken, end - lines->taken);
    if (lines->skipping || size > lines->most_bytes) {
        skip_held(lines, lines->taken + size);
        *line = (struct mcp_lines_line){
            .text = {.data = lines->head, .size = LINES_EDGE_BYTES},
            .tail = {.data = lines->tail, .size = without_cr(lines->tail, lines->tail_bytes)},
            .size = lines->skipped_bytes,
            .too_long = true,
        };
        lines->skipping = false;
    } else {
        *line = (struct mcp_lines_line){
            .text = {.data = data + lines->taken, .size = size},
            .size = size,
        };
    }
    lines->taken = end + 1;
    lines->searched = end + 1;
    return true;
}

#include "services/worker/exchange/lines.h"

#include <string.h>

void lines_finish(struct lines *lines)
{
    fb_buffer_finish(&lines->begun);
}

static void step(struct lines *lines, struct fb_text line)
{
    lines->number++;
    lines->offset = lines->next_offset;
    lines->next_offset += line.size + 1;
}

enum lines_step lines_next(struct lines *lines, struct fb_text *chunk, struct fb_text *line)
{
    const char *end;
    size_t size;

    if (lines->given) {
        fb_buffer_clear(&lines->begun, 64 << 10);
        lines->given = false;
    }
    if (chunk->size == 0) {
        return LINES_MORE;
    }
    end = memchr(chunk->data, '\n', chunk->size);
    size = end == NULL ? chunk->size : (size_t)(end - chunk->data);
    if (lines->begun.size + size > LINES_BYTES_MOST) {
        lines->number++;
        lines->offset = lines->next_offset;
        return LINES_LONG;
    }
    *line = (struct fb_text){.data = chunk->data, .size = size};
    if (end == NULL || lines->begun.size != 0) {
        fb_buffer_append(&lines->begun, chunk->data, size);
        if (lines->begun.failed) {
            return LINES_MEMORY;
        }
        *line = (struct fb_text){.data = lines->begun.data, .size = lines->begun.size};
    }
    size += end != NULL;
    chunk->data += size;
    chunk->size -= size;
    if (end == NULL) {
        return LINES_MORE;
    }
    lines->given = line->data == lines->begun.data;
    step(lines, *line);
    return LINES_LINE;
}

bool lines_rest(struct lines *lines, struct fb_text *line)
{
    if (lines->given || lines->begun.size == 0) {
        return false;
    }
    *line = (struct fb_text){.data = lines->begun.data, .size = lines->begun.size};
    step(lines, *line);
    return true;
}

#include "clients/flowctl/writer.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>

#include "clients/flowctl/terminal.h"

static void begin_value(struct writer *writer)
{
    if (writer->filled[writer->depth] && !writer->after_key) {
        fb_buffer_string(&writer->text, ",");
    }
    writer->filled[writer->depth] = true;
    writer->after_key = false;
}

void writer_open(struct writer *writer, char bracket)
{
    assert(writer->depth < WRITER_DEPTH);
    begin_value(writer);
    fb_buffer_append(&writer->text, &bracket, 1);
    writer->filled[++writer->depth] = false;
}

void writer_close(struct writer *writer, char bracket)
{
    assert(writer->depth > 0 && !writer->after_key);
    fb_buffer_append(&writer->text, &bracket, 1);
    writer->depth--;
}

void writer_key(struct writer *writer, const char *key)
{
    assert(!writer->after_key);
    begin_value(writer);
    fb_buffer_json_string(&writer->text, fb_text_of(key));
    fb_buffer_string(&writer->text, ":");
    writer->after_key = true;
}

void writer_text(struct writer *writer, struct fb_text value)
{
    begin_value(writer);
    fb_buffer_json_string(&writer->text, value);
}

void writer_string(struct writer *writer, const char *value)
{
    if (value == NULL) {
        writer_raw(writer, FB_TEXT("null"));
    } else {
        writer_text(writer, fb_text_of(value));
    }
}

void writer_int(struct writer *writer, int64_t value)
{
    begin_value(writer);
    fb_buffer_printf(&writer->text, "%" PRId64, value);
}

void writer_uint(struct writer *writer, uint64_t value)
{
    begin_value(writer);
    fb_buffer_printf(&writer->text, "%" PRIu64, value);
}

void writer_double(struct writer *writer, double value)
{
    if (!isfinite(value)) {
        writer_raw(writer, FB_TEXT("null"));
        return;
    }
    begin_value(writer);
    fb_buffer_printf(&writer->text, "%.6g", value);
}

void writer_bool(struct writer *writer, bool value)
{
    writer_raw(writer, value ? FB_TEXT("true") : FB_TEXT("false"));
}

void writer_raw(struct writer *writer, struct fb_text json)
{
    begin_value(writer);
    fb_buffer_text(&writer->text, json.size == 0 ? FB_TEXT("null") : json);
}

void writer_key_string(struct writer *writer, const char *key, const char *value)
{
    writer_key(writer, key);
    writer_string(writer, value);
}

void writer_key_int(struct writer *writer, const char *key, int64_t value)
{
    writer_key(writer, key);
    writer_int(writer, value);
}

void writer_key_uint(struct writer *writer, const char *key, uint64_t value)
{
    writer_key(writer, key);
    writer_uint(writer, value);
}

void writer_key_bool(struct writer *writer, const char *key, bool value)
{
    writer_key(writer, key);
    writer_bool(writer, value);
}

bool writer_send(struct writer *writer)
{
    bool sent;

    assert(writer->depth == 0);
    fb_buffer_string(&writer->text, "\n");
    sent = !writer->text.failed &&
           terminal_write((struct fb_text){.data = writer->text.data, .size = writer->text.size});
    fb_buffer_finish(&writer->text);
    *writer = (struct writer){.depth = 0};
    return sent;
}

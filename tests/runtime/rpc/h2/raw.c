#include "tests/runtime/rpc/h2/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/clock.h"

enum { HEAD_BYTES = 9, FRAME_BYTES = 16384 };

/* Level triggered, so the loop wakes as long as something is to be read; reading is the test's. */
static void on_readable(struct fb_watch *watch, unsigned events)
{
    struct raw *raw = (struct raw *)((char *)watch - offsetof(struct raw, watch));
    ssize_t count;

    (void)events;
    do {
        char *room = fb_buffer_reserve(&raw->in, 65536);

        assert_non_null(room);
        count = recv(raw->fd, room, 65536, MSG_DONTWAIT);
        if (count > 0) {
            raw->in.size += (size_t)count;
        }
    } while (count > 0);
    if (count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
        raw->closed = true;
        fb_loop_unwatch(watch);
    }
}

void raw_take(struct raw *raw, struct fb_loop *loop, int fd)
{
    *raw = (struct raw){.loop = loop, .fd = fd};
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(nghttp2_hd_inflate_new(&raw->inflater), 0);
    assert_true(fb_is_ok(fb_loop_watch(loop, &raw->watch, fd, FB_READABLE, on_readable)));
}

void raw_connect(struct raw *raw, struct fb_loop *loop, const char *address)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(to.sun_path, sizeof(to.sun_path), "%s", address + strlen("unix:"));
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
    raw_take(raw, loop, fd);
}

void raw_close(struct raw *raw)
{
    fb_loop_unwatch(&raw->watch);
    close(raw->fd);
    nghttp2_hd_inflate_del(raw->inflater);
    fb_buffer_finish(&raw->in);
}

/* --- writing --- */

void raw_bytes(struct raw *raw, const void *data, size_t size)
{
    const char *at = data;
    const int64_t end_ms = fb_clock_ms() + RAW_WAIT_MS;

    while (size > 0 && !raw->closed) {
        const ssize_t count = send(raw->fd, at, size, MSG_DONTWAIT | MSG_NOSIGNAL);

        assert_true(fb_clock_ms() < end_ms);
        if (count > 0) {
            at += count;
            size -= (size_t)count;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            fb_loop_turn(raw->loop, 1);
        } else {
            return; /* closed by the other side: what the test expects shows when it reads */
        }
    }
}

void raw_send(struct raw *raw, uint8_t type, uint8_t flags, uint32_t stream, const void *payload,
              size_t size)
{
    uint8_t frame[HEAD_BYTES + (1 << 16)] = {
        (uint8_t)(size >> 16),
        (uint8_t)(size >> 8),
        (uint8_t)size,
        type,
        flags,
        (uint8_t)(stream >> 24),
        (uint8_t)(stream >> 16),
        (uint8_t)(stream >> 8),
        (uint8_t)stream,
    };

    assert_true(size <= 1 << 16);
    if (size > 0) {
        memcpy(frame + HEAD_BYTES, payload, size);
    }
    raw_bytes(raw, frame, HEAD_BYTES + size);
}

void raw_hello(struct raw *raw)
{
    static const char magic[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    raw_bytes(raw, magic, sizeof(magic) - 1);
    raw_send(raw, RAW_SETTINGS, 0, 0, NULL, 0);
    raw_send(raw, RAW_SETTINGS, RAW_ACK, 0, NULL, 0); /* of those that are on their way */
}

static void add_string(struct fb_buffer *out, const char *text)
{
    size_t size = strlen(text);
    uint8_t byte;

    if (size < 127) {
        byte = (uint8_t)size;
        fb_buffer_append(out, &byte, 1);
    } else {
        byte = 127;
        fb_buffer_append(out, &byte, 1);
        for (size -= 127; size >= 128; size /= 128) {
            byte = (uint8_t)(size % 128 + 128);
            fb_buffer_append(out, &byte, 1);
        }
        byte = (uint8_t)size;
        fb_buffer_append(out, &byte, 1);
    }
    fb_buffer_string(out, text);
}

void raw_headers(struct raw *raw, uint32_t stream, uint8_t flags, const struct raw_field *fields,
                 size_t count)
{
    struct fb_buffer block = {0};

    for (size_t i = 0; i < count; i++) {
        fb_buffer_append(&block, "\x10", 1);
        add_string(&block, fields[i].name);
        add_string(&block, fields[i].value);
    }
    if (block.size <= FRAME_BYTES) {
        raw_send(raw, RAW_HEADERS, flags, stream, block.data, block.size);
    } else {
        raw_send(raw, RAW_HEADERS, (uint8_t)(flags & ~RAW_END_HEADERS), stream, block.data,
                 FRAME_BYTES);
        raw_send(raw, RAW_CONTINUATION, RAW_END_HEADERS, stream, block.data + FRAME_BYTES,
                 block.size - FRAME_BYTES);
    }
    fb_buffer_finish(&block);
}

void raw_request(struct raw *raw, uint32_t stream, const char *path, const char *name,
                 const char *value)
{
    const struct raw_field fields[] = {
        {":method", "POST"}, {":scheme", "http"},
        {":path", path},     {":authority", "localhost"},
        {"te", "trailers"},  {"content-type", "application/grpc"},
        {name, value},
    };

    raw_headers(raw, stream, RAW_END_HEADERS, fields, name == NULL ? 6 : 7);
}

void raw_message(struct raw *raw, uint32_t stream, uint8_t flags, const void *data, size_t size)
{
    uint8_t payload[1 << 16] = {0, (uint8_t)(size >> 24), (uint8_t)(size >> 16),
                                (uint8_t)(size >> 8), (uint8_t)size};

    assert_true(size + 5 <= sizeof(payload));
    if (size > 0) {
        memcpy(payload + 5, data, size);
    }
    raw_send(raw, RAW_DATA, flags, stream, payload, size + 5);
}

static void put_number(uint8_t *at, uint32_t number)
{
    at[0] = (uint8_t)(number >> 24);
    at[1] = (uint8_t)(number >> 16);
    at[2] = (uint8_t)(number >> 8);
    at[3] = (uint8_t)number;
}

void raw_setting(struct raw *raw, uint16_t id, uint32_t value)
{
    uint8_t payload[6] = {(uint8_t)(id >> 8), (uint8_t)id};

    put_number(payload + 2, value);
    raw_send(raw, RAW_SETTINGS, 0, 0, payload, sizeof(payload));
}

void raw_window(struct raw *raw, uint32_t stream, uint32_t size)
{
    uint8_t payload[4];

    put_number(payload, size);
    raw_send(raw, RAW_WINDOW_UPDATE, 0, stream, payload, sizeof(payload));
}

void raw_reset(struct raw *raw, uint32_t stream, uint32_t error)
{
    uint8_t payload[4];

    put_number(payload, error);
    raw_send(raw, RAW_RST_STREAM, 0, stream, payload, sizeof(payload));
}

/* --- reading --- */

static bool wait_for(struct raw *raw, size_t size)
{
    const int64_t end_ms = fb_clock_ms() + RAW_WAIT_MS;

    while (raw->in.size < size && !raw->closed) {
        assert_true(fb_clock_ms() < end_ms);
        fb_loop_turn(raw->loop, 100);
    }
    return raw->in.size >= size;
}

static void decode(struct raw *raw, const uint8_t *block, size_t size)
{
    struct raw_frame *frame = &raw->frame;
    int flags = 0;

    frame->field_count = 0;
    while ((flags & NGHTTP2_HD_INFLATE_FINAL) == 0) {
        nghttp2_nv field;
        const ssize_t count = nghttp2_hd_inflate_hd2(raw->inflater, &field, &flags, block, size, 1);

        assert_true(count >= 0);
        block += count;
        size -= (size_t)count;
        if (flags & NGHTTP2_HD_INFLATE_EMIT) {
            assert_true(frame->field_count < RAW_FIELDS);
            snprintf(frame->names[frame->field_count], sizeof(frame->names[0]), "%s", field.name);
            snprintf(frame->values[frame->field_count], sizeof(frame->values[0]), "%s",
                     field.value);
            frame->field_count++;
        }
    }
    nghttp2_hd_inflate_end_headers(raw->inflater);
}

bool raw_read(struct raw *raw)
{
    struct raw_frame *frame = &raw->frame;
    const uint8_t *head;

    if (!wait_for(raw, HEAD_BYTES)) {
        return false;
    }
    head = (const uint8_t *)raw->in.data;
    frame->size = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
    frame->type = head[3];
    frame->flags = head[4];
    frame->stream =
        ((uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 | head[8]) &
        INT32_MAX;
    assert_true(frame->size <= sizeof(frame->payload));
    if (!wait_for(raw, HEAD_BYTES + frame->size)) {
        return false;
    }
    memcpy(frame->payload, raw->in.data + HEAD_BYTES, frame->size);
    fb_buffer_consume(&raw->in, HEAD_BYTES + frame->size);
    if (frame->type == RAW_HEADERS) {
        decode(raw, frame->payload, frame->size);
    }
    return true;
}

bool raw_find(struct raw *raw, uint8_t type, uint32_t stream)
{
    while (raw_read(raw)) {
        if (raw->frame.type == type && (stream == 0 || raw->frame.stream == stream)) {
            return true;
        }
    }
    return false;
}

static bool has_come(const struct raw *raw, uint8_t type)
{
    const uint8_t *at = (const uint8_t *)raw->in.data;
    size_t left = raw->in.size;

    while (left >= HEAD_BYTES) {
        const size_t size = HEAD_BYTES + ((size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2]);

        if (size > left) {
            return false;
        }
        if (at[3] == type) {
            return true;
        }
        at += size;
        left -= size;
    }
    return false;
}

void raw_await(struct raw *raw, uint8_t type)
{
    const int64_t end_ms = fb_clock_ms() + RAW_WAIT_MS;

    while (!has_come(raw, type)) {
        assert_true(fb_clock_ms() < end_ms && !raw->closed);
        fb_loop_turn(raw->loop, 100);
    }
}

const char *raw_value(const struct raw *raw, const char *name)
{
    for (size_t i = 0; i < raw->frame.field_count; i++) {
        if (strcmp(raw->frame.names[i], name) == 0) {
            return raw->frame.values[i];
        }
    }
    return NULL;
}

uint32_t raw_number(const struct raw *raw, size_t offset)
{
    const uint8_t *at = raw->frame.payload + offset;

    assert_true(offset + 4 <= raw->frame.size);
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

void raw_drain(struct raw *raw)
{
    while (raw_read(raw)) {
    }
}

void raw_until(struct raw *raw, const bool *flag)
{
    const int64_t end_ms = fb_clock_ms() + RAW_WAIT_MS;

    while (!*flag) {
        assert_true(fb_clock_ms() < end_ms);
        fb_loop_turn(raw->loop, 100);
    }
}

/* A ping is answered behind everything that was sent before. */
void raw_settle(struct raw *raw)
{
    static const uint8_t mark[8] = {'s', 'e', 't', 't', 'l', 'e', 'd', 0};

    raw_send(raw, RAW_PING, 0, 0, mark, sizeof(mark));
    do {
        assert_true(raw_find(raw, RAW_PING, 0));
    } while ((raw->frame.flags & RAW_ACK) == 0 || memcmp(raw->frame.payload, mark, 8) != 0);
}

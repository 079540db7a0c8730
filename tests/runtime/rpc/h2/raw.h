#ifndef FB_TESTS_RUNTIME_RPC_H2_RAW_H
#define FB_TESTS_RUNTIME_RPC_H2_RAW_H

/*
 * raw: the other end of a connection, byte by byte, as no HTTP/2 library would let one be.
 *
 * It writes frames exactly as asked and reads those that come; while it waits it turns the loop on
 * which what is tested lives. Every wait has one deadline, after which the test fails.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nghttp2/nghttp2.h>

#include "runtime/base/text.h"
#include "runtime/loop/loop.h"

enum {
    RAW_WAIT_MS = 10000,
    RAW_FIELDS = 32,

    RAW_DATA = 0,
    RAW_HEADERS = 1,
    RAW_PRIORITY = 2,
    RAW_RST_STREAM = 3,
    RAW_SETTINGS = 4,
    RAW_PING = 6,
    RAW_GOAWAY = 7,
    RAW_WINDOW_UPDATE = 8,
    RAW_CONTINUATION = 9,

    RAW_END_STREAM = 1,
    RAW_ACK = 1,
    RAW_END_HEADERS = 4,
};

struct raw_field {
    const char *name;
    const char *value;
};

struct raw_frame {
    uint8_t type;
    uint8_t flags;
    uint32_t stream;
    size_t size;
    uint8_t payload[1 << 16];

    /* of HEADERS, decoded */
    size_t field_count;
    char names[RAW_FIELDS][128];
    char values[RAW_FIELDS][512];
};

struct raw {
    struct fb_loop *loop;
    struct fb_watch watch;
    int fd;
    bool closed; /* by the other side */
    struct fb_buffer in;
    nghttp2_hd_inflater *inflater;
    struct raw_frame frame; /* the last that was read */
};

/* Connects to "unix:/path", or takes a connected socket. */
void raw_connect(struct raw *raw, struct fb_loop *loop, const char *address);
void raw_take(struct raw *raw, struct fb_loop *loop, int fd);
void raw_close(struct raw *raw);

/* --- writing --- */

void raw_bytes(struct raw *raw, const void *data, size_t size);
void raw_send(struct raw *raw, uint8_t type, uint8_t flags, uint32_t stream, const void *payload,
              size_t size);

/* The client's magic, empty settings, and the other side's settings acknowledged in advance. */
void raw_hello(struct raw *raw);

/* Literal fields, never indexed, not packed. */
void raw_headers(struct raw *raw, uint32_t stream, uint8_t flags, const struct raw_field *fields,
                 size_t count);

/* A request to `path` as gRPC wants it, with at most one field more (NULL: none). */
void raw_request(struct raw *raw, uint32_t stream, const char *path, const char *name,
                 const char *value);

/* One DATA frame with one message. */
void raw_message(struct raw *raw, uint32_t stream, uint8_t flags, const void *data, size_t size);
void raw_setting(struct raw *raw, uint16_t id, uint32_t value);
void raw_window(struct raw *raw, uint32_t stream, uint32_t size);
void raw_reset(struct raw *raw, uint32_t stream, uint32_t error);

/* --- reading: what comes is in raw->frame --- */

/* The next frame; false when the other side has closed. */
bool raw_read(struct raw *raw);

/* The next of this type (on this stream, if not 0), passing over others. False as above. */
bool raw_find(struct raw *raw, uint8_t type, uint32_t stream);

/* Waits until one of this type has come, and leaves all there is to be read. */
void raw_await(struct raw *raw, uint8_t type);

/* The value of a field of the HEADERS that were read; NULL when absent. */
const char *raw_value(const struct raw *raw, const char *name);

/* Big-endian number in the payload. */
uint32_t raw_number(const struct raw *raw, size_t offset);

/* Reads to the end of the connection. */
void raw_drain(struct raw *raw);

/* Turns the loop until `*flag` is true, or until nothing is left to do at once. */
void raw_until(struct raw *raw, const bool *flag);
void raw_settle(struct raw *raw);

#endif

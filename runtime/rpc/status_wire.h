#ifndef FB_RUNTIME_RPC_STATUS_WIRE_H
#define FB_RUNTIME_RPC_STATUS_WIRE_H

/*
 * status_wire: how statuses and deadlines are spelled on the wire (gRPC over HTTP/2).
 */

#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"

/*
 * grpc-message: percent-encodes all but printable ASCII without '%', and spaces at the ends. At most 4 KiB come out;
 * what is longer is cut between two characters.
 */
void fb_status_message_encode(struct fb_buffer *out, const char *why);

/*
 * Undoes it; what is not a valid escape (and an escaped NUL) is kept as it came. Bytes that are then not
 * UTF-8 become '?'. Never fails, as the standard asks: without memory it is "".
 */
char *fb_status_message_decode(struct fb_arena *arena, struct fb_text in);

/* grpc-status: UNKNOWN for what is not a known number. */
enum fb_code fb_code_of_wire(struct fb_text in);

/* The code for an answer without grpc-status, by its HTTP status (the standard's table). */
enum fb_code fb_code_of_http(int http_status);

/* The code for a stream reset, by its HTTP/2 error code (the standard's table). */
enum fb_code fb_code_of_h2_error(uint32_t error);

/*
 * grpc-timeout: up to eight digits and one of H M S m u n. Microseconds, rounded up; -1 for what is
 * not a timeout. Written with the finest unit that fits eight digits, rounded up; 0 and below become
 * "1n".
 */
int64_t fb_timeout_decode_us(struct fb_text in);
void fb_timeout_encode_us(int64_t timeout_us, char out[16]);

#endif

#ifndef FB_GATEWAY_JSONRPC_H
#define FB_GATEWAY_JSONRPC_H

/*
 * jsonrpc: what a JSON-RPC 2.0 message is, and how answers are spelled.
 *
 * Pure. Ids stay the bytes that came: `1` and `"1"` differ, and integers beyond 2^53 survive.
 */

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/arena.h"
#include "runtime/base/text.h"

/* The codes that we answer; where each one belongs is said in failures.c, era.c and the methods. */
enum {
    JSONRPC_PARSE_ERROR = -32700,
    JSONRPC_INVALID_REQUEST = -32600,
    JSONRPC_METHOD_NOT_FOUND = -32601,
    JSONRPC_INVALID_PARAMS = -32602,
    JSONRPC_INTERNAL_ERROR = -32603,
    MCP_RESOURCE_NOT_FOUND = -32002,  /* legacy revisions only */
    MCP_URL_ELICITATION = -32042,     /* 2025-11-25 only */
    MCP_HEADER_MISMATCH = -32020,     /* HTTP only */
    MCP_MISSING_CAPABILITY = -32021,  /* modern only */
    MCP_UNSUPPORTED_VERSION = -32022, /* modern only */
};

enum {
    JSONRPC_ID_BYTES = 1024, /* longest id and progress token */
    JSONRPC_DEPTH = 512,     /* of a line's arrays and objects */
    JSONRPC_METHOD_BYTES = 128,
};

/* An error to be answered. All zero is none. */
struct jsonrpc_error {
    int code;
    const char *message;
    struct fb_text data; /* JSON; empty for none */
};

enum message_kind { MESSAGE_REQUEST, MESSAGE_NOTIFICATION, MESSAGE_RESPONSE };

struct message {
    enum message_kind kind;
    struct fb_text id;     /* a string or an integer as it came; empty: none */
    const char *method;    /* NUL-terminated, in the arena; "" for a response */
    struct fb_text params; /* an object; empty: none */
};

/*
 * Reads one message of a checked text (runtime/json/scan.h) that is no array. False: `*error` says
 * what is wrong with it, and `message->id` is the id to answer under, empty if it has no usable
 * one. A method of other than plain characters is unknown, and comes out as "?".
 */
bool jsonrpc_read(struct fb_text text, struct fb_arena *arena, struct message *message,
                  struct jsonrpc_error *error);

/* A string or an integer of at most JSONRPC_ID_BYTES. */
bool jsonrpc_is_id(struct fb_text value);

/* --- writing, all without the line's end --- */

/* {"jsonrpc":"2.0","id":ID,"result": — and what follows is the result and a closing brace. */
void jsonrpc_begin_result(struct fb_buffer *out, struct fb_text id);

/* A whole error answer; without `id` when that is empty. */
void jsonrpc_put_error(struct fb_buffer *out, struct fb_text id, const struct jsonrpc_error *error);

/* {"jsonrpc":"2.0","method":METHOD,"params": — what follows is an object and a closing brace. */
void jsonrpc_begin_notification(struct fb_buffer *out, const char *method);

#endif

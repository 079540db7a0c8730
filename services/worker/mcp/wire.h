#ifndef FB_SERVICES_WORKER_MCP_WIRE_H
#define FB_SERVICES_WORKER_MCP_WIRE_H

/*
 * wire: JSON-RPC messages of an MCP server, as slices of the line they came in.
 *
 * Nothing is rebuilt: what is handed on are the bytes that came. Pure: any thread may use it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"

enum { WIRE_DEPTH = 256 }; /* arrays and objects in each other, in a line */

enum wire_kind {
    WIRE_REQUEST,      /* has method and id */
    WIRE_NOTIFICATION, /* has method */
    WIRE_RESULT,       /* has id and result */
    WIRE_ERROR,        /* has error; its id may be absent or null */
};

/* All slices are raw JSON; empty where the member is absent. */
struct wire_message {
    enum wire_kind kind;
    struct fb_text id;     /* null reads as absent */
    struct fb_text method; /* with its quotes */
    struct fb_text params; /* an object; null reads as absent */
    struct fb_text result; /* an object */
    struct fb_text error;  /* an object */
};

/*
 * Whether a line is JSON in UTF-8, nested at most WIRE_DEPTH. INVALID_ARGUMENT says what is wrong. A
 * line that is no JSON object or array at all (a banner, say) is told by its first byte.
 */
struct fb_status wire_check(struct fb_text line);

/* Reads one object of a checked line. INVALID_ARGUMENT when it is no JSON-RPC message. */
struct fb_status wire_read(struct fb_text object, struct wire_message *message);

/* The members of an error object; a missing or odd one reads as -32603 or empty. */
struct wire_error {
    int64_t code;
    struct fb_text message; /* unescaped, in the arena or the line */
    struct fb_text data;    /* raw JSON */
};
struct wire_error wire_error_of(struct fb_text error, struct fb_arena *arena);

/*
 * The id of an answer of which only both ends are known, because the line was too long to keep:
 * servers write the id as the first or second member, or as the last. False when it cannot be seen.
 */
bool wire_guess_id(struct fb_text head, struct fb_text tail, int64_t *id);

/* --- writing --- */

/* What goes into `_meta` of a request; all zero for nothing. */
struct wire_meta {
    struct fb_text extra;        /* the agent's: a checked object, or empty */
    struct fb_text capabilities; /* of the client: a checked object; empty says {} */
    const char *revision;        /* modern only; NULL adds none of the protocol's own keys */
    const char *client_version;  /* with `revision` */
    const char *log_level;       /* modern only; NULL wants no log */
    int64_t token;               /* progress token; 0 wants no progress */
};

/*
 * Appends `"_meta":{…}`, or nothing if it would be empty; true when something was appended. Keys of
 * `extra` that belong to the protocol's envelope are left out: they are this leg's to set.
 */
bool wire_put_meta(struct fb_buffer *out, const struct wire_meta *meta);

/* Appends a checked value so that it stays on one line: as it is, or compacted if it has line breaks. */
void wire_put_value(struct fb_buffer *out, struct fb_text value);

/* Appends the members of an object but the one called `key`, as an object. */
void wire_put_without(struct fb_buffer *out, struct fb_text object, const char *key);

#endif

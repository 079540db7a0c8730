#ifndef FB_SERVICES_WORKER_MCP_LINES_H
#define FB_SERVICES_WORKER_MCP_LINES_H

/*
 * lines: cuts what a server writes into lines, none of them longer than a bound.
 *
 * Of a line that is too long only its first and last bytes are kept, enough to find out what it was
 * an answer to; the reader goes on behind it. Pure; on one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/text.h"

enum {
    LINES_READ_BYTES = 64 * 1024, /* to read at once */
    LINES_EDGE_BYTES = 128,       /* kept of both ends of a line that is too long */
};

/* Open so that it can be embedded; its fields are its own. */
struct mcp_lines {
    struct fb_buffer held; /* bytes not yet handed out begin at `taken` */
    size_t taken;
    size_t searched;        /* no line end before here */
    size_t most_bytes;      /* of a line, its end not counted */
    bool skipping;          /* within a line that is too long */
    uint64_t skipped_bytes; /* of that line so far */
    char head[LINES_EDGE_BYTES];
    char tail[LINES_EDGE_BYTES];
    size_t tail_bytes;
};

struct mcp_lines_line {
    struct fb_text text; /* without LF or CR LF; when too long: its first bytes */
    struct fb_text tail; /* when too long: its last bytes, else empty */
    uint64_t size;       /* of the whole line */
    bool too_long;
};

/* `most_bytes`: LINES_EDGE_BYTES or more. */
void mcp_lines_init(struct mcp_lines *lines, size_t most_bytes);
void mcp_lines_finish(struct mcp_lines *lines);

/* Room for LINES_READ_BYTES to read into; NULL when memory is exhausted. */
char *mcp_lines_room(struct mcp_lines *lines);

/* So many bytes were read into the room. */
void mcp_lines_added(struct mcp_lines *lines, size_t size);

/* The next whole line, borrowed until the next call for this reader; false when there is none yet. */
bool mcp_lines_next(struct mcp_lines *lines, struct mcp_lines_line *line);

#endif

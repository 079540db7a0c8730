#ifndef FB_GATEWAY_MCP_H
#define FB_GATEWAY_MCP_H

/*
 * mcp: the conversation with one agent: lines in, lines out.
 *
 * It reads messages, decides by which revision each is served, hands it to the method's function
 * and keeps what is unanswered. It reads no clock and touches no descriptor: time and the way to
 * the suite are handed in. One thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/look.h"
#include "gateway/uplink.h"
#include "runtime/base/text.h"

struct mcp;

enum { MCP_TICK_MS = 10000 };

struct mcp_config {
    const char *version;     /* of the program, for serverInfo */
    const char *agent;       /* CallContext.agent */
    const char *scope;       /* CallContext.scope */
    int64_t call_timeout_ms; /* from the arrival of a request to its answer */
    int64_t list_wait_ms;    /* how long a list waits for servers that were never listed */
    size_t in_flight;        /* most requests unanswered at once */
    size_t in_flight_bytes;  /* most bytes of their lines */
    size_t line_bytes;       /* longest line that is written, its end not counted */
    bool flow_tools;         /* offer sessions and tasks */
    bool original_tools;     /* and by the names of the system before ours */
};

struct mcp_output {
    struct fb_buffer *lines;    /* whole lines are appended here */
    void (*written)(void *arg); /* after each */
    void *arg;
};

/* All is borrowed until destroy. NULL when memory is exhausted. */
struct mcp *mcp_create(const struct mcp_config *config, const struct mcp_output *output,
                       const struct uplink *uplink, const struct looker *looker);

/* Cancels what is unanswered. NULL is fine. */
void mcp_destroy(struct mcp *mcp);

/* One line of the agent's without its end; `now_ms` is monotonic. */
void mcp_line(struct mcp *mcp, struct fb_text line, int64_t now_ms);

/* A line of the agent's was longer than is read; it is answered as an invalid request. */
void mcp_line_too_long(struct mcp *mcp);

/*
 * Tells those who asked to wait, and want to hear of progress, that they still wait: clients that give
 * up on a silent call do not give up on these. To be called every MCP_TICK_MS.
 */
void mcp_tick(struct mcp *mcp);

/* Requests that are not answered yet. */
size_t mcp_unanswered(const struct mcp *mcp);

/* Answers those that only wait for changes to be told: there will be none. */
void mcp_end_subscriptions(struct mcp *mcp);

/* Cancels them without an answer, and stops listening for changes. */
void mcp_cancel_all(struct mcp *mcp);

/*
 * The agent does not read: answers of the suite are held back, and what may be lost (progress, log
 * messages) is lost.
 */
void mcp_hold(struct mcp *mcp, bool on);

#endif

#ifndef FB_GATEWAY_CHANGES_H
#define FB_GATEWAY_CHANGES_H

/*
 * changes: tells a legacy session when the list of tools that it holds is no longer true.
 *
 * It listens only for an agent that has asked for a list, names the version that the agent holds, and
 * listens again with the agent's next request after the stream broke: so nothing is missed, and an
 * idle gateway neither starts a suite nor keeps one awake.
 */

struct mcp;
struct changes;

/* NULL when memory is exhausted. */
struct changes *changes_create(struct mcp *mcp);
void changes_destroy(struct changes *changes);

/* The session was shown the list at `version`. */
void changes_shown(struct changes *changes, const char *version);

/* The session asks the suite for something: a chance to listen again. */
void changes_resume(struct changes *changes);

/* Nobody is to be told any more. */
void changes_stop(struct changes *changes);

#endif

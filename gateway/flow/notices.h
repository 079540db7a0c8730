#ifndef FB_GATEWAY_FLOW_NOTICES_H
#define FB_GATEWAY_FLOW_NOTICES_H

/*
 * notices: tells the agent when a session changes that it has subscribed to.
 *
 * One stream for each session, whatever is subscribed of it: of a legacy session by
 * resources/subscribe, of modern requests by subscriptions/listen. A stream that broke is taken up
 * again where it was, at the latest with the agent's next request; it never starts a suite.
 */

#include "gateway/exchange.h"

struct notices;

/* NULL when memory is exhausted. */
struct notices *notices_create(struct mcp *mcp);
void notices_destroy(struct notices *notices);

/* The agent asks for something: a chance to take up what broke. */
void notices_resume(struct notices *notices);

/* The legacy session is over, and its subscriptions with it. */
void notices_forget(struct notices *notices);

/* Answers the open listens: nothing more will be told. */
void notices_end(struct notices *notices);

#endif

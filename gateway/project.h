#ifndef FB_GATEWAY_PROJECT_H
#define FB_GATEWAY_PROJECT_H

/*
 * project: what a server said, as the agent's revision can read it.
 *
 * Servers speak any revision; some clients reject a whole list for one field they do not know. What
 * an older revision lacks is dropped or said in its words; all else passes as the bytes that came.
 * Pure: from checked JSON, appended to a buffer.
 */

#include "gateway/revision.h"
#include "runtime/base/text.h"

/* One tool object of a list. */
void project_tool(struct fb_buffer *out, struct fb_text tool, enum revision to);

/*
 * The result object of a tools/call. For a modern agent with `resultType` and, in its `_meta`, our
 * `server_info` (JSON); for a legacy one without what is modern, and with `content` always there.
 */
void project_call_result(struct fb_buffer *out, struct fb_text result, enum revision to,
                         struct fb_text server_info);

/*
 * The params of a progress notification: `token` and the members of `params` that the revision
 * knows. `params` is what the server sent, with or without a token of its own.
 */
void project_progress(struct fb_buffer *out, struct fb_text params, struct fb_text token,
                      enum revision to);

#endif

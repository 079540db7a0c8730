#ifndef FB_CLIENTS_FLOWCTL_RESULT_H
#define FB_CLIENTS_FLOWCTL_RESULT_H

/*
 * result: what a tool answered, as text for a person. Pure.
 */

#include <stdbool.h>

#include "runtime/base/arena.h"
#include "runtime/base/text.h"

/*
 * Appends the text of a `tools/call` result: its text blocks as they are, one after the other, a line
 * for each block that is no text (what it is and how large), and the structured content where there is no
 * block at all. Returns whether the tool says that it failed (`isError`). What is no such result
 * is appended as it is.
 */
bool result_render(struct fb_text result_json, struct fb_arena *arena, struct fb_buffer *out);

/* The string of a member; empty when there is none. In the arena or the text. */
struct fb_text result_member(struct fb_text object, const char *key, struct fb_arena *arena);

/* "3 of 10: copying" of a progress notification's params; only what is there. */
void result_render_progress(struct fb_text params_json, struct fb_arena *arena,
                            struct fb_buffer *out);

/* Whether a tool's name is wanted: a pattern with * ? or [ must match all of it, any other be within. */
bool result_name_matches(const char *pattern, struct fb_text name);

/* The first line of a description, cut to `columns` with an ellipsis. */
void result_first_line(struct fb_text description, size_t columns, struct fb_buffer *out);

#endif

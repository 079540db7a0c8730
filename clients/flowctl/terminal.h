#ifndef FB_CLIENTS_FLOWCTL_TERMINAL_H
#define FB_CLIENTS_FLOWCTL_TERMINAL_H

/*
 * terminal: what a person sees: colours, progress, questions, complaints.
 *
 * Answers go to standard output, everything else to standard error. Colours and lines that are written
 * over only where there is a terminal. One thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/text.h"

enum terminal_colour_mode { TERMINAL_COLOUR_AUTO, TERMINAL_COLOUR_ALWAYS, TERMINAL_COLOUR_NEVER };

/* For the option's choices, NULL-ended. */
extern const char *const terminal_colour_modes[];

enum terminal_colour {
    TERMINAL_PLAIN,
    TERMINAL_BOLD,
    TERMINAL_DIM,
    TERMINAL_GOOD,
    TERMINAL_WARN,
    TERMINAL_BAD,
};

/* `no_colour` is the environment's NO_COLOR, and `term` its TERM; either may be NULL. */
void terminal_open(enum terminal_colour_mode mode, const char *no_colour, const char *term);

/* The sequence that begins a colour on standard output; "" where there are none. */
const char *terminal_colour(enum terminal_colour colour);

/* Whether a person reads standard output, and whether one can be asked. */
bool terminal_is_read(void);
bool terminal_can_ask(void);

/* Writes all of it to standard output; false when that failed (a closed pipe, a full disk). */
bool terminal_write(struct fb_text text);
bool terminal_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Text of strangers: on a terminal without its control characters, so that a tool's answer cannot drive
 * it; elsewhere as it is. A line feed is added where the last one is missing.
 */
bool terminal_write_foreign(struct fb_text text);

/* Appends the text with its control characters, but line feed and tab, shown as ^X. Pure. */
void terminal_escape(struct fb_text text, struct fb_buffer *out);

/* "flowctl: …" on standard error, and a second line that says what to do; NULL for none. */
void terminal_complain(const char *next, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* How long work goes on; each text replaces the one before on a terminal, and is a line elsewhere. */
void terminal_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Takes the last progress away. Harmless without one. */
void terminal_progress_end(void);

/* Asks for yes or no on standard error; anything but "y" or "yes" is no, as is no terminal. */
bool terminal_ask(const char *question);

#endif

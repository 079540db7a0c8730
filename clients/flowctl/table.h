#ifndef FB_CLIENTS_FLOWCTL_TABLE_H
#define FB_CLIENTS_FLOWCTL_TABLE_H

/*
 * table: rows of words in columns that line up, for people.
 *
 * Cells are copied when they are put; their control characters become '?', so that a name from
 * elsewhere stays in its cell. One thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "clients/flowctl/terminal.h"
#include "runtime/base/text.h"

enum { TABLE_COLUMNS = 12 };

struct table_cell {
    size_t offset; /* in the table's words */
    size_t size;
    enum terminal_colour colour;
};

/* All zero is an empty table without a heading. */
struct table {
    const char *headings[TABLE_COLUMNS + 1]; /* NULL-ended, constants; says how many columns */
    bool right[TABLE_COLUMNS];               /* numbers stand at the right edge */
    struct fb_buffer words;
    struct fb_buffer cells; /* of struct table_cell */
};

/* The next cell, row by row; TERMINAL_PLAIN for no colour. */
void table_put(struct table *table, enum terminal_colour colour, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Appends the heading and all rows; a row that is not full is left out. */
void table_render(const struct table *table, struct fb_buffer *out);

void table_finish(struct table *table);

/* Columns that a terminal needs to show UTF-8 text, as far as one column per character goes. */
size_t table_width(struct fb_text text);

#endif

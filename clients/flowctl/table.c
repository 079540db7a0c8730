#include "clients/flowctl/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { CELL_BYTES = 1024, GAP = 2 };

size_t table_width(struct fb_text text)
{
    size_t width = 0;

    for (size_t i = 0; i < text.size; i++) {
        width += ((unsigned char)text.data[i] & 0xC0) != 0x80;
    }
    return width;
}

void table_put(struct table *table, enum terminal_colour colour, const char *format, ...)
{
    char word[CELL_BYTES];
    struct table_cell cell = {.offset = table->words.size, .colour = colour};
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(word, sizeof(word), format, args);
    va_end(args);
    cell.size = size < 0 ? 0 : (size_t)size;
    if (cell.size >= sizeof(word)) {
        cell.size = sizeof(word) - 1;
        while (cell.size > 0 && ((unsigned char)word[cell.size] & 0xC0) == 0x80) {
            cell.size--; /* not in the middle of a character */
        }
    }
    for (size_t i = 0; i < cell.size; i++) {
        const unsigned char c = (unsigned char)word[i];

        word[i] = c < 0x20 || c == 0x7F ? '?' : word[i];
    }
    fb_buffer_append(&table->words, word, cell.size);
    fb_buffer_append(&table->cells, &cell, sizeof(cell));
}

static struct table_cell cell_at(const struct table *table, size_t index)
{
    struct table_cell cell;

    memcpy(&cell, table->cells.data + index * sizeof(cell), sizeof(cell));
    return cell;
}

static void render_cell(const struct table *table, size_t column, bool is_last, struct fb_text word,
                        enum terminal_colour colour, size_t width, struct fb_buffer *out)
{
    const size_t padding = width - table_width(word);

    if (table->right[column]) {
        fb_buffer_printf(out, "%*s", (int)padding, "");
    }
    if (colour != TERMINAL_PLAIN) {
        fb_buffer_string(out, terminal_colour(colour));
    }
    fb_buffer_text(out, word);
    if (colour != TERMINAL_PLAIN) {
        fb_buffer_string(out, terminal_colour(TERMINAL_PLAIN));
    }
    if (is_last) {
        fb_buffer_string(out, "\n");
    } else {
        fb_buffer_printf(out, "%*s", (int)(GAP + (table->right[column] ? 0 : padding)), "");
    }
}

void table_render(const struct table *table, struct fb_buffer *out)
{
    const size_t count = table->cells.size / sizeof(struct table_cell);
    size_t widths[TABLE_COLUMNS] = {0};
    size_t columns = 0;

    while (columns < TABLE_COLUMNS && table->headings[columns] != NULL) {
        widths[columns] = table_width(fb_text_of(table->headings[columns]));
        columns++;
    }
    if (columns == 0 || table->cells.failed || table->words.failed) {
        return;
    }
    for (size_t i = 0; i < count / columns * columns; i++) {
        const struct table_cell cell = cell_at(table, i);
        const size_t width = table_width(
            (struct fb_text){.data = table->words.data + cell.offset, .size = cell.size});

        widths[i % columns] = width > widths[i % columns] ? width : widths[i % columns];
    }
    for (size_t i = 0; i < columns; i++) {
        render_cell(table, i, i + 1 == columns, fb_text_of(table->headings[i]), TERMINAL_BOLD,
                    widths[i], out);
    }
    for (size_t i = 0; i < count / columns * columns; i++) {
        const struct table_cell cell = cell_at(table, i);
        const size_t column = i % columns;
        const struct fb_text word = {.data = table->words.data + cell.offset, .size = cell.size};

        render_cell(table, column, column + 1 == columns, word, cell.colour, widths[column], out);
    }
}

void table_finish(struct table *table)
{
    fb_buffer_finish(&table->words);
    fb_buffer_finish(&table->cells);
}

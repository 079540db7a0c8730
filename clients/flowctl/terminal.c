#include "clients/flowctl/terminal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *const terminal_colour_modes[] = {"auto", "always", "never", NULL};

enum { PROGRESS_BYTES = 512 };

static struct {
    bool colours;
    bool out_is_terminal;
    bool err_is_terminal;
    bool in_is_terminal;
    bool progress_shown;                /* on a terminal: a line stands that has no end yet */
    char progress_last[PROGRESS_BYTES]; /* elsewhere: not said twice */
} terminal;

void terminal_open(enum terminal_colour_mode mode, const char *no_colour, const char *term)
{
    const bool is_dumb = term == NULL || strcmp(term, "dumb") == 0;

    terminal.out_is_terminal = isatty(STDOUT_FILENO) == 1;
    terminal.err_is_terminal = isatty(STDERR_FILENO) == 1;
    terminal.in_is_terminal = isatty(STDIN_FILENO) == 1;
    terminal.colours = mode == TERMINAL_COLOUR_ALWAYS ||
                       (mode == TERMINAL_COLOUR_AUTO && terminal.out_is_terminal && !is_dumb &&
                        (no_colour == NULL || no_colour[0] == '\0'));
}

const char *terminal_colour(enum terminal_colour colour)
{
    static const char *const sequences[] = {
        [TERMINAL_PLAIN] = "\033[0m", [TERMINAL_BOLD] = "\033[1m",  [TERMINAL_DIM] = "\033[2m",
        [TERMINAL_GOOD] = "\033[32m", [TERMINAL_WARN] = "\033[33m", [TERMINAL_BAD] = "\033[31m",
    };

    return terminal.colours ? sequences[colour] : "";
}

bool terminal_is_read(void)
{
    return terminal.out_is_terminal;
}

bool terminal_can_ask(void)
{
    return terminal.in_is_terminal && terminal.err_is_terminal;
}

bool terminal_write(struct fb_text text)
{
    terminal_progress_end();
    return (text.size == 0 || fwrite(text.data, 1, text.size, stdout) == text.size) &&
           fflush(stdout) == 0;
}

bool terminal_print(const char *format, ...)
{
    va_list args;
    bool written;

    terminal_progress_end();
    va_start(args, format);
    written = vprintf(format, args) >= 0;
    va_end(args);
    return fflush(stdout) == 0 && written;
}

void terminal_escape(struct fb_text text, struct fb_buffer *out)
{
    for (size_t i = 0; i < text.size; i++) {
        const unsigned char c = (unsigned char)text.data[i];
        const unsigned char next = i + 1 < text.size ? (unsigned char)text.data[i + 1] : 0;

        if (c == 0xC2 && next >= 0x80 && next < 0xA0) { /* C1 controls, as UTF-8 has them */
            fb_buffer_printf(out, "^[%c", next - 0x40);
            i++;
        } else if (c == 0x7F) {
            fb_buffer_string(out, "^?");
        } else if (c < 0x20 && c != '\n' && c != '\t') {
            fb_buffer_printf(out, "^%c", c + 0x40);
        } else {
            fb_buffer_append(out, text.data + i, 1);
        }
    }
}

bool terminal_write_foreign(struct fb_text text)
{
    struct fb_buffer shown = {.data = NULL};
    bool written;

    if (terminal.out_is_terminal) {
        terminal_escape(text, &shown);
    } else {
        fb_buffer_text(&shown, text);
    }
    if (text.size == 0 || text.data[text.size - 1] != '\n') {
        fb_buffer_string(&shown, "\n");
    }
    written =
        !shown.failed && terminal_write((struct fb_text){.data = shown.data, .size = shown.size});
    fb_buffer_finish(&shown);
    return written;
}

void terminal_complain(const char *next, const char *format, ...)
{
    va_list args;

    terminal_progress_end();
    fflush(stdout);
    fputs("flowctl: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("\n", stderr);
    if (next != NULL && next[0] != '\0') {
        fprintf(stderr, "  %s\n", next);
    }
}

void terminal_progress(const char *format, ...)
{
    char text[PROGRESS_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (terminal.err_is_terminal) {
        fprintf(stderr, "\r\033[K%s", text);
        fflush(stderr);
        terminal.progress_shown = true;
        return;
    }
    if (strcmp(text, terminal.progress_last) != 0) {
        fprintf(stderr, "%s\n", text);
        memcpy(terminal.progress_last, text, sizeof(text));
    }
}

void terminal_progress_end(void)
{
    if (terminal.progress_shown) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        terminal.progress_shown = false;
    }
}

bool terminal_ask(const char *question)
{
    char answer[16] = "";

    if (!terminal_can_ask()) {
        return false;
    }
    terminal_progress_end();
    fflush(stdout);
    fprintf(stderr, "%s [y/N] ", question);
    fflush(stderr);
    if (fgets(answer, sizeof(answer), stdin) == NULL) {
        fputs("\n", stderr);
        return false;
    }
    answer[strcspn(answer, "\r\n")] = '\0';
    return strcmp(answer, "y") == 0 || strcmp(answer, "Y") == 0 || strcmp(answer, "yes") == 0;
}

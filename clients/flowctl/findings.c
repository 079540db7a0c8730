#include "clients/flowctl/findings.h"

#include <stdarg.h>
#include <stdio.h>

enum { WORDS_BYTES = 2048 };

void findings_add(struct findings *findings, enum finding_level level, const char *part,
                  const char *mend, const char *format, ...)
{
    char words[WORDS_BYTES];
    const char *what;
    va_list args;

    va_start(args, format);
    vsnprintf(words, sizeof(words), format, args);
    va_end(args);
    what = fb_arena_printf(findings->run->arena, "%s", words);
    if (findings->count == FINDINGS_MOST || what == NULL) {
        findings->left_off++;
        return;
    }
    findings->items[findings->count++] = (struct finding){
        .level = level,
        .part = part,
        .what = what,
        .mend = mend == NULL ? "" : mend,
    };
}

size_t findings_count(const struct findings *findings, enum finding_level level)
{
    size_t count = 0;

    for (size_t i = 0; i < findings->count; i++) {
        count += findings->items[i].level == level;
    }
    return count;
}

#include "gateway/flow/budget.h"

#include <inttypes.h>
#include <stdint.h>

#include "gateway/flow/tokens.h"
#include "gateway/flow/words.h"

struct budget budget_begin(struct work *work, size_t tokens)
{
    fb_buffer_string(&work->json, "{\"lines\":[");
    return (struct budget){.work = work, .left = tokens};
}

bool budget_add(struct budget *lines, struct fb_buffer *line)
{
    struct work *work = lines->work;
    const struct fb_text text = {line->data, line->size};
    const size_t tokens = tokens_of(text) + 1;
    const bool fits = tokens <= lines->left || lines->count == 0;

    if (fits) {
        lines->left -= tokens < lines->left ? tokens : lines->left;
        fb_buffer_string(&work->text, lines->count > 0 ? "\n" : "");
        fb_buffer_text(&work->text, text);
        words_key(&work->json, NULL);
        fb_buffer_json_string(&work->json, text);
        work->text.failed = work->text.failed || line->failed;
        lines->count++;
    }
    fb_buffer_finish(line);
    return fits;
}

void budget_end(struct budget *lines, uint64_t total, const char *cursor)
{
    struct work *work = lines->work;

    fb_buffer_string(&work->json, "]");
    words_number(&work->json, "total", (int64_t)total);
    if (lines->count == 0) {
        fb_buffer_string(&work->text, "nothing found");
    }
    if (*cursor != '\0') {
        fb_buffer_printf(&work->text, "\n%zu of %" PRIu64 ", more with cursor ", lines->count,
                         total);
        words_put(&work->text, cursor, SIZE_MAX);
        words_string(&work->json, "cursor", cursor);
    }
    fb_buffer_string(&work->json, "}");
    work_answer(work);
}

#include "services/worker/exchange/foreign.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/json/scan.h"

enum { WORD_BYTES = 32, NUMBER_BYTES = 64 };

static struct fb_status exhausted(void)
{
    return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the import");
}

void foreign_pick(struct fb_text object, const struct foreign_member *members, size_t count,
                  void *slices)
{
    struct fb_json_walk walk = fb_json_walk(object);

    if (fb_json_kind_of(object) != FB_JSON_OBJECT) {
        return;
    }
    while (fb_json_next(&walk)) {
        for (size_t i = 0; i < count; i++) {
            if (fb_json_string_is(walk.key, members[i].key)) {
                memcpy((char *)slices + members[i].offset, &walk.value, sizeof(walk.value));
                break;
            }
        }
    }
}

/* U+0000 has no place in our texts. */
static struct fb_status without_nul(struct outline *outline, struct fb_text *text)
{
    struct fb_buffer bytes = {.data = NULL};
    size_t from = 0;
    char *copy;

    for (size_t i = 0; i < text->size; i++) {
        if (text->data[i] == '\0') {
            fb_buffer_append(&bytes, text->data + from, i - from);
            fb_buffer_string(&bytes, "\xef\xbf\xbd");
            from = i + 1;
        }
    }
    fb_buffer_append(&bytes, text->data + from, text->size - from);
    copy = bytes.failed ? NULL : fb_arena_copy(outline->arena, bytes.data, bytes.size);
    *text = (struct fb_text){.data = copy, .size = copy == NULL ? 0 : bytes.size};
    fb_buffer_finish(&bytes);
    return copy == NULL ? exhausted() : fb_ok;
}

struct fb_status foreign_text(struct outline *outline, struct fb_text value, struct fb_text *text)
{
    struct fb_status status;

    switch (fb_json_kind_of(value)) {
    case FB_JSON_NONE:
    case FB_JSON_NULL:
        *text = (struct fb_text){.size = 0};
        return fb_ok;
    case FB_JSON_STRING:
        status = fb_json_unescape(value, outline->arena, text, NULL);
        if (fb_is_ok(status) && text->size != 0 && memchr(text->data, '\0', text->size) != NULL) {
            status = without_nul(outline, text);
        }
        return status;
    case FB_JSON_FALSE:
    case FB_JSON_TRUE:
    case FB_JSON_NUMBER:
    case FB_JSON_ARRAY:
    case FB_JSON_OBJECT:
        *text = value;
        return fb_ok;
    }
    return fb_ok;
}

struct fb_status foreign_id(struct outline *outline, const char *where, struct fb_text value,
                            size_t most, struct fb_text *id)
{
    const enum fb_json_kind kind = fb_json_kind_of(value);
    struct fb_status status = foreign_text(outline, value, id);

    if (!fb_is_ok(status)) {
        return status;
    }
    if ((kind != FB_JSON_STRING && kind != FB_JSON_NUMBER) || id->size == 0 || id->size > most) {
        return fb_arena_fail(outline->arena, FB_INVALID_ARGUMENT,
                             "%s: expected an id, a string of 1 to %zu bytes or a number; give the "
                             "task one that is its own",
                             where, most);
    }
    return fb_ok;
}

/* A number, or a string that is one. */
static bool number_of(struct fb_text value, double *number)
{
    char digits[NUMBER_BYTES];
    char *end;

    if (fb_json_kind_of(value) == FB_JSON_STRING && value.size > 2) {
        value = (struct fb_text){.data = value.data + 1, .size = value.size - 2};
    }
    if (value.size == 0 || value.size >= sizeof(digits)) {
        return false;
    }
    memcpy(digits, value.data, value.size);
    digits[value.size] = '\0';
    if (strspn(digits, "+-.0123456789eE") < value.size) {
        return false;
    }
    *number = strtod(digits, &end);
    return *end == '\0' && !isnan(*number);
}

static int shown(struct fb_text value)
{
    return (int)(value.size < WORD_BYTES ? value.size : WORD_BYTES);
}

uint32_t foreign_weight(struct outline *outline, const char *where, const char *field,
                        struct fb_text value)
{
    const enum fb_json_kind kind = fb_json_kind_of(value);
    double number;
    uint32_t weight;

    if (kind == FB_JSON_NONE || kind == FB_JSON_NULL) {
        return OUTLINE_WEIGHT;
    }
    if (!number_of(value, &number)) {
        outline_warn(outline, "%s.%s: expected a number from 1 to 10, taken as %d", where, field,
                     OUTLINE_WEIGHT);
        return OUTLINE_WEIGHT;
    }
    weight = number <= 1
                 ? 1
                 : (number >= EVENT_WEIGHT_MOST ? EVENT_WEIGHT_MOST : (uint32_t)lround(number));
    if (weight != number) {
        outline_warn(outline, "%s.%s: %.*s is not one of 1 to 10, taken as %u", where, field,
                     shown(value), value.data, (unsigned)weight);
    }
    return weight;
}

/* In lower case, with '-' for what parts words; false: too long to be any. */
static bool plain_word(struct fb_text text, char word[WORD_BYTES])
{
    if (text.size >= WORD_BYTES) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.data[i];

        word[i] = (char)(c == '_' || c == ' ' ? '-' : (c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c));
    }
    word[text.size] = '\0';
    return true;
}

uint32_t foreign_priority(struct outline *outline, const char *where, struct fb_text value)
{
    static const struct {
        const char *word;
        uint32_t priority;
    } words[] = {
        {"backlog", 4}, {"blocker", 0}, {"critical", 0}, {"high", 1},    {"highest", 0},
        {"low", 3},     {"lowest", 4},  {"major", 1},    {"medium", 2},  {"minor", 3},
        {"none", 4},    {"normal", 2},  {"optional", 4}, {"p0", 0},      {"p1", 1},
        {"p2", 2},      {"p3", 3},      {"p4", 4},       {"trivial", 4}, {"urgent", 0},
    };
    const enum fb_json_kind kind = fb_json_kind_of(value);
    struct fb_text text = {.size = 0};
    char word[WORD_BYTES];
    double number;

    if (kind == FB_JSON_NONE || kind == FB_JSON_NULL) {
        return OUTLINE_PRIORITY;
    }
    if (number_of(value, &number)) {
        const uint32_t priority =
            number <= 0
                ? 0
                : (number >= EVENT_PRIORITY_MOST ? EVENT_PRIORITY_MOST : (uint32_t)lround(number));

        if (priority != number) {
            outline_warn(outline, "%s.priority: %.*s is not one of 0 to 4, taken as %u", where,
                         shown(value), value.data, (unsigned)priority);
        }
        return priority;
    }
    if (fb_is_ok(foreign_text(outline, value, &text)) && plain_word(text, word)) {
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
            if (strcmp(word, words[i].word) == 0) {
                return words[i].priority;
            }
        }
    }
    outline_warn(outline, "%s.priority: expected 0 to 4 or a word such as \"high\", taken as %d",
                 where, OUTLINE_PRIORITY);
    return OUTLINE_PRIORITY;
}

const struct foreign_state *foreign_state_of(const struct foreign_state *states,
                                             struct fb_text word)
{
    char plain[WORD_BYTES];

    if (!plain_word(word, plain)) {
        return NULL;
    }
    for (; states->word != NULL; states++) {
        if (strcmp(plain, states->word) == 0) {
            return states;
        }
    }
    return NULL;
}

struct fb_status foreign_state(struct outline *outline, const struct foreign_state *states,
                               struct fb_text value, struct outline_task *task)
{
    const struct foreign_state *row;
    struct fb_text word;
    const struct fb_status status = foreign_text(outline, value, &word);

    task->state = TASK_QUEUED;
    if (!fb_is_ok(status) || word.size == 0) {
        return status;
    }
    row = foreign_state_of(states, word);
    if (row == NULL) {
        outline_warn(outline, "%s: the state \"%.*s\" is not known, taken as queued", task->where,
                     shown(word), word.data);
        return fb_ok;
    }
    task->state = row->state;
    if (task->gate.size == 0) {
        task->gate = fb_text_of(row->gate);
    }
    if (task->note.size == 0) {
        task->note = fb_text_of(row->note);
    }
    return fb_ok;
}

struct fb_status foreign_join(struct outline *outline, const struct fb_text *parts, size_t count,
                              struct fb_text *text)
{
    struct fb_buffer joined = {.data = NULL};
    char *copy;

    for (size_t i = 0; i < count; i++) {
        if (parts[i].size != 0) {
            fb_buffer_string(&joined, joined.size == 0 ? "" : "\n\n");
            fb_buffer_text(&joined, parts[i]);
        }
    }
    copy = joined.failed
               ? NULL
               : fb_arena_copy(outline->arena, joined.size == 0 ? "" : joined.data, joined.size);
    *text = (struct fb_text){.data = copy, .size = copy == NULL ? 0 : joined.size};
    fb_buffer_finish(&joined);
    return copy == NULL ? exhausted() : fb_ok;
}

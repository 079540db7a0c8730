#include "gateway/flow/args.h"

#include <inttypes.h>
#include <string.h>

#include "gateway/values.h"
#include "runtime/json/scan.h"

enum { ITEMS_MOST = 100000, KEY_BYTES = 128 };

bool flow_ref_of(const char *text, struct flow_ref *ref)
{
    const char *digits = *text == '#' ? text + 1 : text;
    uint64_t number;

    if (fb_text_to_u64(fb_text_of(digits), &number)) {
        *ref = (struct flow_ref){.task = (uint32_t)number};
        return number >= 1 && number <= UINT32_MAX;
    }
    *ref = (struct flow_ref){.key = text};
    return *text != '\0' && *text != '#' && strlen(text) <= KEY_BYTES;
}

/* --- one value --- */

static bool to_whole(struct fb_text value, struct fb_arena *arena, int64_t *number)
{
    const char *text;

    if (fb_json_to_i64(value, number)) {
        return true;
    }
    if (fb_json_kind_of(value) != FB_JSON_STRING) {
        return false;
    }
    text = value_string(value, arena);
    return text != NULL && fb_json_to_i64(fb_text_of(text), number);
}

static bool to_ref(struct fb_text value, struct fb_arena *arena, struct flow_ref *ref)
{
    const char *text;
    int64_t number;

    if (fb_json_to_i64(value, &number)) {
        *ref = (struct flow_ref){.task = (uint32_t)number};
        return number >= 1 && number <= UINT32_MAX;
    }
    text = value_string(value, arena);
    return text != NULL && flow_ref_of(text, ref);
}

static bool to_truth(struct fb_text value, bool *truth)
{
    *truth = fb_json_kind_of(value) == FB_JSON_TRUE || fb_json_string_is(value, "true");
    return *truth || fb_json_kind_of(value) == FB_JSON_FALSE || fb_json_string_is(value, "false");
}

/* --- lists --- */

static size_t count_items(struct fb_text value)
{
    struct fb_json_walk walk = fb_json_walk(value);
    size_t count = 0;

    if (fb_json_kind_of(value) != FB_JSON_ARRAY) {
        return 1;
    }
    while (fb_json_next(&walk)) {
        count++;
    }
    return count;
}

/* The elements of an array, or the value itself, one after the other. */
static bool next_item(struct fb_json_walk *walk, struct fb_text value, bool *first)
{
    if (fb_json_kind_of(value) == FB_JSON_ARRAY) {
        return fb_json_next(walk);
    }
    walk->value = value;
    return *first && !(*first = false);
}

static const char *read_texts(struct fb_text value, struct fb_arena *arena,
                              struct flow_texts *texts)
{
    struct fb_json_walk walk = fb_json_walk(value);
    const size_t count = count_items(value);
    bool first = true;

    texts->count = 0;
    texts->items =
        count > ITEMS_MOST ? NULL : fb_arena_zalloc(arena, count + 1, sizeof(texts->items[0]));
    if (texts->items == NULL) {
        return "too many";
    }
    while (texts->count < count && next_item(&walk, value, &first)) {
        texts->items[texts->count] = value_string(walk.value, arena);
        if (texts->items[texts->count++] == NULL) {
            return "wanted a list of strings";
        }
    }
    return NULL;
}

static const char *read_refs(struct fb_text value, struct fb_arena *arena, struct flow_refs *refs)
{
    struct fb_json_walk walk = fb_json_walk(value);
    const size_t count = count_items(value);
    bool first = true;

    refs->count = 0;
    refs->items =
        count > ITEMS_MOST ? NULL : fb_arena_zalloc(arena, count + 1, sizeof(refs->items[0]));
    if (refs->items == NULL) {
        return "too many";
    }
    while (refs->count < count && next_item(&walk, value, &first)) {
        if (!to_ref(walk.value, arena, &refs->items[refs->count++])) {
            return "wanted tasks, each by number as \"#12\" or by key";
        }
    }
    return NULL;
}

/* --- arguments --- */

static const char *choices_of(const struct flow_arg *arg, struct fb_arena *arena)
{
    const char *words = "wanted one of";

    for (size_t i = 0; arg->choices[i] != NULL && words != NULL; i++) {
        words = fb_arena_printf(arena, "%s%s %s", words, i > 0 ? "," : "", arg->choices[i]);
    }
    return words != NULL ? words : "wanted another word";
}

static const char *range_of(const struct flow_arg *arg, struct fb_arena *arena)
{
    const char *words = fb_arena_printf(arena, "wanted a whole number from %" PRId64 " to %" PRId64,
                                        arg->least, arg->most);

    return words != NULL ? words : "wanted another number";
}

/* NULL when it was taken, else what was wanted. */
static const char *read_one(const struct flow_arg *arg, struct fb_text value,
                            struct fb_arena *arena, void *field)
{
    int64_t number;

    switch (arg->kind) {
    case FLOW_ARG_TEXT:
        *(const char **)field = value_string(value, arena);
        return *(const char **)field != NULL              ? NULL
               : fb_json_kind_of(value) == FB_JSON_STRING ? "wanted a string without NUL"
                                                          : "wanted a string";
    case FLOW_ARG_TEXTS:
        return read_texts(value, arena, field);
    case FLOW_ARG_TASK:
        return to_ref(value, arena, field) ? NULL : "wanted a task, by number as \"#12\" or by key";
    case FLOW_ARG_TASKS:
        return read_refs(value, arena, field);
    case FLOW_ARG_WHOLE:
        if (!to_whole(value, arena, &number) || number < arg->least || number > arg->most) {
            return range_of(arg, arena);
        }
        *(int64_t *)field = number;
        return NULL;
    case FLOW_ARG_TRUTH:
        return to_truth(value, field) ? NULL : "wanted true or false";
    case FLOW_ARG_CHOICE:
        for (int i = 0; arg->choices[i] != NULL; i++) {
            if (fb_json_string_is(value, arg->choices[i])) {
                *(int *)field = i;
                return NULL;
            }
        }
        return choices_of(arg, arena);
    case FLOW_ARG_OBJECT:
        *(struct fb_text *)field = value;
        return fb_json_kind_of(value) == FB_JSON_OBJECT ? NULL : "wanted an object";
    case FLOW_ARG_LIST:
    default:
        *(struct fb_text *)field = value;
        return fb_json_kind_of(value) == FB_JSON_ARRAY ? NULL : "wanted a list";
    }
}

static const char *unknown(const struct flow_arg *table, struct fb_text key, const char *before,
                           struct fb_arena *arena)
{
    const char *name = value_string(key, arena);
    const char *known = "";

    for (; table->name != NULL && known != NULL; table++) {
        known = fb_arena_printf(arena, "%s%s%s", known, *known != '\0' ? ", " : "", table->name);
    }
    return fb_arena_printf(arena, "%s%.64s: there is no such argument; there are %s", before,
                           name != NULL ? name : "?", known != NULL ? known : "others");
}

const char *flow_args_read(const struct flow_arg *table, struct fb_text object, const char *before,
                           struct fb_arena *arena, void *into)
{
    struct fb_json_walk walk = fb_json_walk(object);
    uint64_t given = 0;
    const char *why;

    while (fb_json_next(&walk)) {
        const struct flow_arg *arg = table;

        while (arg->name != NULL && !fb_json_string_is(walk.key, arg->name)) {
            arg++;
        }
        if (arg->name == NULL) {
            why = unknown(table, walk.key, before, arena);
            return why != NULL ? why : "out of memory";
        }
        if (fb_json_kind_of(walk.value) == FB_JSON_NULL) {
            continue;
        }
        why = read_one(arg, walk.value, arena, (char *)into + arg->at);
        if (why != NULL) {
            why = fb_arena_printf(arena, "%s%s: %s", before, arg->name, why);
            return why != NULL ? why : "out of memory";
        }
        given |= UINT64_C(1) << (arg - table);
    }
    for (const struct flow_arg *arg = table; arg->name != NULL; arg++) {
        if (arg->required && !(given >> (arg - table) & 1)) {
            why = fb_arena_printf(arena, "%s%s: it is missing", before, arg->name);
            return why != NULL ? why : "out of memory";
        }
    }
    return NULL;
}

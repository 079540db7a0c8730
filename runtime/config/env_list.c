#include "runtime/config/env_list.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 16 };

static struct fb_status no_memory(void)
{
    return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the configuration");
}

static bool make_room(struct fb_env_list *list, struct fb_arena *arena)
{
    const size_t room = list->room == 0 ? FIRST_ROOM : list->room * 2;
    struct fb_env_pair *pairs;

    if (list->count < list->room) {
        return true;
    }
    pairs = fb_arena_zalloc(arena, room, sizeof(*pairs));
    if (pairs == NULL) {
        return false;
    }
    if (list->count > 0) {
        memcpy(pairs, list->pairs, list->count * sizeof(*pairs));
    }
    list->pairs = pairs;
    list->room = room;
    return true;
}

struct fb_status fb_env_list_set(struct fb_env_list *list, struct fb_arena *arena, size_t most,
                                 const char *name, const char *value)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->pairs[i].name, name) == 0) {
            list->pairs[i].value = value;
            return fb_ok;
        }
    }
    if (list->count >= most) {
        return fb_arena_fail(arena, FB_RESOURCE_EXHAUSTED, "more than %zu names", most);
    }
    if (!make_room(list, arena)) {
        return no_memory();
    }
    list->pairs[list->count++] = (struct fb_env_pair){.name = name, .value = value};
    return fb_ok;
}

void fb_env_list_remove(struct fb_env_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->pairs[i].name, name) == 0) {
            list->pairs[i] = list->pairs[--list->count];
            return;
        }
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct fb_env_pair *)a)->name, ((const struct fb_env_pair *)b)->name);
}

const char *const *fb_env_list_join(struct fb_env_list *list, struct fb_arena *arena,
                                    const char *between)
{
    const char **items = fb_arena_zalloc(arena, list->count + 1, sizeof(*items));

    if (items == NULL) {
        return NULL;
    }
    if (list->count > 0) {
        qsort(list->pairs, list->count, sizeof(list->pairs[0]), by_name);
    }
    for (size_t i = 0; i < list->count; i++) {
        items[i] =
            fb_arena_printf(arena, "%s%s%s", list->pairs[i].name, between, list->pairs[i].value);
        if (items[i] == NULL) {
            return NULL;
        }
    }
    return items;
}

bool fb_env_is_name(const char *name)
{
    return name[0] != '\0' && strchr(name, '=') == NULL;
}

static struct fb_text trim(struct fb_text text)
{
    while (text.size > 0 && strchr(" \t\r", text.data[0]) != NULL) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && strchr(" \t\r", text.data[text.size - 1]) != NULL) {
        text.size--;
    }
    return text;
}

static char unescaped(char c)
{
    return (char)(c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c);
}

/* What stands between quotes; NULL when they do not close, or something follows them. */
static const char *read_quoted(struct fb_text text, struct fb_arena *arena)
{
    const char quote = text.data[0];
    char *value = fb_arena_alloc(arena, text.size);
    size_t size = 0;

    for (size_t i = 1; value != NULL && i < text.size; i++) {
        if (text.data[i] == quote) {
            const struct fb_text rest =
                trim((struct fb_text){.data = text.data + i + 1, .size = text.size - i - 1});

            value[size] = '\0';
            return rest.size == 0 || rest.data[0] == '#' ? value : NULL;
        }
        if (quote == '"' && text.data[i] == '\\' && i + 1 < text.size) {
            value[size++] = unescaped(text.data[++i]);
        } else {
            value[size++] = text.data[i];
        }
    }
    return NULL;
}

static const char *read_plain(struct fb_text text, struct fb_arena *arena)
{
    for (size_t i = 1; i < text.size; i++) {
        if (text.data[i] == '#' && (text.data[i - 1] == ' ' || text.data[i - 1] == '\t')) {
            text.size = i;
        }
    }
    text = trim(text);
    return fb_arena_copy(arena, text.data, text.size);
}

static struct fb_status read_line(struct fb_env_list *list, struct fb_arena *arena, size_t most,
                                  struct fb_text line)
{
    const struct fb_text wrong = {.size = 0};
    const char *equals;
    struct fb_text name;
    struct fb_text value;
    const char *key;
    const char *read;

    if (line.size > 0 && memchr(line.data, '\0', line.size) != NULL) {
        return fb_fail(FB_INVALID_ARGUMENT, "a NUL byte");
    }
    line = trim(line);
    if (line.size == 0 || line.data[0] == '#') {
        return fb_ok;
    }
    if (fb_text_begins(line, "export ")) {
        line.data += strlen("export ");
        line.size -= strlen("export ");
    }
    equals = memchr(line.data, '=', line.size);
    name = equals == NULL
               ? wrong
               : trim((struct fb_text){.data = line.data, .size = (size_t)(equals - line.data)});
    if (name.size == 0) {
        return fb_fail(FB_INVALID_ARGUMENT, "wanted NAME=value");
    }
    value = trim(
        (struct fb_text){.data = equals + 1, .size = line.size - (size_t)(equals + 1 - line.data)});
    key = fb_arena_copy(arena, name.data, name.size);
    if (value.size > 0 && (value.data[0] == '"' || value.data[0] == '\'')) {
        read = read_quoted(value, arena);
        if (read == NULL) {
            return fb_fail(FB_INVALID_ARGUMENT, "the quotes do not close, or not at the end");
        }
    } else {
        read = read_plain(value, arena);
    }
    return key == NULL || read == NULL ? no_memory()
                                       : fb_env_list_set(list, arena, most, key, read);
}

struct fb_status fb_env_list_read(struct fb_env_list *list, struct fb_arena *arena, size_t most,
                                  const char *path, struct fb_text text)
{
    size_t line = 1;

    if (text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0) {
        text.data += 3;
        text.size -= 3;
    }
    for (; text.size > 0; line++) {
        const char *end = memchr(text.data, '\n', text.size);
        const size_t size = end == NULL ? text.size : (size_t)(end - text.data);
        const struct fb_status status =
            read_line(list, arena, most, (struct fb_text){.data = text.data, .size = size});

        if (!fb_is_ok(status)) {
            return fb_arena_fail(arena, status.code, "%s:%zu: %s", path, line, status.why);
        }
        text.data += size + (end == NULL ? 0 : 1);
        text.size -= size + (end == NULL ? 0 : 1);
    }
    return fb_ok;
}

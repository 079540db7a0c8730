#include "services/worker/catalogue/catalogue.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/arena.h"
#include "runtime/json/scan.h"
#include "services/worker/digest/digest.h"

/* What one server offers; replaced whole. */
struct shelf {
    bool known;
    char digest[DIGEST_HEX_BYTES + 1]; /* of its items as they came */
    struct fb_arena arena;
    struct catalogue_tool *tools;
    size_t count;
};

struct catalogue {
    const struct exposure_server *servers;
    struct shelf *shelves;
    size_t server_count;
    const struct catalogue_tool **tools; /* of all shelves, by name */
    size_t count;
    char version[CATALOGUE_VERSION_BYTES + 1];
};

static int by_name(const void *left, const void *right)
{
    const struct catalogue_tool *const *a = left;
    const struct catalogue_tool *const *b = right;

    return strcmp((*a)->name, (*b)->name);
}

/* Gathers the shelves, with `shelf` in place of that of `server`. NULL when memory is exhausted. */
static const struct catalogue_tool **gather(const struct catalogue *c, size_t server,
                                            const struct shelf *shelf, size_t *count)
{
    const struct catalogue_tool **tools;
    size_t total = 0;
    size_t at = 0;

    for (size_t i = 0; i < c->server_count; i++) {
        total += i == server ? shelf->count : c->shelves[i].count;
    }
    tools = calloc(total + 1, sizeof(*tools));
    if (tools == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < c->server_count; i++) {
        const struct shelf *from = i == server ? shelf : &c->shelves[i];

        for (size_t k = 0; k < from->count; k++) {
            tools[at++] = &from->tools[k];
        }
    }
    qsort(tools, total, sizeof(*tools), by_name);
    *count = total;
    return tools;
}

static void name_version(struct catalogue *c)
{
    struct digest digest;

    digest_begin(&digest);
    for (size_t i = 0; i < c->count; i++) {
        digest_add(&digest, c->tools[i]->item);
    }
    digest_end(&digest, c->version, CATALOGUE_VERSION_BYTES);
}

struct catalogue *catalogue_create(const struct exposure_server *servers, size_t count)
{
    struct catalogue *c = calloc(1, sizeof(*c));

    if (c == NULL) {
        return NULL;
    }
    c->servers = servers;
    c->server_count = count;
    c->shelves = calloc(count + 1, sizeof(*c->shelves));
    c->tools = calloc(1, sizeof(*c->tools));
    if (c->shelves == NULL || c->tools == NULL) {
        catalogue_destroy(c);
        return NULL;
    }
    name_version(c);
    return c;
}

static void finish_shelf(struct shelf *shelf)
{
    if (shelf->known) {
        fb_arena_finish(&shelf->arena);
    }
}

void catalogue_destroy(struct catalogue *c)
{
    if (c == NULL) {
        return;
    }
    for (size_t i = 0; c->shelves != NULL && i < c->server_count; i++) {
        finish_shelf(&c->shelves[i]);
    }
    free(c->shelves);
    free(c->tools);
    free(c);
}

/* --- putting --- */

static void digest_items(const struct fb_text *items, size_t count, char *out)
{
    struct digest digest;

    digest_begin(&digest);
    for (size_t i = 0; i < count; i++) {
        digest_add(&digest, items[i]);
    }
    digest_end(&digest, out, DIGEST_HEX_BYTES);
}

static bool is_repeatable(struct fb_text item)
{
    struct fb_text annotations;
    struct fb_text hint;

    if (!fb_json_find(item, "annotations", &annotations)) {
        return false;
    }
    return (fb_json_find(annotations, "readOnlyHint", &hint) &&
            fb_json_kind_of(hint) == FB_JSON_TRUE) ||
           (fb_json_find(annotations, "idempotentHint", &hint) &&
            fb_json_kind_of(hint) == FB_JSON_TRUE);
}

/* The item with each `name` of it replaced; nothing but that value changes. */
static struct fb_text rename_item(struct fb_arena *arena, struct fb_text item, const char *name)
{
    struct fb_json_walk walk = fb_json_walk(item);
    const size_t name_size = strlen(name);
    const char *from = item.data;
    size_t size = item.size;
    char *copy;
    char *at;

    while (fb_json_next(&walk)) {
        if (fb_json_string_is(walk.key, "name")) {
            size += name_size + 2 - walk.value.size;
        }
    }
    copy = fb_arena_alloc(arena, size + 1);
    if (copy == NULL) {
        return (struct fb_text){.data = NULL};
    }
    at = copy;
    walk = fb_json_walk(item);
    while (fb_json_next(&walk)) {
        if (fb_json_string_is(walk.key, "name")) {
            const size_t before = (size_t)(walk.value.data - from);

            memcpy(at, from, before);
            at += before;
            *at++ = '"';
            memcpy(at, name, name_size);
            at += name_size;
            *at++ = '"';
            from = walk.value.data + walk.value.size;
        }
    }
    memcpy(at, from, item.size - (size_t)(from - item.data));
    return (struct fb_text){.data = copy, .size = size};
}

/* Where one is needed it is made in the shelf's arena; false when memory is exhausted. */
static bool fill_shelf(struct shelf *shelf, const char *server_name, size_t server,
                       const struct fb_text *items, size_t count, size_t *doubled)
{
    struct fb_arena *arena = &shelf->arena;
    struct fb_text *names = fb_arena_zalloc(arena, count + 1, sizeof(*names));
    struct exposure_name *exposed = fb_arena_zalloc(arena, count + 1, sizeof(*exposed));

    shelf->tools = fb_arena_zalloc(arena, count + 1, sizeof(*shelf->tools));
    if (names == NULL || exposed == NULL || shelf->tools == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct fb_text raw = FB_TEXT("\"\"");

        fb_json_find(items[i], "name", &raw);
        if (!fb_is_ok(fb_json_unescape(raw, arena, &names[i], NULL))) {
            return false;
        }
    }
    *doubled = exposure_names(server_name, names, count, exposed);
    if (*doubled == (size_t)-1) {
        *doubled = 0;
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct catalogue_tool *tool = &shelf->tools[shelf->count];
        struct fb_text raw = FB_TEXT("\"\"");
        char *own;

        if (exposed[i].name[0] == '\0') {
            continue;
        }
        fb_json_find(items[i], "name", &raw);
        own = fb_arena_copy(arena, raw.data, raw.size);
        tool->item = rename_item(arena, items[i], exposed[i].name);
        if (own == NULL || tool->item.data == NULL) {
            return false;
        }
        memcpy(tool->name, exposed[i].name, sizeof(tool->name));
        tool->server = server;
        tool->own_name = (struct fb_text){.data = own, .size = raw.size};
        tool->repeatable = is_repeatable(items[i]);
        shelf->count++;
    }
    return true;
}

enum catalogue_change catalogue_put(struct catalogue *c, size_t server, const struct fb_text *items,
                                    size_t count, size_t *doubled)
{
    struct shelf shelf = {.known = true};
    const struct catalogue_tool **tools = NULL;
    size_t total = 0;

    *doubled = 0;
    digest_items(items, count, shelf.digest);
    if (c->shelves[server].known && strcmp(c->shelves[server].digest, shelf.digest) == 0) {
        return CATALOGUE_SAME;
    }
    fb_arena_init(&shelf.arena, 0);
    if (fill_shelf(&shelf, c->servers[server].name, server, items, count, doubled)) {
        tools = gather(c, server, &shelf, &total);
    }
    if (tools == NULL) {
        fb_arena_finish(&shelf.arena);
        return CATALOGUE_FULL;
    }
    finish_shelf(&c->shelves[server]);
    c->shelves[server] = shelf;
    free(c->tools);
    c->tools = tools;
    c->count = total;
    name_version(c);
    return CATALOGUE_CHANGED;
}

/* --- asking --- */

bool catalogue_has(const struct catalogue *c, size_t server)
{
    return c->shelves[server].known;
}

const struct catalogue_tool *const *catalogue_tools(const struct catalogue *c, size_t *count)
{
    *count = c->count;
    return c->tools;
}

static int compare_name(struct fb_text name, const char *other)
{
    const size_t size = strlen(other);
    const int order = memcmp(name.data, other, name.size < size ? name.size : size);

    return order != 0 ? order : (name.size > size) - (name.size < size);
}

const struct catalogue_tool *catalogue_find(const struct catalogue *c, struct fb_text name)
{
    size_t low = 0;
    size_t high = c->count;

    while (name.size != 0 && low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = compare_name(name, c->tools[middle]->name);

        if (order == 0) {
            return c->tools[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

const char *catalogue_nearest(const struct catalogue *c, const char *name)
{
    const char **names = calloc(c->count + 1, sizeof(*names));
    const char *nearest;

    if (names == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < c->count; i++) {
        names[i] = c->tools[i]->name;
    }
    nearest = fb_text_nearest(name, names, c->count);
    free(names);
    return nearest;
}

const char *catalogue_version(const struct catalogue *c)
{
    return c->version;
}

#include "services/worker/mcp/exposure.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "services/worker/digest/digest.h"

enum {
    HASH_DIGITS = 8,
    SUFFIX_BYTES = HASH_DIGITS + 1, /* with its separator */
    SALTS_MOST = 16,                /* chance needs one; more only when hashing itself fails */
};

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* `salt` tells apart what is spelled the same even after hashing; 0 is not hashed in. */
static void hash_of(struct fb_text text, uint32_t salt, char out[HASH_DIGITS + 1])
{
    const char salt_bytes[] = {(char)(salt >> 24), (char)(salt >> 16), (char)(salt >> 8),
                               (char)salt};
    struct digest digest;

    digest_begin(&digest);
    digest_add(&digest, text);
    if (salt != 0) {
        digest_add(&digest, (struct fb_text){.data = salt_bytes, .size = sizeof(salt_bytes)});
    }
    digest_end(&digest, out, HASH_DIGITS);
}

/*
 * Puts the hash behind `name`, after `separator`, cutting the name so that it fits into `most` bytes
 * and does not end with a separator of its own; the first `least` bytes stay.
 */
static void add_hash(char *name, size_t least, size_t most, char separator, struct fb_text of,
                     uint32_t salt)
{
    size_t size = strlen(name);
    char hash[HASH_DIGITS + 1];

    hash_of(of, salt, hash);
    if (size > most - SUFFIX_BYTES) {
        size = most - SUFFIX_BYTES;
    }
    while (size > least && (name[size - 1] == '_' || name[size - 1] == '-')) {
        size--;
    }
    name[size] = separator;
    memcpy(name + size + 1, hash, sizeof(hash));
}

/* --- servers --- */

/* The nearest legal spelling; false when it had to be cut. `out` has the room of an exposed name. */
static bool spell_server(const char *configured, char *out)
{
    size_t size = 0;
    bool whole = true;

    for (const char *c = configured; *c != '\0'; c++) {
        char said = is_upper(*c) ? (char)(*c - 'A' + 'a')
                    : is_lower(*c) || is_digit(*c) || *c == '-' || *c == '_' ? *c
                                                                             : '-';

        if (said == '_' && size > 0 && out[size - 1] == '_') {
            continue;
        }
        if (size == 0 && !is_lower(said)) {
            if (!is_digit(said)) {
                continue;
            }
            out[size++] = 's';
        }
        if (size == EXPOSURE_SERVER_BYTES) {
            whole = false;
            break;
        }
        out[size++] = said;
    }
    while (size > 0 && (out[size - 1] == '_' || out[size - 1] == '-')) {
        size--;
    }
    if (size == 0) {
        memcpy(out, "server", 6);
        size = 6;
    }
    out[size] = '\0';
    return whole;
}

static bool server_taken(const struct exposure_server *names, size_t count, size_t me)
{
    for (size_t i = 0; i < count; i++) {
        if (i != me && names[i].name[0] != '\0' && strcmp(names[i].name, names[me].name) == 0) {
            return true;
        }
    }
    return false;
}

void exposure_servers(const char *const *configured, size_t count, struct exposure_server *out)
{
    /* First those that are legal as they are, so that they keep their names whatever the others. */
    for (size_t i = 0; i < count; i++) {
        const bool whole = spell_server(configured[i], out[i].name);

        if (!whole || strcmp(out[i].name, configured[i]) != 0 || server_taken(out, i, i)) {
            out[i].name[0] = '\0';
        }
    }
    /* Then the cut ones, which always carry the hash, and the respelled where nobody is in the way. */
    for (size_t i = 0; i < count; i++) {
        bool twin = false;
        bool whole;

        if (out[i].name[0] != '\0') {
            continue;
        }
        whole = spell_server(configured[i], out[i].name);
        for (size_t k = 0; k < count && !twin; k++) {
            struct exposure_server other;

            twin = k != i && whole && spell_server(configured[k], other.name) &&
                   strcmp(other.name, out[i].name) == 0;
        }
        if (!whole || twin) {
            add_hash(out[i].name, 1, EXPOSURE_SERVER_BYTES, '-', fb_text_of(configured[i]), 0);
        }
        for (uint32_t salt = 1; salt <= SALTS_MOST && server_taken(out, count, i); salt++) {
            spell_server(configured[i], out[i].name);
            add_hash(out[i].name, 1, EXPOSURE_SERVER_BYTES, '-', fb_text_of(configured[i]), salt);
        }
    }
}

/* --- what they offer --- */

/* Whether the whole name came through unchanged. */
static bool spell_name(const char *server, struct fb_text name, char *out)
{
    size_t size = strlen(server);
    bool whole = name.size != 0;

    memcpy(out, server, size);
    out[size++] = '_';
    out[size++] = '_';
    for (size_t i = 0; i < name.size; i++) {
        const char c = name.data[i];
        const bool legal = is_lower(c) || is_upper(c) || is_digit(c) || c == '-' || c == '_';

        if (size == EXPOSURE_NAME_BYTES) {
            whole = false;
            break;
        }
        /* A character beyond ASCII is one '_', not one for each of its bytes. */
        if (legal || ((unsigned char)c & 0xc0) != 0x80) {
            out[size++] = legal ? c : '_';
        }
        whole = whole && legal;
    }
    out[size] = '\0';
    return whole;
}

struct order {
    const struct fb_text *names;
    const struct exposure_name *out;
    uint32_t index;
};

static int compare_texts(struct fb_text a, struct fb_text b)
{
    const size_t least = a.size < b.size ? a.size : b.size;
    const int order = least == 0 ? 0 : memcmp(a.data, b.data, least);

    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static int by_name(const void *left, const void *right)
{
    const struct order *a = left;
    const struct order *b = right;
    const int order = compare_texts(a->names[a->index], b->names[b->index]);

    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

static int by_exposed(const void *left, const void *right)
{
    const struct order *a = left;
    const struct order *b = right;
    const int order = strcmp(a->out[a->index].name, b->out[b->index].name);

    return order != 0 ? order : by_name(left, right);
}

/* Whether the exposed name went through unhashed: it then ends with the name itself. */
static bool is_verbatim(const char *server, struct fb_text name, const char *exposed)
{
    char spelled[EXPOSURE_NAME_BYTES + 1];

    return spell_name(server, name, spelled) && strcmp(spelled, exposed) == 0;
}

/* Rehashes what collides; false when nothing did. Verbatim names are never touched. */
static bool part_twins(const char *server, const struct fb_text *names, struct order *order,
                       size_t count, struct exposure_name *out, uint32_t salt)
{
    bool parted = false;

    qsort(order, count, sizeof(*order), by_exposed);
    for (size_t i = 0; i < count;) {
        size_t end = i + 1;
        char shared[EXPOSURE_NAME_BYTES + 1];
        bool kept = false;

        memcpy(shared, out[order[i].index].name, sizeof(shared));
        while (end < count && strcmp(out[order[end].index].name, shared) == 0) {
            end++;
        }
        for (; end - i > 1 && shared[0] != '\0' && i < end; i++) {
            const uint32_t me = order[i].index;

            if (!kept && is_verbatim(server, names[me], shared)) {
                kept = true;
                continue;
            }
            spell_name(server, names[me], out[me].name);
            add_hash(out[me].name, strlen(server) + 2, EXPOSURE_NAME_BYTES, '_', names[me], salt);
            parted = true;
        }
        i = end;
    }
    return parted;
}

size_t exposure_names(const char *server, const struct fb_text *names, size_t count,
                      struct exposure_name *out)
{
    struct order *order;
    size_t duplicates = 0;

    if (count == 0) {
        return 0;
    }
    order = calloc(count, sizeof(*order));
    if (order == NULL) {
        return (size_t)-1;
    }
    for (size_t i = 0; i < count; i++) {
        order[i] = (struct order){.names = names, .out = out, .index = (uint32_t)i};
        if (!spell_name(server, names[i], out[i].name)) {
            add_hash(out[i].name, strlen(server) + 2, EXPOSURE_NAME_BYTES, '_', names[i], 0);
        }
    }
    qsort(order, count, sizeof(*order), by_name);
    for (size_t i = 1; i < count; i++) {
        if (fb_text_equal(names[order[i - 1].index], names[order[i].index])) {
            out[order[i].index].name[0] = '\0';
            duplicates++;
        }
    }
    for (uint32_t salt = 1; salt <= SALTS_MOST; salt++) {
        if (!part_twins(server, names, order, count, out, salt)) {
            break;
        }
    }
    free(order);
    return duplicates;
}

struct fb_text exposure_server_of(struct fb_text exposed)
{
    for (size_t i = 0; i + 1 < exposed.size; i++) {
        if (exposed.data[i] == '_' && exposed.data[i + 1] == '_') {
            return (struct fb_text){.data = exposed.data, .size = i};
        }
    }
    return (struct fb_text){.data = exposed.data, .size = 0};
}

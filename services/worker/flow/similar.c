#include "services/worker/flow/similar.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    BANDS = 12,
    ROWS = 3,
    SHINGLE = 4,
    ROOM_FIRST = 64,
    WALKED_MOST = 32, /* titles looked at in each band */
    TITLE_BYTES = 512,
    TRIED_MOST = 512, /* bins, before a signature is taken for empty */
};

struct entry {
    struct similar_signature signature;
    uint64_t owner;
    uint32_t task;
    uint32_t before[BANDS]; /* the one added before with the same band; 0: none */
};

/* Entries are counted from 1 as they are added; each stands at its count modulo the room. */
struct similar {
    uint32_t most;
    uint32_t room; /* a power of two */
    uint32_t count;
    struct entry *entries;
    uint32_t *latest; /* by band and bucket */
};

/* --- signatures --- */

static bool is_digit(unsigned char byte)
{
    return byte >= '0' && byte <= '9';
}

/* Letters, digits and what is not ASCII; capitals are made small. 0 for what separates words. */
static unsigned char letter_of(unsigned char byte)
{
    if (byte >= 'A' && byte <= 'Z') {
        return (unsigned char)(byte - 'A' + 'a');
    }
    return (byte >= 'a' && byte <= 'z') || is_digit(byte) || byte >= 0x80 ? byte : 0;
}

/* A space before, between and after the words; returns the size. */
static size_t normalise(struct fb_text title, unsigned char *text)
{
    size_t size = 1;

    text[0] = ' ';
    for (size_t i = 0; i < title.size && size < TITLE_BYTES; i++) {
        const unsigned char letter = letter_of((unsigned char)title.data[i]);

        if (letter != 0) {
            text[size++] = letter;
        } else if (text[size - 1] != ' ') {
            text[size++] = ' ';
        }
    }
    if (text[size - 1] != ' ') {
        text[size++] = ' ';
    }
    while (size < SHINGLE) {
        text[size++] = ' ';
    }
    return size;
}

static uint32_t scramble(uint32_t value)
{
    value ^= value >> 16;
    value *= UINT32_C(0x7feb352d);
    value ^= value >> 15;
    value *= UINT32_C(0x846ca68b);
    return value ^ value >> 16;
}

static uint32_t numbers_of(const unsigned char *text, size_t size)
{
    uint32_t hash = 0;

    for (size_t i = 0; i < size; i++) {
        if (is_digit(text[i])) {
            hash = scramble(hash ^ text[i]);
        } else if (i > 0 && is_digit(text[i - 1])) {
            hash = scramble(hash);
        }
    }
    return hash;
}

struct similar_signature similar_signature_of(struct fb_text title)
{
    struct similar_signature signature = {.numbers = 0};
    unsigned char text[TITLE_BYTES + 2];
    uint32_t least[SIMILAR_BINS];
    const size_t size = normalise(title, text);

    memset(least, 0xff, sizeof(least));
    for (size_t i = 0; i + SHINGLE <= size; i++) {
        const uint32_t shingle = (uint32_t)text[i] | (uint32_t)text[i + 1] << 8 |
                                 (uint32_t)text[i + 2] << 16 | (uint32_t)text[i + 3] << 24;
        const uint32_t hash = scramble(shingle ^ UINT32_C(0x9e3779b9));
        const uint32_t bin = hash % SIMILAR_BINS;

        if (hash < least[bin]) {
            least[bin] = hash;
            signature.bins[bin] = (uint8_t)(1 + hash / SIMILAR_BINS % 255);
        }
    }
    signature.numbers = numbers_of(text, size);
    return signature;
}

double similar_share(const struct similar_signature *a, const struct similar_signature *b)
{
    uint32_t same = 0;
    uint32_t filled = 0;

    if (a->numbers != b->numbers) {
        return 0;
    }
    for (size_t i = 0; i < SIMILAR_BINS; i++) {
        filled += (a->bins[i] | b->bins[i]) != 0;
        same += a->bins[i] == b->bins[i] && a->bins[i] != 0;
    }
    return filled == 0 ? 0 : (double)same / filled;
}

/* --- the index --- */

/* For an empty bin one that is not, found in the same way in every signature. */
static uint32_t filled_bin(const struct similar_signature *signature, uint32_t place)
{
    uint32_t at = place;
    uint32_t tried = 0;

    while (signature->bins[at] == 0 && tried < TRIED_MOST) {
        tried++;
        at = scramble(place * TRIED_MOST + tried) % SIMILAR_BINS;
    }
    return signature->bins[at];
}

static uint32_t bucket_of(const struct similar *similar, const struct similar_signature *signature,
                          uint32_t band)
{
    uint32_t hash = signature->numbers ^ band;

    for (uint32_t row = 0; row < ROWS; row++) {
        hash = scramble(hash ^ filled_bin(signature, (band * ROWS + row) * 37 % SIMILAR_BINS));
    }
    return band * similar->room + hash % similar->room;
}

static struct entry *entry_of(const struct similar *similar, uint32_t number)
{
    return &similar->entries[number % similar->room];
}

/* Whether nothing has been put in its place since. */
static bool is_there(const struct similar *similar, uint32_t number)
{
    return number != 0 && similar->count - number < similar->room;
}

static void link_entry(struct similar *similar, uint32_t number)
{
    struct entry *entry = entry_of(similar, number);

    for (uint32_t band = 0; band < BANDS; band++) {
        uint32_t *latest = &similar->latest[bucket_of(similar, &entry->signature, band)];

        entry->before[band] = *latest;
        *latest = number;
    }
}

/* Twice the room, or the first. False when memory is exhausted; nothing has changed then. */
static bool grow(struct similar *similar)
{
    const uint32_t had = similar->room;
    const uint32_t room = had == 0 ? ROOM_FIRST : 2 * had;
    struct entry *entries = calloc(room, sizeof(*entries));
    uint32_t *latest = calloc((size_t)BANDS * room, sizeof(*latest));

    if (entries == NULL || latest == NULL) {
        free(entries);
        free(latest);
        return false;
    }
    for (uint32_t number = similar->count; number > 0 && similar->count - number < had; number--) {
        entries[number % room] = *entry_of(similar, number);
    }
    free(similar->entries);
    free(similar->latest);
    similar->entries = entries;
    similar->latest = latest;
    similar->room = room;
    for (uint32_t number = similar->count < had ? 1 : similar->count - had + 1;
         number <= similar->count; number++) {
        link_entry(similar, number);
    }
    return true;
}

struct similar *similar_create(uint32_t most)
{
    struct similar *similar = calloc(1, sizeof(*similar));

    assert(most >= 1 && most <= SIMILAR_MOST);
    if (similar != NULL) {
        similar->most = most;
    }
    return similar;
}

void similar_destroy(struct similar *similar)
{
    if (similar == NULL) {
        return;
    }
    free(similar->entries);
    free(similar->latest);
    free(similar);
}

bool similar_add(struct similar *similar, const struct similar_signature *signature, uint64_t owner,
                 uint32_t task)
{
    if (similar->count >= similar->room && similar->room < similar->most && !grow(similar)) {
        return false;
    }
    similar->count++;
    *entry_of(similar, similar->count) =
        (struct entry){.signature = *signature, .owner = owner, .task = task};
    link_entry(similar, similar->count);
    return true;
}

bool similar_find(const struct similar *similar, const struct similar_signature *signature,
                  similar_may_fn may, const void *arg, struct similar_match *match)
{
    const uint32_t oldest_kept =
        similar->count > similar->most ? similar->count - similar->most : 0;
    uint32_t best = 0;

    match->share = 0;
    for (uint32_t band = 0; band < BANDS && similar->room != 0; band++) {
        uint32_t number = similar->latest[bucket_of(similar, signature, band)];

        for (uint32_t walked = 0; walked < WALKED_MOST && is_there(similar, number) &&
                                  number > oldest_kept && match->share < 1;
             walked++) {
            const struct entry *entry = entry_of(similar, number);
            const double share = similar_share(&entry->signature, signature);

            if (share >= SIMILAR_JACCARD &&
                (share > match->share || (share == match->share && number > best)) &&
                may(arg, entry->owner, entry->task)) {
                *match = (struct similar_match){
                    .owner = entry->owner, .task = entry->task, .share = share};
                best = number;
            }
            number = entry->before[band];
        }
    }
    return best != 0;
}

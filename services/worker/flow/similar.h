#ifndef FB_SERVICES_WORKER_FLOW_SIMILAR_H
#define FB_SERVICES_WORKER_FLOW_SIMILAR_H

/*
 * similar: which titles say nearly the same.
 *
 * A title is the set of its shingles (four letters in a row, of lower case, with one space between
 * words); two are similar when they share SIMILAR_JACCARD of them and the same numbers stand in both.
 * That is estimated from signatures by one-permutation hashing (Li, Owen & Zhang 2012), nearly exactly
 * for titles of usual length. The index finds similar ones by bands of the signature (Broder 1997):
 * of pairs at .7 it finds about 98 in 100, of closer ones nearly all. It remembers the last `most`
 * titles; what was added before is forgotten. One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/text.h"

#define SIMILAR_JACCARD 0.7

enum { SIMILAR_BINS = 128, SIMILAR_MOST = 4096 };

struct similar_signature {
    uint8_t bins[SIMILAR_BINS]; /* 0: no shingle fell in */
    uint32_t numbers;           /* hash of the numbers that stand in it */
};

struct similar_signature similar_signature_of(struct fb_text title);

/* The share of shingles that both have, 0 to 1; 0 if other numbers stand in them. */
double similar_share(const struct similar_signature *a, const struct similar_signature *b);

struct similar;

/* `most` is at least 1 and at most SIMILAR_MOST; memory grows with what is added, up to about 250
 * bytes for each. NULL when memory is exhausted. */
struct similar *similar_create(uint32_t most);
void similar_destroy(struct similar *similar);

/* False when memory is exhausted, which changes nothing. */
bool similar_add(struct similar *similar, const struct similar_signature *signature, uint64_t owner,
                 uint32_t task);

/* Whether the title of that task may count. */
typedef bool (*similar_may_fn)(const void *arg, uint64_t owner, uint32_t task);

struct similar_match {
    uint64_t owner;
    uint32_t task;
    double share;
};

/* The most similar that may count, the latest of several; false if there is none. */
bool similar_find(const struct similar *similar, const struct similar_signature *signature,
                  similar_may_fn may, const void *arg, struct similar_match *match);

#endif

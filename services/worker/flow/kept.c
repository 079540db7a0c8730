#include "services/worker/flow/kept.h"

#include <stdlib.h>
#include <string.h>

void kept_finish(struct kept *kept)
{
    free(kept->documents);
    free(kept->conflicts);
    names_finish(&kept->segments);
    *kept = (struct kept){.documents = NULL};
}

struct kept_document *kept_document(const struct kept *kept, struct fb_text sha256)
{
    for (uint32_t i = 0; i < kept->document_count; i++) {
        const struct kept_document *document = &kept->documents[i];

        if (sha256.size == KEPT_DIGEST_BYTES &&
            memcmp(document->sha256, sha256.data, KEPT_DIGEST_BYTES) == 0) {
            return &kept->documents[i];
        }
    }
    return NULL;
}

struct kept_document *kept_document_add(struct kept *kept, struct fb_text sha256)
{
    struct kept_document *documents;

    if (kept->document_count == KEPT_DOCUMENTS_MOST || sha256.size != KEPT_DIGEST_BYTES) {
        return NULL;
    }
    documents = realloc(kept->documents, (kept->document_count + 1) * sizeof(*documents));
    if (documents == NULL) {
        return NULL;
    }
    kept->documents = documents;
    documents[kept->document_count] = (struct kept_document){.format = 0};
    memcpy(documents[kept->document_count].sha256, sha256.data, KEPT_DIGEST_BYTES);
    return &documents[kept->document_count++];
}

/* Cut to `most` bytes at the end of a character, with a NUL behind. */
static void copy_cut(char *to, struct fb_text text, size_t most)
{
    size_t size = text.size < most ? text.size : most;

    size = fb_utf8_check(text.data, size);
    if (size != 0) {
        memcpy(to, text.data, size);
    }
    to[size] = '\0';
}

bool kept_conflict_add(struct kept *kept, uint32_t task, struct fb_text field, struct fb_text other)
{
    struct kept_conflict *added;

    if (kept->conflicts == NULL) {
        kept->conflicts = calloc(KEPT_CONFLICTS_MOST, sizeof(*kept->conflicts));
        if (kept->conflicts == NULL) {
            return false;
        }
    }
    if (kept->conflict_count == KEPT_CONFLICTS_MOST) {
        kept->conflict_count--;
        memmove(kept->conflicts, kept->conflicts + 1,
                kept->conflict_count * sizeof(*kept->conflicts));
    }
    added = &kept->conflicts[kept->conflict_count++];
    *added = (struct kept_conflict){.task = task};
    copy_cut(added->field, field, KEPT_FIELD_BYTES);
    copy_cut(added->other, other, KEPT_CONFLICT_BYTES);
    return true;
}

void kept_conflicts_settle(struct kept *kept, uint32_t task)
{
    uint32_t open = 0;

    for (uint32_t i = 0; i < kept->conflict_count; i++) {
        if (kept->conflicts[i].task != task) {
            kept->conflicts[open++] = kept->conflicts[i];
        }
    }
    kept->conflict_count = open;
}

/* --- as bytes --- */

static void code_digest(struct coder *coder, char *sha256)
{
    if (coder->out != NULL) {
        fb_buffer_append(coder->out, sha256, KEPT_DIGEST_BYTES);
        return;
    }
    if (coder->failed || coder->end - coder->at < KEPT_DIGEST_BYTES) {
        coder->failed = true;
        return;
    }
    memcpy(sha256, coder->at, KEPT_DIGEST_BYTES);
    coder->at += KEPT_DIGEST_BYTES;
}

static void code_document(struct coder *coder, struct kept_document *document)
{
    code_digest(coder, document->sha256);
    coder_u32(coder, &document->format, UINT32_MAX);
    coder_u64(coder, &document->size);
    coder_u64(coder, &document->seen);
    coder_u32(coder, &document->parts, UINT32_MAX);
    coder_u32(coder, &document->next_part, document->parts);
    coder_bool(coder, &document->taken);
}

/* A text in a place of `most` bytes and a NUL. */
static void code_place(struct coder *coder, char *place, size_t most)
{
    char *text = coder->out == NULL ? NULL : place;

    coder_text(coder, &text, most);
    if (coder->out == NULL) {
        copy_cut(place, fb_text_of(text), most);
        free(text);
    }
}

static void code_conflict(struct coder *coder, struct kept_conflict *conflict, uint32_t tasks_most)
{
    coder_u32(coder, &conflict->task, tasks_most);
    code_place(coder, conflict->field, KEPT_FIELD_BYTES);
    code_place(coder, conflict->other, KEPT_CONFLICT_BYTES);
}

void kept_code(struct coder *coder, struct kept *kept, uint32_t tasks_most)
{
    uint32_t documents = kept->document_count;
    uint32_t conflicts = kept->conflict_count;

    coder_u32(coder, &documents, KEPT_DOCUMENTS_MOST);
    coder_u32(coder, &conflicts, KEPT_CONFLICTS_MOST);
    if (coder->out == NULL && !coder->failed) {
        kept->documents = calloc(documents + 1, sizeof(*kept->documents));
        kept->conflicts = calloc(KEPT_CONFLICTS_MOST, sizeof(*kept->conflicts));
        if (kept->documents == NULL || kept->conflicts == NULL) {
            coder->failed = true;
            return;
        }
        kept->document_count = documents;
        kept->conflict_count = conflicts;
    }
    for (uint32_t i = 0; i < documents && !coder->failed; i++) {
        code_document(coder, &kept->documents[i]);
    }
    for (uint32_t i = 0; i < conflicts && !coder->failed; i++) {
        code_conflict(coder, &kept->conflicts[i], tasks_most);
    }
    coder_names(coder, &kept->segments, KEPT_SEGMENTS_MOST, 2 * KEPT_DIGEST_BYTES);
}

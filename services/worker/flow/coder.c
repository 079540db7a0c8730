#include "services/worker/flow/coder.h"

#include <stdlib.h>
#include <string.h>

void coder_u64(struct coder *coder, uint64_t *value)
{
    uint64_t rest = *value;
    unsigned shift = 0;

    if (coder->out != NULL) {
        unsigned char bytes[10];
        size_t count = 0;

        do {
            bytes[count++] = (unsigned char)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
            rest >>= 7;
        } while (rest != 0);
        fb_buffer_append(coder->out, bytes, count);
        return;
    }
    rest = 0;
    while (!coder->failed) {
        unsigned char byte;

        if (coder->at == coder->end || shift > 63) {
            coder->failed = true;
            break;
        }
        byte = *coder->at++;
        rest |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
        if ((byte & 0x80) == 0) {
            break;
        }
    }
    *value = coder->failed ? 0 : rest;
}

void coder_u32(struct coder *coder, uint32_t *value, uint32_t most)
{
    uint64_t wide = *value;

    coder_u64(coder, &wide);
    coder->failed |= wide > most;
    *value = coder->failed ? 0 : (uint32_t)wide;
}

void coder_time(struct coder *coder, int64_t *value)
{
    uint64_t wide = (uint64_t)*value;

    coder_u64(coder, &wide);
    coder->failed |= wide > (uint64_t)1 << 53;
    *value = coder->failed ? 0 : (int64_t)wide;
}

void coder_bool(struct coder *coder, bool *value)
{
    uint32_t wide = *value;

    coder_u32(coder, &wide, 1);
    *value = wide != 0;
}

void coder_double(struct coder *coder, double *value)
{
    uint64_t bits;
    unsigned char bytes[8];

    memcpy(&bits, value, sizeof(bits));
    if (coder->out != NULL) {
        for (unsigned i = 0; i < 8; i++) {
            bytes[i] = (unsigned char)(bits >> (8 * i));
        }
        fb_buffer_append(coder->out, bytes, sizeof(bytes));
        return;
    }
    if (coder->failed || coder->end - coder->at < 8) {
        coder->failed = true;
        return;
    }
    bits = 0;
    for (unsigned i = 0; i < 8; i++) {
        bits |= (uint64_t)*coder->at++ << (8 * i);
    }
    memcpy(value, &bits, sizeof(bits));
    coder->failed |= !(*value > -1e18 && *value < 1e18);
}

void coder_bytes(struct coder *coder, void *bytes, size_t size)
{
    if (coder->out != NULL) {
        fb_buffer_append(coder->out, bytes, size);
        return;
    }
    if (coder->failed || (size_t)(coder->end - coder->at) < size) {
        coder->failed = true;
        return;
    }
    memcpy(bytes, coder->at, size);
    coder->at += size;
}

void coder_text(struct coder *coder, char **text, size_t most)
{
    uint64_t size = *text == NULL ? 0 : strlen(*text);

    coder_u64(coder, &size);
    if (coder->out != NULL) {
        fb_buffer_append(coder->out, *text, (size_t)size);
        return;
    }
    *text = NULL;
    if (coder->failed || size > most || size > (uint64_t)(coder->end - coder->at) ||
        memchr(coder->at, '\0', (size_t)size) != NULL) {
        coder->failed = true;
        return;
    }
    if (size == 0) {
        return;
    }
    *text = malloc((size_t)size + 1);
    if (*text == NULL) {
        coder->failed = true;
        return;
    }
    memcpy(*text, coder->at, (size_t)size);
    (*text)[size] = '\0';
    coder->at += size;
}

void coder_names(struct coder *coder, struct names *names, uint32_t most, size_t bytes_most)
{
    uint32_t count = names->count;

    coder_u32(coder, &count, most);
    for (uint32_t i = 0; i < count && !coder->failed; i++) {
        char *text = coder->out != NULL ? (char *)names->texts[i].data : NULL;

        coder_text(coder, &text, bytes_most);
        if (coder->out == NULL) {
            coder->failed |= text == NULL || names_add(names, fb_text_of(text)) != i;
            free(text);
        }
    }
}

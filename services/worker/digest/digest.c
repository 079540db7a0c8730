#include "services/worker/digest/digest.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

void digest_begin(struct digest *digest)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    if (context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(context);
        context = NULL;
    }
    digest->context = context;
}

void digest_add(struct digest *digest, struct fb_text part)
{
    const uint64_t size = part.size;
    unsigned char length[sizeof(size)];

    if (digest->context == NULL) {
        return;
    }
    for (size_t i = 0; i < sizeof(length); i++) {
        length[i] = (unsigned char)(size >> (8 * i));
    }
    EVP_DigestUpdate(digest->context, length, sizeof(length));
    if (part.size != 0) {
        EVP_DigestUpdate(digest->context, part.data, part.size);
    }
}

void digest_end(struct digest *digest, char *out, unsigned digits)
{
    unsigned char hash[EVP_MAX_MD_SIZE] = {0};
    char hex[DIGEST_HEX_BYTES + 1];

    if (digest->context != NULL) {
        EVP_DigestFinal_ex(digest->context, hash, NULL);
        EVP_MD_CTX_free(digest->context);
        digest->context = NULL;
    }
    for (size_t i = 0; i < DIGEST_HEX_BYTES / 2; i++) {
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    }
    if (digits > DIGEST_HEX_BYTES) {
        digits = DIGEST_HEX_BYTES;
    }
    memcpy(out, hex, digits);
    out[digits] = '\0';
}

bool digest_of(struct fb_text bytes, char out[DIGEST_BYTES])
{
    const void *data = bytes.size == 0 ? "" : bytes.data;

    memset(out, 0, DIGEST_BYTES);
    return EVP_Digest(data, bytes.size, (unsigned char *)out, NULL, EVP_sha256(), NULL) == 1;
}

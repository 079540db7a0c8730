/* The digest by itself: to fetch it from a provider takes 2 MB, more than a gateway's all. */
#define OPENSSL_API_COMPAT 10100

#include "clients/session_id/session_id.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <openssl/sha.h>

enum { SLUG_BYTES = 48 };

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool fb_session_id_is(const char *text)
{
    const char *c = text;

    while (is_word(*c) || *c == '.' || *c == '_' || *c == '-') {
        c++;
    }
    return *c == '\0' && c != text && c - text <= FB_SESSION_ID_BYTES;
}

bool fb_session_id_of(const char *name, char id[FB_SESSION_ID_BYTES + 1])
{
    const size_t size = strlen(name);
    char slug[SLUG_BYTES + 1];
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256_CTX context;
    size_t used = 0;

    if (size == 0 || size > FB_SESSION_NAME_BYTES) {
        return false;
    }
    if (fb_session_id_is(name)) {
        memcpy(id, name, size + 1);
        return true;
    }
    for (const char *c = name; *c != '\0' && used < SLUG_BYTES; c++) {
        if (is_word(*c)) {
            slug[used++] = *c;
        } else if (used > 0 && slug[used - 1] != '-') {
            slug[used++] = '-';
        }
    }
    slug[used] = '\0';
    if (SHA256_Init(&context) != 1 || SHA256_Update(&context, name, size) != 1 ||
        SHA256_Final(digest, &context) != 1) {
        return false;
    }
    snprintf(id, FB_SESSION_ID_BYTES + 1, "%s%s%02x%02x%02x", slug,
             used > 0 && slug[used - 1] != '-' ? "-" : "", digest[0], digest[1], digest[2]);
    return true;
}

bool fb_session_id_of_handle(const char *handle, char id[FB_SESSION_ID_BYTES + 1],
                             const char **agent)
{
    const char *at = strchr(handle, '@');

    *agent = NULL;
    if (at != NULL && at - handle <= FB_SESSION_ID_BYTES) {
        snprintf(id, FB_SESSION_ID_BYTES + 1, "%.*s", (int)(at - handle), handle);
        if (fb_session_id_is(id)) {
            *agent = at + 1;
            return true;
        }
    }
    return fb_session_id_of(handle, id);
}

#include "runtime/rpc/security.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "runtime/rpc/address.h"

enum {
    TENANT_MOST = 64,
    TOKEN_LEAST = 16,
    TOKEN_MOST = 512,
    LINE_MOST = 1024,
    TOKENS_MOST = 4096,
    DIGEST_BYTES = 32,
};

struct entry {
    char tenant[TENANT_MOST + 1];
    unsigned char digest[DIGEST_BYTES];
};

struct fb_tokens {
    struct entry *entries;
    size_t count;
};

/* --- the file --- */

/* What was wrong with the last file this thread opened: a status only borrows its words. */
static _Thread_local char why[512];

static struct fb_status fail(enum fb_code code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static struct fb_status fail(enum fb_code code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    return fb_fail(code, why);
}

static bool digest_of(const char *token, size_t size, unsigned char digest[DIGEST_BYTES])
{
    unsigned length = 0;

    return EVP_Digest(token, size, digest, &length, EVP_sha256(), NULL) == 1 &&
           length == DIGEST_BYTES;
}

static bool is_tenant(struct fb_text word)
{
    if (word.size == 0 || word.size > TENANT_MOST) {
        return false;
    }
    for (size_t i = 0; i < word.size; i++) {
        char c = word.data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) {
            return false;
        }
    }
    return true;
}

static bool is_token(struct fb_text word)
{
    if (word.size < TOKEN_LEAST || word.size > TOKEN_MOST) {
        return false;
    }
    for (size_t i = 0; i < word.size; i++) {
        if (word.data[i] <= ' ' || word.data[i] > '~') {
            return false;
        }
    }
    return true;
}

/* The next word of `*line`, which then begins behind it. */
static struct fb_text next_word(const char **line)
{
    const char *begin = *line + strspn(*line, " \t");
    size_t size = strcspn(begin, " \t\r\n");

    *line = begin + size;
    return (struct fb_text){.data = begin, .size = size};
}

static const struct entry *find(const struct fb_tokens *tokens,
                                const unsigned char digest[DIGEST_BYTES])
{
    const struct entry *found = NULL;

    /* All of them, always: how long it takes says nothing about which one matched. */
    for (size_t i = 0; i < tokens->count; i++) {
        if (CRYPTO_memcmp(tokens->entries[i].digest, digest, DIGEST_BYTES) == 0) {
            found = &tokens->entries[i];
        }
    }
    return found;
}

static struct fb_status add_line(struct fb_tokens *tokens, const char *path, unsigned number,
                                 const char *line)
{
    struct fb_text tenant = next_word(&line);
    struct fb_text token;
    struct entry entry = {.tenant = ""};

    if (tenant.size == 0 || tenant.data[0] == '#') {
        return fb_ok;
    }
    token = next_word(&line);
    if (!is_tenant(tenant)) {
        return fail(FB_INVALID_ARGUMENT, "%s, line %u: a tenant is 1 to 64 of [a-z0-9-]", path,
                    number);
    }
    if (!is_token(token)) {
        return fail(FB_INVALID_ARGUMENT,
                    "%s, line %u: a token is 16 to 512 printable ASCII characters", path, number);
    }
    if (next_word(&line).size != 0) {
        return fail(FB_INVALID_ARGUMENT, "%s, line %u: more than \"tenant token\"", path, number);
    }
    if (tokens->count == TOKENS_MOST) {
        return fail(FB_INVALID_ARGUMENT, "%s, line %u: more than 4096 tokens", path, number);
    }
    memcpy(entry.tenant, tenant.data, tenant.size);
    if (!digest_of(token.data, token.size, entry.digest)) {
        return fail(FB_INTERNAL, "%s, line %u: cannot digest the token", path, number);
    }
    if (find(tokens, entry.digest) != NULL) {
        return fail(FB_INVALID_ARGUMENT, "%s, line %u: the same token stands twice", path, number);
    }
    tokens->entries[tokens->count++] = entry;
    return fb_ok;
}

static struct fb_status read_lines(struct fb_tokens *tokens, const char *path, FILE *file)
{
    struct fb_status status = fb_ok;
    char line[LINE_MOST];
    unsigned number = 0;

    while (fb_is_ok(status) && fgets(line, sizeof(line), file) != NULL) {
        size_t size = strlen(line);

        number++;
        if (size == sizeof(line) - 1 && line[size - 1] != '\n') {
            status = fail(FB_INVALID_ARGUMENT, "%s, line %u: longer than %d bytes", path, number,
                          LINE_MOST - 2);
        } else {
            status = add_line(tokens, path, number, line);
        }
    }
    OPENSSL_cleanse(line, sizeof(line));
    if (fb_is_ok(status) && ferror(file)) {
        return fail(FB_UNAVAILABLE, "%s: %s", path, strerror(errno));
    }
    return status;
}

static struct fb_status check_mode(const char *path, FILE *file)
{
    struct stat info;

    if (fstat(fileno(file), &info) != 0 || !S_ISREG(info.st_mode)) {
        return fail(FB_INVALID_ARGUMENT, "%s: not a file", path);
    }
    if ((info.st_mode & (S_IWGRP | S_IROTH | S_IWOTH)) != 0) {
        return fail(FB_PERMISSION_DENIED, "%s: others may read or change it; chmod 600 mends that",
                    path);
    }
    return fb_ok;
}

struct fb_status fb_tokens_open(const char *path, struct fb_tokens **tokens)
{
    struct fb_tokens *made = calloc(1, sizeof(*made));
    FILE *file = fopen(path, "re");
    struct fb_status status = fb_ok;
    char buffer[4096];

    *tokens = NULL;
    if (made != NULL) {
        made->entries = calloc(TOKENS_MOST, sizeof(*made->entries));
    }
    if (made == NULL || made->entries == NULL) {
        status = fb_fail(FB_RESOURCE_EXHAUSTED, "no memory left for tokens");
    } else if (file == NULL) {
        status = fail(errno == ENOENT ? FB_NOT_FOUND : FB_PERMISSION_DENIED, "%s: %s", path,
                      strerror(errno));
    } else {
        setvbuf(file, buffer, _IOFBF, sizeof(buffer));
        status = check_mode(path, file);
    }
    if (fb_is_ok(status)) {
        status = read_lines(made, path, file);
    }
    if (fb_is_ok(status) && made->count == 0) {
        status = fail(FB_INVALID_ARGUMENT, "%s: no token in it", path);
    }
    if (file != NULL) {
        fclose(file);
        OPENSSL_cleanse(buffer, sizeof(buffer));
    }
    if (!fb_is_ok(status)) {
        fb_tokens_destroy(made);
        return status;
    }
    *tokens = made;
    return fb_ok;
}

void fb_tokens_destroy(struct fb_tokens *tokens)
{
    if (tokens == NULL) {
        return;
    }
    free(tokens->entries);
    free(tokens);
}

const char *fb_tokens_tenant(const struct fb_tokens *tokens, struct fb_text authorization)
{
    static const char scheme[] = "bearer ";
    const size_t before = sizeof(scheme) - 1;
    unsigned char digest[DIGEST_BYTES];
    const struct entry *found;
    struct fb_text token;

    if (authorization.size <= before || strncasecmp(authorization.data, scheme, before) != 0) {
        return NULL;
    }
    token =
        (struct fb_text){.data = authorization.data + before, .size = authorization.size - before};
    while (token.size != 0 && token.data[0] == ' ') {
        token.data++;
        token.size--;
    }
    if (!is_token(token) || !digest_of(token.data, token.size, digest)) {
        return NULL;
    }
    found = find(tokens, digest);
    return found == NULL ? NULL : found->tenant;
}

/* --- listening --- */

struct fb_status fb_listen_allowed(const char *address, const struct fb_tls_config *tls,
                                   const struct fb_tokens *tokens)
{
    struct fb_status status = fb_address_check(address);

    if (!fb_is_ok(status)) {
        return status;
    }
    if (fb_address_is_loopback(address)) {
        return fb_ok;
    }
    if (tls == NULL || tls->cert_file == NULL || tls->key_file == NULL) {
        return fb_fail(FB_FAILED_PRECONDITION,
                       "listening beyond loopback needs TLS (certificate and key), and client "
                       "certificates or tokens");
    }
    if (tls->require_client_cert && tls->ca_file != NULL) {
        return fb_ok;
    }
    if (tls->require_client_cert) {
        return fb_fail(FB_FAILED_PRECONDITION,
                       "client certificates are required, but no CA is given to verify them by");
    }
    if (tokens == NULL) {
        return fb_fail(FB_FAILED_PRECONDITION,
                       "listening beyond loopback needs client certificates or tokens beside TLS");
    }
    return fb_ok;
}

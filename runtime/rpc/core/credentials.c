#include "runtime/rpc/core/credentials.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

enum { PEM_MOST_BYTES = 1 << 20 };

static _Thread_local char why[512];

static struct fb_status fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

static struct fb_status fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    ERR_clear_error();
    return fb_fail(FB_INVALID_ARGUMENT, why);
}

/* The PEM texts, as the library wants them. All zero is none. */
struct pem {
    char *ca;
    char *cert;
    char *key;
};

static void pem_finish(struct pem *pem)
{
    if (pem->key != NULL) {
        OPENSSL_cleanse(pem->key, strlen(pem->key));
    }
    free(pem->ca);
    free(pem->cert);
    free(pem->key);
}

static struct fb_status read_file(const char *path, char **text)
{
    FILE *file = fopen(path, "re");
    size_t size = 0;

    if (file == NULL) {
        return fail("%s: %s", path, strerror(errno));
    }
    *text = malloc(PEM_MOST_BYTES + 1);
    if (*text != NULL) {
        size = fread(*text, 1, PEM_MOST_BYTES + 1, file);
    }
    fclose(file);
    if (*text == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory left to read a PEM file");
    }
    if (size == 0 || size > PEM_MOST_BYTES || memchr(*text, '\0', size) != NULL) {
        return fail("%s: not a PEM file", path);
    }
    (*text)[size] = '\0';
    return fb_ok;
}

static struct fb_status check_files(SSL_CTX *context, const struct fb_tls_config *tls)
{
    if ((tls->cert_file == NULL) != (tls->key_file == NULL)) {
        return fail("%s: a certificate needs its key, and a key its certificate",
                    tls->cert_file == NULL ? tls->key_file : tls->cert_file);
    }
    if (tls->ca_file != NULL && SSL_CTX_load_verify_locations(context, tls->ca_file, NULL) != 1) {
        return fail("%s: no CA certificates in PEM", tls->ca_file);
    }
    if (tls->cert_file == NULL) {
        return fb_ok;
    }
    if (SSL_CTX_use_certificate_chain_file(context, tls->cert_file) != 1) {
        return fail("%s: no certificate in PEM", tls->cert_file);
    }
    if (SSL_CTX_use_PrivateKey_file(context, tls->key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1) {
        return fail("%s: not the key in PEM of the certificate in %s", tls->key_file,
                    tls->cert_file);
    }
    return fb_ok;
}

static struct fb_status read_pem(const struct fb_tls_config *tls, struct pem *pem)
{
    SSL_CTX *context = NULL;
    struct fb_status status = fb_ok;

    if (tls->ca_file != NULL) {
        status = read_file(tls->ca_file, &pem->ca);
    }
    if (fb_is_ok(status) && tls->cert_file != NULL) {
        status = read_file(tls->cert_file, &pem->cert);
    }
    if (fb_is_ok(status) && tls->key_file != NULL) {
        status = read_file(tls->key_file, &pem->key);
    }
    if (!fb_is_ok(status)) {
        return status;
    }
    context = SSL_CTX_new(TLS_method());
    if (context == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory left for TLS");
    }
    status = check_files(context, tls);
    SSL_CTX_free(context);
    return status;
}

bool fb_core_has_tls(const struct fb_tls_config *tls)
{
    return tls->ca_file != NULL || tls->cert_file != NULL || tls->key_file != NULL ||
           tls->server_name != NULL;
}

/* --- server --- */

static grpc_ssl_client_certificate_request_type request_type(const struct fb_tls_config *tls)
{
    if (tls->require_client_cert) {
        return GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
    }
    return tls->ca_file == NULL ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                : GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY;
}

static grpc_server_credentials *make_server(const struct fb_tls_config *tls, const struct pem *pem)
{
    const grpc_ssl_pem_key_cert_pair pair = {.private_key = pem->key, .cert_chain = pem->cert};

    return grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config(
            request_type(tls), grpc_ssl_server_certificate_config_create(pem->ca, &pair, 1)));
}

struct fb_status fb_core_server_credentials(const struct fb_tls_config *tls,
                                            grpc_server_credentials **credentials)
{
    struct pem pem = {.ca = NULL};
    struct fb_status status;

    *credentials = NULL;
    if (!fb_core_has_tls(tls)) {
        *credentials = grpc_insecure_server_credentials_create();
        return fb_ok;
    }
    if (tls->cert_file == NULL || tls->key_file == NULL) {
        return fail("TLS needs a certificate and its key");
    }
    if (tls->require_client_cert && tls->ca_file == NULL) {
        return fail("client certificates are required, but no CA is given to verify them by");
    }
    status = read_pem(tls, &pem);
    if (fb_is_ok(status)) {
        *credentials = make_server(tls, &pem);
    }
    pem_finish(&pem);
    return status;
}

/* --- client --- */

/* Where systems keep the certificates they trust; the library would look in its own folder. */
static struct fb_status read_system_ca(char **text)
{
    static const char *const places[] = {
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
    };

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (fb_is_ok(read_file(places[i], text))) {
            return fb_ok;
        }
        free(*text);
        *text = NULL;
    }
    return fail("%s: the system's CA certificates are missing; give a CA file", places[0]);
}

struct fb_status fb_core_channel_credentials(const struct fb_tls_config *tls,
                                             grpc_channel_credentials **credentials)
{
    struct pem pem = {.ca = NULL};
    struct fb_status status;

    *credentials = NULL;
    if (!fb_core_has_tls(tls)) {
        *credentials = grpc_insecure_credentials_create();
        return fb_ok;
    }
    status = read_pem(tls, &pem);
    if (fb_is_ok(status) && pem.ca == NULL) {
        status = read_system_ca(&pem.ca);
    }
    if (fb_is_ok(status)) {
        grpc_ssl_pem_key_cert_pair pair = {.private_key = pem.key, .cert_chain = pem.cert};

        *credentials =
            grpc_ssl_credentials_create_ex(pem.ca, pem.key == NULL ? NULL : &pair, NULL, NULL);
    }
    pem_finish(&pem);
    return status;
}

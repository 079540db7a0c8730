#include "runtime/rpc/h2/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct fb_h2_tls {
    SSL_CTX *context;
    BIO_METHOD *socket; /* as OpenSSL's own, without SIGPIPE */
    const char *server_name;
    bool server;
};

static const unsigned char alpn_h2[] = {2, 'h', '2'};

bool fb_h2_tls_wanted(const struct fb_tls_config *config, bool server)
{
    return config->cert_file != NULL || config->ca_file != NULL ||
           (!server && config->server_name != NULL);
}

/* --- the socket beneath --- */

static int socket_write(BIO *bio, const char *data, int size)
{
    int fd = (int)(intptr_t)BIO_get_data(bio);
    ssize_t count = send(fd, data, (size_t)size, MSG_NOSIGNAL);

    BIO_clear_retry_flags(bio);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        BIO_set_retry_write(bio);
    }
    return (int)count;
}

static int socket_read(BIO *bio, char *data, int size)
{
    int fd = (int)(intptr_t)BIO_get_data(bio);
    ssize_t count = recv(fd, data, (size_t)size, 0);

    BIO_clear_retry_flags(bio);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        BIO_set_retry_read(bio);
    }
    return (int)count;
}

static long socket_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *socket_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");

    if (method != NULL) {
        BIO_meth_set_write(method, socket_write);
        BIO_meth_set_read(method, socket_read);
        BIO_meth_set_ctrl(method, socket_control);
    }
    return method;
}

/* --- contexts --- */

static int select_h2(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                     const unsigned char *in, unsigned in_size, void *arg)
{
    (void)ssl;
    (void)arg;
    for (unsigned i = 0; i < in_size; i += in[i] + 1u) {
        if (in_size - i >= sizeof(alpn_h2) && memcmp(in + i, alpn_h2, sizeof(alpn_h2)) == 0) {
            *out = in + i + 1;
            *out_size = in[i];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static struct fb_status bad_file(const char *what, const char *file, char *text, size_t room)
{
    char reason[128];
    unsigned long error = ERR_peek_last_error();

    ERR_error_string_n(error, reason, sizeof(reason));
    snprintf(text, room, "%s %s: %s", what, file, error == 0 ? "cannot be used" : reason);
    ERR_clear_error();
    return fb_fail(FB_INVALID_ARGUMENT, text);
}

static struct fb_status load_files(SSL_CTX *context, const struct fb_tls_config *config,
                                   bool server, char *text, size_t room)
{
    if ((config->cert_file == NULL) != (config->key_file == NULL)) {
        return fb_fail(FB_INVALID_ARGUMENT, "TLS needs a certificate file and a key file together");
    }
    if (server && config->cert_file == NULL) {
        return fb_fail(FB_INVALID_ARGUMENT, "a TLS server needs a certificate file");
    }
    if (server && config->require_client_cert && config->ca_file == NULL) {
        return fb_fail(FB_INVALID_ARGUMENT,
                       "client certificates need a CA file to check them with");
    }
    if (config->cert_file != NULL &&
        SSL_CTX_use_certificate_chain_file(context, config->cert_file) != 1) {
        return bad_file("certificate", config->cert_file, text, room);
    }
    if (config->key_file != NULL &&
        SSL_CTX_use_PrivateKey_file(context, config->key_file, SSL_FILETYPE_PEM) != 1) {
        return bad_file("key", config->key_file, text, room);
    }
    if (config->key_file != NULL && SSL_CTX_check_private_key(context) != 1) {
        return bad_file("key does not fit the certificate:", config->key_file, text, room);
    }
    if (config->ca_file != NULL &&
        SSL_CTX_load_verify_locations(context, config->ca_file, NULL) != 1) {
        return bad_file("CA file", config->ca_file, text, room);
    }
    if (config->ca_file == NULL && !server && SSL_CTX_set_default_verify_paths(context) != 1) {
        return fb_fail(FB_INVALID_ARGUMENT, "the system's CA certificates cannot be read");
    }
    return fb_ok;
}

static bool set_up(SSL_CTX *context, const struct fb_tls_config *config, bool server)
{
    int verify = SSL_VERIFY_PEER;

    if (server) {
        verify = !config->require_client_cert ? SSL_VERIFY_NONE
                                              : SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    }
    if (server && config->ca_file != NULL && !config->require_client_cert) {
        verify = SSL_VERIFY_PEER; /* asked for, checked if sent */
    }
    SSL_CTX_set_verify(context, verify, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
    if (server) {
        static const unsigned char id[] = "flow-balancer";

        SSL_CTX_set_alpn_select_cb(context, select_h2, NULL);
        if (SSL_CTX_set_session_id_context(context, id, sizeof(id) - 1) != 1) {
            return false;
        }
    } else if (SSL_CTX_set_alpn_protos(context, alpn_h2, sizeof(alpn_h2)) != 0) {
        return false;
    }
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1;
}

struct fb_status fb_h2_tls_open(const struct fb_tls_config *config, bool server, char *text,
                                size_t room, struct fb_h2_tls **tls)
{
    struct fb_h2_tls *made = calloc(1, sizeof(*made));
    struct fb_status status;

    ERR_clear_error();
    if (made != NULL) {
        made->server = server;
        made->server_name = config->server_name;
        made->context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
        made->socket = socket_method();
    }
    if (made == NULL || made->context == NULL || made->socket == NULL ||
        !set_up(made->context, config, server)) {
        fb_h2_tls_close(made);
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for TLS");
    }
    status = load_files(made->context, config, server, text, room);
    if (!fb_is_ok(status)) {
        fb_h2_tls_close(made);
        return status;
    }
    *tls = made;
    return fb_ok;
}

void fb_h2_tls_close(struct fb_h2_tls *tls)
{
    if (tls == NULL) {
        return;
    }
    SSL_CTX_free(tls->context);
    BIO_meth_free(tls->socket);
    free(tls);
}

/* --- connections --- */

static bool is_ip(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static bool expect(SSL *ssl, const char *host)
{
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (is_ip(host)) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    }
    return SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1;
}

SSL *fb_h2_tls_begin(struct fb_h2_tls *tls, int fd, const char *host)
{
    SSL *ssl = SSL_new(tls->context);
    BIO *bio = BIO_new(tls->socket);

    if (ssl == NULL || bio == NULL) {
        SSL_free(ssl);
        BIO_free(bio);
        return NULL;
    }
    BIO_set_data(bio, (void *)(intptr_t)fd);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    if (tls->server) {
        SSL_set_accept_state(ssl);
        return ssl;
    }
    SSL_set_connect_state(ssl);
    if (!expect(ssl, tls->server_name != NULL ? tls->server_name : host)) {
        SSL_free(ssl);
        return NULL;
    }
    return ssl;
}

void fb_h2_tls_end(SSL *ssl)
{
    SSL_free(ssl);
}

static bool speaks_h2(const SSL *ssl)
{
    const unsigned char *name;
    unsigned size;

    SSL_get0_alpn_selected(ssl, &name, &size);
    return size == 2 && memcmp(name, "h2", 2) == 0;
}

static void explain(SSL *ssl, char *text, size_t room)
{
    const long verdict = SSL_get_verify_result(ssl);
    const unsigned long error = ERR_peek_error();
    const char *reason =
        error == 0 ? "the peer closed the connection" : ERR_reason_error_string(error);

    if (verdict != X509_V_OK) {
        reason = X509_verify_cert_error_string(verdict);
    }
    snprintf(text, room, "the TLS handshake failed: %s", reason == NULL ? "unknown error" : reason);
}

enum fb_h2_tls_step fb_h2_tls_handshake(SSL *ssl, char *text, size_t room)
{
    int result;

    ERR_clear_error();
    result = SSL_do_handshake(ssl);
    if (result == 1) {
        if (!speaks_h2(ssl)) {
            snprintf(text, room, "the peer does not agree on HTTP/2 (ALPN \"h2\")");
            return FB_H2_TLS_FAILED;
        }
        return FB_H2_TLS_DONE;
    }
    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return FB_H2_TLS_READ;
    case SSL_ERROR_WANT_WRITE:
        return FB_H2_TLS_WRITE;
    default:
        explain(ssl, text, room);
        ERR_clear_error();
        return FB_H2_TLS_FAILED;
    }
}

static ssize_t verdict_of(SSL *ssl, int result)
{
    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return FB_H2_TLS_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return FB_H2_TLS_WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        ERR_clear_error();
        return FB_H2_TLS_BROKEN;
    }
}

static int int_size(size_t size)
{
    return size > INT_MAX ? INT_MAX : (int)size;
}

ssize_t fb_h2_tls_read(SSL *ssl, void *data, size_t size)
{
    int count;

    ERR_clear_error();
    count = SSL_read(ssl, data, int_size(size));
    return count > 0 ? count : verdict_of(ssl, count);
}

ssize_t fb_h2_tls_write(SSL *ssl, const void *data, size_t size)
{
    int count;
    ssize_t verdict;

    ERR_clear_error();
    count = SSL_write(ssl, data, int_size(size));
    if (count > 0) {
        return count;
    }
    verdict = verdict_of(ssl, count);
    return verdict == 0 ? FB_H2_TLS_BROKEN : verdict;
}

bool fb_h2_tls_has_more(const SSL *ssl)
{
    return SSL_has_pending(ssl) == 1;
}

void fb_h2_tls_bye(SSL *ssl)
{
    ERR_clear_error();
    if (SSL_is_init_finished(ssl)) {
        SSL_shutdown(ssl);
        ERR_clear_error();
    }
}

/* --- who the peer is --- */

static bool first_name(const GENERAL_NAMES *names, char *out, size_t room)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        const ASN1_IA5STRING *text;
        int size;

        if (name->type != GEN_DNS && name->type != GEN_URI) {
            continue;
        }
        text = name->d.ia5;
        size = ASN1_STRING_length(text);
        if (size <= 0 || (size_t)size >= room ||
            memchr(ASN1_STRING_get0_data(text), 0, (size_t)size) != NULL) {
            continue;
        }
        memcpy(out, ASN1_STRING_get0_data(text), (size_t)size);
        out[size] = '\0';
        return true;
    }
    return false;
}

void fb_h2_tls_subject(SSL *ssl, char *out, size_t room)
{
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    GENERAL_NAMES *names;

    out[0] = '\0';
    if (certificate == NULL || SSL_get_verify_result(ssl) != X509_V_OK) {
        return;
    }
    names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    if (names == NULL || !first_name(names, out, room)) {
        const int size = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate),
                                                   NID_commonName, out, (int)room);

        /* A name with a NUL inside would read as another one. */
        if (size < 0 || strlen(out) != (size_t)size) {
            out[0] = '\0';
        }
    }
    GENERAL_NAMES_free(names);
}

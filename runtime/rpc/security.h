#ifndef FB_RUNTIME_RPC_SECURITY_H
#define FB_RUNTIME_RPC_SECURITY_H

/*
 * security: who may listen, who may call, and as whom.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/base/status.h"
#include "runtime/base/text.h"

/* Files in PEM. All NULL means no TLS. Borrowed for as long as what is made with it lives. */
struct fb_tls_config {
    const char *ca_file;   /* whom we trust; NULL on a client: the system's */
    const char *cert_file; /* who we are; with key_file */
    const char *key_file;
    bool require_client_cert; /* server: mutual TLS */
    const char *server_name;  /* client: the name to verify, instead of the host dialled */
};

/* The other end of a connection. */
struct fb_peer {
    char address[128]; /* "unix:", "127.0.0.1:4711", "[::1]:4711" */
    bool local;        /* a Unix socket: uid and pid below are the kernel's word */
    uid_t uid;
    pid_t pid;         /* 0 if unknown */
    char subject[256]; /* verified certificate: first DNS or URI name, else common name; else "" */
};

struct fb_tokens;

/*
 * Bearer tokens from a file: one `tenant token` per line, '#' begins a comment; tenant 1 to 64 of
 * [a-z0-9-], token 16 to 512 printable ASCII; a tenant may have several. Only digests are kept.
 * INVALID_ARGUMENT names the line; NOT_FOUND without a file; PERMISSION_DENIED when we may not read it or
 * others may. What a failure says lasts until this thread opens the next file. `*tokens` is the caller's
 * to destroy.
 */
struct fb_status fb_tokens_open(const char *path, struct fb_tokens **tokens);
void fb_tokens_destroy(struct fb_tokens *tokens);

/* The tenant of an `authorization` value ("Bearer …"); NULL when it is nobody's. Constant time. */
const char *fb_tokens_tenant(const struct fb_tokens *tokens, struct fb_text authorization);

/*
 * Whether one may listen there: always on Unix sockets and loopback; elsewhere only with mutual
 * TLS, or with TLS and tokens. FAILED_PRECONDITION says what is missing.
 */
struct fb_status fb_listen_allowed(const char *address, const struct fb_tls_config *tls,
                                   const struct fb_tokens *tokens);

#endif

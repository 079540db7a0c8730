#ifndef FB_RUNTIME_RPC_H2_TLS_H
#define FB_RUNTIME_RPC_H2_TLS_H

/*
 * tls: TLS 1.2 or later with ALPN "h2", by OpenSSL.
 *
 * Never blocks and raises no SIGPIPE. A context may be used by any thread, a connection by one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "runtime/base/status.h"
#include "runtime/rpc/security.h"

typedef struct ssl_st SSL;
struct fb_h2_tls;

/* Whether the config asks for TLS. */
bool fb_h2_tls_wanted(const struct fb_tls_config *config, bool server);

/*
 * INVALID_ARGUMENT names the file that cannot be read or does not fit; `why` is written to `text`.
 */
struct fb_status fb_h2_tls_open(const struct fb_tls_config *config, bool server, char *text,
                                size_t room, struct fb_h2_tls **tls);
void fb_h2_tls_close(struct fb_h2_tls *tls);

/*
 * For a socket that stays the caller's. `host` is whom a client wants (a name or an IP). NULL
 * without memory.
 */
SSL *fb_h2_tls_begin(struct fb_h2_tls *tls, int fd, const char *host);
void fb_h2_tls_end(SSL *ssl);

enum fb_h2_tls_step { FB_H2_TLS_DONE, FB_H2_TLS_READ, FB_H2_TLS_WRITE, FB_H2_TLS_FAILED };

/* One step; what to wait for, or why it failed (an unverified peer, no "h2"). */
enum fb_h2_tls_step fb_h2_tls_handshake(SSL *ssl, char *text, size_t room);

/* Bytes; 0 when the peer has closed, -1 when broken, -2 to wait for reading, -3 for writing. */
enum { FB_H2_TLS_BROKEN = -1, FB_H2_TLS_WANTS_READ = -2, FB_H2_TLS_WANTS_WRITE = -3 };
ssize_t fb_h2_tls_read(SSL *ssl, void *data, size_t size);
ssize_t fb_h2_tls_write(SSL *ssl, const void *data, size_t size);
bool fb_h2_tls_has_more(const SSL *ssl);

/* Tells the peer that this is the end, if the handshake was done. */
void fb_h2_tls_bye(SSL *ssl);

/* The verified peer: first DNS or URI name of its certificate, else the common name, else "". */
void fb_h2_tls_subject(SSL *ssl, char *out, size_t room);

#endif

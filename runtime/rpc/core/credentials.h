#ifndef FB_RUNTIME_RPC_CORE_CREDENTIALS_H
#define FB_RUNTIME_RPC_CORE_CREDENTIALS_H

/*
 * credentials: the library's credentials from PEM files.
 *
 * The files are looked through first, as the library only says later, and in its log, what is wrong.
 */

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "runtime/base/status.h"
#include "runtime/rpc/security.h"

bool fb_core_has_tls(const struct fb_tls_config *tls);

/*
 * INVALID_ARGUMENT names the file; what it says lasts until this thread makes the next credentials.
 * Without TLS they are insecure ones. `*credentials` is the caller's to release.
 */
struct fb_status fb_core_server_credentials(const struct fb_tls_config *tls,
                                            grpc_server_credentials **credentials);
struct fb_status fb_core_channel_credentials(const struct fb_tls_config *tls,
                                             grpc_channel_credentials **credentials);

#endif

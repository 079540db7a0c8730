#ifndef FB_TESTS_SUPPORT_PEER_H
#define FB_TESTS_SUPPORT_PEER_H

/*
 * peer: the arguments that the echo programs share.
 *
 *   --transport h2|core  --address ADDRESS  [--ca FILE] [--cert FILE --key FILE]
 *   server: [--mutual] [--tokens FILE]   client: [--name NAME] [--token TOKEN]
 */

#include <stdbool.h>

#include "runtime/rpc/security.h"

struct fb_transport;

struct peer_arguments {
    const struct fb_transport *transport;
    const char *address;
    const char *tokens_file;
    const char *token;
    struct fb_tls_config tls;
};

/* Exits with 2 and a word on standard error when they are not right. */
struct peer_arguments peer_arguments_read(int argc, char **argv);

#endif

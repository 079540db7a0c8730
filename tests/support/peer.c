#define _GNU_SOURCE /* getopt_long */

#include "tests/support/peer.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/rpc/core/core.h"
#include "runtime/rpc/h2/h2.h"

static const struct fb_transport *transport_of(const char *name)
{
    if (strcmp(name, "h2") == 0) {
        return &fb_h2;
    }
    if (strcmp(name, "core") == 0) {
        return &fb_core;
    }
    fprintf(stderr, "--transport: h2 or core, not \"%s\"\n", name);
    exit(2);
}

struct peer_arguments peer_arguments_read(int argc, char **argv)
{
    static const struct option options[] = {
        {"transport", required_argument, NULL, 't'}, {"address", required_argument, NULL, 'a'},
        {"ca", required_argument, NULL, 'A'},        {"cert", required_argument, NULL, 'c'},
        {"key", required_argument, NULL, 'k'},       {"mutual", no_argument, NULL, 'm'},
        {"name", required_argument, NULL, 'n'},      {"tokens", required_argument, NULL, 'T'},
        {"token", required_argument, NULL, 'o'},     {NULL, 0, NULL, 0},
    };
    struct peer_arguments arguments = {.transport = NULL};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 't':
            arguments.transport = transport_of(optarg);
            break;
        case 'a':
            arguments.address = optarg;
            break;
        case 'A':
            arguments.tls.ca_file = optarg;
            break;
        case 'c':
            arguments.tls.cert_file = optarg;
            break;
        case 'k':
            arguments.tls.key_file = optarg;
            break;
        case 'm':
            arguments.tls.require_client_cert = true;
            break;
        case 'n':
            arguments.tls.server_name = optarg;
            break;
        case 'T':
            arguments.tokens_file = optarg;
            break;
        case 'o':
            arguments.token = optarg;
            break;
        default:
            exit(2);
        }
    }
    if (arguments.transport == NULL || arguments.address == NULL || optind != argc) {
        fprintf(stderr, "%s: --transport and --address are needed, and nothing else\n", argv[0]);
        exit(2);
    }
    return arguments;
}

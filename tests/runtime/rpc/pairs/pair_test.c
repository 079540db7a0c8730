#include <stdio.h>
#include <string.h>

#include "runtime/rpc/core/core.h"
#include "runtime/rpc/h2/h2.h"
#include "tests/runtime/rpc/conformance/conformance.h"

static const struct fb_transport *transport_of(const char *name)
{
    return strcmp(name, "core") == 0 ? &fb_core : &fb_h2;
}

/* Which pair it is, server and client, the BUILD file says. */
int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "%s: h2|core h2|core\n", argv[0]);
        return 2;
    }
    return conformance_run(transport_of(argv[1]), transport_of(argv[2]));
}

#include "runtime/rpc/core/core.h"
#include "tests/runtime/rpc/conformance.h"

int main(void)
{
    return conformance_run(&fb_core, &fb_core);
}

#include "runtime/rpc/core/core.h"
#include "runtime/rpc/h2/h2.h"
#include "tests/runtime/rpc/conformance.h"

/* The BUILD file says which pair it is. */
int main(void)
{
    return conformance_run(&SERVER, &CLIENT);
}

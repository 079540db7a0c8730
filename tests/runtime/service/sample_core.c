#include "runtime/rpc/core/core.h"
#include "tests/runtime/service/sample.h"

int main(int argc, char **argv)
{
    return sample_main(argc, argv, &fb_core);
}

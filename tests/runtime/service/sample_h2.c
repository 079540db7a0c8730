#include "runtime/rpc/h2/h2.h"
#include "tests/runtime/service/sample.h"

int main(int argc, char **argv)
{
    return sample_main(argc, argv, &fb_h2);
}

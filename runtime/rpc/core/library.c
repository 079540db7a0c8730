#include "runtime/rpc/core/library.h"

#include <pthread.h>
#include <signal.h>

#include <grpc/grpc.h>

void fb_core_library_acquire(void)
{
    sigset_t all;
    sigset_t before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    grpc_init();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void fb_core_library_release(void)
{
    grpc_shutdown_blocking();
}

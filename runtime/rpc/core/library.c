#include "runtime/rpc/core/library.h"

#include <pthread.h>
#include <signal.h>

#include <grpc/grpc.h>
#include <grpc/support/log.h>

#include "runtime/log/log.h"

/* What the library has to say, such as why a handshake failed; from any thread. */
static void on_log(gpr_log_func_args *said)
{
    fb_log(FB_WARN, "the gRPC library reports an error", fb_kv_str("what", said->message));
}

void fb_core_library_acquire(void)
{
    sigset_t all;
    sigset_t before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
    gpr_set_log_function(on_log);
    grpc_init();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void fb_core_library_release(void)
{
    grpc_shutdown_blocking();
}

#include "runtime/rpc/core/library.h"

#include <pthread.h>
#include <signal.h>

#include <grpc/grpc.h>
#include <grpc/support/log.h>

#include "runtime/base/clock.h"
#include "runtime/base/text.h"
#include "runtime/log/log.h"
#include "runtime/log/ration.h"

enum { LINES_PER_S = 2, LINES_AT_ONCE = 10, REPEAT_MS = 10000 };

static pthread_mutex_t ration_lock = PTHREAD_MUTEX_INITIALIZER;
static struct fb_ration ration;

static bool may_pass(const char *message, uint64_t *withheld)
{
    const int64_t now_ms = fb_clock_ms();
    bool pass;

    pthread_mutex_lock(&ration_lock);
    if (ration.burst == 0) {
        ration = fb_ration_of(LINES_PER_S, LINES_AT_ONCE, REPEAT_MS, now_ms);
    }
    pass = fb_ration_pass(&ration, fb_text_of(message), now_ms, withheld);
    pthread_mutex_unlock(&ration_lock);
    return pass;
}

/* What the library has to say, such as why a handshake failed; from any thread, and as often as peers like. */
static void on_log(gpr_log_func_args *said)
{
    uint64_t withheld = 0;

    if (may_pass(said->message, &withheld)) {
        fb_log(FB_WARN, "the gRPC library reports an error", fb_kv_str("what", said->message),
               fb_kv_uint("withheld", withheld));
    }
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

#include "services/session_store/engine.h"

#include <assert.h>

void engine_submit(struct engine *engine, struct engine_op *op)
{
    assert(op->kind < ENGINE_OP_KINDS);
    assert(op->on_done != NULL);
    op->status = fb_ok;
    op->reason = "";
    engine->submit(engine, op);
}

void engine_close(struct engine *engine)
{
    if (engine != NULL) {
        engine->close(engine);
    }
}

size_t engine_waiting(struct engine *engine)
{
    return engine->waiting(engine);
}

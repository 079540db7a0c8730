#include "services/worker/mcp/change.h"

enum {
    APART_MS = 1000, /* between two tellings */
    DELAYS = 8,      /* debounce periods that a storm of notices may put the telling off */
};

#define NEVER INT64_MAX

struct change change_none(void)
{
    return (struct change){.due_ms = NEVER, .told_ms = INT64_MIN / 2};
}

void change_notice(struct change *change, int64_t debounce_ms, int64_t now_ms)
{
    const int64_t soonest = change->told_ms + APART_MS;
    int64_t due = now_ms + debounce_ms;

    if (change->due_ms == NEVER) {
        change->first_ms = now_ms;
    }
    if (due > change->first_ms + DELAYS * debounce_ms) {
        due = change->first_ms + DELAYS * debounce_ms;
    }
    change->due_ms = due < soonest ? soonest : due;
}

bool change_is_due(struct change *change, int64_t now_ms)
{
    if (change->due_ms > now_ms) {
        return false;
    }
    change->due_ms = NEVER;
    change->told_ms = now_ms;
    return true;
}

#include "services/worker/flow/mutes.h"

void mutes_set(struct mutes *mutes, struct mute mute, int64_t now_unix_ms)
{
    uint32_t kept = 0;
    uint32_t first = 0;

    for (uint32_t i = 0; i < mutes->count; i++) {
        const struct mute *item = &mutes->items[i];

        if (item->until_unix_ms > now_unix_ms &&
            (item->kind != mute.kind || item->task != mute.task)) {
            mutes->items[kept++] = *item;
        }
    }
    for (uint32_t i = kept; i < mutes->count; i++) {
        mutes->items[i] = (struct mute){.kind = 0};
    }
    mutes->count = kept;
    if (mute.until_unix_ms <= now_unix_ms) {
        return;
    }
    if (mutes->count < MUTES_MOST) {
        mutes->items[mutes->count++] = mute;
        return;
    }
    for (uint32_t i = 1; i < MUTES_MOST; i++) {
        if (mutes->items[i].until_unix_ms < mutes->items[first].until_unix_ms) {
            first = i;
        }
    }
    mutes->items[first] = mute;
}

int64_t mutes_until(const struct mutes *mutes, uint32_t kind, uint32_t task, int64_t now_unix_ms)
{
    int64_t until_ms = 0;

    for (uint32_t i = 0; i < mutes->count; i++) {
        const struct mute *item = &mutes->items[i];

        if (item->kind == kind && (item->task == 0 || item->task == task) &&
            item->until_unix_ms > now_unix_ms && item->until_unix_ms > until_ms) {
            until_ms = item->until_unix_ms;
        }
    }
    return until_ms;
}

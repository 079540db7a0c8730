#include "runtime/log/ration.h"

enum { WHOLE_LINE = 1000 };

struct fb_ration fb_ration_of(uint32_t lines_per_s, uint32_t burst, int64_t repeat_ms,
                              int64_t now_ms)
{
    return (struct fb_ration){
        .lines_per_s = lines_per_s,
        .burst = burst,
        .repeat_ms = repeat_ms,
        .thousandths = (int64_t)burst * WHOLE_LINE,
        .filled_ms = now_ms,
        .last_ms = INT64_MIN,
    };
}

static void fill(struct fb_ration *ration, int64_t now_ms)
{
    const int64_t full = (int64_t)ration->burst * WHOLE_LINE;
    const int64_t passed_ms = now_ms - ration->filled_ms;

    /* One line a second is one thousandth a millisecond. */
    if (passed_ms >= full / (int64_t)ration->lines_per_s) {
        ration->thousandths = full;
    } else if (passed_ms > 0) {
        ration->thousandths += passed_ms * (int64_t)ration->lines_per_s;
        if (ration->thousandths > full) {
            ration->thousandths = full;
        }
    }
    ration->filled_ms = now_ms;
}

bool fb_ration_pass(struct fb_ration *ration, struct fb_text line, int64_t now_ms,
                    uint64_t *withheld)
{
    const uint64_t hash = fb_hash(line.data, line.size);
    const bool repeated = ration->last_ms != INT64_MIN && hash == ration->last_hash &&
                          now_ms - ration->last_ms < ration->repeat_ms;

    fill(ration, now_ms);
    if (repeated || ration->thousandths < WHOLE_LINE) {
        ration->withheld++;
        return false;
    }
    ration->thousandths -= WHOLE_LINE;
    ration->last_hash = hash;
    ration->last_ms = now_ms;
    *withheld = ration->withheld;
    ration->withheld = 0;
    return true;
}

#include "services/worker/flow/momentum.h"

#include <assert.h>
#include <math.h>

static const double credits[MOMENTUM_CREDITS] = {
    [MOMENTUM_COMPLETION] = .35,    [MOMENTUM_START] = .12,    [MOMENTUM_NEW_EVIDENCE] = .12,
    [MOMENTUM_NOTE] = .04,          [MOMENTUM_CREATED] = .06,  [MOMENTUM_FULL_RISE] = .30,
    [MOMENTUM_REPEATED_NOTE] = .00, [MOMENTUM_SETBACK] = -.30,
};

double momentum_credit(enum momentum_credit credit)
{
    assert(credit < MOMENTUM_CREDITS);
    return credits[credit];
}

double momentum_at(const struct momentum *momentum, int64_t now_ms)
{
    if (momentum->frozen || now_ms <= momentum->at_ms) {
        return momentum->value;
    }
    return momentum->value *
           exp2(-(double)(now_ms - momentum->at_ms) / (double)MOMENTUM_HALF_LIFE_MS);
}

/* Brings the value to `now_ms`; time never runs backwards. */
static void settle(struct momentum *momentum, int64_t now_ms)
{
    momentum->value = momentum_at(momentum, now_ms);
    if (now_ms > momentum->at_ms) {
        momentum->at_ms = now_ms;
    }
}

void momentum_earn(struct momentum *momentum, enum momentum_credit credit, double share,
                   int64_t now_ms)
{
    const double c = momentum_credit(credit) * share;

    assert(share >= 0 && share <= 1);
    settle(momentum, now_ms);
    if (c >= 0) {
        momentum->value += c * (1 - momentum->value);
    } else {
        momentum->value *= 1 + c;
    }
}

void momentum_earn_many(struct momentum *momentum, enum momentum_credit credit, uint32_t times,
                        int64_t now_ms)
{
    const double c = momentum_credit(credit);

    settle(momentum, now_ms);
    if (c >= 0) {
        momentum->value = 1 - (1 - momentum->value) * pow(1 - c, times);
    } else {
        momentum->value *= pow(1 + c, times);
    }
}

void momentum_freeze(struct momentum *momentum, bool frozen, int64_t now_ms)
{
    settle(momentum, now_ms);
    momentum->frozen = frozen;
}

int momentum_percent(double value)
{
    return (int)lround(100 * value);
}

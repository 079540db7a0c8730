#include "services/worker/flow/readiness.h"

#include <math.h>

double readiness_survival(double median_minutes, double spread, double minutes)
{
    if (minutes <= 0) {
        return 1;
    }
    return erfc(log(minutes / median_minutes) / (spread * sqrt(2))) / 2;
}

double readiness_within(const struct readiness_blocker *blockers, size_t count, double spread,
                        double within_minutes)
{
    double all = 1;

    for (size_t i = 0; i < count; i++) {
        const struct readiness_blocker *blocker = &blockers[i];
        const double now = readiness_survival(blocker->minutes, spread, blocker->elapsed_minutes);
        const double then =
            readiness_survival(blocker->minutes, spread, blocker->elapsed_minutes + within_minutes);

        /* What has lasted longer than any hold that there is may last as long again. */
        all *= now > 0 ? 1 - then / now : 0;
    }
    return all;
}

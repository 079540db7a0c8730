#include "gateway/revision.h"

const char *const revision_names[REVISION_COUNT] = {
    [REVISION_2024_11_05] = "2024-11-05", [REVISION_2025_03_26] = "2025-03-26",
    [REVISION_2025_06_18] = "2025-06-18", [REVISION_2025_11_25] = "2025-11-25",
    [REVISION_2026_07_28] = "2026-07-28",
};

bool revision_of(struct fb_text name, enum revision *revision)
{
    for (int i = 0; i < REVISION_COUNT; i++) {
        if (fb_text_is(name, revision_names[i])) {
            *revision = (enum revision)i;
            return true;
        }
    }
    return false;
}

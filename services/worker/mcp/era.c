#include "services/worker/mcp/era.h"

#include <string.h>

#include "runtime/json/scan.h"

enum { UNSUPPORTED_VERSION = -32022 };

static const char *const legacy_revisions[] = {
    "2024-11-05",
    "2025-03-26",
    "2025-06-18",
    ERA_LEGACY_REVISION,
};

const char *era_legacy_revision(struct fb_text revision)
{
    for (size_t i = 0; i < sizeof(legacy_revisions) / sizeof(legacy_revisions[0]); i++) {
        if (fb_json_string_is(revision, legacy_revisions[i])) {
            return legacy_revisions[i];
        }
    }
    return NULL;
}

/* What a list of supported revisions holds. */
struct offer {
    bool ours;   /* the modern one we speak */
    bool later;  /* modern ones we do not know */
    bool legacy; /* those with a handshake, known or older */
};

/* Revisions are dates, so their order is that of their spelling. */
static struct offer read_offer(struct fb_text list)
{
    struct offer offer = {.ours = false};
    struct fb_json_walk walk = fb_json_walk(list);

    if (fb_json_kind_of(list) != FB_JSON_ARRAY) {
        return offer;
    }
    while (fb_json_next(&walk)) {
        const struct fb_text value = walk.value;

        if (fb_json_string_is(value, ERA_MODERN_REVISION)) {
            offer.ours = true;
        } else if (value.size != sizeof("\"2026-07-28\"") - 1 || value.data[0] != '"') {
            continue;
        } else if (memcmp(value.data + 1, ERA_LEGACY_REVISION, sizeof(ERA_LEGACY_REVISION) - 1) >
                   0) {
            offer.later = true;
        } else {
            offer.legacy = true;
        }
    }
    return offer;
}

static enum era_verdict judge_result(struct fb_text result)
{
    struct fb_text supported = {.data = NULL};
    struct fb_text capabilities = {.data = NULL};
    struct offer offer;

    fb_json_find(result, "supportedVersions", &supported);
    fb_json_find(result, "capabilities", &capabilities);
    offer = read_offer(supported);
    if (offer.ours && fb_json_kind_of(capabilities) == FB_JSON_OBJECT) {
        return ERA_SAYS_MODERN;
    }
    return offer.later && !offer.ours && !offer.legacy ? ERA_SAYS_NEITHER : ERA_SAYS_LEGACY;
}

static enum era_verdict judge_error(struct fb_text error)
{
    struct fb_text code = {.data = NULL};
    struct fb_text data = {.data = NULL};
    struct fb_text supported = {.data = NULL};
    int64_t number;
    struct offer offer;

    fb_json_find(error, "code", &code);
    if (!fb_json_to_i64(code, &number) || number != UNSUPPORTED_VERSION) {
        return ERA_SAYS_LEGACY;
    }
    fb_json_find(error, "data", &data);
    fb_json_find(data, "supported", &supported);
    offer = read_offer(supported);
    if (offer.ours) {
        return ERA_SAYS_RETRY;
    }
    return offer.later && !offer.legacy ? ERA_SAYS_NEITHER : ERA_SAYS_LEGACY;
}

enum era_verdict era_judge(const struct wire_message *answer)
{
    return answer->kind == WIRE_RESULT ? judge_result(answer->result) : judge_error(answer->error);
}

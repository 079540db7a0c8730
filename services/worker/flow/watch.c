#include "services/worker/flow/watch.h"

#include <stdlib.h>
#include <string.h>

void watch_finish(struct watch *watch)
{
    doubles_finish(&watch->doubles);
}

/* How many of a ring of `room` are filled. */
static uint32_t filled(uint64_t seen, uint32_t room)
{
    return seen < room ? (uint32_t)seen : room;
}

static void code_outliers(struct coder *coder, struct outliers *outliers)
{
    coder_u64(coder, &outliers->seen);
    for (uint32_t i = 0; i < filled(outliers->seen, OUTLIERS_WINDOW); i++) {
        coder_time(coder, &outliers->spans_ms[i]);
    }
    if (coder->out == NULL) {
        outliers_derive(outliers);
    }
}

static void code_chart(struct coder *coder, struct chart *chart)
{
    coder_u64(coder, &chart->seen);
    for (uint32_t i = 0; i < filled(chart->seen, CHART_WINDOW); i++) {
        coder_u32(coder, &chart->counts[i], CHART_COUNT_MOST);
    }
    coder_double(coder, &chart->average);
    coder_double(coder, &chart->missing);
}

static void code_moments(struct coder *coder, struct rhythm_moments *moments)
{
    coder_u64(coder, &moments->seen);
    for (uint32_t i = 0; i < filled(moments->seen, RHYTHM_RECENT); i++) {
        coder_time(coder, &moments->last[i].at_ms);
        coder_u32(coder, &moments->last[i].task, UINT32_MAX);
        coder_u32(coder, &moments->last[i].agent, UINT32_MAX);
    }
}

static void code_rhythm(struct coder *coder, struct rhythm *rhythm)
{
    coder_time(coder, &rhythm->busy_ms);
    code_outliers(coder, &rhythm->lulls);
    code_outliers(coder, &rhythm->holds);
    code_outliers(coder, &rhythm->silences);
    coder_time(coder, &rhythm->tick_ms);
    coder_u32(coder, &rhythm->completions, UINT32_MAX);
    coder_u32(coder, &rhythm->flips, UINT32_MAX);
    coder_bool(coder, &rhythm->dry);
    coder_double(coder, &rhythm->caution.raised);
    coder_time(coder, &rhythm->caution.at_ms);
    coder_u64(coder, &rhythm->caution.false_alarms);
    code_chart(coder, &rhythm->rate);
    code_chart(coder, &rhythm->flipping);
    coder_u32(coder, &rhythm->low_ticks, UINT32_MAX);
    coder_time(coder, &rhythm->low_since_ms);
    code_moments(coder, &rhythm->left);
    code_moments(coder, &rhythm->attempts);
    code_moments(coder, &rhythm->spent);
}

static void code_flood(struct coder *coder, struct flood *flood)
{
    coder_u64(coder, &flood->generated);
    coder_u64(coder, &flood->planned);
    for (uint32_t i = 0; i < FLOOD_BINS; i++) {
        coder_u32(coder, &flood->bins[i], UINT32_MAX);
    }
    coder_time(coder, &flood->bin);
    coder_time(coder, &flood->last_ms);
}

static void code_doubles(struct coder *coder, struct doubles *doubles)
{
    coder_u64(coder, &doubles->pairs_seen);
    for (uint32_t i = 0; i < filled(doubles->pairs_seen, DOUBLES_PAIRS); i++) {
        struct doubles_pair *pair = &doubles->pairs[i];

        coder_u32(coder, &pair->task, UINT32_MAX);
        coder_u32(coder, &pair->other, UINT32_MAX);
        coder_u32(coder, &pair->percent, 100);
        coder_time(coder, &pair->unix_ms);
    }
    coder_u64(coder, &doubles->files_seen);
    for (uint32_t i = 0; i < filled(doubles->files_seen, DOUBLES_FILES); i++) {
        coder_u64(coder, &doubles->files[i].path);
        coder_u32(coder, &doubles->files[i].task, UINT32_MAX);
        coder_u32(coder, &doubles->files[i].agent, UINT32_MAX);
    }
}

/* NUL-terminated, in `room` bytes. */
static void code_chars(struct coder *coder, char *at, size_t room)
{
    char *text = coder->out != NULL ? at : NULL;

    coder_text(coder, &text, room - 1);
    if (coder->out == NULL && text != NULL) {
        memcpy(at, text, strlen(text));
        free(text);
    }
}

static void code_disproofs(struct coder *coder, struct disproofs *disproofs)
{
    coder_u32(coder, &disproofs->count, DISPROOFS);
    for (uint32_t i = 0; i < disproofs->count; i++) {
        struct disproof *item = &disproofs->items[i];

        coder_u32(coder, &item->task, UINT32_MAX);
        coder_u32(coder, &item->missing, UINT32_MAX);
        coder_u32(coder, &item->changed, UINT32_MAX);
        coder_time(coder, &item->unix_ms);
        code_chars(coder, item->ref, sizeof(item->ref));
        code_chars(coder, item->host, sizeof(item->host));
    }
}

static void code_mutes(struct coder *coder, struct mutes *mutes)
{
    coder_u32(coder, &mutes->count, MUTES_MOST);
    for (uint32_t i = 0; i < mutes->count; i++) {
        coder_u32(coder, &mutes->items[i].kind, UINT32_MAX);
        coder_u32(coder, &mutes->items[i].task, UINT32_MAX);
        coder_time(coder, &mutes->items[i].until_unix_ms);
    }
}

void watch_code(struct coder *coder, struct watch *watch)
{
    code_rhythm(coder, &watch->rhythm);
    code_flood(coder, &watch->flood);
    code_doubles(coder, &watch->doubles);
    code_disproofs(coder, &watch->disproofs);
    code_mutes(coder, &watch->mutes);
}

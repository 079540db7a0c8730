#include "services/worker/flow/doubles.h"

void doubles_finish(struct doubles *doubles)
{
    similar_destroy(doubles->titles);
    doubles->titles = NULL;
    doubles->titled = 0;
}

static void found(struct doubles *doubles, struct doubles_pair pair)
{
    doubles->pairs[doubles->pairs_seen % DOUBLES_PAIRS] = pair;
    doubles->pairs_seen++;
}

/* Puts in the titles that are not, up to `last`; those too far back to matter are left out. */
static bool catch_up(struct doubles *doubles, const struct doubles_tasks *tasks, uint32_t last)
{
    if (doubles->titles == NULL) {
        doubles->titles = similar_create(SIMILAR_MOST);
        doubles->titled = last > SIMILAR_MOST ? last - SIMILAR_MOST : 0;
    }
    while (doubles->titles != NULL && doubles->titled < last) {
        const struct similar_signature signature =
            similar_signature_of(tasks->title(tasks->arg, doubles->titled + 1));

        if (!similar_add(doubles->titles, &signature, 0, doubles->titled + 1)) {
            doubles_finish(doubles);
            return false;
        }
        doubles->titled++;
    }
    return doubles->titles != NULL;
}

bool doubles_planned(struct doubles *doubles, const struct doubles_tasks *tasks, uint32_t first,
                     uint32_t count, int64_t unix_ms)
{
    uint32_t pairs = 0;

    for (uint32_t task = first; task < first + count; task++) {
        struct similar_signature signature;
        struct similar_match match;

        if (!catch_up(doubles, tasks, task - 1)) {
            return false;
        }
        if (pairs == DOUBLES_OF_PLAN || !tasks->may(tasks->arg, 0, task)) {
            continue;
        }
        signature = similar_signature_of(tasks->title(tasks->arg, task));
        if (similar_find(doubles->titles, &signature, tasks->may, tasks->arg, &match)) {
            found(doubles, (struct doubles_pair){.task = task,
                                                 .other = match.task,
                                                 .percent = (uint32_t)(100 * match.share + .5),
                                                 .unix_ms = unix_ms});
            pairs++;
        }
    }
    return true;
}

void doubles_retitled(struct doubles *doubles)
{
    doubles_finish(doubles);
}

/* Whether the two were found to be a pair before. */
static bool is_known(const struct doubles *doubles, uint32_t task, uint32_t other)
{
    const struct doubles_pair *pair;

    for (uint32_t i = 0; (pair = doubles_pair(doubles, i)) != NULL; i++) {
        if ((pair->task == task && pair->other == other) ||
            (pair->task == other && pair->other == task)) {
            return true;
        }
    }
    return false;
}

void doubles_shown(struct doubles *doubles, const struct doubles_tasks *tasks, struct fb_text path,
                   uint32_t task, uint32_t agent, int64_t unix_ms)
{
    const uint64_t hash = fb_hash(path.data, path.size);
    bool there = false;

    for (uint64_t i = 0; i < DOUBLES_FILES && i < doubles->files_seen; i++) {
        const struct doubles_file *file = &doubles->files[i];

        if (file->path != hash) {
            continue;
        }
        there |= file->task == task && file->agent == agent;
        if (file->task != task && file->agent != agent && tasks->may(tasks->arg, 0, file->task) &&
            !is_known(doubles, task, file->task)) {
            found(doubles,
                  (struct doubles_pair){.task = task, .other = file->task, .unix_ms = unix_ms});
        }
    }
    if (!there) {
        doubles->files[doubles->files_seen % DOUBLES_FILES] =
            (struct doubles_file){.path = hash, .task = task, .agent = agent};
        doubles->files_seen++;
    }
}

const struct doubles_pair *doubles_pair(const struct doubles *doubles, uint32_t i)
{
    return i < DOUBLES_PAIRS && i < doubles->pairs_seen
               ? &doubles->pairs[(doubles->pairs_seen - 1 - i) % DOUBLES_PAIRS]
               : NULL;
}

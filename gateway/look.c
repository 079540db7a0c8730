#include "gateway/look.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

enum { ARENA_BYTES = 16 << 20 };

struct look_job *look_job_create(size_t count)
{
    struct look_job *job = calloc(1, sizeof(*job));

    if (job == NULL) {
        return NULL;
    }
    fb_arena_init(&job->arena, ARENA_BYTES);
    job->items = fb_arena_zalloc(&job->arena, count + 1, sizeof(job->items[0]));
    job->count = count;
    if (job->items == NULL) {
        look_job_destroy(job);
        return NULL;
    }
    return job;
}

void look_job_destroy(struct look_job *job)
{
    if (job != NULL) {
        fb_arena_finish(&job->arena);
        free(job);
    }
}

void look_job_do(struct look_job *job)
{
    char folder[PATH_MAX];

    if (getcwd(folder, sizeof(folder)) == NULL) {
        folder[0] = '/';
        folder[1] = '\0';
    }
    for (size_t i = 0; i < job->count && !atomic_load(&job->abandoned); i++) {
        struct look_item *item = &job->items[i];

        item->fault = "";
        if (item->said == NULL) {
            item->seen = fb_evidence_of_file(item->path, &job->abandoned);
        } else {
            (void)fb_evidence_look(item->said, folder, &job->abandoned, &job->arena, &item->seen,
                                   &item->fault);
        }
    }
}

void look_job_end(struct look_job *job)
{
    if (!atomic_load(&job->abandoned)) {
        job->done(job, job->arg);
    }
    look_job_destroy(job);
}

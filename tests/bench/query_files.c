#include "tests/bench/query_data.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

struct files {
    char folder[256];
};

/* What an answer is chosen and ordered by; its texts are gone with the file, as nobody asks for them. */
struct hit {
    char session[24];
    long long number;
    long long updated_unix_ms;
    double done;
};

static json_t *task_json(const struct query_task *task)
{
    return json_pack("{s:i, s:s, s:s, s:i, s:i, s:i, s:s, s:I}", "id", (int)task->number, "title",
                     task->title, "description", task->body, "state", (int)task->state, "weight",
                     (int)task->weight, "priority", (int)task->priority, "agent", task->agent,
                     "updated", (json_int_t)task->updated_unix_ms);
}

static void *files_open(const char *where, size_t count)
{
    struct files *files = calloc(1, sizeof(*files));

    if (files == NULL) {
        query_fail("files", "out of memory");
    }
    snprintf(files->folder, sizeof(files->folder), "%s", where);
    for (size_t first = 0; first < count; first += TASKS_OF_SESSION) {
        struct query_task task = query_task_of(first, count);
        json_t *tasks = json_array();
        json_t *root = json_pack("{s:s, s:o}", "sessionId", task.session, "tasks", tasks);
        char path[400];

        for (size_t i = first; i < first + TASKS_OF_SESSION && i < count; i++) {
            struct query_task each = query_task_of(i, count);

            json_array_append_new(tasks, task_json(&each));
        }
        snprintf(path, sizeof(path), "%s/session-%s.json", where, task.session);
        if (json_dump_file(root, path, JSON_INDENT(2)) != 0) {
            query_fail(path, "cannot be written");
        }
        json_decref(root);
    }
    return files;
}

static int is_wanted(const json_t *task, const struct query *query)
{
    const char *title = json_string_value(json_object_get(task, "title"));
    const char *body = json_string_value(json_object_get(task, "description"));

    return (query->state < 0 ||
            json_integer_value(json_object_get(task, "state")) == query->state) &&
           (query->agent == NULL ||
            strcmp(json_string_value(json_object_get(task, "agent")), query->agent) == 0) &&
           (query->word == NULL || strstr(title, query->word) != NULL ||
            strstr(body, query->word) != NULL);
}

/* Keeps the latest ANSWERS_MOST, the latest first. */
static size_t keep(struct hit *hits, size_t count, const struct hit *hit)
{
    size_t at = count < ANSWERS_MOST ? count : ANSWERS_MOST;

    while (at > 0 && hits[at - 1].updated_unix_ms < hit->updated_unix_ms) {
        if (at < ANSWERS_MOST) {
            hits[at] = hits[at - 1];
        }
        at -= 1;
    }
    if (at < ANSWERS_MOST) {
        hits[at] = *hit;
    }
    return count < ANSWERS_MOST ? count + 1 : count;
}

static size_t scan(const char *path, const struct query *query, struct hit *hits, size_t count)
{
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    const json_t *tasks = json_object_get(root, "tasks");
    struct hit session = {.number = 0};
    struct hit hit = {.number = 0};
    size_t done = 0;

    if (root == NULL) {
        query_fail(path, error.text);
    }
    snprintf(hit.session, sizeof(hit.session), "%s",
             json_string_value(json_object_get(root, "sessionId")));
    session = hit;
    for (size_t i = 0; i < json_array_size(tasks); i++) {
        const json_t *task = json_array_get(tasks, i);

        hit.number = json_integer_value(json_object_get(task, "id"));
        hit.updated_unix_ms = json_integer_value(json_object_get(task, "updated"));
        if (hit.updated_unix_ms > session.updated_unix_ms) {
            session.updated_unix_ms = hit.updated_unix_ms;
        }
        done += json_integer_value(json_object_get(task, "state")) == 4;
        if (!query->of_sessions && is_wanted(task, query)) {
            count = keep(hits, count, &hit);
        }
    }
    if (query->of_sessions) {
        session.done = (double)done / (double)json_array_size(tasks);
        count = keep(hits, count, &session);
    }
    json_decref(root);
    return count;
}

static size_t files_ask(void *self, const struct query *query)
{
    struct files *files = self;
    struct hit hits[ANSWERS_MOST];
    DIR *folder = opendir(files->folder);
    const struct dirent *entry;
    size_t count = 0;
    char path[600];

    if (folder == NULL) {
        query_fail(files->folder, "cannot be read");
    }
    if (query->session != NULL) {
        snprintf(path, sizeof(path), "%s/session-%s.json", files->folder, query->session);
        count = scan(path, query, hits, 0);
    }
    while (query->session == NULL && (entry = readdir(folder)) != NULL) {
        if (strncmp(entry->d_name, "session-", 8) == 0) {
            snprintf(path, sizeof(path), "%s/%s", files->folder, entry->d_name);
            count = scan(path, query, hits, count);
        }
    }
    closedir(folder);
    return count;
}

static void files_close(void *self)
{
    free(self);
}

const struct query_way query_files = {"files", files_open, files_ask, files_close};

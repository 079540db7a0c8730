#include "services/session_store/serving.h"

#include <string.h>

/* --- what a projection may say --- */

static struct fb_status check_codes(struct fb_arena *arena,
                                    const Flowbalancer__V1__SessionLine *line)
{
    struct fb_status status = fb_ok;

    for (size_t i = 0; i < line->n_alarms && fb_is_ok(status); i++) {
        const struct fb_status checks[] = {
            limits_number(arena, "line.alarms.kind", line->alarms[i]->kind, 0, LIMIT_CODES - 1),
            limits_number(arena, "line.alarms.task", line->alarms[i]->task, 0, LIMIT_TASK_NUMBER),
        };

        status = limits_all(checks, sizeof(checks) / sizeof(checks[0]));
    }
    return status;
}

static struct fb_status check_line(struct fb_arena *arena,
                                   const Flowbalancer__V1__SessionLine *line)
{
    const struct fb_status checks[] = {
        limits_number(arena, "line.flow_state", line->flow_state, 0, LIMIT_CODES - 1),
        limits_number(arena, "line.progress_permille", line->progress_permille, 0, 1000),
        limits_number(arena, "line.momentum_permille", line->momentum_permille, 0, 1000),
        limits_size(arena, "line.tasks_by_state", line->n_tasks_by_state, 0, LIMIT_CODES, "counts"),
        limits_size(arena, "line.alarms", line->n_alarms, 0, LIMIT_CODES, "alarms"),
        limits_number(arena, "line.as_of_unix_ms", line->as_of_unix_ms, 0, INT64_MAX),
        check_codes(arena, line),
    };

    return limits_all(checks, sizeof(checks) / sizeof(checks[0]));
}

static struct fb_status check_texts(struct fb_arena *arena,
                                    const Flowbalancer__V1__TaskTexts *texts)
{
    const struct fb_status checks[] = {
        limits_size(arena, "tasks.texts.key", strlen(texts->key), 0, LIMIT_TASK_KEY_BYTES, "bytes"),
        limits_size(arena, "tasks.texts.title", strlen(texts->title), 0, LIMIT_TASK_TITLE_BYTES,
                    "bytes"),
        limits_size(arena, "tasks.texts.body", strlen(texts->body), 0, LIMIT_TASK_BODY_BYTES,
                    "bytes"),
    };

    return limits_all(checks, sizeof(checks) / sizeof(checks[0]));
}

static struct fb_status check_task(struct fb_arena *arena, const Flowbalancer__V1__TaskLine *task)
{
    const struct fb_status checks[] = {
        limits_number(arena, "tasks.number", task->number, 1, LIMIT_TASK_NUMBER),
        limits_number(arena, "tasks.state", task->state, 0, LIMIT_CODES - 1),
        limits_number(arena, "tasks.weight", task->weight, 0, LIMIT_TASK_SCALE),
        limits_number(arena, "tasks.priority", task->priority, 0, LIMIT_TASK_SCALE),
        limits_number(arena, "tasks.percent", task->percent, 0, 100),
        limits_number(arena, "tasks.parent", task->parent, 0, LIMIT_TASK_NUMBER),
        limits_text(arena, "tasks.agent", task->agent, LIMIT_ID_BYTES),
        limits_number(arena, "tasks.updated_unix_ms", task->updated_unix_ms, 0, INT64_MAX),
        task->texts != NULL ? check_texts(arena, task->texts) : fb_ok,
    };

    return limits_all(checks, sizeof(checks) / sizeof(checks[0]));
}

/* --- as the engine takes it --- */

static struct engine_task task_of(const Flowbalancer__V1__TaskLine *message)
{
    struct engine_task task = {
        .number = message->number,
        .state = message->state,
        .weight = message->weight,
        .priority = message->priority,
        .percent = message->percent,
        .parent = message->parent,
        .agent = message->agent,
        .updated_unix_ms = message->updated_unix_ms,
        .has_texts = message->texts != NULL,
    };

    if (message->texts != NULL) {
        task.key = message->texts->key;
        task.title = message->texts->title;
        task.body = message->texts->body;
    }
    return task;
}

static struct fb_status tasks_of(struct fb_arena *arena,
                                 const Flowbalancer__V1__Projection *message,
                                 struct engine_projection *projection, size_t *bytes)
{
    struct engine_task *tasks = fb_arena_zalloc(arena, message->n_tasks + 1, sizeof(*tasks));
    struct fb_status status = fb_ok;

    if (tasks == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "the store is out of memory");
    }
    for (size_t i = 0; i < message->n_tasks && fb_is_ok(status); i++) {
        status = check_task(arena, message->tasks[i]);
        tasks[i] = task_of(message->tasks[i]);
        *bytes += sizeof(tasks[i]) + (tasks[i].has_texts ? strlen(tasks[i].body) : 0);
    }
    projection->tasks = tasks;
    projection->task_count = message->n_tasks;
    return status;
}

/* The line is kept as the message that it came in. */
static struct fb_status line_of(struct fb_arena *arena,
                                const Flowbalancer__V1__SessionLine *message,
                                struct engine_projection *projection)
{
    struct fb_status status = check_line(arena, message);
    size_t size = flowbalancer__v1__session_line__get_packed_size(message);
    uint8_t *data = fb_is_ok(status) ? fb_arena_alloc(arena, size + 1) : NULL;

    if (!fb_is_ok(status)) {
        return status;
    }
    if (data == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "the store is out of memory");
    }
    flowbalancer__v1__session_line__pack(message, data);
    projection->has_line = true;
    projection->line = (struct engine_bytes){data, size};
    return fb_ok;
}

struct fb_status projection_of(struct fb_arena *arena, const Flowbalancer__V1__Projection *message,
                               int64_t most, struct engine_projection *projection, size_t *bytes)
{
    const struct fb_status checks[] = {
        limits_number(arena, "projection.sequence", message->sequence, 0, most),
        limits_size(arena, "projection.tasks", message->n_tasks, 0, LIMIT_TASKS, "tasks"),
    };
    struct fb_status status = limits_all(checks, sizeof(checks) / sizeof(checks[0]));

    *projection = (struct engine_projection){.sequence = message->sequence};
    if (fb_is_ok(status) && message->line != NULL) {
        status = line_of(arena, message->line, projection);
    }
    if (fb_is_ok(status)) {
        status = tasks_of(arena, message, projection, bytes);
    }
    if (status.code == FB_INVALID_ARGUMENT && strncmp(status.why, "projection.", 11) != 0) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "projection.%s", status.why);
    }
    return status;
}

/* --- PutProjection --- */

static void answer_put_projection(struct asked *asked)
{
    Flowbalancer__V1__PutProjectionResponse response =
        FLOWBALANCER__V1__PUT_PROJECTION_RESPONSE__INIT;

    if (asked->op.status.code == FB_ABORTED) {
        add_number_trailer(asked->call, "flowbalancer-last-sequence",
                           asked->put_projection.last_sequence);
    }
    if (!fb_is_ok(asked->op.status)) {
        asked_fail(asked);
        return;
    }
    asked_reply(asked, &response.base);
}

void serve_put_projection(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__PutProjectionRequest *request =
        (const Flowbalancer__V1__PutProjectionRequest *)message;
    struct fb_arena *arena = fb_call_arena(call);
    struct engine_projection projection;
    struct asked *asked;
    size_t bytes = 512;

    if (!request_is_good(
            call, limits_id(arena, "session_id", request->session_id),
            limits_number(arena, "epoch", request->epoch, 1, INT64_MAX),
            request->projection != NULL
                ? projection_of(arena, request->projection, INT64_MAX, &projection, &bytes)
                : fb_fail(FB_INVALID_ARGUMENT, "projection: is missing"))) {
        return;
    }
    asked = asked_create(call, sizeof(*asked), answer_put_projection);
    if (asked == NULL) {
        return;
    }
    asked->put_projection.session_id = request->session_id;
    asked->put_projection.epoch = request->epoch;
    asked->put_projection.projection = projection;
    asked_submit(asked, ENGINE_PUT_PROJECTION, bytes);
}

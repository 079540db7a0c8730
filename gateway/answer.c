#include <stdlib.h>

#include "gateway/exchange.h"
#include "runtime/log/log.h"

static struct fb_buffer *target_of(struct mcp *mcp, const struct reply *reply)
{
    return reply->batch != NULL ? &reply->batch->answers : mcp->output.lines;
}

static bool fits(struct mcp *mcp, struct fb_buffer *out)
{
    if (!out->failed && out->size - mcp->mark <= mcp->config.line_bytes) {
        return true;
    }
    out->size = mcp->mark;
    out->failed = false;
    return false;
}

static void end_line(struct mcp *mcp)
{
    fb_buffer_string(mcp->output.lines, "\n");
    mcp->output.written(mcp->output.arg);
}

void batch_finish(struct mcp *mcp, struct batch *batch)
{
    if (batch->reading || batch->unanswered > 0) {
        return;
    }
    if (batch->answers.size > 0) {
        mcp->mark = mcp->output.lines->size;
        fb_buffer_string(mcp->output.lines, "[");
        fb_buffer_append(mcp->output.lines, batch->answers.data, batch->answers.size);
        fb_buffer_string(mcp->output.lines, "]");
        if (fits(mcp, mcp->output.lines)) {
            end_line(mcp);
        } else {
            fb_log(FB_ERROR, "the answer to a batch was too long for a line and was dropped");
        }
    }
    fb_buffer_finish(&batch->answers);
    batch->next_done = mcp->done_batches;
    mcp->done_batches = batch;
}

void batch_free_done(struct mcp *mcp)
{
    while (mcp->done_batches != NULL) {
        struct batch *batch = mcp->done_batches;

        mcp->done_batches = batch->next_done;
        free(batch);
    }
}

void batch_release(struct mcp *mcp, struct batch *batch)
{
    batch->unanswered--;
    batch_finish(mcp, batch);
}

static struct fb_buffer *begin_answer(struct mcp *mcp, const struct reply *reply)
{
    struct fb_buffer *out = target_of(mcp, reply);

    mcp->mark = out->size;
    if (reply->batch != NULL && out->size > 0) {
        fb_buffer_string(out, ",");
    }
    return out;
}

static bool end_answer(struct mcp *mcp, const struct reply *reply)
{
    struct fb_buffer *out = target_of(mcp, reply);

    /* A batch is one line: what does not fit beside the others is too long. */
    if (reply->batch != NULL && out->size > mcp->config.line_bytes - 2) {
        out->failed = true;
    }
    if (!fits(mcp, out)) {
        return false;
    }
    if (reply->batch != NULL) {
        batch_release(mcp, reply->batch);
    } else {
        end_line(mcp);
    }
    return true;
}

struct fb_buffer *answer_begin(struct mcp *mcp, const struct reply *reply)
{
    struct fb_buffer *out = begin_answer(mcp, reply);

    jsonrpc_begin_result(out, reply->id);
    return out;
}

bool answer_end(struct mcp *mcp, const struct reply *reply)
{
    fb_buffer_string(target_of(mcp, reply), "}");
    return end_answer(mcp, reply);
}

void answer_error(struct mcp *mcp, const struct reply *reply, const struct jsonrpc_error *error)
{
    struct jsonrpc_error brief = *error;

    jsonrpc_put_error(begin_answer(mcp, reply), reply->id, error);
    if (end_answer(mcp, reply)) {
        return;
    }
    brief.message = "the error of the server was too long for a line";
    brief.data = (struct fb_text){0};
    jsonrpc_put_error(begin_answer(mcp, reply), reply->id, &brief);
    if (!end_answer(mcp, reply)) {
        fb_log(FB_ERROR, "no memory for an answer");
        if (reply->batch != NULL) {
            batch_release(mcp, reply->batch);
        }
    }
}

static const struct jsonrpc_error too_long = {
    .code = JSONRPC_INTERNAL_ERROR,
    .message = "the answer was too long for a line",
};

void answer_with(struct mcp *mcp, const struct reply *reply, const char *result)
{
    fb_buffer_string(answer_begin(mcp, reply), result);
    if (!answer_end(mcp, reply)) {
        answer_error(mcp, reply, &too_long);
    }
}

void answer_put_server_info(struct mcp *mcp, struct fb_buffer *out, enum revision revision)
{
    if (revision == REVISION_MODERN) {
        fb_buffer_string(out, ",\"_meta\":{\"io.modelcontextprotocol/serverInfo\":");
        fb_buffer_text(out, mcp->server_info);
        fb_buffer_string(out, "}");
    }
}

void answer_tool_error(struct mcp *mcp, const struct reply *reply, enum revision revision,
                       const char *text)
{
    struct fb_buffer *out = answer_begin(mcp, reply);

    fb_buffer_string(out, revision == REVISION_MODERN ? "{\"resultType\":\"complete\"," : "{");
    fb_buffer_string(out, "\"content\":[{\"type\":\"text\",\"text\":");
    fb_buffer_json_string(out, fb_text_of(text));
    fb_buffer_string(out, "}],\"isError\":true");
    answer_put_server_info(mcp, out, revision);
    fb_buffer_string(out, "}");
    if (!answer_end(mcp, reply)) {
        answer_error(mcp, reply, &too_long);
    }
}

struct fb_buffer *notice_begin(struct mcp *mcp, const char *method)
{
    mcp->mark = mcp->output.lines->size;
    jsonrpc_begin_notification(mcp->output.lines, method);
    return mcp->output.lines;
}

bool notice_end(struct mcp *mcp)
{
    fb_buffer_string(mcp->output.lines, "}");
    if (!fits(mcp, mcp->output.lines)) {
        return false;
    }
    end_line(mcp);
    return true;
}

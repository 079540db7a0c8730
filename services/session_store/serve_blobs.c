#include "services/session_store/serving.h"

#include <string.h>

#include "services/session_store/codec.h"

/* --- PutBlob --- */

static void answer_put_blob(struct asked *asked)
{
    Flowbalancer__V1__PutBlobResponse response = FLOWBALANCER__V1__PUT_BLOB_RESPONSE__INIT;

    if (!fb_is_ok(asked->op.status)) {
        asked_fail(asked);
        return;
    }
    response.sha256 = (ProtobufCBinaryData){.len = sizeof(asked->put_blob.sha256),
                                            .data = asked->put_blob.sha256};
    asked_reply(asked, &response.base);
}

static struct fb_status check_sha256(struct fb_arena *arena, ProtobufCBinaryData sha256)
{
    return limits_size(arena, "sha256", sha256.len, 32, 32, "bytes");
}

void serve_put_blob(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__PutBlobRequest *request =
        (const Flowbalancer__V1__PutBlobRequest *)message;
    struct fb_arena *arena = fb_call_arena(call);
    struct asked *asked;

    if (!request_is_good(
            call, limits_scope(arena, "scope", request->scope),
            limits_size(arena, "data", request->data.len, 0, LIMIT_BLOB_BYTES, "bytes"),
            request->sha256.len == 0 ? fb_ok : check_sha256(arena, request->sha256))) {
        return;
    }
    asked = asked_create(call, sizeof(*asked), answer_put_blob);
    if (asked == NULL) {
        return;
    }
    asked->put_blob.scope = request->scope;
    asked->put_blob.data = bytes_in(request->data);
    codec_sha256(asked->put_blob.data, asked->put_blob.sha256);
    if (request->sha256.len != 0 &&
        memcmp(request->sha256.data, asked->put_blob.sha256, sizeof(asked->put_blob.sha256)) != 0) {
        fb_call_finish(call, fb_fail(FB_INVALID_ARGUMENT, "sha256: is not the digest of `data`"));
        return;
    }
    asked_submit(asked, ENGINE_PUT_BLOB, 256 + request->data.len);
}

/* --- GetBlob --- */

struct blob_stream {
    struct stream stream;
    size_t sent;
};

static void blob_step(struct stream *stream)
{
    struct blob_stream *blob = (struct blob_stream *)stream;
    struct engine_bytes data = stream->asked.read_blob.data;
    bool more = true;

    while (more && (blob->sent < data.size || data.size == 0)) {
        Flowbalancer__V1__GetBlobResponse response = FLOWBALANCER__V1__GET_BLOB_RESPONSE__INIT;
        size_t size = data.size - blob->sent;

        size = size < LIMIT_CHUNK_BYTES ? size : LIMIT_CHUNK_BYTES;
        response.total_bytes = (int64_t)data.size;
        response.offset = (int64_t)blob->sent;
        response.data = bytes_out((struct engine_bytes){data.data + blob->sent, size});
        blob->sent += size;
        more = stream_send(stream, &response.base);
        if (blob->sent == data.size) {
            stream_finish(stream, fb_ok);
            return;
        }
    }
}

static void blob_took(struct stream *stream)
{
    stream_go(stream);
}

void serve_get_blob(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__GetBlobRequest *request =
        (const Flowbalancer__V1__GetBlobRequest *)message;
    struct fb_arena *arena = fb_call_arena(call);
    struct blob_stream *blob;

    if (!request_is_good(call, limits_scope(arena, "scope", request->scope),
                         check_sha256(arena, request->sha256))) {
        return;
    }
    blob = stream_create(call, sizeof(*blob), blob_took, blob_step);
    if (blob == NULL) {
        return;
    }
    blob->stream.asked.read_blob.scope = request->scope;
    memcpy(blob->stream.asked.read_blob.sha256, request->sha256.data, request->sha256.len);
    stream_ask(&blob->stream, ENGINE_READ_BLOB);
}

#ifndef FB_RUNTIME_RPC_METHOD_H
#define FB_RUNTIME_RPC_METHOD_H

/*
 * method: what a service offers, as a table over protobuf-c's service descriptor.
 *
 * The descriptor gives path and message types, the table gives kind and handler. A method of the
 * descriptor that the table leaves out is answered UNIMPLEMENTED.
 */

#include <stdbool.h>
#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

struct fb_call; /* call.h */

/* Which side sends one message and which a stream of them. protobuf-c does not keep this. */
enum fb_method_kind { FB_UNARY, FB_SERVER_STREAM, FB_CLIENT_STREAM, FB_BIDI_STREAM };

/*
 * Serves one call, on the loop's thread. It may answer at once or keep `call` and answer later; it
 * must finish every call exactly once, a cancelled one too (call.h).
 *
 * `request` is the unpacked first message, in the call's arena; NULL for a raw method (see
 * fb_call_request_bytes) and for FB_CLIENT_STREAM and FB_BIDI_STREAM, where the handler is called when
 * the call begins and messages come by fb_call_events.
 */
typedef void fb_handler_fn(struct fb_call *call, const ProtobufCMessage *request);

struct fb_method {
    const char *name; /* as in the .proto: "CallTool" */
    enum fb_method_kind kind;
    fb_handler_fn *handle;
    bool raw; /* messages pass as bytes, nothing is unpacked: for forwarding */
};

struct fb_rpc_service {
    const ProtobufCServiceDescriptor *descriptor;
    const struct fb_method *methods; /* sorted by name */
    size_t method_count;
};

#endif

#include "gateway/failures.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

/* jsonrpc 0: a result with isError, which is shown to the model. */
struct mcp_failure {
    int jsonrpc;
    const char *advice; /* what to do next; "" when the words of the status say it */
    bool passes;        /* where it surely did not run, the same may do soon */
};

static const struct mcp_failure mcp_failures[FB_CODE_COUNT] = {
    [FB_CANCELLED] = {0, "The call was cancelled on the way; it may have run.", .passes = true},
    [FB_UNKNOWN] = {0, "Check what it has done before you call it again.", .passes = true},
    [FB_INVALID_ARGUMENT] = {0, "Correct the arguments and call it again."},
    [FB_DEADLINE_EXCEEDED] = {JSONRPC_INTERNAL_ERROR,
                              "It was stopped and may have run. Ask for less at once, or have "
                              "--call-timeout of the gateway raised.",
                              .passes = true},
    [FB_NOT_FOUND] = {JSONRPC_INVALID_PARAMS, "List the tools again and use a name from the list."},
    [FB_ALREADY_EXISTS] = {0, ""},
    [FB_PERMISSION_DENIED] = {0, "Do not retry; the user has to grant it."},
    [FB_RESOURCE_EXHAUSTED] = {0, ""},
    [FB_FAILED_PRECONDITION] = {0, "Do not retry soon; the user has to put it right."},
    [FB_ABORTED] = {0, "Read again what it depends on, then call it again."},
    [FB_OUT_OF_RANGE] = {0, ""},
    [FB_UNIMPLEMENTED] = {JSONRPC_INVALID_PARAMS,
                          "List the tools again and use a name from the list."},
    [FB_INTERNAL] = {JSONRPC_INTERNAL_ERROR,
                     "This is a fault of flow-balancer; its log says more."},
    [FB_UNAVAILABLE] = {JSONRPC_INTERNAL_ERROR,
                        "Try again in a moment; if it stays so, `flowctl doctor` tells the user "
                        "what is wrong.",
                        .passes = true},
    [FB_DATA_LOSS] = {JSONRPC_INTERNAL_ERROR, "Have the user run `flowctl store check`."},
    [FB_UNAUTHENTICATED] = {0, "Do not retry; the user has to set the gateway's --token or "
                               "certificate."},
};

static const struct mcp_failure *mcp_failure(enum fb_code code)
{
    return &mcp_failures[(unsigned)code < FB_CODE_COUNT && code != FB_OK ? code : FB_UNKNOWN];
}

/* "in 250 ms", "in 3 s". */
static const char *in_ms(int64_t ms, struct fb_arena *arena)
{
    if (ms < 1000) {
        return fb_arena_printf(arena, "in %" PRId64 " ms", ms);
    }
    return fb_arena_printf(arena, "in %" PRId64 " s", (ms + 999) / 1000);
}

static const char *advice_for(const struct failure *failure, bool effect, struct fb_arena *arena)
{
    const char *advice = mcp_failure(failure->status.code)->advice;
    const bool passes = mcp_failure(failure->status.code)->passes;

    if (failure->retry_ms >= 0) {
        const char *when = in_ms(failure->retry_ms, arena);

        return fb_arena_printf(arena, "Try again %s.", when != NULL ? when : "later");
    }
    if (fb_text_is(failure->reason, "not-run")) {
        return fb_arena_printf(arena, "It did not run.%s%s", passes || *advice != '\0' ? " " : "",
                               passes ? mcp_failures[FB_UNAVAILABLE].advice : advice);
    }
    if (effect && failure->status.code == FB_UNAVAILABLE) {
        return "It was lost while it may have run. Check what it has done before you call it "
               "again.";
    }
    return advice;
}

/* "what failed: why. What to do next."; `effect`: doing it twice may matter. */
static const char *words(const char *what, const struct failure *failure, bool effect,
                         struct fb_arena *arena)
{
    const char *why =
        failure->status.why[0] != '\0' ? failure->status.why : fb_code_name(failure->status.code);
    const char *advice = advice_for(failure, effect, arena);
    size_t end = fb_text_of(why).size;
    const char *stop =
        strchr(".?!", why[end - 1]) != NULL || advice == NULL || *advice == '\0' ? "" : ".";
    const char *text =
        fb_arena_printf(arena, "%s%s%s%s%s%s", what, *what != '\0' ? ": " : "", why, stop,
                        advice != NULL && *advice != '\0' ? " " : "", advice != NULL ? advice : "");

    return text != NULL ? text : "out of memory";
}

struct failure_answer failure_of_call(const struct failure *failure, const char *tool,
                                      struct fb_arena *arena)
{
    const struct mcp_failure *as = mcp_failure(failure->status.code);
    const char *text = words(tool, failure, true, arena);

    if (as->jsonrpc != 0) {
        return (struct failure_answer){.error = {.code = as->jsonrpc, .message = text}};
    }
    return (struct failure_answer){.text = text};
}

struct jsonrpc_error failure_of_request(const struct failure *failure, struct fb_arena *arena)
{
    const char *text = words("", failure, false, arena);

    if (failure->status.code == FB_INVALID_ARGUMENT || failure->status.code == FB_NOT_FOUND) {
        return (struct jsonrpc_error){.code = JSONRPC_INVALID_PARAMS, .message = text};
    }
    return (struct jsonrpc_error){.code = JSONRPC_INTERNAL_ERROR, .message = text};
}

/* Whether a server's code may stand in an answer of ours to this revision. */
static bool may_pass(int64_t code, enum revision to)
{
    if (code == JSONRPC_INVALID_PARAMS || code == JSONRPC_INTERNAL_ERROR) {
        return true;
    }
    if (code == MCP_RESOURCE_NOT_FOUND) {
        return to != REVISION_MODERN;
    }
    if (code == MCP_MISSING_CAPABILITY) {
        return to == REVISION_MODERN;
    }
    /* What JSON-RPC reserves was said to us, not to the agent; some clients read 32 bits. */
    return (code < -32768 || code > -32000) && code >= INT32_MIN && code <= INT32_MAX;
}

struct jsonrpc_error failure_of_server(int64_t code, const char *message, struct fb_text data,
                                       enum revision to, struct fb_arena *arena)
{
    struct jsonrpc_error error = {.code = JSONRPC_INTERNAL_ERROR, .message = message, .data = data};

    if (may_pass(code, to)) {
        error.code = (int)code;
        return error;
    }
    if (code == MCP_RESOURCE_NOT_FOUND) {
        error.code = JSONRPC_INVALID_PARAMS;
        return error;
    }
    error.message =
        fb_arena_printf(arena, "the server answered with error %" PRId64 ": %s", code, message);
    error.data = (struct fb_text){0};
    if (error.message == NULL) {
        error.message = message;
    }
    return error;
}

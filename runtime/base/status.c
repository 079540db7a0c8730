#include "runtime/base/status.h"

const struct fb_status fb_ok = {.code = FB_OK, .why = ""};

static const char *const code_names[FB_CODE_COUNT] = {
    [FB_OK] = "OK",
    [FB_CANCELLED] = "CANCELLED",
    [FB_UNKNOWN] = "UNKNOWN",
    [FB_INVALID_ARGUMENT] = "INVALID_ARGUMENT",
    [FB_DEADLINE_EXCEEDED] = "DEADLINE_EXCEEDED",
    [FB_NOT_FOUND] = "NOT_FOUND",
    [FB_ALREADY_EXISTS] = "ALREADY_EXISTS",
    [FB_PERMISSION_DENIED] = "PERMISSION_DENIED",
    [FB_RESOURCE_EXHAUSTED] = "RESOURCE_EXHAUSTED",
    [FB_FAILED_PRECONDITION] = "FAILED_PRECONDITION",
    [FB_ABORTED] = "ABORTED",
    [FB_OUT_OF_RANGE] = "OUT_OF_RANGE",
    [FB_UNIMPLEMENTED] = "UNIMPLEMENTED",
    [FB_INTERNAL] = "INTERNAL",
    [FB_UNAVAILABLE] = "UNAVAILABLE",
    [FB_DATA_LOSS] = "DATA_LOSS",
    [FB_UNAUTHENTICATED] = "UNAUTHENTICATED",
};

const char *fb_code_name(enum fb_code code)
{
    if ((int)code < 0 || code >= FB_CODE_COUNT) {
        return code_names[FB_UNKNOWN];
    }
    return code_names[code];
}

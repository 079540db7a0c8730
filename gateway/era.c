#include "gateway/era.h"

#include <string.h>

#include "runtime/json/scan.h"

const char *const era_log_levels[] = {"debug",    "info",  "notice",    "warning", "error",
                                      "critical", "alert", "emergency", NULL};

bool era_is_log_level(struct fb_text value)
{
    for (size_t i = 0; era_log_levels[i] != NULL; i++) {
        if (fb_json_string_is(value, era_log_levels[i])) {
            return true;
        }
    }
    return false;
}

static struct era_verdict refuse(int code, const char *why)
{
    return (struct era_verdict){.way = ERA_REFUSE, .error = {.code = code, .message = why}};
}

/* Longer ones are no version anyway, and are not echoed. */
enum { VERSION_BYTES = 128 };

static struct era_verdict refuse_version(struct fb_text version, struct fb_arena *arena)
{
    struct era_verdict verdict =
        refuse(MCP_UNSUPPORTED_VERSION, "this protocol version is not supported per request");
    const char *data;

    if (version.size > VERSION_BYTES) {
        version = FB_TEXT("\"\"");
    }
    data = fb_arena_printf(arena, "{\"supported\":[\"%s\"],\"requested\":%.*s}",
                           revision_names[REVISION_MODERN], (int)version.size, version.data);
    verdict.error.data = fb_text_of(data);
    return verdict;
}

static struct era_verdict decide_modern(const struct envelope *envelope, struct fb_arena *arena)
{
    struct fb_text version = envelope->version;

    if (fb_json_kind_of(version) != FB_JSON_STRING) {
        return refuse(JSONRPC_INVALID_PARAMS,
                      "_meta: io.modelcontextprotocol/protocolVersion must be a string");
    }
    if (!fb_json_string_is(version, revision_names[REVISION_MODERN])) {
        return refuse_version(version, arena);
    }
    if (fb_json_kind_of(envelope->capabilities) != FB_JSON_OBJECT) {
        return refuse(JSONRPC_INVALID_PARAMS,
                      "_meta: io.modelcontextprotocol/clientCapabilities must be an object");
    }
    if (envelope->log_level.size > 0 && !era_is_log_level(envelope->log_level)) {
        return refuse(JSONRPC_INVALID_PARAMS,
                      "_meta: io.modelcontextprotocol/logLevel must be debug, info, notice, "
                      "warning, error, critical, alert or emergency");
    }
    return (struct era_verdict){.way = ERA_SERVE, .revision = REVISION_MODERN};
}

struct era_verdict era_decide(const struct message *message, const struct envelope *envelope,
                              struct era_session session, struct fb_arena *arena)
{
    if (envelope->progress_token.size > 0 && !jsonrpc_is_id(envelope->progress_token)) {
        return refuse(JSONRPC_INVALID_PARAMS,
                      "_meta: progressToken must be a string or an integer, of at most 1024 bytes");
    }
    if (envelope->version.size > 0) {
        return decide_modern(envelope, arena);
    }
    if (message->kind == MESSAGE_REQUEST && strcmp(message->method, "initialize") == 0) {
        return (struct era_verdict){.way = ERA_HANDSHAKE};
    }
    if (session.open) {
        return (struct era_verdict){.way = ERA_SERVE, .revision = session.revision};
    }
    if (message->kind == MESSAGE_NOTIFICATION) {
        return (struct era_verdict){.way = ERA_DROP};
    }
    if (strcmp(message->method, "ping") == 0) {
        return (struct era_verdict){.way = ERA_SERVE, .revision = REVISION_NEWEST_LEGACY};
    }
    return refuse(JSONRPC_INVALID_PARAMS,
                  "params._meta lacks io.modelcontextprotocol/protocolVersion and "
                  "io.modelcontextprotocol/clientCapabilities, and no session was opened by "
                  "initialize");
}

enum revision era_agree(struct fb_text requested)
{
    for (int i = 0; i < REVISION_MODERN; i++) {
        if (fb_json_string_is(requested, revision_names[i])) {
            return (enum revision)i;
        }
    }
    return REVISION_NEWEST_LEGACY;
}

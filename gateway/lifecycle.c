#include <stdlib.h>

#include "gateway/changes.h"
#include "gateway/exchange.h"
#include "gateway/flow/flow.h"
#include "gateway/flow/notices.h"
#include "runtime/json/scan.h"

static const char instructions[] =
    "The tools of several MCP servers, each named <server>__<tool>. When a tool is not found, list "
    "the tools again.";

static const char flow_instructions[] =
    "The tools of several MCP servers, each named <server>__<tool>. When a tool is not found, list "
    "the tools again. Work of several steps, or of several agents: flow_open a session, flow_plan "
    "its tasks, then flow_done with next for each; after losing context flow_open again.";

static void put_instructions(const struct mcp *mcp, struct fb_buffer *out)
{
    fb_buffer_json_string(out,
                          fb_text_of(mcp->config.flow_tools ? flow_instructions : instructions));
}

/* The capability of resources, where we have any. */
static const char *resources_of(const struct mcp *mcp)
{
    return flow_has_resources(mcp) ? "\"resources\":{\"subscribe\":true}," : "";
}

const char *lifecycle_server_info(const char *version)
{
    struct fb_buffer info = {0};

    fb_buffer_string(&info, "{\"name\":\"flow-balancer\",\"version\":");
    fb_buffer_json_string(&info, fb_text_of(version));
    fb_buffer_append(&info, "}", sizeof("}"));
    if (info.failed) {
        fb_buffer_finish(&info);
        return NULL;
    }
    return info.data;
}

/* Answered at once: no server has to be reachable, and nothing is dialled. */
void lifecycle_initialize(struct mcp *mcp, const struct ask *ask)
{
    struct fb_text version;
    struct fb_buffer *out;
    enum revision revision;

    if (!fb_json_find(ask->params, "protocolVersion", &version) ||
        fb_json_kind_of(version) != FB_JSON_STRING) {
        answer_error(mcp, &ask->reply,
                     &(struct jsonrpc_error){.code = JSONRPC_INVALID_PARAMS,
                                             .message = "initialize: params.protocolVersion must "
                                                        "be a string"});
        return;
    }
    revision = era_agree(version);
    /* A second handshake begins a new session: what belonged to the first one ends. */
    changes_stop(mcp->changes);
    notices_forget(flow_notices(mcp->flow));
    mcp->session = (struct era_session){.open = true, .revision = revision};
    mcp->log_level = "";
    out = answer_begin(mcp, &ask->reply);
    fb_buffer_printf(out,
                     "{\"protocolVersion\":\"%s\",\"capabilities\":{\"logging\":{},"
                     "%s\"tools\":{\"listChanged\":true}},\"serverInfo\":",
                     revision_names[revision], resources_of(mcp));
    fb_buffer_text(out, mcp->server_info);
    fb_buffer_string(out, ",\"instructions\":");
    put_instructions(mcp, out);
    fb_buffer_string(out, "}");
    answer_end(mcp, &ask->reply);
}

/* We send no request before it, so there is nothing that it would set free. */
void lifecycle_initialized(struct mcp *mcp, const struct ask *ask)
{
    (void)mcp;
    (void)ask;
}

void lifecycle_ping(struct mcp *mcp, const struct ask *ask)
{
    answer_with(mcp, &ask->reply, "{}");
}

void lifecycle_discover(struct mcp *mcp, const struct ask *ask)
{
    struct fb_buffer *out = answer_begin(mcp, &ask->reply);

    /* Without listChanged, as nobody can listen for it here. */
    fb_buffer_printf(out,
                     "{\"resultType\":\"complete\",\"supportedVersions\":[\"%s\"],"
                     "\"capabilities\":{\"logging\":{},%s\"tools\":{}},\"ttlMs\":3600000,"
                     "\"cacheScope\":\"public\",\"instructions\":",
                     revision_names[REVISION_MODERN], resources_of(mcp));
    put_instructions(mcp, out);
    answer_put_server_info(mcp, out, ask->revision);
    fb_buffer_string(out, "}");
    answer_end(mcp, &ask->reply);
}

void lifecycle_set_level(struct mcp *mcp, const struct ask *ask)
{
    struct fb_text level = {0};

    fb_json_find(ask->params, "level", &level);
    for (size_t i = 0; era_log_levels[i] != NULL; i++) {
        if (fb_json_string_is(level, era_log_levels[i])) {
            mcp->log_level = era_log_levels[i];
            answer_with(mcp, &ask->reply, "{}");
            return;
        }
    }
    answer_error(mcp, &ask->reply,
                 &(struct jsonrpc_error){.code = JSONRPC_INVALID_PARAMS,
                                         .message =
                                             "params.level must be debug, info, notice, "
                                             "warning, error, critical, alert or emergency"});
}

#include "gateway/flow/flow.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/flow/definitions.h"
#include "gateway/flow/notices.h"
#include "gateway/flow/verbs.h"
#include "gateway/project.h"

struct flow {
    struct mcp *mcp;
    uint64_t nonce; /* of this process: nobody else names mutations by it */
    uint64_t named;
    struct notices *notices;
};

static const struct tool {
    const char *name;
    verb_fn *verb;
} tools[] = {
    {"flow_open", verb_open},     {"flow_plan", verb_plan}, {"flow_next", verb_next},
    {"flow_pulse", verb_pulse},   {"flow_done", verb_done}, {"flow_find", verb_find},
    {"flow_status", verb_status}, {"flow_edit", verb_edit},
};

static const struct tool original_tools[] = {
    {"create_session", verb_original_create},
    {"add_task", verb_original_add},
    {"complete_task", verb_original_complete},
    {"flow_status", verb_original_status},
    {"pulse", verb_original_pulse},
    {"set_comprehensive_todos", verb_original_todos},
    {"enter_rest_mode", verb_original_rest},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static verb_fn *find(const struct tool *table, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table[i].name, name) == 0) {
            return table[i].verb;
        }
    }
    return NULL;
}

/* The originals first: their flow_status knows our arguments, too. */
static verb_fn *verb_of(const struct mcp *mcp, const char *name)
{
    verb_fn *verb = NULL;

    if (mcp->config.original_tools) {
        verb = find(original_tools, COUNT(original_tools), name);
    }
    if (verb == NULL && mcp->config.flow_tools) {
        verb = find(tools, COUNT(tools), name);
    }
    return verb;
}

bool flow_has_tool(const struct mcp *mcp, const char *name)
{
    return verb_of(mcp, name) != NULL;
}

bool flow_has_resources(const struct mcp *mcp)
{
    return mcp->config.flow_tools || mcp->config.original_tools;
}

void flow_call(struct mcp *mcp, const struct ask *ask, const char *name, struct fb_text arguments)
{
    verb_fn *verb = verb_of(mcp, name);
    struct work *work = work_open(mcp, ask, name);

    if (work != NULL) {
        verb(work, arguments);
    }
}

static void put(struct fb_buffer *out, const struct flow_definition *definition,
                enum revision revision, bool *first)
{
    struct fb_buffer tool = {0};

    flow_definition_put(&tool, definition);
    fb_buffer_string(out, *first ? "" : ",");
    project_tool(out, (struct fb_text){tool.data, tool.size}, revision);
    out->failed = out->failed || tool.failed;
    fb_buffer_finish(&tool);
    *first = false;
}

void flow_list(const struct mcp *mcp, struct fb_buffer *out, enum revision revision)
{
    bool first = true;

    for (size_t i = 0; mcp->config.flow_tools && i < flow_definitions_count; i++) {
        const struct flow_definition *definition = &flow_definitions[i];

        if (!mcp->config.original_tools ||
            find(original_tools, COUNT(original_tools), definition->name) == NULL) {
            put(out, definition, revision, &first);
        }
    }
    for (size_t i = 0; mcp->config.original_tools && i < flow_original_definitions_count; i++) {
        put(out, &flow_original_definitions[i], revision, &first);
    }
}

const char *flow_request_id(struct flow *flow, struct fb_arena *arena)
{
    return fb_arena_printf(arena, "%016" PRIx64 "-%" PRIu64, flow->nonce, ++flow->named);
}

struct flow *flow_create(struct mcp *mcp)
{
    struct flow *flow = calloc(1, sizeof(*flow));

    if (flow != NULL) {
        flow->mcp = mcp;
        fb_trace_random(&flow->nonce, sizeof(flow->nonce));
        flow->notices = notices_create(mcp);
        if (flow->notices == NULL) {
            flow_destroy(flow);
            return NULL;
        }
    }
    return flow;
}

void flow_destroy(struct flow *flow)
{
    if (flow != NULL) {
        notices_destroy(flow->notices);
        free(flow);
    }
}

struct notices *flow_notices(struct flow *flow)
{
    return flow->notices;
}

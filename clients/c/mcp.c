#include "clients/c/mcp.h"

const struct fb_client_method fb_mcp_list_tools_method = {
    .path = "/flowbalancer.v1.McpService/ListTools",
    .request = &flowbalancer__v1__list_tools_request__descriptor,
    .reply = &flowbalancer__v1__list_tools_response__descriptor,
};

const struct fb_client_method fb_mcp_list_resources_method = {
    .path = "/flowbalancer.v1.McpService/ListResources",
    .request = &flowbalancer__v1__list_resources_request__descriptor,
    .reply = &flowbalancer__v1__list_resources_response__descriptor,
};

const struct fb_client_method fb_mcp_list_resource_templates_method = {
    .path = "/flowbalancer.v1.McpService/ListResourceTemplates",
    .request = &flowbalancer__v1__list_resource_templates_request__descriptor,
    .reply = &flowbalancer__v1__list_resource_templates_response__descriptor,
};

const struct fb_client_method fb_mcp_list_prompts_method = {
    .path = "/flowbalancer.v1.McpService/ListPrompts",
    .request = &flowbalancer__v1__list_prompts_request__descriptor,
    .reply = &flowbalancer__v1__list_prompts_response__descriptor,
};

const struct fb_client_method fb_mcp_call_tool_method = {
    .path = "/flowbalancer.v1.McpService/CallTool",
    .request = &flowbalancer__v1__call_tool_request__descriptor,
    .reply = &flowbalancer__v1__call_tool_event__descriptor,
    .streams = true,
};

const struct fb_client_method fb_mcp_read_resource_method = {
    .path = "/flowbalancer.v1.McpService/ReadResource",
    .request = &flowbalancer__v1__read_resource_request__descriptor,
    .reply = &flowbalancer__v1__read_resource_event__descriptor,
    .streams = true,
};

const struct fb_client_method fb_mcp_get_prompt_method = {
    .path = "/flowbalancer.v1.McpService/GetPrompt",
    .request = &flowbalancer__v1__get_prompt_request__descriptor,
    .reply = &flowbalancer__v1__get_prompt_event__descriptor,
    .streams = true,
};

const struct fb_client_method fb_mcp_listen_method = {
    .path = "/flowbalancer.v1.McpService/Listen",
    .request = &flowbalancer__v1__listen_request__descriptor,
    .reply = &flowbalancer__v1__listen_event__descriptor,
    .streams = true,
};

const struct fb_client_method fb_mcp_complete_method = {
    .path = "/flowbalancer.v1.McpService/Complete",
    .request = &flowbalancer__v1__complete_request__descriptor,
    .reply = &flowbalancer__v1__complete_response__descriptor,
};

const Flowbalancer__V1__ListToolsResponse *fb_mcp_list_tools(
    struct fb_client *client, const Flowbalancer__V1__ListToolsRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__ListToolsResponse *)(const void *)fb_client_ask(
        client, &fb_mcp_list_tools_method, &request->base, options, answer);
}

const Flowbalancer__V1__ListResourcesResponse *fb_mcp_list_resources(
    struct fb_client *client, const Flowbalancer__V1__ListResourcesRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__ListResourcesResponse *)(const void *)fb_client_ask(
        client, &fb_mcp_list_resources_method, &request->base, options, answer);
}

const Flowbalancer__V1__ListResourceTemplatesResponse *fb_mcp_list_resource_templates(
    struct fb_client *client, const Flowbalancer__V1__ListResourceTemplatesRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__ListResourceTemplatesResponse *)(const void *)fb_client_ask(
        client, &fb_mcp_list_resource_templates_method, &request->base, options, answer);
}

const Flowbalancer__V1__ListPromptsResponse *fb_mcp_list_prompts(
    struct fb_client *client, const Flowbalancer__V1__ListPromptsRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__ListPromptsResponse *)(const void *)fb_client_ask(
        client, &fb_mcp_list_prompts_method, &request->base, options, answer);
}

struct fb_stream *fb_mcp_call_tool(struct fb_client *client,
                                   const Flowbalancer__V1__CallToolRequest *request,
                                   const struct fb_client_options *options)
{
    return fb_stream_open(client, &fb_mcp_call_tool_method, &request->base, options);
}

const Flowbalancer__V1__CallToolEvent *fb_mcp_call_tool_next(struct fb_stream *stream)
{
    return (const Flowbalancer__V1__CallToolEvent *)(const void *)fb_stream_next(stream);
}

struct fb_stream *fb_mcp_read_resource(struct fb_client *client,
                                       const Flowbalancer__V1__ReadResourceRequest *request,
                                       const struct fb_client_options *options)
{
    return fb_stream_open(client, &fb_mcp_read_resource_method, &request->base, options);
}

const Flowbalancer__V1__ReadResourceEvent *fb_mcp_read_resource_next(struct fb_stream *stream)
{
    return (const Flowbalancer__V1__ReadResourceEvent *)(const void *)fb_stream_next(stream);
}

struct fb_stream *fb_mcp_get_prompt(struct fb_client *client,
                                    const Flowbalancer__V1__GetPromptRequest *request,
                                    const struct fb_client_options *options)
{
    return fb_stream_open(client, &fb_mcp_get_prompt_method, &request->base, options);
}

const Flowbalancer__V1__GetPromptEvent *fb_mcp_get_prompt_next(struct fb_stream *stream)
{
    return (const Flowbalancer__V1__GetPromptEvent *)(const void *)fb_stream_next(stream);
}

struct fb_stream *fb_mcp_listen(struct fb_client *client,
                                const Flowbalancer__V1__ListenRequest *request,
                                const struct fb_client_options *options)
{
    return fb_stream_open(client, &fb_mcp_listen_method, &request->base, options);
}

const Flowbalancer__V1__ListenEvent *fb_mcp_listen_next(struct fb_stream *stream)
{
    return (const Flowbalancer__V1__ListenEvent *)(const void *)fb_stream_next(stream);
}

const Flowbalancer__V1__CompleteResponse *fb_mcp_complete(
    struct fb_client *client, const Flowbalancer__V1__CompleteRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer)
{
    return (const Flowbalancer__V1__CompleteResponse *)(const void *)fb_client_ask(
        client, &fb_mcp_complete_method, &request->base, options, answer);
}

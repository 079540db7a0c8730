#ifndef FB_CLIENTS_C_MCP_H
#define FB_CLIENTS_C_MCP_H

/*
 * mcp: the tools, resources and prompts of all servers, by way of a router or a worker.
 *
 * The calls block (see client.h); each has its method beside it for use without blocking. A call of
 * one answer returns it, or NULL with the reason in `answer`. A call of a stream returns the stream;
 * `…_next` gives its answers one by one, and NULL at its end (fb_stream_answer says how it ended).
 * What may be asked, and which codes come back, is said in proto/flowbalancer/v1/mcp.proto.
 */

#include "clients/c/client.h"
#include "flowbalancer/v1/mcp.pb-c.h"

/* For fb_client_start and for lists of methods. */
extern const struct fb_client_method fb_mcp_list_tools_method;
extern const struct fb_client_method fb_mcp_list_resources_method;
extern const struct fb_client_method fb_mcp_list_resource_templates_method;
extern const struct fb_client_method fb_mcp_list_prompts_method;
extern const struct fb_client_method fb_mcp_call_tool_method;
extern const struct fb_client_method fb_mcp_read_resource_method;
extern const struct fb_client_method fb_mcp_get_prompt_method;
extern const struct fb_client_method fb_mcp_listen_method;
extern const struct fb_client_method fb_mcp_complete_method;

const Flowbalancer__V1__ListToolsResponse *fb_mcp_list_tools(
    struct fb_client *client, const Flowbalancer__V1__ListToolsRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

const Flowbalancer__V1__ListResourcesResponse *fb_mcp_list_resources(
    struct fb_client *client, const Flowbalancer__V1__ListResourcesRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

const Flowbalancer__V1__ListResourceTemplatesResponse *fb_mcp_list_resource_templates(
    struct fb_client *client, const Flowbalancer__V1__ListResourceTemplatesRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

const Flowbalancer__V1__ListPromptsResponse *fb_mcp_list_prompts(
    struct fb_client *client, const Flowbalancer__V1__ListPromptsRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

/* Progress and log messages, then one of result, error and input_wanted. */
struct fb_stream *fb_mcp_call_tool(struct fb_client *client,
                                   const Flowbalancer__V1__CallToolRequest *request,
                                   const struct fb_client_options *options);
const Flowbalancer__V1__CallToolEvent *fb_mcp_call_tool_next(struct fb_stream *stream);

struct fb_stream *fb_mcp_read_resource(struct fb_client *client,
                                       const Flowbalancer__V1__ReadResourceRequest *request,
                                       const struct fb_client_options *options);
const Flowbalancer__V1__ReadResourceEvent *fb_mcp_read_resource_next(struct fb_stream *stream);

struct fb_stream *fb_mcp_get_prompt(struct fb_client *client,
                                    const Flowbalancer__V1__GetPromptRequest *request,
                                    const struct fb_client_options *options);
const Flowbalancer__V1__GetPromptEvent *fb_mcp_get_prompt_next(struct fb_stream *stream);

/* Runs until it is closed: give it a deadline of INT64_MAX. */
struct fb_stream *fb_mcp_listen(struct fb_client *client,
                                const Flowbalancer__V1__ListenRequest *request,
                                const struct fb_client_options *options);
const Flowbalancer__V1__ListenEvent *fb_mcp_listen_next(struct fb_stream *stream);

/* Without an outcome when the server sent one of a newer contract. */
const Flowbalancer__V1__CompleteResponse *fb_mcp_complete(
    struct fb_client *client, const Flowbalancer__V1__CompleteRequest *request,
    const struct fb_client_options *options, struct fb_answer *answer);

#endif

#ifndef FB_GATEWAY_FLOW_DEFINITIONS_H
#define FB_GATEWAY_FLOW_DEFINITIONS_H

/*
 * definitions: what agents read about our own tools: names, descriptions, schemas, annotations.
 *
 * Every word of them is paid for in each conversation: all eight tools of the flow together weigh at
 * most 1,800 tokens, which tests/e2e/mcp/tokens_test.mjs counts. Pure.
 */

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/text.h"

struct flow_definition {
    const char *name;
    const char *title;
    const char *description;
    bool reads_only;
    bool idempotent;
    const char *input;  /* JSON schema, an object */
    const char *output; /* likewise */
};

/* In the order in which they are listed, which never changes. */
extern const struct flow_definition flow_definitions[];
extern const size_t flow_definitions_count;

/* The names and arguments of the system before ours; its flow_status takes the place of ours. */
extern const struct flow_definition flow_original_definitions[];
extern const size_t flow_original_definitions_count;

/* Appends the tool as tools/list has it, by the newest revision. */
void flow_definition_put(struct fb_buffer *out, const struct flow_definition *definition);

#endif

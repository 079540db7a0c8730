#ifndef FB_RUNTIME_CONFIG_SCHEMA_H
#define FB_RUNTIME_CONFIG_SCHEMA_H

/*
 * schema: the JSON Schema of a config file, for editors; made of the tables of options.
 */

#include <stddef.h>

#include "runtime/base/text.h"
#include "runtime/config/options.h"

/* Appends a schema (draft 2020-12) of a file with the sections of these programs. */
void fb_config_schema(const struct fb_options_plan *const *plans, size_t count,
                      struct fb_buffer *out);

#endif

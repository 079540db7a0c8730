#ifndef FB_RUNTIME_CONFIG_OPTION_JSON_H
#define FB_RUNTIME_CONFIG_OPTION_JSON_H

/*
 * option_json: an option's value as it stands in a JSON file.
 *
 * A duration or size is a string with its unit, or a number where that says it all; a list is an
 * array of strings; null leaves the field as it is. Belongs to the readers of files, on their thread.
 */

#include <jansson.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/config/option.h"

/* Statuses as of fb_option_set_value. */
struct fb_status fb_option_set_json(const struct fb_option *option, void *config, const char *as,
                                    const json_t *value, struct fb_arena *arena);

#endif

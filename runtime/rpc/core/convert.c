#include "runtime/rpc/core/convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/grpc_security.h>
#include <grpc/grpc_security_constants.h>

#include "runtime/base/clock.h"

struct fb_text fb_core_text(const grpc_slice *slice)
{
    return (struct fb_text){
        .data = (const char *)GRPC_SLICE_START_PTR(*slice),
        .size = GRPC_SLICE_LENGTH(*slice),
    };
}

grpc_slice fb_core_slice(struct fb_text text)
{
    return text.size == 0 ? grpc_empty_slice()
                          : grpc_slice_from_copied_buffer(text.data, text.size);
}

const char *fb_core_why(struct fb_arena *arena, const grpc_slice *slice)
{
    const struct fb_text text = fb_core_text(slice);
    char *why = fb_arena_copy(arena, text.data, text.size);
    size_t at = 0;

    if (why == NULL) {
        return "";
    }
    /* Whatever a peer put there, our statuses are UTF-8 without NUL. */
    while (at < text.size) {
        at += fb_utf8_check(why + at, text.size - at);
        if (at < text.size) {
            why[at++] = '?';
        }
    }
    for (char *nul = why; (nul = memchr(nul, '\0', text.size - (size_t)(nul - why))) != NULL;) {
        *nul = '?';
    }
    return why;
}

int64_t fb_core_deadline_ms(gpr_timespec deadline)
{
    gpr_timespec left;

    if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) {
        return INT64_MAX;
    }
    left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
    if (left.tv_sec > INT32_MAX) { /* 68 years: as good as none */
        return INT64_MAX;
    }
    return fb_clock_ms() + left.tv_sec * 1000 + (left.tv_nsec + 999999) / 1000000;
}

gpr_timespec fb_core_timespec(int64_t deadline_ms)
{
    if (deadline_ms == INT64_MAX) {
        return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    }
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                        gpr_time_from_millis(deadline_ms - fb_clock_ms(), GPR_TIMESPAN));
}

struct fb_status fb_core_metadata_take(const grpc_metadata_array *in, struct fb_arena *arena,
                                       struct fb_metadata *out)
{
    for (size_t i = 0; i < in->count; i++) {
        const struct fb_text key = fb_core_text(&in->metadata[i].key);
        struct fb_status status = fb_ok;

        if (fb_metadata_key_is_custom(key)) {
            status = fb_metadata_add(out, arena, key, fb_core_text(&in->metadata[i].value));
        }
        if (!fb_is_ok(status)) {
            return status;
        }
    }
    return fb_ok;
}

bool fb_core_fields_begin(struct fb_core_fields *fields, struct fb_arena *arena, size_t room)
{
    *fields = (struct fb_core_fields){
        .items = fb_arena_zalloc(arena, room, sizeof(*fields->items)),
        .room = room,
    };
    return fields->items != NULL;
}

void fb_core_fields_add(struct fb_core_fields *fields, struct fb_text key, struct fb_text value)
{
    fields->items[fields->count++] = (grpc_metadata){
        .key = fb_core_slice(key),
        .value = fb_core_slice(value),
    };
}

void fb_core_fields_add_all(struct fb_core_fields *fields, const struct fb_metadata *metadata)
{
    for (size_t i = 0; i < metadata->count; i++) {
        fb_core_fields_add(fields, metadata->items[i].key, metadata->items[i].value);
    }
}

void fb_core_fields_finish(struct fb_core_fields *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        grpc_slice_unref(fields->items[i].key);
        grpc_slice_unref(fields->items[i].value);
    }
    *fields = (struct fb_core_fields){.items = NULL};
}

/* --- peers --- */

void fb_core_peer_address(const char *uri, char *out, size_t room)
{
    size_t size = 0;

    if (strncmp(uri, "ipv4:", 5) == 0 || strncmp(uri, "ipv6:", 5) == 0) {
        uri += 5;
    }
    while (*uri != '\0' && size + 1 < room) {
        if (strncmp(uri, "%5B", 3) == 0 || strncmp(uri, "%5D", 3) == 0) {
            out[size++] = uri[2] == 'B' ? '[' : ']';
            uri += 3;
        } else {
            out[size++] = *uri++;
        }
    }
    out[size] = '\0';
}

static bool find_property(const grpc_auth_context *context, const char *name, char *out,
                          size_t room)
{
    grpc_auth_property_iterator it = grpc_auth_context_find_properties_by_name(context, name);
    const grpc_auth_property *property = grpc_auth_property_iterator_next(&it);

    if (property == NULL || property->value_length == 0) {
        return false;
    }
    snprintf(out, room, "%.*s", (int)property->value_length, property->value);
    return true;
}

void fb_core_peer_subject(grpc_call *call, char *out, size_t room)
{
    grpc_auth_context *context = grpc_call_auth_context(call);

    out[0] = '\0';
    if (context == NULL) {
        return;
    }
    if (grpc_auth_context_peer_is_authenticated(context) &&
        !find_property(context, GRPC_PEER_DNS_PROPERTY_NAME, out, room) &&
        !find_property(context, GRPC_PEER_URI_PROPERTY_NAME, out, room)) {
        find_property(context, GRPC_X509_CN_PROPERTY_NAME, out, room);
    }
    grpc_auth_context_release(context);
}

/*
 * sessions watch: what happens in a session, event by event.
 */

#include <inttypes.h>
#include <string.h>

#include "clients/flowctl/commands.h"
#include "clients/flowctl/message_json.h"
#include "clients/flowctl/sessions/session_call.h"
#include "clients/flowctl/terminal.h"
#include "clients/flowctl/units.h"

struct watch_options {
    int64_t since;
    const char *task;
    bool follow;
};

static struct watch_options watch_options;

static const struct fb_option watch_table[] = {
    {"since", FB_OPTION_INTEGER, offsetof(struct watch_options, since), .fallback = "0",
     .least = "0", .help = "only events after this one"},
    {"task", FB_OPTION_STRING, offsetof(struct watch_options, task),
     .help = "only events about this task, a number or a key"},
    {"follow", FB_OPTION_BOOL, offsetof(struct watch_options, follow), .fallback = "true",
     .help = "go on with each further event until interrupted"},
    {.name = NULL},
};

/* The event's kind, as its field is called, and the message of it; NULL of an unknown one. */
static const ProtobufCMessage *kind_of(const Flowbalancer__V1__FlowEvent *event, const char **name)
{
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(
        &flowbalancer__v1__flow_event__descriptor, (unsigned)event->kind_case);

    *name = field == NULL ? "unknown" : field->name;
    return field == NULL
               ? NULL
               : *(ProtobufCMessage *const *)(const void *)((const char *)event + field->offset);
}

/* What a person wants to see of it: the fields that say something, in one line. */
static void append_details(struct fb_buffer *line, const ProtobufCMessage *message)
{
    struct writer writer = {.depth = 0};

    message_json(&writer, message);
    terminal_escape((struct fb_text){.data = writer.text.data, .size = writer.text.size}, line);
    fb_buffer_finish(&writer.text);
}

static bool print_event(const Flowbalancer__V1__FlowWatched *watched)
{
    const Flowbalancer__V1__FlowEvent *event = watched->event;
    struct fb_buffer line = {.limit_bytes = 4 << 20};
    const char *name;
    const ProtobufCMessage *kind = kind_of(event, &name);
    char when[UNITS_ROOM];
    bool written;

    fb_buffer_printf(&line, "%" PRId64 "  %s  %s%-11s%s  %-16s  ", watched->seq,
                     units_date(event->unix_ms, when), terminal_colour(TERMINAL_BOLD), name,
                     terminal_colour(TERMINAL_PLAIN), event->actor[0] == '\0' ? "-" : event->actor);
    if (kind != NULL) {
        append_details(&line, kind);
    }
    fb_buffer_string(&line, "\n");
    written =
        !line.failed && terminal_write((struct fb_text){.data = line.data, .size = line.size});
    fb_buffer_finish(&line);
    return written;
}

static int watch(const struct run *run)
{
    static const struct fb_client_options forever = {.deadline_ms = INT64_MAX};
    Flowbalancer__V1__WatchRequest request = FLOWBALANCER__V1__WATCH_REQUEST__INIT;
    const Flowbalancer__V1__WatchResponse *response;
    Flowbalancer__V1__FlowTaskRef task;
    struct session_call call;
    struct fb_stream *stream;
    bool read_on = true; /* until nobody reads us any more */
    int code = session_call_begin(&call, run, run->args[0], NULL);

    if (code != EXIT_DONE) {
        return code;
    }
    request.context = &call.context;
    request.since_seq = watch_options.since;
    if (watch_options.task != NULL) {
        session_call_task(watch_options.task, &task);
        request.task = &task;
    }
    stream = fb_flow_watch(call.client, &request, &forever);
    while (read_on && stream != NULL && (response = fb_flow_watch_next(stream)) != NULL) {
        if (response->part_case == FLOWBALANCER__V1__WATCH_RESPONSE__PART_CAUGHT_UP_SEQ) {
            read_on = watch_options.follow;
        } else if (run->globals->json) {
            read_on = message_json_send(&response->event->base);
        } else {
            read_on = print_event(response->event);
        }
    }
    code = session_call_end_stream(&call, stream);
    session_call_end(&call);
    return code;
}

const struct command command_sessions_watch = {
    .name = "sessions watch",
    .usage = "SESSION",
    .purpose = "show what happens in a session, event by event",
    .details =
        "From the first event on, or after --since; cut off, it resumes from the last number "
        "seen. With\n--json one object per line",
    .options = watch_table,
    .config = &watch_options,
    .least_args = 1,
    .most_args = 1,
    .run = watch,
};

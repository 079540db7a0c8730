#include "services/worker/exchange/journal.h"

#include "runtime/json/scan.h"
#include "services/worker/exchange/event_json.h"
#include "services/worker/flow/flow_state.h"

static void write_head(const char *kind, const struct journal_header *header, struct fb_buffer *out)
{
    fb_buffer_printf(out, "{\"flow_balancer\":\"%s\",\"version\":%d,\"session\":", kind,
                     JOURNAL_VERSION);
    fb_buffer_json_string(out, header->session);
    fb_buffer_string(out, ",\"name\":");
    fb_buffer_json_string(out, header->name);
}

void journal_write_header(const struct journal_header *header, struct fb_buffer *out)
{
    write_head("journal", header, out);
    fb_buffer_printf(out, ",\"events\":%llu}\n", (unsigned long long)header->events);
}

void journal_write_event(struct fb_text bytes, struct fb_arena *arena, struct fb_buffer *out)
{
    event_json_write(bytes, arena, out);
    fb_buffer_string(out, "\n");
}

static bool is_kind(struct fb_text text, const char *kind)
{
    struct fb_text value;

    return fb_json_find(text, "flow_balancer", &value) && fb_json_string_is(value, kind);
}

bool journal_is_header(struct fb_text line)
{
    return is_kind(line, "journal");
}

bool journal_is_document(struct fb_text text)
{
    return is_kind(text, "session");
}

static struct fb_status read_string(struct fb_text object, const char *key, const char *why,
                                    struct fb_arena *arena, struct fb_text *text)
{
    struct fb_text value;

    *text = (struct fb_text){.size = 0};
    if (!fb_json_find(object, key, &value)) {
        return fb_ok;
    }
    if (fb_json_kind_of(value) != FB_JSON_STRING) {
        return fb_fail(FB_INVALID_ARGUMENT, why);
    }
    return fb_json_unescape(value, arena, text, NULL);
}

static struct fb_status read_head(struct fb_text object, struct fb_arena *arena,
                                  struct journal_header *header)
{
    struct fb_text value;
    struct fb_status status;
    int64_t version;

    *header = (struct journal_header){.events = 0};
    if (!fb_json_find(object, "version", &value) || !fb_json_to_i64(value, &version) ||
        version < 1) {
        return fb_fail(FB_INVALID_ARGUMENT, "$.version: expected a number from 1");
    }
    if (version > JOURNAL_VERSION) {
        return fb_fail(FB_UNIMPLEMENTED,
                       "$.version: written by a later flow-balancer; import it with that one");
    }
    status =
        read_string(object, "session", "$.session: expected a string", arena, &header->session);
    if (fb_is_ok(status)) {
        status = read_string(object, "name", "$.name: expected a string", arena, &header->name);
    }
    return status;
}

struct fb_status journal_read_header(struct fb_text line, struct fb_arena *arena,
                                     struct journal_header *header)
{
    const struct fb_status status = read_head(line, arena, header);
    struct fb_text value;
    int64_t events;

    if (!fb_is_ok(status)) {
        return status;
    }
    if (!fb_json_find(line, "events", &value) || !fb_json_to_i64(value, &events) || events < 0) {
        return fb_fail(FB_INVALID_ARGUMENT, "$.events: expected how many events follow");
    }
    header->events = (uint64_t)events;
    return fb_ok;
}

/* --- one document --- */

static void write_text(struct fb_buffer *out, const char *key, const char *text)
{
    if (text != NULL) {
        fb_buffer_printf(out, ",\"%s\":", key);
        fb_buffer_json_string(out, fb_text_of(text));
    }
}

static void write_links(struct fb_buffer *out, const struct session *session, uint32_t number)
{
    static const char *const kinds[GRAPH_KINDS] = {
        [GRAPH_AFTER] = "after",   [GRAPH_ENDS] = "ends", [GRAPH_ON_FAIL] = "on_fail",
        [GRAPH_PARENT] = "parent", [GRAPH_FROM] = "from", [GRAPH_DUP] = "dup",
    };
    bool any = false;

    for (uint32_t at = graph_first_in(session->graph, number); at != GRAPH_NONE;
         at = graph_next_in(session->graph, at)) {
        const struct graph_edge edge = graph_edge_at(session->graph, at);

        if (edge.kind != GRAPH_PARENT) { /* those into a task are its children */
            fb_buffer_printf(out, "%s{\"%s\":%u}", any ? "," : ",\"links\":[", kinds[edge.kind],
                             (unsigned)edge.before);
            any = true;
        }
    }
    fb_buffer_string(out, any ? "]" : "");
}

static void write_task(struct fb_buffer *out, const struct session *session, uint32_t number)
{
    const struct task *task = session_task(session, number);

    fb_buffer_printf(out, "%s{\"task\":%u,\"title\":", number == 1 ? "" : ",", (unsigned)number);
    fb_buffer_json_string(out, fb_text_of(task->title));
    fb_buffer_printf(out, ",\"state\":\"%s\",\"weight\":%u,\"priority\":%u,\"percent\":%u",
                     task_state_name(task->state), (unsigned)task->weight, (unsigned)task->priority,
                     (unsigned)task->percent);
    write_text(out, "key", task->key);
    write_text(out, "body", task->body);
    write_text(out, "accept", task->accept);
    write_text(out, "note", task->note);
    write_text(out, "summary", task->summary);
    write_text(out, "gate", task->gate);
    if (task->parent != 0) {
        fb_buffer_printf(out, ",\"parent\":%u", (unsigned)task->parent);
    }
    write_links(out, session, number);
    fb_buffer_string(out, "}");
}

void journal_write_state(const struct session *session, struct fb_buffer *out)
{
    fb_buffer_printf(out, "{\"flow\":\"%s\",\"progress\":%u,\"tasks\":[",
                     flow_state_name(session->flow_state), (unsigned)session_progress(session));
    for (uint32_t i = 1; i <= session->task_count; i++) {
        write_task(out, session, i);
    }
    fb_buffer_string(out, "]}");
}

void journal_begin_document(const struct journal_header *header, const struct session *session,
                            struct fb_buffer *out)
{
    write_head("session", header, out);
    fb_buffer_string(out, ",\"state\":");
    journal_write_state(session, out);
    fb_buffer_string(out, ",\"events\":[");
}

void journal_add_event(struct fb_text bytes, bool first, struct fb_arena *arena,
                       struct fb_buffer *out)
{
    fb_buffer_string(out, first ? "" : ",");
    event_json_write(bytes, arena, out);
}

void journal_end_document(struct fb_buffer *out)
{
    fb_buffer_string(out, "]}\n");
}

struct fb_status journal_read_document(struct fb_text text, struct fb_arena *arena,
                                       struct journal_header *header, struct fb_text *events)
{
    const struct fb_status status = read_head(text, arena, header);

    if (fb_is_ok(status) &&
        (!fb_json_find(text, "events", events) || fb_json_kind_of(*events) != FB_JSON_ARRAY)) {
        return fb_fail(FB_INVALID_ARGUMENT, "$.events: expected the list of all events");
    }
    return status;
}

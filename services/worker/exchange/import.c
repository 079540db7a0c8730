#include "services/worker/exchange/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/json/scan.h"
#include "services/worker/exchange/arrival.h"
#include "services/worker/exchange/beads.h"
#include "services/worker/exchange/import_parts.h"
#include "services/worker/exchange/session_file.h"
#include "services/worker/exchange/task_master.h"

struct fb_status import_exhausted(void)
{
    return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the import");
}

struct fb_status import_lasting(struct import *import, struct fb_status status)
{
    const char *why = fb_arena_copy(&import->arena, status.why, strlen(status.why));

    return fb_fail(status.code, why == NULL ? "the import failed" : why);
}

bool import_copy(struct import *import, struct fb_text *text)
{
    text->data = fb_arena_copy(&import->arena, text->size == 0 ? "" : text->data, text->size);
    return text->data != NULL;
}

struct import *import_create(const struct import_options *options)
{
    struct import *import = calloc(1, sizeof(*import));

    if (import == NULL) {
        return NULL;
    }
    import->options = *options;
    import->format = options->format;
    fb_arena_init(&import->arena, 0);
    fb_arena_init(&import->scratch, 0);
    outline_init(&import->outline, &import->arena);
    import->whole.limit_bytes = IMPORT_BYTES_MOST;
    import->same_so_far = options->into == NULL || options->into->events == 0;
    if (!import_copy(import, &import->options.name) ||
        !import_copy(import, &import->options.session_id) ||
        !import_copy(import, &import->options.actor) ||
        !import_copy(import, &import->options.request_id)) {
        import_destroy(import);
        return NULL;
    }
    return import;
}

void import_destroy(struct import *import)
{
    if (import == NULL) {
        return;
    }
    staging_finish(&import->staging);
    outline_finish(&import->outline);
    lines_finish(&import->lines);
    fb_buffer_finish(&import->whole);
    fb_arena_finish(&import->scratch);
    fb_arena_finish(&import->arena);
    free(import);
}

/* --- lines --- */

static struct fb_status check_line(struct import *import, struct fb_text line, bool last)
{
    size_t offset = 0;
    const struct fb_status status = fb_json_check(line, FB_JSON_DEPTH, &offset);

    if (fb_is_ok(status)) {
        return status;
    }
    return fb_arena_fail(&import->arena, FB_INVALID_ARGUMENT,
                         last && offset >= line.size
                             ? "line %llu, byte %llu: the line is cut off (%s); nothing was "
                               "imported: take a whole copy of the file, or remove the line"
                             : "line %llu, byte %llu: no JSON: %s; nothing was imported",
                         (unsigned long long)import->lines.number,
                         (unsigned long long)import->lines.offset + offset, status.why);
}

static bool is_empty(struct fb_text line)
{
    return fb_json_trim(line).size == 0;
}

static struct fb_status take_line(struct import *import, struct fb_text line, bool last)
{
    struct fb_status status;
    char where[40];

    if (is_empty(line)) {
        return fb_ok;
    }
    status = check_line(import, line, last);
    if (!fb_is_ok(status)) {
        return status;
    }
    if (import->format == IMPORT_BEADS) {
        return beads_read_line(line, import->lines.number, &import->outline);
    }
    if (!import->has_header) {
        return import_read_header(import, line);
    }
    snprintf(where, sizeof(where), "line %llu", (unsigned long long)import->lines.number);
    status = import_take_event(import, line, where);
    if (!fb_is_ok(status)) {
        status = import_lasting(import, status);
    }
    fb_arena_reset(&import->scratch);
    return status;
}

static struct fb_status take_lines(struct import *import, struct fb_text chunk)
{
    struct fb_status status = fb_ok;

    while (fb_is_ok(status)) {
        struct fb_text line;

        switch (lines_next(&import->lines, &chunk, &line)) {
        case LINES_LINE:
            status = take_line(import, line, false);
            break;
        case LINES_MORE:
            return fb_ok;
        case LINES_LONG:
            return fb_arena_fail(
                &import->arena, FB_INVALID_ARGUMENT, "line %llu, byte %llu: longer than 2 MiB",
                (unsigned long long)import->lines.number, (unsigned long long)import->lines.offset);
        case LINES_MEMORY:
            return import_exhausted();
        }
    }
    return status;
}

/* --- which format it is --- */

/* Lines are told by the first one, if it is whole and an object by itself. */
static enum import_format format_of_line(struct fb_text line)
{
    if (!fb_is_ok(fb_json_check(line, FB_JSON_DEPTH, NULL))) {
        return IMPORT_ANY;
    }
    if (journal_is_header(line)) {
        return IMPORT_JSONL;
    }
    return beads_is(line) ? IMPORT_BEADS : IMPORT_ANY;
}

static enum import_format format_of_whole(struct fb_text text)
{
    if (journal_is_document(text)) {
        return IMPORT_JSON;
    }
    if (session_file_is(text)) {
        return IMPORT_SESSION_FILE;
    }
    return task_master_is(text) ? IMPORT_TASK_MASTER : IMPORT_ANY;
}

static struct fb_text whole_of(const struct import *import)
{
    return (struct fb_text){.data = import->whole.data, .size = import->whole.size};
}

/* Keeps the bytes; those of a journal only until it is known to be one. */
static struct fb_status keep_bytes(struct import *import, struct fb_text chunk)
{
    const size_t before = import->whole.size;
    const char *end;
    struct fb_text first;

    fb_buffer_text(&import->whole, chunk);
    if (import->whole.failed) {
        return import_exhausted();
    }
    if (import->format != IMPORT_ANY || before > LINES_BYTES_MOST ||
        memchr(import->whole.data, '\n', before) != NULL) {
        return fb_ok;
    }
    end = memchr(import->whole.data + before, '\n', chunk.size);
    if (end == NULL) {
        return fb_ok;
    }
    first =
        (struct fb_text){.data = import->whole.data, .size = (size_t)(end - import->whole.data)};
    import->format = format_of_line(first);
    return fb_ok;
}

struct fb_status import_feed(struct import *import, struct fb_text chunk)
{
    if (!fb_is_ok(import->status) || chunk.size == 0) {
        return import->status;
    }
    import->bytes += chunk.size;
    if (import->bytes > IMPORT_BYTES_MOST) {
        import->status =
            fb_fail(FB_RESOURCE_EXHAUSTED, "a document of at most 64 MiB; import it in parts");
    } else if (import->format == IMPORT_JSONL) {
        import->status = take_lines(import, chunk);
    } else {
        import->status = keep_bytes(import, chunk);
        if (fb_is_ok(import->status) && import->format == IMPORT_JSONL) {
            import->status = take_lines(import, whole_of(import));
            fb_buffer_clear(&import->whole, 0);
        }
    }
    return import->status;
}

/* --- the end --- */

static struct fb_status open_scratch(struct import *import)
{
    const struct fb_text fallback = FB_TEXT("imported");
    struct fb_text name = import->options.name;
    struct event event = {.kind = EVENT_OPENED,
                          .unix_ms = import->options.unix_ms,
                          .actor = import->options.actor,
                          .request_id = import->options.request_id};
    const struct session *into = import->options.into;
    struct fb_status status;

    import->staging.scratch = into == NULL ? session_create() : staging_copy(import->options.into);
    if (import->staging.scratch == NULL) {
        return import_exhausted();
    }
    if (import->staging.scratch->name != NULL) {
        return fb_ok;
    }
    if (name.size == 0) {
        name = import->outline.name.size != 0 ? import->outline.name : import->options.session_id;
    }
    if (name.size > EVENT_NAME_BYTES) {
        name.size = fb_utf8_check(name.data, EVENT_NAME_BYTES);
    }
    event.opened.name = name.size == 0 ? fallback : name;
    status = staging_add(&import->staging, &event, &import->scratch);
    if (!fb_is_ok(status)) {
        status = import_lasting(import, status);
    }
    return status;
}

static struct fb_status end_outline(struct import *import)
{
    struct fb_status status = outline_resolve(&import->outline, import->options.drop_unknown_links);

    if (fb_is_ok(status)) {
        status = open_scratch(import);
    }
    if (fb_is_ok(status)) {
        status = arrival_stage(
            &(struct arrival){
                .document = whole_of(import),
                .format = import->format,
                .actor = import->options.actor,
                .request_id = import->options.request_id,
                .unix_ms = import->options.unix_ms,
            },
            &import->outline, &import->staging, &import->tasks);
    }
    return status;
}

static struct fb_status check_whole(struct import *import, struct fb_text text)
{
    size_t offset = 0;
    struct fb_status status = fb_json_check(text, FB_JSON_DEPTH, &offset);
    size_t line = 1;

    if (fb_is_ok(status)) {
        return status;
    }
    for (size_t i = 0; i < offset; i++) {
        line += text.data[i] == '\n';
    }
    return fb_arena_fail(&import->arena, FB_INVALID_ARGUMENT,
                         "line %zu, byte %zu: %s (%s); nothing was imported", line, offset,
                         offset >= text.size ? "the document is cut off" : "no JSON", status.why);
}

static struct fb_status end_whole(struct import *import)
{
    const struct fb_text text = whole_of(import);
    struct fb_status status = check_whole(import, text);

    if (!fb_is_ok(status)) {
        return status;
    }
    if (import->format == IMPORT_ANY) {
        import->format = format_of_whole(text);
    }
    switch (import->format) {
    case IMPORT_JSON:
        return import_read_document(import, text);
    case IMPORT_SESSION_FILE:
        status = session_file_read(text, &import->outline);
        break;
    case IMPORT_TASK_MASTER:
        status = task_master_read(text, &import->outline);
        break;
    default:
        return fb_fail(FB_INVALID_ARGUMENT,
                       "the document is none that is known: expected a journal or document of "
                       "flow-balancer, a session file (sessionId, tasks), Task Master's tasks.json "
                       "or beads' issues.jsonl; if it is one of these, name the format");
    }
    return fb_is_ok(status) ? end_outline(import) : status;
}

static struct fb_status end_lines(struct import *import)
{
    struct fb_text line;

    return lines_rest(&import->lines, &line) ? take_line(import, line, true) : fb_ok;
}

static struct fb_status end_beads(struct import *import)
{
    /* All at once, for the outline borrows from the lines. */
    struct fb_status status = take_lines(import, whole_of(import));

    if (fb_is_ok(status)) {
        status = end_lines(import);
    }
    if (fb_is_ok(status)) {
        status = beads_end(&import->outline);
    }
    return fb_is_ok(status) ? end_outline(import) : status;
}

static struct fb_status end_jsonl(struct import *import)
{
    const struct fb_status status = end_lines(import);

    if (fb_is_ok(status) && !import->has_header) {
        return fb_fail(FB_INVALID_ARGUMENT, "line 1: expected the header of a journal");
    }
    return fb_is_ok(status) ? import_end_journal(import) : status;
}

/* A single line without its end could not be told before. */
static struct fb_status tell_single_line(struct import *import)
{
    if (import->format == IMPORT_ANY &&
        memchr(import->whole.data, '\n', import->whole.size) == NULL) {
        import->format = format_of_line(whole_of(import));
        if (import->format == IMPORT_JSONL) {
            return take_lines(import, whole_of(import));
        }
    }
    return fb_ok;
}

struct fb_status import_finish(struct import *import)
{
    if (!fb_is_ok(import->status)) {
        return import->status;
    }
    if (import->bytes == 0) {
        import->status = fb_fail(FB_INVALID_ARGUMENT, "the document is empty");
        return import->status;
    }
    import->status = tell_single_line(import);
    if (!fb_is_ok(import->status)) {
        return import->status;
    }
    switch (import->format) {
    case IMPORT_JSONL:
        import->status = end_jsonl(import);
        break;
    case IMPORT_BEADS:
        import->status = end_beads(import);
        break;
    default:
        import->status = end_whole(import);
        break;
    }
    return import->status;
}

/* --- what came of it --- */

enum import_format import_format(const struct import *import)
{
    return import->format;
}

size_t import_event_count(const struct import *import)
{
    return import->staging.count;
}

size_t import_first(const struct import *import)
{
    return import->first;
}

struct fb_text import_event(const struct import *import, size_t i)
{
    return staging_event(&import->staging, i);
}

size_t import_chunk_end(const struct import *import, size_t first)
{
    return staging_chunk_end(&import->staging, first);
}

uint32_t import_tasks(const struct import *import)
{
    return import->tasks;
}

const struct session *import_session(const struct import *import)
{
    return import->staging.scratch;
}

const char *const *import_warnings(const struct import *import, size_t *count, uint64_t *all)
{
    *all = import->outline.warning_count;
    *count = *all < OUTLINE_WARNINGS ? (size_t)*all : OUTLINE_WARNINGS;
    return import->outline.warnings;
}

struct import_progress import_progress(const struct import *import)
{
    return (struct import_progress){
        .bytes = import->bytes,
        .lines = import->lines.number,
        .events = import->staging.count,
        .events_all = import->header.events,
    };
}

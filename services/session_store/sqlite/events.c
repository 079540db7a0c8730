#include "services/session_store/sqlite/operations.h"

#include <string.h>

#include "services/session_store/batch.h"

enum {
    REQUESTS_KEPT = 1000, /* of a session; the contract promises so many */
    REQUESTS_SLACK = 64,  /* so many more may lie about, so that not every append has to prune */
};

/* --- append --- */

/* Looks whether the request id was seen; if with the same events, the answer is filled in. */
static int append_look(struct database *database, struct engine_append *append,
                       const struct session_row *row, struct engine_bytes raw,
                       enum fencing_request *request)
{
    sqlite3_stmt *statement =
        database_bind(database, REQUEST_FIND, "it", row->key, append->request_id);
    int code = database_first(statement);
    uint8_t digest[CODEC_DIGEST_BYTES];
    struct label label;
    int64_t first;

    *request = FENCING_NEW;
    if (code != SQLITE_ROW) {
        return code == SQLITE_DONE ? SQLITE_OK : code;
    }
    first = sqlite3_column_int64(statement, 0);
    database_end(statement);
    statement = database_bind(database, BATCH_HEAD, "ii", row->key, first);
    code = database_first(statement);
    if (code != SQLITE_ROW) {
        return code == SQLITE_DONE ? SQLITE_CORRUPT : code;
    }
    append->first_sequence = first;
    append->last_sequence = sqlite3_column_int64(statement, 0);
    append->unix_ms = sqlite3_column_int64(statement, 1);
    label = label_batch(row->session.id, first, append->unix_ms);
    codec_digest(raw, label_bytes(&label), digest);
    *request = sqlite3_column_bytes(statement, 2) == CODEC_DIGEST_BYTES &&
                       memcmp(digest, sqlite3_column_blob(statement, 2), CODEC_DIGEST_BYTES) == 0
                   ? FENCING_SAME
                   : FENCING_DIFFERENT;
    database_end(statement);
    return SQLITE_OK;
}

static int append_write(struct database *database, struct engine_append *append,
                        const struct session_row *row, struct engine_bytes raw)
{
    const struct engine_projection *projection = append->projection;
    int64_t payload_bytes = 0;
    struct label label = label_batch(row->session.id, append->first_sequence, append->unix_ms);
    struct codec_body body = codec_pack_small(database->codec, raw, label_bytes(&label));
    int code = database_run(database_bind(
        database, BATCH_ADD, "iiiiiibb", row->key, append->first_sequence, append->last_sequence,
        append->unix_ms, database_codec(&body), (int64_t)body.raw_bytes,
        database_blob(body.digest, sizeof(body.digest)), body.stored));

    for (size_t i = 0; i < append->event_count; i++) {
        payload_bytes += (int64_t)append->events[i].payload.size;
    }
    if (code == SQLITE_OK) {
        code =
            database_run(database_bind(database, REQUEST_ADD, "itii", row->key, append->request_id,
                                       row->appends + 1, append->first_sequence));
    }
    if (code == SQLITE_OK) {
        bool has_line = projection != NULL && projection->has_line;

        code = database_run(database_bind(
            database, SESSION_ADVANCE, "iiiibi", append->last_sequence, append->unix_ms,
            payload_bytes, projection != NULL ? projection->sequence : 0,
            has_line ? projection->line : row->session.line, row->key));
    }
    if (code == SQLITE_OK && projection != NULL) {
        code = projection_write(database, row->key, projection);
    }
    if (code == SQLITE_OK && (row->appends + 1) % REQUESTS_SLACK == 0) {
        code = database_run(database_bind(database, REQUEST_PRUNE, "ii", row->key,
                                          row->appends + 1 - REQUESTS_KEPT));
    }
    return code;
}

int run_append(struct database *database, struct engine_op *op)
{
    struct engine_append *append = (struct engine_append *)op;
    enum fencing_request request;
    struct session_row row;
    struct fencing_facts facts;
    struct fencing_decision decision;
    struct engine_bytes raw = {NULL, batch_size(append->events, append->event_count)};
    uint8_t *body = fb_arena_alloc(&op->arena, raw.size);
    int code;

    append->repeated = false;
    append->last_sequence = 0;
    if (body == NULL) {
        return SQLITE_NOMEM;
    }
    batch_write(append->events, append->event_count, body);
    raw.data = body;
    code = session_find(database, op, NULL, append->session_id, &row);
    if (code != SQLITE_ROW) {
        return code == SQLITE_DONE ? SQLITE_OK : code;
    }
    code = append_look(database, append, &row, raw, &request);
    if (code != SQLITE_OK) {
        return code;
    }
    facts = session_facts(&row);
    decision = fencing_append(&facts, append->epoch, append->expected_sequence, request);
    if (decision.verdict == FENCING_REFUSE) {
        append->last_sequence = row.session.last_sequence;
        return operation_answer(op, decision.status, decision.reason);
    }
    if (decision.verdict == FENCING_REPEAT) {
        append->repeated = true;
        return SQLITE_OK;
    }
    append->first_sequence = row.session.last_sequence + 1;
    append->last_sequence = row.session.last_sequence + (int64_t)append->event_count;
    append->unix_ms = fencing_stamp(&facts, database->unix_ms());
    return append_write(database, append, &row, raw);
}

/* --- reading --- */

/* A list that grows in an arena. */
struct event_list {
    struct engine_event *items;
    size_t count;
    size_t room;
};

static bool event_list_add(struct event_list *list, struct fb_arena *arena,
                           const struct engine_event *event)
{
    if (list->count == list->room) {
        size_t room = list->room > 0 ? 2 * list->room : 64;
        struct engine_event *items = fb_arena_zalloc(arena, room, sizeof(*items));

        if (items == NULL) {
            return false;
        }
        if (list->count > 0) {
            memcpy(items, list->items, list->count * sizeof(*items));
        }
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = *event;
    return true;
}

/* What reading is at. */
struct event_reader {
    struct database *database;
    struct engine_read_events *read;
    const char *session_id;
    struct event_list list;
    int64_t next; /* the sequence that comes next */
    size_t bytes; /* of the events in the list */
    bool full;    /* most_bytes is reached, or upto_sequence */
};

/* Takes the wanted events of the batch in the row. Its answer is the operation's. */
static struct fb_status event_reader_take(struct event_reader *reader, sqlite3_stmt *statement)
{
    struct fb_arena *arena = &reader->read->op.arena;
    int64_t first = sqlite3_column_int64(statement, 0);
    int64_t last = sqlite3_column_int64(statement, 1);
    struct engine_event event = {.sequence = first, .unix_ms = sqlite3_column_int64(statement, 2)};
    struct codec_body body = database_body(statement, 3);
    struct label label = label_batch(reader->session_id, first, event.unix_ms);
    struct engine_bytes raw;
    struct fb_status status;

    if (last < reader->next) {
        return fb_ok; /* the batch before, when after_sequence is its last */
    }
    if (first > reader->next) {
        return fb_fail(FB_DATA_LOSS, "events of the session are missing");
    }
    dictionary_need(reader->database, &body);
    status = codec_unpack(reader->database->codec, &body, label_bytes(&label), arena, &raw);
    if (!fb_is_ok(status)) {
        return status;
    }
    for (; event.sequence <= last; event.sequence++) {
        if (!batch_next(&raw, &event)) {
            return fb_fail(FB_DATA_LOSS, "events of the session cannot be read");
        }
        if (event.sequence < reader->next) {
            continue;
        }
        if (event.sequence > reader->read->upto_sequence ||
            (reader->bytes > 0 && reader->bytes + event.payload.size > reader->read->most_bytes)) {
            reader->full = true;
            return fb_ok;
        }
        if (!event_list_add(&reader->list, arena, &event)) {
            return fb_fail(FB_RESOURCE_EXHAUSTED, "the store is out of memory");
        }
        /* An empty event still takes room in memory and on the wire. */
        reader->bytes += event.payload.size + 16;
        reader->next = event.sequence + 1;
    }
    reader->full = reader->bytes >= reader->read->most_bytes;
    return fb_ok;
}

int run_read_events(struct database *database, struct engine_op *op)
{
    struct engine_read_events *read = (struct engine_read_events *)op;
    struct event_reader reader = {
        .database = database, .read = read, .next = read->after_sequence + 1};
    struct session_row row;
    sqlite3_stmt *statement;
    int code = session_find(database, op, read->scope, read->session_id, &row);

    read->events = NULL;
    read->event_count = 0;
    if (code != SQLITE_ROW) {
        return code == SQLITE_DONE ? SQLITE_OK : code;
    }
    read->last_sequence = row.session.last_sequence;
    if (read->after_sequence > read->last_sequence) {
        return operation_answer(
            op, fb_fail(FB_OUT_OF_RANGE, "after_sequence: is beyond the last event"), "");
    }
    if (read->after_sequence == read->last_sequence ||
        read->after_sequence >= read->upto_sequence) {
        return SQLITE_OK;
    }
    reader.session_id = row.session.id;
    statement = database_bind(database, BATCH_READ, "iii", row.key, read->after_sequence + 1,
                              read->upto_sequence);
    while (!reader.full && fb_is_ok(op->status) && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        op->status = event_reader_take(&reader, statement);
    }
    database_end(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        return code;
    }
    if (fb_is_ok(op->status) && !reader.full && reader.next <= read->last_sequence &&
        reader.next <= read->upto_sequence) {
        op->status = fb_fail(FB_DATA_LOSS, "the session's last events are missing");
    }
    if (fb_is_ok(op->status)) {
        read->events = reader.list.items;
        read->event_count = reader.list.count;
    }
    return SQLITE_OK;
}

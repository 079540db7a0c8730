#include "services/session_store/sqlite/operations.h"

#include <stdio.h>
#include <string.h>

enum { SNIPPET_BYTES = 1024 };

/* The columns of TASK_LIST and TASK_SEARCH. False without memory. */
static bool found_read(sqlite3_stmt *statement, struct fb_arena *arena, struct engine_found *found)
{
    int64_t id = sqlite3_column_int64(statement, 2);

    *found = (struct engine_found){
        .place = {sqlite3_column_double(statement, 0), sqlite3_column_double(statement, 1), id},
        .session_id = database_text(statement, 3, arena),
        .session_name = database_text(statement, 4, arena),
        .snippet = "",
        .task = {.number = (uint32_t)(id & ((1 << ENGINE_TASK_BITS) - 1)),
                 .state = (uint32_t)sqlite3_column_int64(statement, 5),
                 .weight = (uint32_t)sqlite3_column_int64(statement, 6),
                 .priority = (uint32_t)sqlite3_column_int64(statement, 7),
                 .percent = (uint32_t)sqlite3_column_int64(statement, 8),
                 .parent = (uint32_t)sqlite3_column_int64(statement, 9),
                 .agent = database_text(statement, 10, arena),
                 .updated_unix_ms = sqlite3_column_int64(statement, 11),
                 .has_texts = true,
                 .key = database_text(statement, 12, arena),
                 .title = database_text(statement, 13, arena),
                 .body = ""},
    };
    return found->session_id != NULL && found->session_name != NULL && found->task.agent != NULL &&
           found->task.key != NULL && found->task.title != NULL;
}

/* What both statements take first, and last. */
#define ASKED(search)                                                               \
    (int64_t)(search)->order, (search)->scope, (search)->session_id,                \
        (search)->session_name_prefix, (int64_t)(search)->states, (search)->agent,  \
        (search)->priority_least, (search)->priority_below, (search)->weight_least, \
        (search)->weight_most, (search)->updated_since_unix_ms, (search)->key_prefix
#define ASKED_LETTERS "itttitiiiiit"
#define PAGE(search)                                                   \
    (search)->after.first, (search)->after.second, (search)->after.id, \
        (int64_t)(search)->most + 1 /* by it is seen whether there are more */
#define PAGE_LETTERS "ddii"

/* Binds what is asked; `session` is the key of the only one, or 0. */
static sqlite3_stmt *search_bind(struct database *database,
                                 const struct engine_search_tasks *search, int64_t session)
{
    int64_t least = session << ENGINE_TASK_BITS;
    int64_t most = session != 0 ? least | ((1 << ENGINE_TASK_BITS) - 1) : INT64_MAX;

    return search->match == NULL
               ? database_bind(database, TASK_LIST, ASKED_LETTERS PAGE_LETTERS, ASKED(search),
                               PAGE(search))
               : database_bind(database, TASK_SEARCH, ASKED_LETTERS "tiii" PAGE_LETTERS,
                               ASKED(search), search->match, least, most,
                               (int64_t)ENGINE_RANKED_MOST, PAGE(search));
}

static int search_read(sqlite3_stmt *statement, struct engine_search_tasks *search)
{
    int code;

    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        if (search->found_count == search->most) {
            search->more = true;
            return SQLITE_DONE;
        }
        if (!found_read(statement, &search->op.arena, &search->found[search->found_count])) {
            return SQLITE_NOMEM;
        }
        search->found_count += 1;
    }
    return code;
}

/* A word may be as long as a text; where a snippet is cut, a character stays whole. */
static const char *snippet_cut(sqlite3_stmt *statement, struct fb_arena *arena)
{
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    size_t size = (size_t)sqlite3_column_bytes(statement, 0);

    if (text == NULL || size <= SNIPPET_BYTES) {
        return database_text(statement, 0, arena);
    }
    size = SNIPPET_BYTES;
    while (((unsigned char)text[size] & 0xc0) == 0x80) {
        size -= 1;
    }
    return fb_arena_printf(arena, "%.*s\u2026", (int)size, text);
}

/* The ids of what was found as a list for TASK_SNIPPETS, with the least and the most of them. */
static const char *found_ids(struct engine_search_tasks *search, int64_t *least, int64_t *most)
{
    size_t room = 24 * search->found_count + 3;
    char *list = fb_arena_alloc(&search->op.arena, room);
    size_t at = 0;

    *least = INT64_MAX;
    *most = 0;
    for (size_t i = 0; i < search->found_count && list != NULL; i++) {
        int64_t id = search->found[i].place.id;

        at += (size_t)snprintf(list + at, room - at, "%c%lld", i == 0 ? '[' : ',', (long long)id);
        *least = id < *least ? id : *least;
        *most = id > *most ? id : *most;
    }
    if (list != NULL) {
        snprintf(list + at, room - at, at > 0 ? "]" : "[]");
    }
    return list;
}

/* In one go through all that matches: the beginning of a word has to be looked up each time anew. */
static int snippets_at_once(struct database *database, struct engine_search_tasks *search)
{
    int64_t least;
    int64_t most;
    const char *ids = found_ids(search, &least, &most);
    sqlite3_stmt *statement;
    int code;

    if (ids == NULL) {
        return SQLITE_NOMEM;
    }
    statement = database_bind(database, TASK_SNIPPETS, "tiit", search->match, least, most, ids);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(statement, 1);

        for (size_t i = 0; i < search->found_count; i++) {
            if (search->found[i].place.id == id) {
                search->found[i].snippet = snippet_cut(statement, &search->op.arena);
                if (search->found[i].snippet == NULL) {
                    database_end(statement);
                    return SQLITE_NOMEM;
                }
            }
        }
    }
    database_end(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Only of what is sent: a snippet costs more than the finding. */
static int search_snippets(struct database *database, struct engine_search_tasks *search)
{
    if (strstr(search->match, "\" *") != NULL) {
        return snippets_at_once(database, search);
    }
    for (size_t i = 0; i < search->found_count; i++) {
        struct engine_found *found = &search->found[i];
        sqlite3_stmt *statement =
            database_bind(database, TASK_SNIPPET, "ti", search->match, found->place.id);
        int code = database_first(statement);

        if (code == SQLITE_ROW) {
            found->snippet = snippet_cut(statement, &search->op.arena);
            database_end(statement);
            code = found->snippet != NULL ? SQLITE_DONE : SQLITE_NOMEM;
        }
        if (code != SQLITE_DONE) {
            return code;
        }
    }
    return SQLITE_OK;
}

/* The sessions in reach whose last events are not to be found yet. */
static int search_behind(struct database *database, struct engine_search_tasks *search)
{
    sqlite3_stmt *statement =
        database_bind(database, SESSION_BEHIND, "ttti", search->scope, search->session_id,
                      search->session_name_prefix, (int64_t)ENGINE_BEHIND_MOST);
    int code;

    search->behind = fb_arena_zalloc(&search->op.arena, ENGINE_BEHIND_MOST, sizeof(char *));
    if (search->behind == NULL) {
        return SQLITE_NOMEM;
    }
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *id = database_text(statement, 0, &search->op.arena);

        if (id == NULL) {
            code = SQLITE_NOMEM;
            break;
        }
        search->behind[search->behind_count++] = id;
    }
    database_end(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

int run_search_tasks(struct database *database, struct engine_op *op)
{
    struct engine_search_tasks *search = (struct engine_search_tasks *)op;
    struct session_row row = {.key = 0};
    sqlite3_stmt *statement;
    int code;

    search->found_count = 0;
    search->more = false;
    search->behind_count = 0;
    search->found = fb_arena_zalloc(&op->arena, search->most, sizeof(*search->found));
    if (search->found == NULL) {
        return SQLITE_NOMEM;
    }
    if (search->session_id[0] != '\0') {
        code = session_find(database, op, search->scope, search->session_id, &row);
        if (code != SQLITE_ROW) {
            return code == SQLITE_DONE ? SQLITE_OK : code;
        }
    }
    statement = search_bind(database, search, row.key);
    code = search_read(statement, search);
    database_end(statement);
    if (code == SQLITE_DONE) {
        code = search->match != NULL && search->snippets ? search_snippets(database, search)
                                                         : SQLITE_OK;
    }
    if (code == SQLITE_OK && (search->last || !search->more)) {
        code = search_behind(database, search);
    }
    return code;
}

/*
 * Whatever a person types to find, the index takes it: as no error of syntax, for what it says in words
 * and not more. The input is the text, up to its first NUL.
 */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "services/session_store/limits.h"
#include "services/session_store/search_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An index of two texts, and the statement that searches it. */
static sqlite3_stmt *statement_of_index(void)
{
    static sqlite3 *handle;
    static sqlite3_stmt *statement;

    if (statement == NULL &&
        (sqlite3_open(":memory:", &handle) != SQLITE_OK ||
         sqlite3_exec(handle,
                      "CREATE VIRTUAL TABLE text USING fts5(key, title, body,"
                      " tokenize = 'unicode61 remove_diacritics 2');"
                      "INSERT INTO text VALUES ('a', 'Parse the file', 'It is read once.'),"
                      " ('b', 'Write the file', 'Not before it is parsed.')",
                      NULL, NULL, NULL) != SQLITE_OK ||
         sqlite3_prepare_v2(handle,
                            "SELECT snippet(text, -1, '[', ']', '', 8), bm25(text) FROM text"
                            " WHERE text MATCH ?",
                            -1, &statement, NULL) != SQLITE_OK)) {
        abort();
    }
    return statement;
}

static void search(const char *text)
{
    sqlite3_stmt *statement = statement_of_index();
    struct fb_arena arena;
    const char *match;
    size_t words;
    size_t found = 0;
    int code;

    fb_arena_init(&arena, 0);
    match = search_match(&arena, text, &words);
    assert(match != NULL);
    if (words <= LIMIT_SEARCH_WORDS) {
        sqlite3_bind_text(statement, 1, match, -1, SQLITE_STATIC);
        while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
            found += 1;
        }
        assert(code == SQLITE_DONE);
        assert(words > 0 || found == 0);
        sqlite3_reset(statement);
    }
    fb_arena_finish(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fb_arena arena;
    char *text;

    fb_arena_init(&arena, 0);
    text = fb_arena_copy(&arena, size > 0 ? (const char *)data : "", size);
    assert(text != NULL);
    if (fb_is_ok(limits_text(&arena, "text", text, LIMIT_SEARCH_BYTES))) {
        search(text);
    }
    fb_arena_finish(&arena);
    return 0;
}

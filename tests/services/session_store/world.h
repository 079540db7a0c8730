#ifndef FB_TESTS_SERVICES_SESSION_STORE_WORLD_H
#define FB_TESTS_SERVICES_SESSION_STORE_WORLD_H

/*
 * world: an engine on a real SQLite file in a folder of its own, and operations done one by one.
 *
 * The clock stands still until it is set. Failures end the test.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/session_store/engine.h"
#include "services/session_store/sqlite/sqlite_engine.h"

struct world {
    char folder[64];
    char path[96]; /* of the file in the folder */
    struct engine *engine;
    struct fb_arena arena;
};

/* A new folder without an engine; and back. */
void world_init(struct world *world);
void world_finish(struct world *world);

/* For cmocka: a world without an engine in `*state`. */
int world_set_up(void **state);
int world_tear_down(void **state);

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

/* What the tests open with; a test may change it before. */
struct sqlite_engine_config world_config(const struct world *world);

/* Opens and closes the engine. */
void world_open(struct world *world);
struct fb_status world_try_open(struct world *world, const struct sqlite_engine_config *config);
void world_close(struct world *world);

/* What the engines of all worlds take for the time. */
void world_set_time(int64_t unix_ms);

/* Submits and waits for it. The answer stays good until op_finish. */
void op_do(struct engine *engine, struct engine_op *op);
void op_finish(struct engine_op *op);

/* --- short forms that want FB_OK --- */

/* Acquires the session of the name for the owner, making it if needed; its epoch. */
int64_t must_acquire(struct engine *engine, const char *session_id, const char *owner);

/* Appends events whose payloads are the texts up to NULL, as TEXTS makes; the last sequence. */
#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})
int64_t must_append(struct engine *engine, const char *session_id, int64_t epoch,
                    int64_t expected_sequence, const char *request_id, const char *const *texts);

/* Appends `count` events of `size` bytes of noise that depends on the sequence. */
int64_t must_append_noise(struct engine *engine, const char *session_id, int64_t epoch,
                          int64_t expected_sequence, size_t count, size_t size);

/* --- operations as values, to be changed before they are done --- */

struct engine_acquire acquire_of(const char *session_id, const char *owner);
struct engine_append append_of(const char *session_id, int64_t epoch, int64_t expected_sequence,
                               const char *request_id, const struct engine_event *events,
                               size_t count);
struct engine_event event_of(const char *text);
struct engine_read_events read_of(const char *session_id, int64_t after_sequence);

struct engine_bytes bytes_of(const char *text);
bool bytes_are(struct engine_bytes bytes, const char *text);

/* Runs a check; how many findings. */
int64_t findings_of(struct engine *engine);

/* Puts a session with a snapshot, a blob, an entry of the catalogue and a result. */
void put_one_of_each(struct engine *engine);

/* How far the session's events can be read, one after the other, and how reading them ended. */
int64_t count_events(struct engine *engine, const char *session_id, enum fb_code *code);

/* That all of them can be read. */
void assert_events(struct engine *engine, const char *session_id, int64_t expected);

/* --- what queries see --- */

/* Task `number` with texts: queued, of weight 5 and priority 2, held by nobody. */
struct engine_task task_of(uint32_t number, const char *key, const char *title, const char *body);

/* Puts a projection of `count` tasks up to `sequence`, without a line. */
void must_project(struct engine *engine, const char *session_id, int64_t epoch, int64_t sequence,
                  const struct engine_task *tasks, size_t count);

/* A session with one event and these tasks projected; its epoch. */
int64_t must_plan(struct engine *engine, const char *session_id, const struct engine_task *tasks,
                  size_t count);

/* Any task of the scope "", up to 100 by the time they changed; `text` NULL for any, else by rank. */
struct engine_search_tasks search_of(struct fb_arena *arena, const char *text);

/* Searches, and says the numbers of the tasks in order, as "1 2 3". The answer stays good. */
void search_do(struct engine *engine, struct engine_search_tasks *search, char numbers[256]);

/* That exactly these are found. Ends the operation. */
void assert_found(struct engine *engine, struct engine_search_tasks search, const char *expected);

/* --- behind the engine's back --- */

/* Runs SQL on the file of a world that is closed. */
void sql_do(const char *path, const char *sql);

/* The number that SQL gives, read beside an engine as any reader may. */
int64_t sql_number(const char *path, const char *sql);

#endif

#ifndef FB_TESTS_BENCH_QUERY_DATA_H
#define FB_TESTS_BENCH_QUERY_DATA_H

/*
 * query_data: the tasks that query_load asks for, and what it asks.
 *
 * The same tasks each time, made by their number, a hundred to a session. RARE is in three of them,
 * COMMON in one of sixteen, USUAL in most.
 */

#include <stddef.h>
#include <stdint.h>

enum { TASKS_OF_SESSION = 100, ANSWERS_MOST = 20, QUERIES = 7 };

#define RARE   "zanzibar"
#define COMMON "parser"
#define USUAL  "module"

struct query_task {
    char session[24];
    uint32_t number; /* in its session, from 1 */
    char title[96];
    char body[512];
    uint32_t state; /* 0 to 6 */
    uint32_t weight;
    uint32_t priority;
    char agent[16];
    int64_t updated_unix_ms;
};

/* The task `index` of `count`, from 0. */
struct query_task query_task_of(size_t index, size_t count);

/* Of each query the ANSWERS_MOST first are wanted: the tasks changed last, or the best matches. */
struct query {
    const char *name;
    const char *word;    /* in title or body; NULL for any */
    const char *text;    /* the same as the store takes it, where that differs */
    const char *session; /* NULL for all */
    const char *agent;   /* NULL for any */
    int state;           /* -1 for any */
    int of_sessions;     /* the sessions changed last, with how much of each is done */
};

extern const struct query queries[QUERIES];

/* A way to answer queries; each is opened with `count` tasks in it. */
struct query_way {
    const char *name;
    void *(*open)(const char *where, size_t count);
    size_t (*ask)(void *self, const struct query *query); /* how many answers there were */
    void (*close)(void *self);
};

extern const struct query_way query_store; /* at an address, by gRPC */
extern const struct query_way query_files; /* in a folder, a JSON file for each session */
extern const struct query_way query_plain; /* in a file, SQLite as it comes */

/* Ends the program with the reason. */
_Noreturn void query_fail(const char *what, const char *why);

#endif

#include "tests/bench/query_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct query queries[QUERIES] = {
    {"word in 3 tasks", .word = RARE, .state = -1},
    {"word in 1 task of 16", .word = COMMON, .state = -1},
    {"beginning of such a word", .word = "pars", .text = "pars*", .state = -1},
    {"word in most tasks", .word = USUAL, .state = -1},
    {"active tasks of an agent", .agent = "agent-3", .state = 1},
    {"blocked tasks of a session", .session = "plan-00000", .state = 2},
    {"sessions by last change", .of_sessions = 1, .state = -1},
};

void query_fail(const char *what, const char *why)
{
    fprintf(stderr, "query_load: %s: %s\n", what, why);
    exit(1);
}

static uint64_t next_random(uint64_t *random)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return *random >> 33;
}

/* Appends words; the first ones of the list are the frequent ones. */
static void write_words(char *text, size_t room, size_t words, uint64_t *random)
{
    static const char *const list[] = {
        "the",     "and",      "of",      USUAL,     "test",   "server",  "config",   "reads",
        "writes",  "suite",    "handles", "error",   "queue",  "worker",  "session",  "returns",
        "timeout", "deadline", "cache",   "index",   "schema", "migrate", "release",  "document",
        "review",  "refactor", "measure", "latency", "memory", "thread",  "protocol", "gateway",
        "router",  "store",    "column",  "vector",  "escape", "unicode", "signal",   "process",
    };
    size_t at = 0;

    text[0] = '\0';
    for (size_t i = 0; i < words && at + 24 < room; i++) {
        /* The lesser of two draws: the earlier a word, the more often it comes. */
        uint64_t a = next_random(random) % 40;
        uint64_t b = next_random(random) % 40;
        uint64_t pick = a < b ? a : b;

        at += (size_t)snprintf(text + at, room - at, i == 0 ? "%s" : " %s", list[pick]);
        if (next_random(random) % 5 == 0) {
            at += (size_t)snprintf(text + at, room - at, " w%u",
                                   (unsigned)(next_random(random) % 20000));
        }
    }
}

struct query_task query_task_of(size_t index, size_t count)
{
    uint64_t random = index * 2654435761u + 12345;
    struct query_task task = {.number = (uint32_t)(index % TASKS_OF_SESSION + 1)};

    next_random(&random);
    snprintf(task.session, sizeof(task.session), "plan-%05zu", index / TASKS_OF_SESSION);
    write_words(task.title, sizeof(task.title), 5 + next_random(&random) % 4, &random);
    write_words(task.body, sizeof(task.body), 20 + next_random(&random) % 40, &random);
    if (index % (count / 3 + 1) == count / 6) {
        memcpy(task.title, RARE " ", sizeof(RARE));
    }
    if (next_random(&random) % 16 == 0) {
        memcpy(task.body, COMMON " ", sizeof(COMMON));
    }
    task.state = (uint32_t)(next_random(&random) % 7);
    task.weight = (uint32_t)(next_random(&random) % 10 + 1);
    task.priority = (uint32_t)(next_random(&random) % 5);
    snprintf(task.agent, sizeof(task.agent), "agent-%u", (unsigned)(next_random(&random) % 40));
    task.updated_unix_ms = 1700000000000 + (int64_t)(next_random(&random) % 1000000000);
    return task;
}

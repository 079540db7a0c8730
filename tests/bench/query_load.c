/*
 * query_load: asks for tasks and sessions, and measures how long that takes.
 *
 *     query_load --store ADDRESS --files FOLDER --plain FILE --tasks N
 *
 * Puts the same tasks into a flow-store, into a JSON file for each session (read by jansson, which parses
 * faster than what the tools that keep such files are written in) and into one table of SQLite as it
 * comes (default pragmas, LIKE, no index). Then each query is asked in turn: of the first the page is
 * wanted, 20 answers. Prints a JSON object for each query:
 *
 *     query, tasks                 what was asked, of how many
 *     store_us, files_us, plain_us medians
 *     store, files, plain          answers
 */
#include "tests/bench/query_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"

enum { WAYS = 3, ASKS_LEAST = 5, ASKS_MOST = 201, BUDGET_US = 400000 };

static const struct query_way *const ways[WAYS] = {&query_store, &query_files, &query_plain};

static int by_size(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

/* The median of as many asks as the budget allows. */
static int64_t measure(const struct query_way *way, void *self, const struct query *query,
                       size_t *answers)
{
    int64_t took_us[ASKS_MOST];
    int64_t start_us = fb_clock_us();
    size_t asks = 0;

    way->ask(self, query); /* whatever is read for the first time is read for all ways */
    while (asks < ASKS_MOST && (asks < ASKS_LEAST || fb_clock_us() - start_us < BUDGET_US)) {
        int64_t began_us = fb_clock_us();

        *answers = way->ask(self, query);
        took_us[asks++] = fb_clock_us() - began_us;
    }
    qsort(took_us, asks, sizeof(took_us[0]), by_size);
    return took_us[asks / 2];
}

int main(int argc, char **argv)
{
    const char *where[WAYS] = {NULL, NULL, NULL};
    void *selves[WAYS];
    size_t tasks = 0;

    for (int i = 1; i + 1 < argc; i += 2) {
        for (size_t way = 0; way < WAYS; way++) {
            if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i] + 2, ways[way]->name) == 0) {
                where[way] = argv[i + 1];
            }
        }
        if (strcmp(argv[i], "--tasks") == 0) {
            tasks = strtoul(argv[i + 1], NULL, 10);
        }
    }
    if (where[0] == NULL || where[1] == NULL || where[2] == NULL || tasks < 1 || tasks > 1000000) {
        query_fail("arguments", "see the head of this file");
    }
    for (size_t way = 0; way < WAYS; way++) {
        selves[way] = ways[way]->open(where[way], tasks);
    }
    for (size_t i = 0; i < QUERIES; i++) {
        printf("{\"query\": \"%s\", \"tasks\": %zu", queries[i].name, tasks);
        for (size_t way = 0; way < WAYS; way++) {
            size_t answers = 0;
            int64_t median_us = measure(ways[way], selves[way], &queries[i], &answers);

            printf(", \"%s_us\": %lld, \"%s\": %zu", ways[way]->name, (long long)median_us,
                   ways[way]->name, answers);
        }
        printf("}\n");
    }
    for (size_t way = 0; way < WAYS; way++) {
        ways[way]->close(selves[way]);
    }
    return 0;
}

#ifndef FB_SERVICES_WORKER_FLOW_FLOOD_H
#define FB_SERVICES_WORKER_FLOW_FLOOD_H

/*
 * flood: whether tasks come faster than anybody can mean them.
 *
 * There is a flood when more than FLOOD_RATIO tasks were generated (parts of chains) for each that
 * somebody planned, or when more than FLOOD_GROWTH came within an awake hour and more than that are
 * queued. A plan of more than FLOOD_GROWTH tasks at once that are not generated was meant, so it
 * counts for nothing here. A flood asks for no further chains; it forbids nothing else. Time is the
 * session's awake time. A value; one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

enum {
    FLOOD_RATIO = 4,
    FLOOD_GROWTH = 50,
    FLOOD_GENERATED_LEAST = 12, /* three chains: fewer are no flood, whatever the ratio */
    FLOOD_BINS = 12,            /* of five minutes: the last hour */
    FLOOD_BIN_MS = 5 * 60 * 1000,
};

struct flood {
    uint64_t generated;
    uint64_t planned; /* by somebody */
    uint32_t bins[FLOOD_BINS];
    int64_t bin;     /* number of the last one, from the beginning of awake time */
    int64_t last_ms; /* when the last tasks came */
};

/* How it stands. */
struct flood_level {
    uint64_t generated;
    uint64_t planned;
    uint32_t came; /* within the last hour */
    bool ratio;    /* too many are generated */
    bool growth;   /* too many come */
};

/* A plan brought tasks, some of them generated. */
void flood_planned(struct flood *flood, uint32_t generated, uint32_t others, int64_t now_awake_ms);

/* With `queued` tasks in the queue, and if `more` were generated now. */
struct flood_level flood_level(const struct flood *flood, uint32_t more, uint32_t queued,
                               int64_t now_awake_ms);

#endif

#ifndef FB_SERVICES_WORKER_FLOW_RANKER_H
#define FB_SERVICES_WORKER_FLOW_RANKER_H

/*
 * ranker: which of the tasks that may be taken up an agent is likely to take up next.
 *
 * A conditional logit (McFadden 1974) by AdaGrad over the *candidates*: it learns from every choice
 * among at least RANKER_LEAST of them, after the chosen task was ranked with what was known before. Who
 * completes a task that nobody has claimed has chosen it by then. Nine features: how new it is among
 * the candidates, its priority, whether it shares the parent of the agent's last task, was freed by it,
 * was planned with it, or was planned just after it, how many wait for it, whether it was touched in
 * the last half hour, and e^(-age / 1 h). Simple rules are ranked beside it; the ranker is *trusted*
 * only while more of the last RANKER_WINDOW choices were among its first three than among any rule's.
 *
 * Of more than RANKER_CANDIDATES, the newest, the oldest, those planned after the agent's last task and
 * those that it freed stand for all; a chosen task that is not among them counts as missed by all.
 * It tells what agents do, not what they should do, which is the schedule's to say; it claims nothing.
 *
 * Tasks are numbers from 1. The same calls give the same state, whatever is said in which order about
 * tasks between two choices. One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RANKER_FEATURES = 9,
    RANKER_LEAST = 3,        /* candidates to learn from */
    RANKER_CANDIDATES = 400, /* ranked if there are no more */
    RANKER_SAMPLED = 128,    /* of more than that */
    RANKER_WINDOW = 200,     /* choices that decide whether it is trusted */
    RANKER_TRUSTED_AFTER = 20,
    RANKER_FREED = 32,        /* tasks freed by the last one that count */
    RANKER_FAN_OUT_MOST = 15, /* more count as this */
    RANKER_NAMED = 3,         /* hits are among the first so many */
    RANKER_TOUCHED_MS = 30 * 60 * 1000,
};

enum ranker_feature {
    RANKER_NEWNESS,
    RANKER_PRIORITY,
    RANKER_SAME_PARENT,
    RANKER_FREED_BY_LAST,
    RANKER_FAN_OUT,
    RANKER_TOUCHED,
    RANKER_YOUTH,
    RANKER_SAME_PLAN,
    RANKER_JUST_AFTER,
};

enum ranker_rule {
    RANKER_OLDEST,        /* first in, first out */
    RANKER_URGENT_OLDEST, /* by priority, then the oldest */
    RANKER_URGENT_NEWEST,
    RANKER_NEWEST,
    RANKER_FREED_NEWEST, /* just freed, then the newest */
    RANKER_LAST_TOUCHED, /* then the newest */
    RANKER_RULES
};

/* How a choice was ranked: places from 1; 0: not among those ranked, or none was. */
struct ranker_lesson {
    uint32_t candidates; /* that there were */
    uint32_t place;
    uint32_t rule_places[RANKER_RULES];
};

/* What is known of a task. */
struct ranker_task {
    int64_t planned_ms; /* unix time; what is planned at the same time is one plan */
    int64_t touched_ms; /* claimed, noted or edited last; 0: never */
    uint32_t parent;    /* 0: none */
    uint8_t priority;   /* 0 (first) to 4 */
    uint8_t fan_out;    /* tasks that wait for it, at most RANKER_FAN_OUT_MOST */
};

struct ranker {
    /* learned */
    double weights[RANKER_FEATURES];
    double squares[RANKER_FEATURES];
    uint64_t ranked;             /* choices learned from */
    uint8_t hits[RANKER_WINDOW]; /* a ring: bit 0 the ranker's, bit 1 + r that of rule r */

    struct ranker_lesson lesson; /* the last call of ranker_learn; for who looks on */
    uint32_t left_out;           /* bits of features taken as 0; for comparisons */

    /* what is there; not learned */
    struct ranker_task *tasks; /* by number */
    uint64_t *candidates;      /* a bit for each task */
    uint32_t room;
    uint32_t count; /* of candidates */
};

/* Knows no task; begins with weights that are usual, not with none. */
void ranker_init(struct ranker *ranker);

void ranker_finish(struct ranker *ranker);

/* Makes room for tasks up to the number `last`. False when memory is exhausted; nothing has changed. */
bool ranker_reserve(struct ranker *ranker, uint32_t last);

/* What is known of a task for which there is room, but when it was touched; of each candidate. */
void ranker_describe(struct ranker *ranker, uint32_t number, struct ranker_task task);
void ranker_set_candidate(struct ranker *ranker, uint32_t number, bool candidate);
bool ranker_is_candidate(const struct ranker *ranker, uint32_t number);
void ranker_touch(struct ranker *ranker, uint32_t number, int64_t now_ms);

/* What an agent did before it chooses. */
struct ranker_last {
    uint32_t task;                /* 0: nothing */
    uint32_t freed[RANKER_FREED]; /* the lowest of those that it held up, in ascending order */
    uint32_t freed_count;
};

void ranker_last_freed(struct ranker_last *last, uint32_t number);

/* A task is about to be chosen; it should still be a candidate, or nothing is learned. */
void ranker_learn(struct ranker *ranker, const struct ranker_last *last, uint32_t number,
                  int64_t now_ms);

struct ranker_likely {
    uint32_t task;
    double probability; /* among the candidates */
};

/* Whether a task may be named. */
typedef bool (*ranker_may_fn)(const void *arg, uint32_t number);

/*
 * Up to `most` (at most RANKER_CANDIDATES) of the candidates that `may` lets through (NULL: all), the
 * likeliest first: by the ranker if it is trusted, else by the rule that hit most; returns how many.
 */
size_t ranker_likely(const struct ranker *ranker, const struct ranker_last *last, int64_t now_ms,
                     ranker_may_fn may, const void *arg, struct ranker_likely *likely, size_t most);

/* Shares of the window's choices that were among the first three; of `rules` by rule. */
struct ranker_record {
    uint32_t choices; /* in the window */
    double hits;
    double rule_hits[RANKER_RULES];
    enum ranker_rule best; /* of the rules; the later on a tie */
    bool trusted;
};

struct ranker_record ranker_record(const struct ranker *ranker);

/* "oldest" and so on, as a table says it */
const char *ranker_rule_name(enum ranker_rule rule);

#endif

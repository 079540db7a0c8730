#include "services/worker/flow/ranker.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RATE 0.7 /* of AdaGrad */
#define SQUARES_AT \
    0.1 /* what each weight has seen before: the usual ones are not thrown away at once */

enum {
    WORD_BITS = 64,
    NEAR = 24 /* tasks planned after the last completed one that are sampled */
};

/* One completion, or one look ahead: what could be next, newest first. */
struct field {
    uint32_t tasks[RANKER_CANDIDATES];
    double features[RANKER_CANDIDATES][RANKER_FEATURES];
    double scores[RANKER_CANDIDATES]; /* then probabilities */
    uint32_t count;
};

/* Where learning begins: weights as they were learned on trackers of agents' work, rounded. */
static const double usual[RANKER_FEATURES] = {
    [RANKER_NEWNESS] = 1.5,       [RANKER_PRIORITY] = 1,  [RANKER_SAME_PARENT] = 1.5,
    [RANKER_FREED_BY_LAST] = 1.5, [RANKER_FAN_OUT] = 0,   [RANKER_TOUCHED] = 1.5,
    [RANKER_YOUTH] = 1.5,         [RANKER_SAME_PLAN] = 1, [RANKER_JUST_AFTER] = 1,
};

/* --- what is there --- */

void ranker_init(struct ranker *ranker)
{
    *ranker = (struct ranker){.ranked = 0};
    memcpy(ranker->weights, usual, sizeof(usual));
}

void ranker_finish(struct ranker *ranker)
{
    free(ranker->tasks);
    free(ranker->candidates);
    ranker->tasks = NULL;
    ranker->candidates = NULL;
    ranker->room = 0;
    ranker->count = 0;
}

bool ranker_reserve(struct ranker *ranker, uint32_t last)
{
    uint32_t room = ranker->room == 0 ? WORD_BITS : ranker->room;
    struct ranker_task *tasks;
    uint64_t *candidates;

    if (last < ranker->room) {
        return true;
    }
    while (room <= last) {
        room *= 2;
    }
    tasks = realloc(ranker->tasks, room * sizeof(*tasks));
    ranker->tasks = tasks != NULL ? tasks : ranker->tasks;
    candidates = realloc(ranker->candidates, room / WORD_BITS * sizeof(*candidates));
    ranker->candidates = candidates != NULL ? candidates : ranker->candidates;
    if (tasks == NULL || candidates == NULL) {
        return false;
    }
    memset(tasks + ranker->room, 0, (room - ranker->room) * sizeof(*tasks));
    memset(candidates + ranker->room / WORD_BITS, 0,
           (room - ranker->room) / WORD_BITS * sizeof(*candidates));
    ranker->room = room;
    return true;
}

bool ranker_is_candidate(const struct ranker *ranker, uint32_t number)
{
    return number < ranker->room &&
           (ranker->candidates[number / WORD_BITS] >> number % WORD_BITS & 1) != 0;
}

void ranker_describe(struct ranker *ranker, uint32_t number, struct ranker_task task)
{
    assert(number < ranker->room);
    task.touched_ms = ranker->tasks[number].touched_ms;
    ranker->tasks[number] = task;
}

void ranker_set_candidate(struct ranker *ranker, uint32_t number, bool candidate)
{
    assert(number < ranker->room);
    if (ranker_is_candidate(ranker, number) != candidate) {
        ranker->candidates[number / WORD_BITS] ^= UINT64_C(1) << number % WORD_BITS;
        ranker->count += candidate ? 1 : -1U;
    }
}

void ranker_touch(struct ranker *ranker, uint32_t number, int64_t now_ms)
{
    assert(number < ranker->room);
    ranker->tasks[number].touched_ms = now_ms;
}

/* --- who is ranked --- */

static int by_number_falling(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a;
    const uint32_t y = *(const uint32_t *)b;

    return (x < y) - (x > y);
}

static int by_number(const void *a, const void *b)
{
    return by_number_falling(b, a);
}

/* The newest `most` of the candidates, newest first. */
static void take_newest(const struct ranker *ranker, struct field *field, uint32_t most)
{
    for (uint32_t word = ranker->room / WORD_BITS; word-- > 0 && field->count < most;) {
        uint64_t bits = ranker->candidates[word];

        while (bits != 0 && field->count < most) {
            const uint32_t bit = WORD_BITS - 1 - (uint32_t)__builtin_clzll(bits);

            bits ^= UINT64_C(1) << bit;
            field->tasks[field->count++] = word * WORD_BITS + bit;
        }
    }
}

static void take_oldest(const struct ranker *ranker, struct field *field, uint32_t most)
{
    const uint32_t until = field->count + most;

    for (uint32_t word = 0; word < ranker->room / WORD_BITS && field->count < until; word++) {
        uint64_t bits = ranker->candidates[word];

        while (bits != 0 && field->count < until) {
            const uint32_t bit = (uint32_t)__builtin_ctzll(bits);

            bits ^= UINT64_C(1) << bit;
            field->tasks[field->count++] = word * WORD_BITS + bit;
        }
    }
}

static void take(const struct ranker *ranker, struct field *field, uint32_t number)
{
    if (ranker_is_candidate(ranker, number)) {
        field->tasks[field->count++] = number;
    }
}

static void take_sample(const struct ranker *ranker, const struct ranker_last *last,
                        struct field *field)
{
    uint32_t kept = 0;

    take_newest(ranker, field, RANKER_SAMPLED / 2);
    for (uint32_t i = 0; i < last->freed_count; i++) {
        take(ranker, field, last->freed[i]);
    }
    for (uint32_t i = 1; i <= NEAR && last->task != 0; i++) {
        take(ranker, field, last->task + i);
    }
    take_oldest(ranker, field, RANKER_SAMPLED - field->count);
    qsort(field->tasks, field->count, sizeof(field->tasks[0]), by_number_falling);
    for (uint32_t i = 0; i < field->count; i++) {
        if (kept == 0 || field->tasks[kept - 1] != field->tasks[i]) {
            field->tasks[kept++] = field->tasks[i];
        }
    }
    field->count = kept;
}

static bool is_freed(const struct ranker_last *last, uint32_t number)
{
    return bsearch(&number, last->freed, last->freed_count, sizeof(number), by_number) != NULL;
}

static bool is_touched(const struct ranker_task *task, int64_t now_ms)
{
    return task->touched_ms != 0 && now_ms - task->touched_ms <= RANKER_TOUCHED_MS;
}

void ranker_last_freed(struct ranker_last *last, uint32_t number)
{
    uint32_t at = last->freed_count;

    if (is_freed(last, number) || (at == RANKER_FREED && number > last->freed[RANKER_FREED - 1])) {
        return;
    }
    at -= at == RANKER_FREED;
    for (; at > 0 && last->freed[at - 1] > number; at--) {
        last->freed[at] = last->freed[at - 1];
    }
    last->freed[at] = number;
    last->freed_count += last->freed_count < RANKER_FREED;
}

/* All that there are, if that is not too many; features and scores of each. */
static void survey(const struct ranker *ranker, const struct ranker_last *last, struct field *field,
                   int64_t now_ms)
{
    static const struct ranker_task nothing;
    const struct ranker_task *before =
        last->task != 0 && last->task < ranker->room ? &ranker->tasks[last->task] : &nothing;

    field->count = 0;
    if (ranker->count <= RANKER_CANDIDATES) {
        take_newest(ranker, field, RANKER_CANDIDATES);
    } else {
        take_sample(ranker, last, field);
    }
    for (uint32_t i = 0; i < field->count; i++) {
        const uint32_t number = field->tasks[i];
        const struct ranker_task *task = &ranker->tasks[number];
        const double hours = (double)(now_ms - task->planned_ms) / 3600000.0;
        double *x = field->features[i];

        x[RANKER_NEWNESS] = 1 / sqrt(1.0 + i);
        x[RANKER_PRIORITY] = (2.0 - task->priority) / 2;
        x[RANKER_SAME_PARENT] = before->parent != 0 && task->parent == before->parent;
        x[RANKER_FREED_BY_LAST] = last->freed_count != 0 && is_freed(last, number);
        x[RANKER_FAN_OUT] = sqrt(task->fan_out) / 2;
        x[RANKER_TOUCHED] = is_touched(task, now_ms);
        x[RANKER_YOUTH] = hours < 20 ? exp(-hours) : 0;
        x[RANKER_SAME_PLAN] = last->task != 0 && task->planned_ms == before->planned_ms;
        x[RANKER_JUST_AFTER] = last->task != 0 && number == last->task + 1;
        field->scores[i] = 0;
        for (uint32_t f = 0; f < RANKER_FEATURES; f++) {
            x[f] = (ranker->left_out >> f & 1) != 0 ? 0 : x[f];
            field->scores[i] += ranker->weights[f] * x[f];
        }
    }
}

static void make_probabilities(struct field *field)
{
    double greatest = field->count != 0 ? field->scores[0] : 0;
    double sum = 0;

    for (uint32_t i = 1; i < field->count; i++) {
        greatest = fmax(greatest, field->scores[i]);
    }
    for (uint32_t i = 0; i < field->count; i++) {
        field->scores[i] = exp(field->scores[i] - greatest);
        sum += field->scores[i];
    }
    for (uint32_t i = 0; i < field->count; i++) {
        field->scores[i] /= sum;
    }
}

/* --- the rules --- */

/*
 * What a rule goes by, the greater the better; of equals the newer goes first, which is the one that
 * stands first in the field.
 */
static int64_t rule_key(const struct ranker *ranker, const struct field *field, uint32_t i,
                        int64_t now_ms, enum ranker_rule rule)
{
    const struct ranker_task *task = &ranker->tasks[field->tasks[i]];

    switch (rule) {
    case RANKER_OLDEST:
        return i;
    case RANKER_URGENT_OLDEST:
        return (int64_t)i - (int64_t)task->priority * RANKER_CANDIDATES;
    case RANKER_URGENT_NEWEST:
        return -(int64_t)task->priority;
    case RANKER_NEWEST:
        return 0;
    case RANKER_FREED_NEWEST:
        return field->features[i][RANKER_FREED_BY_LAST] > 0;
    case RANKER_LAST_TOUCHED:
        return is_touched(task, now_ms) ? task->touched_ms : 0;
    case RANKER_RULES:
        break;
    }
    return 0;
}

static uint32_t rule_place(const struct ranker *ranker, const struct field *field, uint32_t of,
                           int64_t now_ms, enum ranker_rule rule)
{
    const int64_t key = rule_key(ranker, field, of, now_ms, rule);
    uint32_t place = 1;

    for (uint32_t i = 0; i < field->count; i++) {
        const int64_t other = rule_key(ranker, field, i, now_ms, rule);

        place += other > key || (other == key && i < of);
    }
    return place;
}

/* --- learning --- */

static void step(struct ranker *ranker, const struct field *field, const double chosen[])
{
    double gradient[RANKER_FEATURES] = {0};

    for (uint32_t i = 0; i < field->count; i++) {
        for (uint32_t f = 0; f < RANKER_FEATURES; f++) {
            gradient[f] += field->scores[i] * field->features[i][f];
        }
    }
    for (uint32_t f = 0; f < RANKER_FEATURES; f++) {
        gradient[f] -= chosen[f];
        ranker->squares[f] += gradient[f] * gradient[f];
        ranker->weights[f] -= RATE * gradient[f] / sqrt(ranker->squares[f] + SQUARES_AT);
    }
}

void ranker_learn(struct ranker *ranker, const struct ranker_last *last, uint32_t number,
                  int64_t now_ms)
{
    struct ranker_lesson *lesson = &ranker->lesson;
    struct field field;
    uint32_t at = 0;
    uint8_t hits = 0;

    *lesson = (struct ranker_lesson){.candidates = ranker->count};
    if (ranker->count < RANKER_LEAST || !ranker_is_candidate(ranker, number)) {
        return;
    }
    survey(ranker, last, &field, now_ms);
    while (at < field.count && field.tasks[at] != number) {
        at++;
    }
    if (at < field.count) {
        lesson->place = 1;
        for (uint32_t i = 0; i < field.count; i++) {
            lesson->place += field.scores[i] > field.scores[at] ||
                             (field.scores[i] == field.scores[at] && i < at);
        }
        hits |= lesson->place <= RANKER_NAMED;
        for (uint32_t rule = 0; rule < RANKER_RULES; rule++) {
            lesson->rule_places[rule] = rule_place(ranker, &field, at, now_ms, rule);
            hits |= (uint8_t)((lesson->rule_places[rule] <= RANKER_NAMED) << (1 + rule));
        }
        make_probabilities(&field);
        step(ranker, &field, field.features[at]);
    }
    ranker->hits[ranker->ranked % RANKER_WINDOW] = hits;
    ranker->ranked++;
}

/* --- what is likely --- */

size_t ranker_likely(const struct ranker *ranker, const struct ranker_last *last, int64_t now_ms,
                     ranker_may_fn may, const void *arg, struct ranker_likely *likely, size_t most)
{
    const struct ranker_record record = ranker_record(ranker);
    double keys[RANKER_CANDIDATES];
    struct field field;
    size_t named = 0;

    survey(ranker, last, &field, now_ms);
    make_probabilities(&field);
    for (uint32_t i = 0; i < field.count; i++) {
        keys[i] = record.trusted ? field.scores[i]
                                 : (double)rule_key(ranker, &field, i, now_ms, record.best);
        if (may != NULL && !may(arg, field.tasks[i])) {
            keys[i] = -INFINITY;
        }
    }
    while (named < most) {
        uint32_t best = 0;

        for (uint32_t i = 1; i < field.count; i++) {
            best = keys[i] > keys[best] ? i : best;
        }
        if (field.count == 0 || keys[best] == -INFINITY) {
            break;
        }
        likely[named++] =
            (struct ranker_likely){.task = field.tasks[best], .probability = field.scores[best]};
        keys[best] = -INFINITY;
    }
    return named;
}

struct ranker_record ranker_record(const struct ranker *ranker)
{
    struct ranker_record record = {
        .choices = (uint32_t)(ranker->ranked < RANKER_WINDOW ? ranker->ranked : RANKER_WINDOW),
        .best = RANKER_FREED_NEWEST,
    };

    for (uint32_t i = 0; i < record.choices; i++) {
        record.hits += (ranker->hits[i] & 1) / (double)record.choices;
        for (uint32_t rule = 0; rule < RANKER_RULES; rule++) {
            record.rule_hits[rule] += (ranker->hits[i] >> (1 + rule) & 1) / (double)record.choices;
        }
    }
    for (uint32_t rule = 0; rule < RANKER_RULES; rule++) {
        if (record.rule_hits[rule] > record.rule_hits[record.best]) {
            record.best = rule;
        }
    }
    record.trusted =
        record.choices >= RANKER_TRUSTED_AFTER && record.hits > record.rule_hits[record.best];
    return record;
}

const char *ranker_rule_name(enum ranker_rule rule)
{
    static const char *const names[RANKER_RULES] = {
        [RANKER_OLDEST] = "oldest (FIFO)",
        [RANKER_URGENT_OLDEST] = "priority, oldest",
        [RANKER_URGENT_NEWEST] = "priority, newest",
        [RANKER_NEWEST] = "newest",
        [RANKER_FREED_NEWEST] = "just unblocked, then newest",
        [RANKER_LAST_TOUCHED] = "last touched, then newest",
    };

    return names[rule];
}

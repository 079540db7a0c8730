#include "services/worker/flow_service/where.h"

#include <string.h>

#include "services/worker/flow/task.h"

struct reading {
    struct fb_arena *arena;
    struct fb_text condition; /* as it stands there */
    struct fb_text value;
    struct where *where;
};

typedef struct fb_status where_fn(const struct reading *reading);

static struct fb_status fail(const struct reading *reading, const char *wanted)
{
    return fb_arena_fail(reading->arena, FB_INVALID_ARGUMENT, "where: \"%.*s\" %s",
                         (int)reading->condition.size, reading->condition.data, wanted);
}

/* The text up to `c`, which is taken off together with it; all of it if there is none. */
static struct fb_text take_to(struct fb_text *text, char c)
{
    const char *at = text->size == 0 ? NULL : memchr(text->data, c, text->size);
    struct fb_text part = *text;

    if (at == NULL) {
        *text = (struct fb_text){.data = NULL, .size = 0};
        return part;
    }
    part.size = (size_t)(at - text->data);
    text->size -= part.size + 1;
    text->data = at + 1;
    return part;
}

/* --- one function for each word --- */

static struct fb_status read_state(const struct reading *reading)
{
    static const struct {
        const char *name;
        uint32_t states;
        bool ready;
    } names[] = {
        {"queued", 1u << TASK_QUEUED, false},
        {"active", 1u << TASK_ACTIVE, false},
        {"blocked", 1u << TASK_BLOCKED, false},
        {"resting", 1u << TASK_RESTING, false},
        {"completed", 1u << TASK_COMPLETED, false},
        {"failed", 1u << TASK_FAILED, false},
        {"cancelled", 1u << TASK_CANCELLED, false},
        {"open", 1u << TASK_QUEUED | 1u << TASK_ACTIVE | 1u << TASK_BLOCKED | 1u << TASK_RESTING,
         false},
        {"ready", 0, true},
    };
    struct fb_text rest = reading->value;

    while (rest.data != NULL) {
        const struct fb_text name = take_to(&rest, ',');
        size_t i = 0;

        while (i < sizeof(names) / sizeof(names[0]) && !fb_text_is(name, names[i].name)) {
            i++;
        }
        if (i == sizeof(names) / sizeof(names[0])) {
            return fail(reading, "names no state: queued, active, blocked, resting, completed, "
                                 "failed, cancelled, open and ready are known");
        }
        reading->where->states |= names[i].states;
        reading->where->ready |= names[i].ready;
    }
    return fb_ok;
}

static struct fb_status read_agent(const struct reading *reading)
{
    reading->where->agent = reading->value;
    return fb_ok;
}

static struct fb_status read_key(const struct reading *reading)
{
    reading->where->key = reading->value;
    return fb_ok;
}

static struct fb_status read_task(const struct reading *reading, uint32_t *task)
{
    struct fb_text digits = reading->value;
    uint64_t number;

    if (digits.size > 0 && digits.data[0] == '#') {
        digits.data++;
        digits.size--;
    }
    if (!fb_text_to_u64(digits, &number) || number == 0 || number > UINT32_MAX) {
        return fail(reading, "needs the number of a task, as 12 or #12");
    }
    *task = (uint32_t)number;
    return fb_ok;
}

static struct fb_status read_parent(const struct reading *reading)
{
    return read_task(reading, &reading->where->parent);
}

static struct fb_status read_after(const struct reading *reading)
{
    return read_task(reading, &reading->where->after);
}

static struct fb_status read_before(const struct reading *reading)
{
    return read_task(reading, &reading->where->before);
}

static struct fb_status read_range(const struct reading *reading, struct where_range *range)
{
    struct fb_text rest = reading->value;
    const struct fb_text first = take_to(&rest, '-');
    uint64_t least;
    uint64_t most;

    if (!fb_text_to_u64(first, &least) ||
        !fb_text_to_u64(rest.data == NULL ? first : rest, &most) || least > most ||
        most > UINT32_MAX) {
        return fail(reading,
                    "needs a number or a range from the lesser to the greater, as 2 or 0-1");
    }
    *range = (struct where_range){.asked = true, .least = (uint32_t)least, .most = (uint32_t)most};
    return fb_ok;
}

static struct fb_status read_priority(const struct reading *reading)
{
    return read_range(reading, &reading->where->priority);
}

static struct fb_status read_weight(const struct reading *reading)
{
    return read_range(reading, &reading->where->weight);
}

static struct fb_status read_number(const struct reading *reading)
{
    return read_range(reading, &reading->where->number);
}

static struct fb_status read_since(const struct reading *reading)
{
    static const struct {
        char letter;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
    const int64_t most_ms = INT64_C(3660) * 86400000; /* ten years */
    struct fb_text digits = reading->value;
    uint64_t number;

    digits.size -= digits.size > 0 ? 1 : 0;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (digits.data[digits.size] == units[i].letter && fb_text_to_u64(digits, &number) &&
            number > 0 && number <= (uint64_t)(most_ms / units[i].ms)) {
            reading->where->since_ms = (int64_t)number * units[i].ms;
            return fb_ok;
        }
    }
    return fail(reading, "needs a time up to ten years, as 45s, 30m, 2h or 7d");
}

static struct fb_status read_has(const struct reading *reading)
{
    static const struct {
        const char *name;
        enum where_has bit;
    } names[] = {
        {"evidence", WHERE_EVIDENCE},
        {"note", WHERE_NOTE},
        {"gate", WHERE_GATE},
        {"alarm", WHERE_ALARM},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (fb_text_is(reading->value, names[i].name)) {
            reading->where->has |= names[i].bit;
            return fb_ok;
        }
    }
    return fail(reading, "names nothing that a task has: evidence, note, gate and alarm are known");
}

static const struct where_word {
    const char *name;
    where_fn *read;
    bool often; /* may stand there more than once */
} words[] = {
    {"state", read_state, false},   {"agent", read_agent, false}, {"key", read_key, false},
    {"parent", read_parent, false}, {"after", read_after, false}, {"before", read_before, false},
    {"p", read_priority, false},    {"w", read_weight, false},    {"#", read_number, false},
    {"since", read_since, false},   {"has", read_has, true},
};

/* --- conditions --- */

/* Takes the next condition off the text; false: there is none. */
static bool take_condition(struct fb_text *text, struct reading *reading, struct fb_text *word)
{
    size_t size = 0;
    bool quoted = false;

    while (text->size > 0 && text->data[0] == ' ') {
        text->data++;
        text->size--;
    }
    while (size < text->size && (quoted || text->data[size] != ' ')) {
        quoted ^= text->data[size] == '"';
        size++;
    }
    reading->condition = (struct fb_text){.data = text->data, .size = size};
    reading->value = reading->condition;
    *word = take_to(&reading->value, ':');
    if (size > 0) {
        text->data += size;
        text->size -= size;
    }
    return size > 0;
}

/* Takes the quotes off the value; false when one is missing, or inside. */
static bool unquote(struct fb_text *value)
{
    if (value->size > 0 && value->data[0] == '"') {
        if (value->size < 2 || value->data[value->size - 1] != '"') {
            return false;
        }
        value->data++;
        value->size -= 2;
    }
    return value->size > 0 && memchr(value->data, '"', value->size) == NULL;
}

static struct fb_status read_condition(const struct reading *reading, struct fb_text word,
                                       uint32_t *seen)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!fb_text_is(word, words[i].name)) {
            continue;
        }
        if ((*seen >> i & 1) != 0 && !words[i].often) {
            return fail(
                reading,
                "stands there twice; a state may be one of several, as state:active,blocked");
        }
        *seen |= 1u << i;
        return words[i].read(reading);
    }
    return fail(reading,
                "is not known: conditions are state: agent: key: parent: after: before: p: "
                "w: #: since: has:, as state:ready p:0-1");
}

struct fb_status where_read(struct fb_text text, struct fb_arena *arena, struct where *where)
{
    struct reading reading = {.arena = arena, .where = where};
    struct fb_status status = fb_ok;
    struct fb_text word;
    uint32_t seen = 0;

    *where = (struct where){0};
    if (text.size > WHERE_BYTES) {
        return fb_fail(FB_INVALID_ARGUMENT, "where is longer than 1,024 bytes");
    }
    while (fb_is_ok(status) && take_condition(&text, &reading, &word)) {
        if (reading.value.data == NULL || !unquote(&reading.value)) {
            status = fail(&reading, "is no condition: a word, a colon and a value, which is quoted "
                                    "if it has spaces, as agent:\"Ada L\"");
        } else {
            status = read_condition(&reading, word, &seen);
        }
    }
    return status;
}

bool where_in(const struct where_range *range, uint32_t value)
{
    return !range->asked || (value >= range->least && value <= range->most);
}

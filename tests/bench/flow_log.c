#include "tests/bench/flow_log.h"

#include <string.h>

#include <jansson.h>

enum { LINE_BYTES = 8192 };

static const char *const kinds[FLOW_LOG_KINDS] = {
    [FLOW_LOG_CREATED] = "created",     [FLOW_LOG_STARTED] = "started",
    [FLOW_LOG_NOTED] = "noted",         [FLOW_LOG_HANDED_BACK] = "handed_back",
    [FLOW_LOG_BLOCKED] = "blocked",     [FLOW_LOG_UNBLOCKED] = "unblocked",
    [FLOW_LOG_COMPLETED] = "completed", [FLOW_LOG_FAILED] = "failed",
    [FLOW_LOG_CANCELLED] = "cancelled", [FLOW_LOG_REOPENED] = "reopened",
    [FLOW_LOG_LINKED] = "linked",       [FLOW_LOG_SEEN] = "seen",
};

static const char *const links[FLOW_LOG_LINKS] = {
    [FLOW_LOG_AFTER] = "after", [FLOW_LOG_PARENT] = "parent", [FLOW_LOG_FROM] = "from"};

/* The place of a word in a list; `count` if it is not there. */
static uint32_t word(const json_t *object, const char *key, const char *const *words,
                     uint32_t count)
{
    const char *text = json_string_value(json_object_get(object, key));
    uint32_t i = 0;

    while (text != NULL && i < count && strcmp(text, words[i]) != 0) {
        i++;
    }
    return text == NULL ? count : i;
}

/* A number between, or what it is for want of one; false if it is something else. */
static bool number(const json_t *object, const char *key, uint32_t least, uint32_t most,
                   uint32_t otherwise, uint32_t *value)
{
    const json_t *member = json_object_get(object, key);
    const json_int_t wide = member == NULL ? (json_int_t)otherwise : json_integer_value(member);

    if ((member != NULL && !json_is_integer(member)) || wide < least || wide > most) {
        return false;
    }
    *value = (uint32_t)wide;
    return true;
}

static bool text(const json_t *object, const char *key, char *to)
{
    const char *from = json_string_value(json_object_get(object, key));
    const size_t size = from == NULL ? 0 : strlen(from);

    if (size >= FLOW_LOG_TEXT_BYTES) {
        return false;
    }
    memcpy(to, from == NULL ? "" : from, size + 1);
    return true;
}

static const char *event_of(const json_t *object, struct flow_log_event *event)
{
    const json_t *t_ms = json_object_get(object, "t_ms");
    bool about_task;

    *event = (struct flow_log_event){.t_ms = json_integer_value(t_ms)};
    if (!json_is_integer(t_ms) || event->t_ms <= 0 || event->t_ms > INT64_C(1) << 52) {
        return "t_ms must be unix time in milliseconds";
    }
    if (!text(object, "session", event->session) || event->session[0] == '\0') {
        return "session must be a name of 1 to 127 bytes";
    }
    if (!text(object, "agent", event->agent)) {
        return "agent must be a name of up to 127 bytes";
    }
    event->kind = word(object, "kind", kinds, FLOW_LOG_KINDS);
    if (event->kind == FLOW_LOG_KINDS) {
        return "kind is none of those that there are";
    }
    about_task = event->kind != FLOW_LOG_SEEN;
    if (!number(object, "task", about_task, FLOW_LOG_TASKS_MOST, 0, &event->task)) {
        return "task must be a number from 1 to 200000";
    }
    if (!number(object, "weight", 1, 10, 5, &event->weight) ||
        !number(object, "priority", 0, 4, 2, &event->priority) ||
        !number(object, "phase", 0, 4, 0, &event->phase)) {
        return "weight is 1 to 10, priority 0 to 4, phase 0 to 4";
    }
    if (event->kind == FLOW_LOG_LINKED) {
        event->link = word(object, "link", links, FLOW_LOG_LINKS);
        if (event->link == FLOW_LOG_LINKS ||
            !number(object, "on", 1, FLOW_LOG_TASKS_MOST, 0, &event->on)) {
            return "a link needs \"link\" (after, parent, from) and \"on\", a task";
        }
    }
    return NULL;
}

enum flow_log_answer flow_log_read(FILE *file, struct flow_log_event *event, const char **why)
{
    char line[LINE_BYTES];
    json_t *object;

    do {
        if (fgets(line, sizeof(line), file) == NULL) {
            return FLOW_LOG_END;
        }
        if (strchr(line, '\n') == NULL && !feof(file)) {
            *why = "a line is longer than 8 KiB";
            return FLOW_LOG_BAD;
        }
    } while (line[strspn(line, " \t\r\n")] == '\0');
    object = json_loads(line, 0, NULL);
    *why = json_is_object(object) ? event_of(object, event) : "a line is no JSON object";
    json_decref(object);
    return *why == NULL ? FLOW_LOG_EVENT : FLOW_LOG_BAD;
}

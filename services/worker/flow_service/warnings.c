#include "services/worker/flow_service/warnings.h"

#include <string.h>

static Flowbalancer__V1__FlowAlarm *show(const struct view *view, const struct alarm *alarm)
{
    Flowbalancer__V1__FlowAlarm *shown = fb_arena_alloc(view->arena, sizeof(*shown));

    if (shown == NULL) {
        return NULL;
    }
    flowbalancer__v1__flow_alarm__init(shown);
    shown->kind = (char *)alarm_name(alarm->kind);
    shown->task = alarm->task;
    if (alarm->agent != NAMES_NONE) {
        shown->agent = (char *)view->session->agent_names.texts[alarm->agent].data;
    }
    shown->since_unix_ms = alarm->since_ms;
    shown->evidence = fb_arena_copy(view->arena, alarm->evidence, strlen(alarm->evidence));
    shown->suggestion = (char *)alarm->suggestion;
    return shown->evidence == NULL ? NULL : shown;
}

static struct alarm *look(const struct view *view, size_t *count)
{
    struct alarm *alarms = fb_arena_zalloc(view->arena, WARNINGS_MOST, sizeof(*alarms));

    *count =
        alarms == NULL ? 0 : session_alarms(view->session, view->now_ms, alarms, WARNINGS_MOST);
    return alarms;
}

Flowbalancer__V1__FlowAlarm **warnings_of(const struct view *view, size_t *count)
{
    size_t there;
    const struct alarm *alarms = look(view, &there);
    Flowbalancer__V1__FlowAlarm **shown =
        fb_arena_zalloc(view->arena, WARNINGS_MOST, sizeof(*shown));

    *count = 0;
    if (alarms == NULL || shown == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < there; i++) {
        if (alarms[i].muted_until_ms != 0) {
            continue;
        }
        shown[*count] = show(view, &alarms[i]);
        if (shown[(*count)++] == NULL) {
            return NULL;
        }
    }
    return shown;
}

uint8_t *warnings_by_task(const struct view *view)
{
    size_t there;
    const struct alarm *alarms = look(view, &there);
    uint8_t *marks = fb_arena_zalloc(view->arena, (size_t)view->session->task_count + 1, 1);

    for (size_t i = 0; alarms != NULL && marks != NULL && i < there; i++) {
        if (alarms[i].task <= view->session->task_count && alarms[i].muted_until_ms == 0) {
            marks[alarms[i].task] = 1;
        }
    }
    return alarms == NULL ? NULL : marks;
}

Flowbalancer__V1__FlowDuplicate **warnings_duplicates(const struct view *view, uint32_t first,
                                                      uint32_t tasks, size_t *count)
{
    const struct session *session = view->session;
    Flowbalancer__V1__FlowDuplicate *all =
        fb_arena_zalloc(view->arena, WARNINGS_DUPLICATES, sizeof(*all));
    Flowbalancer__V1__FlowDuplicate **shown =
        fb_arena_zalloc(view->arena, WARNINGS_DUPLICATES, sizeof(*shown));
    const struct doubles_pair *pair;

    *count = 0;
    if (all == NULL || shown == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; (pair = doubles_pair(&session->watch.doubles, i)) != NULL; i++) {
        if (pair->task < first || pair->task - first >= tasks || *count == WARNINGS_DUPLICATES ||
            task_has_ended(session->tasks[pair->other].state)) {
            continue;
        }
        flowbalancer__v1__flow_duplicate__init(&all[*count]);
        all[*count].task = pair->task;
        all[*count].like = pair->other;
        all[*count].like_title = session->tasks[pair->other].title;
        all[*count].similarity = pair->percent;
        shown[*count] = &all[*count];
        (*count)++;
    }
    return shown;
}

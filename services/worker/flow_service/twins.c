#include "services/worker/flow_service/twins.h"

#include <stdlib.h>
#include <string.h>

#include "services/worker/flow/similar.h"
#include "services/worker/sessions/store_id.h"

/* A session that was met. Its place may become another's: owners tell both apart. */
struct met {
    char store_id[STORE_ID_BYTES + 1];
    uint64_t owner;  /* as the index knows it; 0: nobody */
    uint32_t titled; /* tasks up to here are in the index */
};

struct twins {
    twins_held_fn *held;
    void *self;
    struct similar *titles;
    struct met met[TWINS_SESSIONS]; /* a ring */
    uint64_t met_seen;
};

struct twins *twins_create(twins_held_fn *held, void *self)
{
    struct twins *twins = calloc(1, sizeof(*twins));

    if (twins == NULL) {
        return NULL;
    }
    twins->held = held;
    twins->self = self;
    twins->titles = similar_create(SIMILAR_MOST);
    if (twins->titles == NULL) {
        twins_destroy(twins);
        return NULL;
    }
    return twins;
}

void twins_destroy(struct twins *twins)
{
    if (twins != NULL) {
        similar_destroy(twins->titles);
        free(twins);
    }
}

/* --- who --- */

static struct met *find(struct twins *twins, const char *store_id)
{
    const uint64_t count = twins->met_seen < TWINS_SESSIONS ? twins->met_seen : TWINS_SESSIONS;

    for (uint64_t i = 0; i < count; i++) {
        if (strcmp(twins->met[i].store_id, store_id) == 0) {
            return &twins->met[i];
        }
    }
    return NULL;
}

static struct met *meet(struct twins *twins, const char *store_id)
{
    struct met *met = &twins->met[twins->met_seen % TWINS_SESSIONS];
    const size_t size = strlen(store_id);

    if (size > STORE_ID_BYTES) {
        return NULL;
    }
    *met = (struct met){.owner = ++twins->met_seen};
    memcpy(met->store_id, store_id, size + 1);
    return met;
}

/* Both have the part before their own ids in common. */
static bool is_of_scope(const char *store_id, const char *other)
{
    const size_t size = (size_t)(store_id_session(store_id) - store_id);

    return size == (size_t)(store_id_session(other) - other) && memcmp(store_id, other, size) == 0;
}

static const struct met *of_owner(const struct twins *twins, uint64_t owner)
{
    const struct met *met = &twins->met[(owner - 1) % TWINS_SESSIONS];

    return met->owner == owner ? met : NULL;
}

/* --- what --- */

static bool is_open(const struct session *session, uint32_t task)
{
    /* The parts of a chain say all the same. */
    return task <= session->task_count && !task_has_ended(session->tasks[task].state) &&
           session->tasks[task].phase == 0;
}

void twins_meet(struct twins *twins, const char *store_id, const struct session *session)
{
    struct met *met = find(twins, store_id);

    if (met == NULL) {
        met = meet(twins, store_id);
    }
    if (met == NULL) {
        return;
    }
    if (met->titled > session->task_count) {
        met->titled = 0; /* it was deleted and made anew */
    }
    /* What comes before would be forgotten at once. */
    if (session->task_count - met->titled > SIMILAR_MOST) {
        met->titled = session->task_count - SIMILAR_MOST;
    }
    while (met->titled < session->task_count) {
        const uint32_t task = ++met->titled;

        if (is_open(session, task)) {
            const struct similar_signature signature =
                similar_signature_of(fb_text_of(session->tasks[task].title));

            (void)similar_add(twins->titles, &signature, met->owner, task);
        }
    }
}

struct asking {
    const struct twins *twins;
    const char *store_id;
};

static bool may(const void *arg, uint64_t owner, uint32_t task)
{
    const struct asking *asking = arg;
    const struct met *met = of_owner(asking->twins, owner);
    const struct session *session;

    if (met == NULL || !is_of_scope(met->store_id, asking->store_id) ||
        strcmp(met->store_id, asking->store_id) == 0) {
        return false;
    }
    session = asking->twins->held(asking->twins->self, met->store_id);
    return session != NULL && is_open(session, task);
}

bool twins_find(const struct twins *twins, const char *store_id, struct fb_text title,
                struct twin *twin)
{
    const struct asking asking = {twins, store_id};
    const struct similar_signature signature = similar_signature_of(title);
    struct similar_match match;
    const struct met *met;
    const struct session *session;

    if (!similar_find(twins->titles, &signature, may, &asking, &match)) {
        return false;
    }
    met = of_owner(twins, match.owner);
    session = twins->held(twins->self, met->store_id);
    *twin = (struct twin){
        .store_id = met->store_id,
        .task = match.task,
        .title = session->tasks[match.task].title,
        .percent = (uint32_t)(match.share * 100 + 0.5),
    };
    return true;
}

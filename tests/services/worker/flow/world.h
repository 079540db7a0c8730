#ifndef FB_TESTS_SERVICES_WORKER_FLOW_WORLD_H
#define FB_TESTS_SERVICES_WORKER_FLOW_WORLD_H

/*
 * world: a session with ann and bob in it, for tests of what is decided.
 *
 * After every command all invariants hold, and the events so far, as they are kept, lead another
 * session to the same state: world_finish shows it. Fails the test where something does not.
 */

#include "services/worker/flow/decide.h"

enum { MINUTE_MS = 60000 };

extern const struct fb_text ann;
extern const struct fb_text bob;

struct world {
    struct fb_arena arena;
    struct decision d;
};

void world_begin(struct world *w);

/* Replays the events, and goes by way of a snapshot. */
void world_finish(struct world *w);

/* A task of weight 1 and middle priority. */
struct plan_item item(const char *key, const struct plan_link *links, size_t count);

/* Commands without frills, by ann where nobody is named. */
bool plan(struct world *w, const struct plan_item *items, size_t count);
bool next(struct world *w, struct fb_text agent, uint32_t task);
bool done(struct world *w, struct fb_text agent, uint32_t task, uint64_t fence);

/* The refusal is of this kind and says this. */
void expect(const struct world *w, enum refusal_kind kind, const char *says);

void expect_state(const struct world *w, uint32_t task, enum task_state state);

/* Nothing is at fault in the session. */
void expect_sound(const struct world *w);

#endif

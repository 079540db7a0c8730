#ifndef FB_SERVICES_WORKER_EXCHANGE_OUTLINE_H
#define FB_SERVICES_WORKER_EXCHANGE_OUTLINE_H

/*
 * outline: what a document of another system says, in our words, before any of it happens.
 *
 * A reader (session_file.h, task_master.h, beads.h) fills one; outline_resolve finds what is wrong with
 * it as a whole; import.h makes events of it. What does not fit our limits is brought within them
 * and said in a warning, since the document itself is kept as it came. Texts are borrowed from the
 * document or lie in the arena. Pure; one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "services/worker/flow/event.h"
#include "services/worker/flow/task.h"

enum {
    OUTLINE_TASKS_MOST = 200000,
    OUTLINE_LINKS_MOST = 1000000,
    OUTLINE_WARNINGS = 100,  /* sentences kept; further ones are only counted */
    OUTLINE_PATH_NAMED = 16, /* tasks of a cycle that an error names */
    OUTLINE_WEIGHT = 5,      /* where a document says nothing */
    OUTLINE_PRIORITY = 2,
};

#define OUTLINE_NONE UINT32_MAX

struct outline_task {
    const char *where; /* "$.tasks[3]", "line 12"; in the arena */
    struct fb_text id; /* unique in the document; becomes the key */
    struct fb_text title;
    struct fb_text body;
    struct fb_text accept;
    struct fb_text note;
    struct fb_text summary;
    struct fb_text gate; /* why it is blocked */
    uint32_t weight;
    uint32_t priority;
    enum task_state state; /* never active: nobody holds it here */
};

struct outline_link {
    uint32_t task;     /* index of the task that hangs on `on` */
    uint32_t on;       /* index; known once resolved */
    struct fb_text id; /* of `on` */
    enum event_link_kind kind;
    const char *field; /* "dependencies" */
    uint32_t element;  /* its place in that list; OUTLINE_NONE: it is none */
};

struct outline {
    struct fb_arena *arena; /* borrowed */
    struct fb_text name;    /* what the document calls itself; may be empty */
    struct outline_task *tasks;
    uint32_t task_count;
    uint32_t task_room;
    struct outline_link *links;
    uint32_t link_count;
    uint32_t link_room;
    const char *warnings[OUTLINE_WARNINGS];
    uint64_t warning_count; /* may be more than are kept */
};

void outline_init(struct outline *outline, struct fb_arena *arena);
void outline_finish(struct outline *outline);

/* Adds a task; its texts are cut to our limits, with a warning. An empty title becomes the id.
 * RESOURCE_EXHAUSTED: too many, or no memory. */
struct fb_status outline_add_task(struct outline *outline, const struct outline_task *task);

struct fb_status outline_add_link(struct outline *outline, const struct outline_link *link);

void outline_warn(struct outline *outline, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Finds what every link hangs on, and what is wrong with the whole: INVALID_ARGUMENT or
 * FAILED_PRECONDITION, naming the place and the way out. An id that is given twice, a link to an id
 * that there is not (with `lenient`, dropped with a warning), a task that hangs on itself, a cycle
 * (its path is named). Of several parents the first counts; the others become FROM, with a warning. What is blocked and
 * waits for an open task is queued: the link holds it up, and lets it go.
 */
struct fb_status outline_resolve(struct outline *outline, bool lenient);

/*
 * The numbers of the tasks, from 0, in an order in which everything comes after what it waits for
 * (children before their parents) and which is otherwise that of the document; `order` has room for
 * all. Only of a resolved outline. False: no memory.
 */
bool outline_order(const struct outline *outline, uint32_t *order);

#endif

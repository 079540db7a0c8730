#ifndef FB_SERVICES_WORKER_EXCHANGE_TASK_MASTER_H
#define FB_SERVICES_WORKER_EXCHANGE_TASK_MASTER_H

/*
 * task_master: the tasks.json of Task Master, in both of its forms.
 *
 *     {"tasks": [...]}                               before it had tags
 *     {"master": {"tasks": [...], "metadata": {}}}   one list for each tag
 *
 * A task is {"id", "title", "description", "details", "testStrategy", "status", "priority",
 * "dependencies", "subtasks"}; ids are numbers or words. Subtasks become children. A task's id here is
 * `<tag>:<id>`, a subtask's `<tag>:<id>.<id>`, the tag of the old form `master`, so that a file comes in
 * the same before and after Task Master has migrated it. In a subtask, a dependency names a sibling if there
 * is one of that id, else a task of the tag. Pure; any thread.
 */

#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "services/worker/exchange/outline.h"

enum { TASK_MASTER_DEPTH = 8 }; /* subtasks of subtasks */

/* Whether a checked JSON object looks like one; ask session_file_is first. */
bool task_master_is(struct fb_text document);

/* Fills the outline of a checked JSON text. INVALID_ARGUMENT names the place. */
struct fb_status task_master_read(struct fb_text document, struct outline *outline);

#endif

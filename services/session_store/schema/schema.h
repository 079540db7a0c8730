#ifndef FB_SERVICES_SESSION_STORE_SCHEMA_SCHEMA_H
#define FB_SERVICES_SESSION_STORE_SCHEMA_SCHEMA_H

/*
 * schema: the tables, as the steps that lead from one version to the next.
 *
 * A step that was released is never changed; a change is a further step. Step i (from 0) leads from
 * version i to i + 1, in one transaction, whatever the tables hold.
 */

#include <stddef.h>

struct schema {
    const char *const *steps;
    size_t step_count; /* so the newest version */
};

extern const struct schema schema_sqlite;

#endif

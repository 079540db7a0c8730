#ifndef FB_GATEWAY_FLOW_ARGS_H
#define FB_GATEWAY_FLOW_ARGS_H

/*
 * args: the arguments of a tool, by a table, into a struct.
 *
 * Models write numbers as strings and one item where a list is wanted; that is taken. What is not
 * understood is refused with its name, and with what is. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/text.h"

/* A task by number, or by key. */
struct flow_ref {
    uint32_t task;   /* 0: by key */
    const char *key; /* NULL for neither */
};

struct flow_refs {
    struct flow_ref *items;
    size_t count;
};

struct flow_texts {
    const char **items;
    size_t count;
};

enum flow_arg_kind {
    /* what the field must be; absent arguments leave it as it was */
    FLOW_ARG_TEXT,   /* const char * */
    FLOW_ARG_TEXTS,  /* struct flow_texts */
    FLOW_ARG_TASK,   /* struct flow_ref */
    FLOW_ARG_TASKS,  /* struct flow_refs */
    FLOW_ARG_WHOLE,  /* int64_t */
    FLOW_ARG_TRUTH,  /* bool */
    FLOW_ARG_CHOICE, /* int: the place in `choices` */
    FLOW_ARG_OBJECT, /* struct fb_text: JSON of an object; a slice of what is read */
    FLOW_ARG_LIST,   /* struct fb_text: JSON of an array; likewise */
};

struct flow_arg {
    const char *name;
    enum flow_arg_kind kind;
    size_t at; /* of its field */
    bool required;
    int64_t least, most;        /* of a whole number */
    const char *const *choices; /* NULL-ended */
};

/*
 * Reads the members of `object` (JSON of an object, or empty) by a table that ends with a row without
 * a name. Strings are copied into the arena. NULL when all is well, else what is wrong: it begins
 * with `before` and the argument's name.
 */
const char *flow_args_read(const struct flow_arg *table, struct fb_text object, const char *before,
                           struct fb_arena *arena, void *into);

/* "12", "#12" or a key. False for what can be neither. */
bool flow_ref_of(const char *text, struct flow_ref *ref);

#endif

#ifndef FB_SERVICES_WORKER_EXCHANGE_IMPORT_PARTS_H
#define FB_SERVICES_WORKER_EXCHANGE_IMPORT_PARTS_H

/* import_parts: what the files of import share. */

#include "runtime/base/arena.h"
#include "services/worker/exchange/import.h"
#include "services/worker/exchange/journal.h"
#include "services/worker/exchange/lines.h"
#include "services/worker/exchange/outline.h"
#include "services/worker/exchange/staging.h"

struct import {
    struct import_options options;
    enum import_format format; /* IMPORT_ANY until it is known */
    struct fb_status status;   /* of the first failure */
    struct fb_arena arena;     /* lives as long as the import */
    struct fb_arena scratch;   /* of one line or event */
    struct fb_buffer whole;    /* the document; of a journal only until it is known to be one */
    struct lines lines;
    struct outline outline;
    struct staging staging;
    struct journal_header header;
    bool has_header;
    bool same_so_far; /* the session it comes into is where the journal was */
    size_t first;
    uint32_t tasks;
    uint64_t bytes;
};

struct fb_status import_exhausted(void);

/* Keeps the words of a failure that lie in the scratch arena. */
struct fb_status import_lasting(struct import *import, struct fb_status status);

/* Into the import's arena; false when there is no memory. */
bool import_copy(struct import *import, struct fb_text *text);

/* -- import_journal.c: our own journals -- */

/* The header of a journal, a checked line. */
struct fb_status import_read_header(struct import *import, struct fb_text line);

/* An event of it, as JSON; `where` it stands is named in errors. */
struct fb_status import_take_event(struct import *import, struct fb_text object, const char *where);

/* All of a checked document. */
struct fb_status import_read_document(struct import *import, struct fb_text text);

/* There are no more events. */
struct fb_status import_end_journal(struct import *import);

#endif

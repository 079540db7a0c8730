#ifndef FB_SERVICES_WORKER_FLOW_SERVICE_IMPORTING_H
#define FB_SERVICES_WORKER_FLOW_SERVICE_IMPORTING_H

/*
 * importing: a whole document on its way into a session; import.c says how.
 */

#include "services/worker/exchange/import.h"
#include "services/worker/flow_service/flow_call.h"

/* In the arena of its call. Set the first group, and init both arenas; the rest is import.c's. */
struct importing {
    struct flow_service *service;
    struct fb_call *call;
    const Flowbalancer__V1__CallContext *context;
    const Flowbalancer__V1__FlowImportHeader *header; /* NULL: nothing has come yet */
    struct fb_buffer document;
    struct fb_arena message; /* of one message */
    struct fb_arena chunk;   /* of one append */
    /* Makes the answer of what an import says, by importing_pack; false: no memory. */
    bool (*pack)(struct importing *i, const Flowbalancer__V1__ImportResponse *answer);
    void *self; /* the owner's */

    struct keeper_call keeper;
    bool deciding; /* `keeper` is with the keeper */
    struct import *import;
    size_t next;       /* of its events */
    uint64_t expected; /* events that the session has where the next one goes */
    uint32_t restarts;
    struct fb_status failure;
    struct fb_text answer; /* packed, once all is decided */
};

/* The document is whole; the call is ended in the end. */
void importing_begin(struct importing *i);

/* Keeps a message as the answer; false: no memory. */
bool importing_pack(struct importing *i, const ProtobufCMessage *message);

/* The caller went away; the call is still to be finished. */
void importing_cancel(struct importing *i);

/* Frees all, and finishes the call. */
void importing_end(struct importing *i, struct fb_status status);

#endif

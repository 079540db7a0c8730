#ifndef FB_RUNTIME_RPC_H2_MADE_H
#define FB_RUNTIME_RPC_H2_MADE_H

/*
 * made: the client's side of a connection, and the calls on it.
 *
 * The channel decides which connection a call takes; from there on it is this module's.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/rpc/h2/connection.h"
#include "runtime/rpc/h2/stream.h"
#include "runtime/rpc/transport.h"

struct fb_h2_dialled;
struct fb_h2_made_call;

/* What the channel is told. */
struct fb_h2_dialled_ops {
    /* Calls may begin. */
    void (*ready)(struct fb_h2_dialled *dialled);
    /* No new calls, please: the server is leaving. `calm`: it was pinged too often. */
    void (*leaving)(struct fb_h2_dialled *dialled, bool calm);
    /* Closed, and its calls have been told. */
    void (*closed)(struct fb_h2_dialled *dialled, struct fb_status why);
    /* A call has left it. */
    void (*lighter)(struct fb_h2_dialled *dialled);
    /* It may be freed. */
    void (*unused)(struct fb_h2_dialled *dialled);
};

struct fb_h2_dialled {
    struct fb_h2_connection connection; /* first */
    const struct fb_h2_dialled_ops *ops;
    struct fb_h2_made_call *heading; /* the call whose header fields are coming */
    bool ready;
};

/* Begins on a socket, as fb_h2_connection_start. The owner has set `ops`. */
void fb_h2_dialled_start(struct fb_h2_dialled *dialled, struct fb_h2_shared *shared,
                         const struct fb_h2_terms *terms, int fd, SSL *tls, bool connecting);

/* All calls of a channel, oldest first. */
struct fb_h2_made_list {
    struct fb_h2_made_call *first;
    struct fb_h2_made_call **end;
    uint32_t count;
};
void fb_h2_made_list_init(struct fb_h2_made_list *list);

enum fb_h2_made_place {
    FB_H2_PARKED, /* waits for a connection */
    FB_H2_FAILED, /* will be ended at the end of the round */
    FB_H2_BEGUN,  /* on a connection */
    FB_H2_LOOSE,  /* complete; its reader has paused and what came waits */
};

struct fb_h2_made_call {
    struct fb_client_call call; /* first */
    struct fb_h2_stream stream;
    struct fb_h2_shared *shared;
    enum fb_h2_made_place place;
    bool over; /* the owner has been told, or has cancelled */
    bool wait_for_ready;

    /* the channel's list */
    struct fb_h2_made_list *list;
    struct fb_h2_made_call *next;
    struct fb_h2_made_call **link;

    /* what is asked */
    nghttp2_nv *fields;
    size_t field_count;
    size_t timeout_field; /* its index; 0: no deadline */
    char timeout[16];

    /* what is answered */
    bool is_last_block; /* the fields that come are the last */
    bool has_status;
    bool is_grpc;         /* by its content type */
    uint16_t http_status; /* 0: none yet */
    size_t header_bytes;
    enum fb_code code;
    const char *why;
    struct fb_status fault; /* the first thing that is wrong in the fields */
};

/* Constant for all calls of a channel. */
struct fb_h2_request_head {
    const char *scheme;
    const char *authority;
    const char *authorization; /* NULL: none */
};

/* A parked call. NULL without memory. */
struct fb_h2_made_call *fb_h2_made_create(struct fb_channel *channel, struct fb_h2_shared *shared,
                                          struct fb_h2_made_list *list,
                                          const struct fb_h2_request_head *head,
                                          const struct fb_call_plan *plan,
                                          const struct fb_client_call_events *events, void *arg);

/* False: the connection takes no more calls; this one is as it was. */
bool fb_h2_made_begin(struct fb_h2_made_call *made, struct fb_h2_dialled *dialled);

/* Tells the owner, and lets go of the call as soon as its stream allows. */
void fb_h2_made_end(struct fb_h2_shared *shared, struct fb_h2_made_call *made,
                    struct fb_status status, bool not_run);

#endif

#ifndef FB_RUNTIME_RPC_LISTENING_H
#define FB_RUNTIME_RPC_LISTENING_H

/*
 * listening: the socket on which a server waits for connections, and who connected.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "runtime/base/status.h"
#include "runtime/rpc/security.h"

/* All but the descriptor is for fb_listening_close. */
struct fb_listening {
    int fd;            /* -1 when closed; does not block and is closed on exec */
    char address[128]; /* where it really is, spelled as in address.h */
    bool local;        /* a Unix socket */
    dev_t device;      /* of its file */
    ino_t inode;
};

/*
 * Opens and listens; a host name is resolved on the spot. A Unix socket gets mode 0600, and a dead one in its place is
 * removed. INVALID_ARGUMENT for a bad address, ALREADY_EXISTS when somebody listens there (or the path is of
 * something else), PERMISSION_DENIED, UNAVAILABLE for what else the system says.
 */
struct fb_status fb_listening_open(const char *address, struct fb_listening *listening);

/* Closes it and removes the file of a Unix socket if it is still ours. Harmless twice. */
void fb_listening_close(struct fb_listening *listening);

/* The next connection, which does not block and delays nothing; -1 with errno when there is none. */
int fb_listening_accept(const struct fb_listening *listening);

/* Who is at the other end; all but `subject`. */
void fb_peer_of_socket(int fd, struct fb_peer *peer);

#endif

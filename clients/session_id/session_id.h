#ifndef FB_CLIENTS_SESSION_ID_SESSION_ID_H
#define FB_CLIENTS_SESSION_ID_SESSION_ID_H

/*
 * session_id: which session a name means.
 *
 * The id is made of the name alone, so it is the same for everyone, and a call finds its session
 * without asking anybody. Pure.
 */

#include <stdbool.h>

enum {
    FB_SESSION_ID_BYTES = 128,
    FB_SESSION_NAME_BYTES = 256,
};

/* Whether it is 1 to 128 of [A-Za-z0-9._-]. */
bool fb_session_id_is(const char *text);

/*
 * The id of the session named `name`: the name itself where it is an id; else its letters and digits
 * with a dash for what is between them, and six hexadecimal digits of its SHA-256. False for a name
 * that is empty or longer than FB_SESSION_NAME_BYTES.
 */
bool fb_session_id_of(const char *name, char id[FB_SESSION_ID_BYTES + 1]);

/*
 * The same of what agents know a session by: a handle "<id>@<agent>", or an id or a name. `*agent` is
 * what stands behind the first '@' of a handle, within it; NULL where there is none.
 */
bool fb_session_id_of_handle(const char *handle, char id[FB_SESSION_ID_BYTES + 1],
                             const char **agent);

#endif

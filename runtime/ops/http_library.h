#ifndef FB_RUNTIME_OPS_HTTP_LIBRARY_H
#define FB_RUNTIME_OPS_HTTP_LIBRARY_H

/*
 * http_library: libmicrohttpd, loaded only where an endpoint is opened.
 *
 * It brings GnuTLS and eight libraries more: 2 MB resident in each program and milliseconds of its
 * start, which most programs have no use for. On one thread.
 */

#include <microhttpd.h>

/* The functions that we use, under their names; __typeof__ keeps them what the header says. */
struct fb_http_library {
    __typeof__(&MHD_start_daemon) start_daemon;
    __typeof__(&MHD_stop_daemon) stop_daemon;
    __typeof__(&MHD_get_daemon_info) get_daemon_info;
    __typeof__(&MHD_run) run;
    __typeof__(&MHD_get_timeout) get_timeout;
    __typeof__(&MHD_lookup_connection_value) lookup_connection_value;
    __typeof__(&MHD_create_response_from_buffer) create_response_from_buffer;
    __typeof__(&MHD_add_response_header) add_response_header;
    __typeof__(&MHD_queue_response) queue_response;
    __typeof__(&MHD_destroy_response) destroy_response;
};

/* NULL when it is not installed, or not as we know it. It stays loaded. */
const struct fb_http_library *fb_http_library_open(void);

#endif

#include "runtime/ops/http_library.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>

#define LIBRARY "libmicrohttpd.so.12"

/* Where the address of a function goes. */
struct wanted {
    const char *name;
    void *place;
};

static struct fb_http_library library;

static const struct wanted wanted[] = {
    {"MHD_start_daemon", &library.start_daemon},
    {"MHD_stop_daemon", &library.stop_daemon},
    {"MHD_get_daemon_info", &library.get_daemon_info},
    {"MHD_run", &library.run},
    {"MHD_get_timeout", &library.get_timeout},
    {"MHD_lookup_connection_value", &library.lookup_connection_value},
    {"MHD_create_response_from_buffer", &library.create_response_from_buffer},
    {"MHD_add_response_header", &library.add_response_header},
    {"MHD_queue_response", &library.queue_response},
    {"MHD_destroy_response", &library.destroy_response},
};

static bool load(void)
{
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

    if (handle == NULL) {
        return false;
    }
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        void *address = dlsym(handle, wanted[i].name);

        if (address == NULL) {
            dlclose(handle);
            return false;
        }
        *(void **)wanted[i].place = address; /* as POSIX has it for functions */
    }
    return true;
}

const struct fb_http_library *fb_http_library_open(void)
{
    static bool loaded;

    if (!loaded) {
        loaded = load();
    }
    return loaded ? &library : NULL;
}

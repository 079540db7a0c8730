#ifndef FB_RUNTIME_BASE_VERSION_H
#define FB_RUNTIME_BASE_VERSION_H

/* The version of the suite: all its programs are built and installed together. */
#define FB_VERSION "0.1.0"

#endif

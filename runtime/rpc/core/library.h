#ifndef FB_RUNTIME_RPC_CORE_LIBRARY_H
#define FB_RUNTIME_RPC_CORE_LIBRARY_H

/*
 * library: runs from its first user to its last. Threads that it starts leave signals to ours.
 */

void fb_core_library_acquire(void);
void fb_core_library_release(void);

#endif

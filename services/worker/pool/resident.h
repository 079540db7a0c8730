#ifndef FB_SERVICES_WORKER_POOL_RESIDENT_H
#define FB_SERVICES_WORKER_POOL_RESIDENT_H

/*
 * resident: how much memory a process and all that descends from it hold.
 */

#include <stdint.h>
#include <sys/types.h>

/*
 * Pages resident now, shared ones counted for each process. 0 when the process is gone or /proc cannot
 * be read. Of a tree with more than 256 processes the rest is not counted.
 */
int64_t resident_of_tree(pid_t pid);

#endif

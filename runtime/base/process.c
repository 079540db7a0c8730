#include "runtime/base/process.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

int64_t fb_process_cpu_ms(void)
{
    struct rusage usage = {0};

    getrusage(RUSAGE_SELF, &usage);
    return (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

int64_t fb_process_resident_bytes(void)
{
    char text[128] = {0}; /* total resident shared …, in pages */
    const char *resident;
    const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return 0;
    }
    if (read(fd, text, sizeof(text) - 1) < 0) {
        text[0] = '\0';
    }
    close(fd);
    resident = strchr(text, ' ');
    return resident == NULL ? 0 : strtoll(resident, NULL, 10) * sysconf(_SC_PAGESIZE);
}

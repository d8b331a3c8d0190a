#include "target.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

const char *target_file(const void *data, size_t size) {
    static char path[64];
    static int fd = -1;
    if (fd >= 0) close(fd);
    fd = memfd_create("input", MFD_CLOEXEC);
    target_promise(fd >= 0 && write(fd, data, size) == (ssize_t)size, "a file in memory can be made");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
}

void target_promise(int kept, const char *promise) {
    if (kept) return;
    fprintf(stderr, "broken promise: %s\n", promise);
    abort();
}

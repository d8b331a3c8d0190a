#include "target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "file/qbin_disk.h"

const char *target_file(const void *data, size_t size) {
    static char path[64];
    static int fd = -1;
    if (fd >= 0) close(fd);
    fd = memfd_create("input", MFD_CLOEXEC);
    target_promise(fd >= 0 && write(fd, data, size) == (ssize_t)size, "a file in memory can be made");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
}

static void make_right(uint8_t *file, size_t size) {
    disk_header h;
    if (size < sizeof h) return;
    memcpy(&h, file, sizeof h);
    memcpy(h.magic, QBIN_MAGIC, sizeof h.magic);
    h.file_bytes = size;
    if (h.meta_end >= sizeof h && h.meta_end <= size) h.meta_hash = XXH3_64bits(file + sizeof h, h.meta_end - sizeof h);
    h.header_hash = XXH3_64bits(&h, offsetof(disk_header, header_hash));
    memcpy(file, &h, sizeof h);
}

const char *target_qbin(const uint8_t *data, size_t size) {
    uint8_t *file = malloc(size + 1);
    target_promise(file != NULL, "there is memory");
    memcpy(file, data, size);
    make_right(file, size);
    const char *path = target_file(file, size);
    free(file);
    return path;
}

void target_promise(int kept, const char *promise) {
    if (kept) return;
    fprintf(stderr, "broken promise: %s\n", promise);
    abort();
}

/* map.h: a file mapped read-only, and the promise that a file truncated under us ends in a message, not in a crash. */
#ifndef QBIN_BASE_MAP_H
#define QBIN_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct map {
    const uint8_t *data; /* NULL for an empty file */
    size_t size;
    char *path; /* as given, owned */
} map;

/* Maps all of `path` shared and read-only. E_FILE: missing, unreadable, a directory, not a regular file. map_close takes {0} too. */
status map_open(map *m, const char *path, error *e);
void map_close(map *m);

/* Tells the kernel that all of it will be read soon: what is not in memory yet is read ahead, in large pieces. */
void map_want(const map *m);

/* Tells the kernel that [offset, offset + bytes) has been used and its pages can go. Only whole pages inside are dropped. */
void map_done(const map *m, size_t offset, size_t bytes);

/* Installs a SIGBUS handler for the process. When a page of a mapped file is gone, `lost` is called in the handler with the path
 * (only async-signal-safe calls there); it must not return. A SIGBUS elsewhere keeps its default action. */
void map_on_truncated(void (*lost)(const char *path));

#endif

/* output.h: a file whose size is known before it is written: made beside its place at that size, filled from any thread, then put in its place. There
 * is the old file or the new one, never half of one. */
#ifndef QBIN_FILE_OUTPUT_H
#define QBIN_FILE_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct output {
    int fd;
    char *path, *temp; /* NULL when it is not open */
} output;

/* Creates "<path>.tmp-<pid>" with `bytes` zeros. E_MEMORY for a full disk, else E_RUN. */
status output_open(output *o, const char *path, uint64_t bytes, error *e);

/* Writes bytes at `at`; from any thread, disjoint ranges. */
status output_write(const output *o, uint64_t at, const void *data, size_t bytes, error *e);

/* Syncs and renames; or removes what was written. Both close; abandon takes {0} too. */
status output_commit(output *o, error *e);
void output_abandon(output *o);

#endif

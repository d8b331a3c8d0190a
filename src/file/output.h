/* output.h: a file whose size is known before it is written: made beside its place at that size, filled from any thread in whole windows (gather.h), then put
 * in its place. There is the old file or the new one, never half of one. Refuses to replace what is no regular file. */
#ifndef QBIN_FILE_OUTPUT_H
#define QBIN_FILE_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "file/gather.h"

typedef struct output {
    int fd;                     /* locked: a second process can tell it from litter */
    char *path, *temp, *folder; /* NULL when it is not open */
    gather *gather;
} output;

/* Creates "<path>.tmp-<pid>" with `bytes` zeros, after what killed runs have left is gone. A full disk, quota or size limit is E_MEMORY, here and below,
 * everything else E_RUN. */
status output_open(output *o, const char *path, uint64_t bytes, error *e);

/* Nobody will write these bytes before the flush: windows need not wait for them. */
void output_skip(output *o, uint64_t at, uint64_t bytes);

/* Writes bytes at `at`; from any thread, disjoint ranges. */
status output_write(const output *o, uint64_t at, const void *data, size_t bytes, error *e);

/* After it, what was written can be read from `fd`. No other thread writes meanwhile. */
status output_flush(output *o, error *e);

/* Flushes, syncs and renames, so that the name survives a power cut too; or removes what was written. Both close; abandon takes {0} too. */
status output_commit(output *o, error *e);
void output_abandon(output *o);

#endif

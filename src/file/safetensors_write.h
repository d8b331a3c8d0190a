/* safetensors_write.h: writes one .safetensors file: the header is planned first, then any thread writes disjoint ranges, then the file is put in its place.
 * Refuses to leave half a file behind. */
#ifndef QBIN_FILE_SAFETENSORS_WRITE_H
#define QBIN_FILE_SAFETENSORS_WRITE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct safetensors_entry { /* what the caller plans */
    const char *name, *dtype;      /* "F16" ... */
    uint64_t shape[2];
    size_t ndim;     /* 1 or 2 */
    size_t bytes;    /* of one value */
    uint64_t offset; /* filled: from the start of the file */
} safetensors_entry;

typedef struct safetensors_writer safetensors_writer;

/* Creates "<path>.tmp-<pid>" at its full size. Entries are borrowed until the end. E_MEMORY for a full disk, else E_RUN. */
status safetensors_create(safetensors_writer **out, const char *path, safetensors_entry *entries, size_t n, error *e);

/* Writes bytes at `at` from the start of tensor i; from any thread, disjoint ranges. */
status safetensors_write(safetensors_writer *w, size_t i, uint64_t at, const void *data, size_t bytes, error *e);

/* Syncs and renames; or removes what was written. Both free the writer; abandon takes a pointer to NULL too. */
status safetensors_commit(safetensors_writer **w, error *e);
void safetensors_abandon(safetensors_writer **w);

#endif

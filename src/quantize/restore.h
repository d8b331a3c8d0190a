/* restore.h: the way back: decodes the tensors of a .qbin row by row into a checkpoint of another kind. What it writes does not depend on the threads. */
#ifndef QBIN_QUANTIZE_RESTORE_H
#define QBIN_QUANTIZE_RESTORE_H

#include "base/progress.h"
#include "quantize/reader.h"

typedef struct restore_job {
    /* Writes a part of tensor i, at `at` from its start; from any thread */
    status (*write)(void *file, size_t i, uint64_t at, const void *data, size_t bytes, error *e);
    void *file;
    const reader *readers;           /* [n] */
    const source_type *const *types; /* [n] what their numbers become */
    size_t n;
    int threads;
    const progress *progress; /* bytes of source; may be NULL */
    bool (*stopped)(void);    /* true: E_INTERRUPT. May be NULL */
} restore_job;

/* Writes every tensor. E_FILE names a value that its type cannot hold. The caller commits or abandons the file. */
status restore_run(const restore_job *job, error *e);

#endif

/* restore.h: the way back: decodes the tensors of a .qbin row by row into a checkpoint of plain numbers. What it writes does not depend on the threads. */
#ifndef QBIN_QUANTIZE_RESTORE_H
#define QBIN_QUANTIZE_RESTORE_H

#include "base/progress.h"
#include "file/safetensors_write.h"
#include "quantize/reader.h"

typedef struct restore_job {
    safetensors_writer *writer;
    const reader *readers; /* [n] of the writer's tensors */
    size_t n;
    format type; /* a plain one: what every number becomes */
    int threads;
    const progress *progress; /* bytes of source; may be NULL */
    bool (*stopped)(void);    /* true: E_INTERRUPT. May be NULL */
} restore_job;

/* Writes every tensor. E_FILE names a value that the type cannot hold. The caller commits or abandons the writer. */
status restore_run(const restore_job *job, error *e);

#endif

/* pipeline.h: streams the tensors of a checkpoint through the encoder into a .qbin. Holds a few row groups for each thread and nothing else: source rows
 * are read from the map and given back, results are written as they are made. What it writes does not depend on the number of threads. */
#ifndef QBIN_QUANTIZE_PIPELINE_H
#define QBIN_QUANTIZE_PIPELINE_H

#include "base/progress.h"
#include "file/qbin.h"
#include "file/safetensors.h"
#include "quantize/encode.h"

typedef struct quantize_job {
    qbin_writer *writer;
    qbin_entry *entries;          /* as created with the writer; `error` is filled: sum of squared errors / sum of squares */
    const source *const *sources; /* [n] of the same shapes */
    size_t n;
    const method *method;
    bool allow_nonfinite; /* else E_FILE names the tensor and index of the first NaN or infinity */
    int threads;
    const progress *progress; /* done and total in bytes of source; may be NULL */
    bool (*stopped)(void);    /* asked between row groups; true: E_INTERRUPT. May be NULL */
} quantize_job;

/* Writes every tensor; the caller commits or abandons the writer. */
status quantize_run(const quantize_job *job, error *e);

#endif

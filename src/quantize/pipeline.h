/* pipeline.h: streams tensors through the encoder into a .qbin. Holds a few row groups for each thread and nothing else: source rows are read from the map
 * and given back, results are written as they are made. What it writes does not depend on the number of threads. */
#ifndef QBIN_QUANTIZE_PIPELINE_H
#define QBIN_QUANTIZE_PIPELINE_H

#include "base/progress.h"
#include "file/qbin.h"
#include "quantize/encode.h"
#include "quantize/reader.h"

typedef struct quantize_result { /* what became of a tensor */
    double error;                /* sum of squared errors / sum of squares */
    double weighted;             /* the same with each square times the importance of its column; as `error` without one */
    double clipped;              /* share of the values that lie outside of what their scale reaches */
    double seconds;              /* of all threads together */
} quantize_result;

typedef struct quantize_tensor { /* what is to be done for an entry; texts and vectors are borrowed */
    reader from;                 /* of the entry's shape; read NULL: nothing is to be done here, another tensor writes it as its shift */
    bool keep;                   /* the entry's format is that of from.codes, which are taken as they are, unless factors change them */
    const uint8_t *copy;         /* not NULL: the entry's bytes, taken as they are; `from` only says how many they are */
    const float *importance;     /* [k] weight of the squared error of each input channel; NULL: all alike */
    const float *products;       /* triangle of the products of the inputs (factor.h), for a method that compensates; NULL: none */
    const float *row_factors;    /* [rows] that the rows of a matrix, or the numbers of a vector, are multiplied by before all else; or NULL */
    const float *column_factors; /* [k] likewise of a matrix; or NULL */
    /* 1 + index of the vector [rows] that becomes act_center * the sum of each row as it is stored; 0: none. Written here, not from a source. */
    size_t shift;
    quantize_result result; /* filled */
} quantize_tensor;

typedef struct quantize_job {
    qbin_writer *writer;
    qbin_entry *entries;      /* as created with the writer; `error` is filled: sum of squared errors / sum of squares */
    quantize_tensor *tensors; /* [n] */
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

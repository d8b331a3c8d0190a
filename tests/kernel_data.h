/* kernel_data.h: matrices, activations and guarded buffers for the tests of the kernels. Contents are chosen by name from lists, so that a test walks
 * them: what a matrix or an input may hold is one row of data. */
#ifndef QBIN_TESTS_KERNEL_DATA_H
#define QBIN_TESTS_KERNEL_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

/* Walks the tables that this CPU can run, the scalar one first. */
#define EACH_TABLE(t)                                                      \
    for (const kernels *const *at_ = kernel_tables, *t; (t = *at_); at_++) \
        if (table_runs(t))
bool table_runs(const kernels *t);
#define scalar_table (kernel_tables[0])

/* Walks all formats with the activations that each has without an @, or each with all the activations that are valid for it. */
#define EACH_FORMAT(f) \
    format f;          \
    for (size_t nth_ = 0; format_nth(nth_, &f); nth_++)
#define EACH_FORMAT_AND_ACTS(f) \
    format f;                   \
    for (size_t nth_ = 0; format_next(&f, &nth_);)
bool format_next(format *f, size_t *descriptor);
const char *name_of(const format *f); /* until the next call */
format format_named(const char *name);

/* What the numbers of a matrix or an input may be. */
typedef struct content {
    const char *name;
    float (*value)(uint64_t *random); /* an input, or the scale of a block */
    int code;                         /* every byte of codes; -1: random */
    bool finite;
} content;
extern const content contents[]; /* NULL name ends it */
const content *content_named(const char *name);

typedef struct sample { /* a matrix made up */
    format format;
    layout layout;
    size_t rows, k;
    uint8_t *data;
} sample;

/* Bytes as no encoder would choose them: codes and scales by `what`. */
sample sample_of(format f, size_t rows, size_t k, const content *what, uint64_t seed);
void sample_free(sample *m);
matrix sample_matrix(const sample *m); /* as kernels see it */

/* n rows of k inputs, ldx apart, encoded for a table. Free with input_free. */
typedef struct input {
    float *x;
    size_t n, k, ldx;
    float act_scale, act_center; /* where its encoding is static */
    acts acts;
} input;
input input_of(const kernels *t, act_code code, size_t n, size_t k, const content *what, uint64_t seed);
extern const float static_scale, static_center;                /* as input_of sets them */
void input_encode(input *in, const kernels *t, act_code code); /* again, for another table */
void input_free(input *in);

/* One encoded activation, as acts lays them out. */
float act_value(const acts *a, size_t token, size_t k);
float act_scale(const acts *a, size_t token, size_t k);
int32_t act_sum(const acts *a, size_t token, size_t k);

/* Memory of n floats between guards; guards_whole is false if something wrote outside. All floats start as a pattern that no kernel makes. */
float *guarded(size_t n);
bool guards_whole(const float *p, size_t n);
void guarded_free(float *p);
extern const float untouched; /* the pattern */

/* The first index where a and b differ in their bits, two NaN being alike; n if nowhere. */
size_t first_difference(const float *a, const float *b, size_t n);

void *aligned_zeros(size_t bytes); /* at 64; free() */

#endif

/* reader.h: where the numbers of a tensor come from, row by row: a checkpoint, a .qbin that is quantized again. Borrows the file that they lie in; knows
 * nothing of what becomes of them. */
#ifndef QBIN_QUANTIZE_READER_H
#define QBIN_QUANTIZE_READER_H

#include "file/tensor.h"
#include "file/view.h"

typedef struct reader reader;
struct reader {
    const char *name; /* of the tensor in its file, for messages */
    const map *file;
    uint64_t rows, k; /* a vector of n is one row of n */
    uint64_t bytes;   /* that it has in the file */
    const void *from; /* the view or tensor */
    /* out[k] f32 = row `row`; from any thread */
    void (*read)(const reader *r, uint64_t row, float *out);
    /* Rows [row, row + n) will not be read again soon: their pages can go. */
    void (*done)(const reader *r, uint64_t row, uint64_t n);
    const char *type; /* that its numbers are stored in, for messages; NULL: a format of ours */
    const char *keep; /* the format that holds the very same numbers; NULL: none is known */
    /* codes[k] and grids of row `row` in that format, from any thread; NULL: it is a plain one, and what `read` gives will do */
    void (*codes)(const reader *r, uint64_t row, uint8_t *codes, grid *grids);
};

/* Both borrow what they are given, and its map. */
reader reader_of_view(const view *v);
reader reader_of_tensor(const tensor *t, const map *file);

#endif

/* view.h: a matrix or a vector as it lies in a checkpoint: some rows of a tensor, turned, one of a stack, with scales beside its codes. Owns where a number
 * lies and what it is; refuses tensors of another shape, and codes and scales that it cannot read. What the numbers are for is the caller's business.
 *
 * Scales: a tensor NAME of F8_E4M3 is multiplied by NAME_scale_inv or NAME_scale: one number, one for each row, or one for each block of rows and columns. A
 * tensor NAME that is not there may be there as MXFP4 (OCP Microscaling Formats 1.0, section 5.3): NAME_blocks, u8 [..., rows, k / 32, 16] with two E2M1 codes
 * a byte, low half first, and NAME_scales, u8 [..., rows, k / 32], powers of two with the bias 127. Its matrices lie as [rows, k] always. */
#ifndef QBIN_FILE_VIEW_H
#define QBIN_FILE_VIEW_H

#include <stdbool.h>

#include "file/safetensors.h"

/* Which numbers of a tensor; {0}: all of them as they lie. The rows of a vector are its numbers. */
typedef struct slice {
    uint64_t group, first, take; /* of each `group` rows `take`, from `first` on; take 0: all rows */
    uint64_t stack, element;     /* the tensor is a stack of so many, and this one is meant; stack 0: it is no stack */
    bool turned;                 /* the matrix lies as [k, rows] */
    float plus;                  /* added to every number */
} slice;

typedef struct scale_blocks { /* of F8 tensors with as many scales as these blocks; {0}: there are none */
    uint64_t rows, columns;
    bool needed; /* an F8 tensor without scales is refused */
} scale_blocks;

typedef struct view {
    const source *numbers;
    const source *scales; /* NULL: none */
    const source_type *type, *scale_type;
    uint64_t rows, k; /* k is 0 for a vector */
    slice slice;
    uint64_t stored;                    /* rows of the tensor, or of an element of the stack */
    uint64_t scale_rows, scale_columns; /* of the tensor as it lies, that share a scale */
    uint64_t scales_of_an_element;      /* 0: the elements of a stack share them */
} view;

/* [rows, k], or a vector [rows] when k is 0, from the tensor `name` of the checkpoint, which the view borrows. E_FILE says that the tensor is missing, its
 * shape and the one that is wanted, or what cannot be read. */
status view_open(view *v, const checkpoint *c, const char *name, uint64_t rows, uint64_t k, const slice *part, const scale_blocks *blocks, error *e);

/* out[k] f32 = a row of a matrix; out[rows] = a vector, row 0. From any thread. */
void view_read(const view *v, uint64_t row, float *out);

/* The format that holds the numbers of a matrix exactly; NULL if there is none. If its type has codes: codes[k] and grids[k / block] of a row
 * in that format. */
const char *view_keep(const view *v);
void view_codes(const view *v, uint64_t row, uint8_t *codes, grid *grids);

/* Rows [row, row + n) will not be read again soon: their pages can go, if nothing else lies between them. All rows of a vector are its row 0. */
void view_done(const view *v, uint64_t row, uint64_t n);

/* Bytes of the tensor that the rows take, scales left out. */
uint64_t view_bytes(const view *v);

#endif

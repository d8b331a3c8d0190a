/* encode.h: one group of 16 rows from f32 to the bytes of a format, and the methods that choose scales and codes. Owns the arithmetic of a tensor's
 * quantization, not its input and output: the pipeline brings rows and takes bytes. Groups are independent, so they run in parallel and the bytes do not
 * depend on the threads. */
#ifndef QBIN_QUANTIZE_ENCODE_H
#define QBIN_QUANTIZE_ENCODE_H

#include <stddef.h>
#include <stdint.h>

#include "quant_formats/codebook.h"
#include "quant_formats/format.h"

typedef struct encoder encoder;
typedef struct group group;

typedef struct method { /* a way to quantize; the list is in encode.c */
    const char *name, *summary;
    fit_method how;   /* to choose the scale of a block */
    bool compensates; /* uses encoder.factor */
    int rounds;       /* of learning a codebook, each over all (or a sample of) the blocks */
    int sweeps;       /* of coordinate descent after compensation (polish.h) */
    /* Fills codes and grids of the group from its x and w, which stay as they are: what is stored is measured against them. */
    void (*run)(const encoder *en, group *g);
} method;

extern const method method_keep; /* takes codes and scales as they are; not in the list: the pipeline uses it where encoder.coded is there */
extern const method method_fit, method_gptq, method_polish; /* for each other: gptq falls back to fit for a tensor without a factor */
extern const method *const methods[];                       /* NULL-terminated; the first is the default */
const method *method_find(const char *name);

typedef struct shared { /* what all groups of a tensor have in common: learned from its data before they run (learn.h) */
    codebook book;      /* if the format has one for the tensor */
    grid at;            /* if it has one scale for the tensor */
} shared;

struct encoder { /* what all groups of a tensor share; read-only while they run */
    format format;
    layout layout;
    size_t rows, k;
    const method *method;
    const shared *shared; /* NULL if the format has nothing of the kind */
    /* [k] weight of the squared error of each input channel; NULL: all alike. Without calibration nothing better is known: on the demo model weights of
     * x^2 or |x| + rms give q4 a larger divergence (0.0236, 0.0222 against 0.0216), and x^2 ruins k-means (0.077 against 0.018). */
    const float *importance;
    /* [k][k] upper triangle U of U^T U = inverse of the products of the inputs (factor.h), for methods that compensate errors; or NULL */
    const float *factor;
    const float *products; /* [k][k] the products themselves, with a factor */
    /* codes[k] and grids of a row that is coded in this very format already, for method_keep; else NULL */
    void (*coded)(const void *from, size_t row, uint8_t *codes, grid *grids);
    const void *coded_from;
};

/* Fills everything but `shared`. False if the shape overflows. */
bool encoder_make(encoder *en, const format *f, const method *m, size_t rows, size_t k, const float *importance);

typedef struct losses {                    /* sums over the weights of a group; a tensor's are the sums of its groups' in their order */
    double error, power;                   /* of squared errors, and of squares */
    double weighted_error, weighted_power; /* the same with the importance of each input channel */
    uint64_t clipped;                      /* weights that lie more than half a step beyond the outermost level */
} losses;

void losses_add(losses *sum, const losses *more);

struct group {          /* working memory of a thread; rows are padded to tiles * 64 */
    size_t index, rows; /* rows that exist, 1 .. 16 */
    float *x;           /* [16][padded] */
    float *w;           /* [16][padded] */
    uint8_t *codes;     /* [16][padded] */
    grid *grids;        /* [16][blocks] */
    float *columns;     /* with a factor: [2][k][16], first x as the errors so far have moved it; else NULL */
    float *block;       /* with a factor: [2][padded], the values and weights of one block */
    codebook *books;    /* one, or one of each row; NULL if groups have none of their own */
    losses lost;        /* after group_encode */
    uint64_t first_bad; /* after group_read: index in the tensor of the first NaN or infinity, or value too large for f16; or UINT64_MAX */
    float bad_value;
    void *memory;
};

status group_open(group *g, const encoder *en, error *e);
void group_close(group *g);
size_t group_bytes(const encoder *en); /* that group_open takes */

typedef struct row_source row_source;
struct row_source { /* where the rows of a matrix come from; called from any thread */
    /* Fills group_row(g, en, r) [k] for every r < g->rows with rows g->index * 16 + r. */
    void (*fill)(const row_source *from, const encoder *en, group *g);
    void (*done)(const row_source *from, const encoder *en, const group *g); /* those rows will not be read again soon; may be NULL */
    const void *context;
};
float *group_row(const group *g, const encoder *en, size_t r);

/* Reads group `index`, notes the first value that cannot be stored (first_bad, bad_value) and makes the group ready for the two calls below: for coded
 * formats NaN counts as 0 and an infinity as the largest finite magnitude of its row; what lies past k has weight 0. */
void group_read(group *g, const encoder *en, const row_source *from, size_t index);

/* Where the bytes of a group go: group_head, tiles * tile_codes and group_side of them; a part that has none may be NULL. */
typedef struct group_parts {
    uint8_t *head, *codes, *side;
} group_parts;

void group_encode(group *g, const encoder *en, group_parts out);

/* ---- for methods and learning ---- */

/* The codebook of row r of the group, or NULL. */
const codebook *group_book(const group *g, const encoder *en, size_t r);
/* Scale and minimum of block b of row r: what the tensor shares, what came with the codebook of the row or group, or a fit to `values` of the block. */
grid group_fit(const group *g, const encoder *en, size_t r, size_t b, const fit_block *values);
/* The levels that codes of row r stand for. levels[2^bits] */
void group_levels(const group *g, const encoder *en, size_t r, float *levels);
/* Values of a row that share a scale. */
size_t encoder_span(const encoder *en);

/* After group_encode: the sum of row r as it is stored. */
double group_row_sum(const group *g, const encoder *en, size_t r);

/* Block b of row r, as fits take it. */
fit_block group_block(const group *g, const encoder *en, size_t r, size_t b);

/* measure.c: g->lost. */
void group_measure(group *g, const encoder *en);

#endif

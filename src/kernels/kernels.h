/* kernels.h: the table of compute kernels, one const object per instruction set, all of the same source over src/simd.
 *
 * Every kernel gives the same bits on every instruction set. Sixteen lanes are sixteen rows (or dimensions, or key positions); integer
 * parts are exact; float steps stand once, in one order, with fma where the source says fma. Kernels allocate nothing and cannot fail.
 * n = tokens, k = input width, rows = output width; f32 arrays are 64-byte aligned and rows of them padded to a multiple of 16. */
#ifndef QBIN_KERNELS_H
#define QBIN_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "quant_formats/format.h"

/* Encoded activations of n tokens, as panels of `width` tokens (the last one has what is left, so one token makes a panel of width 1).
 * w = tokens of a panel, tiles = k padded to 64 / 64. Panels follow each other:
 *   ACT_F32    values f32 [tiles * 64][w]
 *   ACT_I8_64  values i8 [tiles][16][w][4];  scales f32 and sums i32 [tiles][w]
 *   ACT_I8_32  values i8 [tiles][16][w][4];  scales f32 and sums i32 [tiles][2][w]
 *   ACT_TOKEN_64, ACT_STATIC_64 as ACT_I8_64 and ACT_TOKEN_32, ACT_STATIC_32 as ACT_I8_32, but all scales of a token are equal
 * int8: symmetric, scale = absmax / 127 of the block or of the whole token, round to nearest even; sums = sum of the int8 values of the block. k is
 * padded with zeros. A block (token) whose absmax is below 2^-100 becomes zeros; one with an infinity or a NaN gets a scale that is not finite.
 * Static: int8 = (x - act_center) / act_scale, rounded likewise, within +-127; a block with an infinity or a NaN gets the scale NaN. */
typedef struct acts {
    act_code code;
    size_t n, tiles, width;
    void *values;
    float *scales;
    int32_t *sums;
    float act_scale, act_center; /* of static activations, given by the caller: scale > 0 */
} acts;

/* The encoding whose panels and sums are like this one's: ACT_F32, ACT_I8_64 or ACT_I8_32. */
act_code acts_like(act_code code);

static inline size_t acts_panel_tokens(const acts *a, size_t panel) {
    const size_t left = a->n - panel * a->width;
    return left < a->width ? left : a->width;
}

/* Encodes tokens [t0, t1) and tiles [tile0, tile1) of x [n][ldx] into a; disjoint calls may run in parallel. `k` is the unpadded width. ACT_TOKEN_* reads
 * the whole of a token's row whichever tiles it writes. */
typedef void encode_fn(acts *a, const float *x, size_t ldx, size_t k, size_t t0, size_t t1, size_t tile0, size_t tile1);

/* Bytes that n tokens of k activations need: values, scales, sums (each to be 64-byte aligned by the caller). */
void acts_bytes(act_code code, size_t n, size_t k, size_t *values, size_t *scales, size_t *sums);

/* Of a thread's scratch for matrices of width k, 64-byte aligned. It is enough for every format and encoding. */
size_t linear_scratch_bytes(size_t k);

/* A weight tensor as kernels see it: borrowed. */
typedef struct matrix {
    const format *format;
    const layout *layout;
    const uint8_t *data; /* the tensor's bytes */
} matrix;

/* y[t * ldy + row] (f32) for rows of groups [group0, group1) and all tokens of `a`: y = W x. Rows past the tensor's end up to the group's end are
 * written too (with what padding decodes to, not always 0), so ldy >= rows padded to 16. GEMV (few tokens) and GEMM are chosen inside; both give the
 * same bits for a token. */
typedef void linear_fn(const matrix *w, const acts *a, size_t group0, size_t group1, float *y, size_t ldy, void *scratch);

typedef struct linear_kernel { /* a row of data: what it computes is told by these fields, matched with a format's descriptor */
    linear_fn *run;
    act_code act;      /* whose panels it reads (acts_like) */
    const char *plain; /* the plain family of weights that are numbers; NULL: of any coded ones, as the next fields say */
    uint8_t bits;      /* 0: all coded weights */
    book_kind book;
    const packing *packing; /* NULL: bit planes */
} linear_kernel;

/* One query tile against one chunk of keys of one KV head. */
enum { ATTEND_CHUNK = 256, ATTEND_QUERIES = 8 };
typedef struct attend_args {
    const struct cache_type *key_type, *value_type;
    const float *q;                                    /* [queries][head_pad], rotated and scaled, as key_type->query made them */
    size_t queries;                                    /* 1 .. ATTEND_QUERIES */
    size_t head_dim, head_pad;                         /* head_pad: head_dim rounded up to 16 */
    const uint8_t *keys, *values;                      /* of the chunk: units of CACHE_POSITIONS positions in their types */
    uint16_t from[ATTEND_QUERIES], to[ATTEND_QUERIES]; /* query i sees positions [from, to) of the chunk; from == to: none */
    /* running softmax of each query, merged in place in chunk order: start with m = -inf, l = 0, o = 0, or with
     * m = s, l = 1, o = 0 where a score s that has no value takes part */
    float *m, *l;   /* [queries] */
    float *o;       /* [queries][head_pad], not yet divided by l */
    float *scratch; /* [ATTEND_SCRATCH(head_pad)] */
    float softcap;  /* scores become softcap * tanh(score / softcap); 0: they do not */
} attend_args;
#define ATTEND_SCRATCH(head_pad) ((size_t)ATTEND_QUERIES * (ATTEND_CHUNK + (head_pad)))

/* What keys or values are stored as: a row of data, in one list. A cache is units of CACHE_POSITIONS positions of one KV head, one after the other; a unit
 * has as many bytes as the type says, a multiple of 64. Positions come one at a time, in any order and from any thread: storing one writes no byte of another.
 *
 *   f16, f32   keys [4][head_dim][16 positions], values [positions][head_pad] with padding zero
 *   coded      as attend_coded.c says: the tiles of weights, with positions or dimensions as the sixteen rows */
enum { CACHE_POSITIONS = 64 };
typedef struct cache_type {
    const char *name;                                                                /* "f16", "f32", "q8" */
    size_t (*key_bytes)(size_t head_dim);                                            /* of a unit */
    size_t (*value_bytes)(size_t head_dim);                                          /* likewise */
    void (*store_key)(void *keys, size_t head_dim, size_t position, const float *x); /* x [head_dim] of a position; keys = start of the head */
    void (*store_value)(void *values, size_t head_dim, size_t position, const float *x);
    /* What x [head_dim], a key and each query or a value, is before it is stored or multiplied: an orthonormal map and its own inverse, so that it also
     * takes the result of attention back. NULL: x itself. */
    void (*turn)(float *x, size_t head_dim);
    void (*query)(float *q, size_t head_dim, const float *x); /* x [head_dim] as `score` wants it, in room for head_pad floats */
    /* score[query][ATTEND_CHUNK] = q . key for positions [from, to) of the chunk at least; others of their vectors may get any number */
    void (*score)(const attend_args *a, size_t from, size_t to, float *score);
    /* o[query][head_pad] += sum of p[query][position] * value over the positions that the query sees, all of them in [from, to) */
    void (*weigh)(const attend_args *a, size_t from, size_t to, const float *p, float *o);
} cache_type;

typedef struct kernels {
    const char *name; /* "scalar", "avx2" ... */
    uint32_t needs;   /* CPU_* bits */
    size_t panel;     /* tokens of a full activation panel, <= 8 */

    encode_fn *encode[ACT_CODES];

    const linear_kernel *const *linear; /* lists, NULL-terminated; each ends with run NULL */

    /* y[n] = x / sqrt(mean(x^2) + eps) * gain; y may be x. */
    void (*rmsnorm)(float *y, const float *x, const float *gain, size_t n, float eps);
    /* y[n] = (x - mean) / sqrt(var + eps) * gain + bias (bias may be NULL). */
    void (*layernorm)(float *y, const float *x, const float *gain, const float *bias, size_t n, float eps);
    /* Rotates x[head_dim] in place: pairs (i, i + dims / 2) or (2i, 2i + 1); table = cos[dims / 2] then sin[dims / 2]. */
    void (*rope_half)(float *x, const float *table, size_t dims);
    void (*rope_interleaved)(float *x, const float *table, size_t dims);
    /* y[n] = act(gate) * up */
    void (*silu_mul)(float *y, const float *gate, const float *up, size_t n);
    void (*gelu_mul)(float *y, const float *gate, const float *up, size_t n);
    void (*gelu_tanh_mul)(float *y, const float *gate, const float *up, size_t n);
    /* y[n] = gate / (1 + exp(-1.702 gate)) * (up + 1) */
    void (*swiglu_shifted_mul)(float *y, const float *gate, const float *up, size_t n);
    /* y[n] = act(x); y may be x */
    void (*silu)(float *y, const float *x, size_t n);
    void (*gelu)(float *y, const float *x, size_t n);
    void (*gelu_tanh)(float *y, const float *x, size_t n);
    void (*softcap)(float *y, float by, size_t n);            /* y = by * tanh(y / by) */
    void (*clamp)(float *y, float low, float high, size_t n); /* y within [low, high]; a NaN stays one */
    void (*add)(float *y, const float *x, size_t n);          /* y += x */
    void (*scale)(float *y, float by, size_t n);              /* y *= by */
    float (*max)(const float *x, size_t n);
    /* sum of exp(x - max) over n, in 16 partial sums and a fixed tree, each partial in float pairs (compensated) */
    double (*sum_exp)(const float *x, size_t n, float max);
    void (*exp)(float *y, const float *x, size_t n); /* for tests and the sampler; <= 2 ulp, exp(-inf) = 0 */
    const cache_type *const *caches;                 /* NULL-terminated */
    void (*attend)(const attend_args *a);
    /* The running softmax of one query takes that of a later chunk, as `attend` does it: chunks that were attended to apart, each from the start
     * values, and are merged in their order give the same bits. o and chunk_o [head_pad], not yet divided. */
    void (*attend_merge)(float *m, float *l, float *o, float chunk_m, float chunk_l, const float *chunk_o, size_t head_pad);
} kernels;

extern const kernels *const kernel_tables[]; /* strongest last; NULL-terminated; those compiled in */

/* The strongest table that this CPU can run, or the one called `isa` ("" or NULL: the environment's QBIN_ISA, then the strongest). E_USAGE for an unknown
 * name (lists them) or one that this CPU lacks. */
status kernels_choose(const kernels **out, const char *isa, error *e);

/* The kernel for a format and the activations that it names, or NULL: every one that format_nth knows has one in every table, with each encoding whose
 * sums are as long as its blocks allow, and with ACT_F32, where weights are decoded first (a test walks all). */
linear_fn *kernels_linear(const kernels *k, const format *f);

#endif

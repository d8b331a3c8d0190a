/* format.h: what a stored weight is. A format is a descriptor (a row of data), never an entry of an enumeration.
 *
 * A weight tensor [rows, k] is stored as groups of 16 rows and tiles of 64 along k. Rows are padded to 16 and k to 64.
 * The bytes of a tensor are three parts, each starting on 64 bytes:
 *
 *     [head]   codebooks, if the family has them
 *     [codes]  group by group, tile by tile: the bit planes of the codes of 16 rows x 64 k
 *     [side]   group by group, tile by tile: 16-bit scales (and minimums) of 16 rows; or one f32 per row or per tensor
 *
 * Codes and side data are apart so that every 64-byte load of codes is aligned whatever the block (a tile of 4-bit codes with its
 * scales would be 544 bytes). Codes of b bits are split into planes of 1, 2, 4 or 8 bits, the low bits first: 3 = 2+1, 5 = 4+1,
 * 6 = 4+2. A plane of p bits is [2p chunks][16 rows][4 bytes]: byte (c, r, i) holds in bit field j (from the low end) the code of
 * row r at k = (c * (8 / p) + j) * 4 + i. The planes of a tile follow each other. A family may pack the codes of a tile in another way (struct packing).
 * Packed ternary codes (family "trits", codes 0 1 2) take 208 bytes a tile: three chunks of 64 bytes, byte (c, r, i) holds the codes of row r at
 * k = (c * 5 + j) * 4 + i for j = 0 .. 4 as a fraction in base 3: with n = sum code_j * 3^(4 - j) it is ceil(n * 256 / 243), so that code j is the high byte
 * of 3 * (byte * 3^j mod 256); then 16 bytes, one of each row: bit field i of two bits is the code at k = 60 + i.
 * A plain family (f32, f16, bf16) stores a tile as [64 k][16 rows] numbers and has no head and no side part.
 * A vector (one dimension: norm gains, biases) is never tiled: it is stored as contiguous f32.
 *
 * Side data of a tile: block 64: 16 f16 scales, then 16 f16 minimums if there are any; block 32: [2 blocks][16 rows] scales, then minimums
 * likewise; block 128: as block 64 for each two tiles. One scale per row: [16] f32 scales for each group, then [16] minimums; one per tensor: an
 * f32 scale, then the minimum. A codebook has 2^bits int8 levels, ascending as this program writes them: the head holds one per tensor, per group or per row.
 *
 * Padding decodes to zero where it could matter: padded rows have scale 0 (and minimum 0), and what lies past k meets activations that are 0. With one
 * scale for the tensor padded rows have the codes of the level nearest to 0, which need not be 0: nothing may read what a product gives for them.
 *
 * From the descriptor generic code here derives bytes, packing, the reference decode and the spelling; a family file adds only how
 * codes become numbers and how a block is fitted. Nothing outside quant_formats/ may ask which family a format has. */
#ifndef QBIN_FORMAT_H
#define QBIN_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
    TILE_ROWS = 16,
    TILE_K = 64,
    FORMAT_NAME = 32,   /* bytes of a spelling with its NUL */
    FORMAT_PACKED = 16, /* bytes of a descriptor on disk */
};

typedef enum grain { GRAIN_NONE, GRAIN_BLOCK, GRAIN_ROW, GRAIN_TENSOR } grain; /* what shares one scale */
typedef enum scope { SCOPE_NONE, SCOPE_TENSOR, SCOPE_GROUP, SCOPE_ROW } scope; /* what shares one codebook */
/* Encoding of the activations that it multiplies: as they are; int8 with a scale for each 64 or 32 values; int8 with one scale for all of a token; int8
 * with one scale and centre for the tensor, fixed by calibration. _64 and _32: sums of that many products are exact before the scale comes in, so
 * _64 is not for weights in blocks of 32; _32 is for all, if weights share their scale or not. */
typedef enum act_code { ACT_F32, ACT_I8_64, ACT_I8_32, ACT_TOKEN_64, ACT_TOKEN_32, ACT_STATIC_64, ACT_STATIC_32, ACT_CODES } act_code;

static inline bool act_is_static(act_code act) {
    return act == ACT_STATIC_64 || act == ACT_STATIC_32;
}

static inline bool act_is_token(act_code act) { /* needs whole rows to be encoded */
    return act == ACT_TOKEN_64 || act == ACT_TOKEN_32;
}

typedef struct family family;
typedef struct codebook codebook; /* codebook.h: levels made ready for fits */

typedef struct format {
    const family *family;
    uint8_t bits;   /* per code: 1 2 3 4 5 6 8; 16 or 32 for plain families */
    bool has_min;   /* value = scale * code + min (codes from 0); else value = scale * level of the code */
    grain grain;    /* of scales and minimums */
    uint16_t block; /* values along k that share a scale: 32, 64 or 128 if grain is GRAIN_BLOCK, else 0 */
    scope scope;    /* of the codebook */
    act_code act;
} format;

/* Where the parts of a tensor lie, in bytes from its start. */
typedef struct layout {
    size_t groups, tiles;     /* of 16 rows; of 64 k */
    size_t head, codes, side; /* offsets of the parts; head is 0 */
    size_t group_head;        /* bytes of the codebooks of one group (0 if the tensor has one or none) */
    size_t tile_codes;        /* bytes of codes of one tile */
    size_t tile_side;         /* bytes of side data of one tile (of two if block is 128; 0 unless scales belong to blocks) */
    size_t group_side;        /* bytes of side data of one group (0 if the scale belongs to the tensor) */
    size_t blocks;            /* of one row that have a scale each; 0 for plain families */
    size_t bytes;             /* of the whole tensor, a multiple of 64 */
} layout;

/* Fills *out for a matrix [rows, k]; false if a size overflows or a dimension is 0. */
bool format_layout(const format *f, uint64_t rows, uint64_t k, layout *out);

/* Bits per weight of a matrix of that shape, everything counted. */
double format_bits(const format *f, uint64_t rows, uint64_t k);

/* A name is a spelling of a descriptor: <prefix><bits>[a][-b32|-b64|-b128|-row|-group|-tensor][@b32|@b64|@token|@static|@f32]. `a`: with a minimum.
 * Bits are left out where the family has one width, the grain where it is the family's own. No @ is int8 activations with a scale for each 32 values
 * where weights share one by 32 or have 8 bits, else for each 64. Every combination that a family defines is accepted, in any case, but for @b64 of
 * weights in blocks of 32; another is E_USAGE and the message names the nearest. */
status format_parse(format *out, const char *name, error *e);
void format_name(const format *f, char name[FORMAT_NAME]); /* the canonical spelling */
/* Makes the format multiply activations "block" (as without an @), "b32", "b64", "token", "static" or "f32" (plain families know only f32
 * and stay as they are, as weights in blocks of 32 do for "b64"); false for another name. */
bool format_set_act(format *f, const char *name);
bool format_equal(const format *a, const format *b);
bool format_valid(const format *f); /* is it a combination of fields that its family defines? */

/* Walks all valid descriptors, each with the activations that it has without an @: false if there are not as many as i + 1. */
bool format_nth(size_t i, format *out);

/* The descriptor on disk: 8 bytes family name, then bits, has_min, grain, block/32, scope, act, 2 zero bytes. E_FILE for a family, width or
 * combination that this program does not know: the message names it. */
void format_pack(const format *f, uint8_t out[FORMAT_PACKED]);
status format_unpack(format *out, const uint8_t in[FORMAT_PACKED], error *e);

/* The names that --help shows, a few of each family, with one line about it. NULL name ends it. */
typedef struct format_entry {
    const char *name, *summary;
} format_entry;
extern const format_entry format_list[];

/* How the other names are put together, as text of some lines for --help. */
enum { FORMAT_GRAMMAR = 1024 };
void format_grammar(char text[FORMAT_GRAMMAR]);

/* ---- codes, as kernels see them ---- */

typedef struct packing { /* of the codes of a tile, where they are not bit planes */
    size_t tile_bytes;
    void (*pack)(const uint8_t codes[TILE_ROWS][TILE_K], uint8_t *tile);
    unsigned (*code)(const uint8_t *tile, unsigned row, unsigned k); /* any bytes give a code below 2^bits */
} packing;
extern const packing packing_trits;

typedef enum book_kind {
    BOOK_NONE,   /* level = code - zero */
    BOOK_SHARED, /* 16 rows look codes up in one codebook: of the tensor, of the group, or of the family */
    BOOK_ROW,    /* each row has its own */
} book_kind;

typedef struct code_view {  /* all that a kernel is chosen by, but for the activations */
    const packing *packing; /* NULL: bit planes */
    uint8_t bits;           /* of a code */
    int zero;               /* BOOK_NONE: the code that stands for 0 */
    book_kind book;
    const int8_t *levels; /* of a family whose levels are fixed; else NULL: the tensor's head has them (format_book) */
} code_view;
code_view format_codes(const format *f);

/* The integer that a code stands for: code - zero, or its entry in `book` (format_book). The value of a weight is scale * level + min. */
int format_level(const format *f, const int8_t *book, unsigned code);
/* The code for padding: its level is 0, or the nearest to 0 that there is. */
unsigned format_zero_code(const format *f, const int8_t *book);

/* ---- what a family adds ---- */

/* One way to choose the scale of a block: "rtn" (range, then round) or "fit" (search of the weighted error). */
typedef enum fit_method { FIT_RTN, FIT_SEARCH } fit_method;

/* The values of one block: x[n] with the weight w[n] >= 0 of each squared error. n is a multiple of 16: what is missing is filled with copies of
 * a value of the block and weight 0. Values are finite. */
typedef struct fit_block {
    const float *x, *w;
    size_t n;
} fit_block;

/* Scale and minimum as they will be stored: already rounded to what the format keeps. */
typedef struct grid {
    float scale, min;
} grid;

/* g as the format keeps it: block scales in f16, others in f32 without denormals. */
grid grid_stored(const format *f, grid g);

struct family {
    const char *name;    /* at most 8 characters, on disk: "f32", "linear", "codebook" ... */
    const char *prefix;  /* of the spelling, before the bits: "q", "km"; a plain family: the whole spelling */
    const char *summary; /* one line for --help */
    bool plain;          /* numbers as they are: no codes, scales or codebooks; then only the next three fields are meant */
    void (*store)(uint8_t *at, float x);
    float (*load)(const uint8_t *at);
    uint8_t plain_bits;

    uint16_t widths;        /* bit b is set: codes may have b bits */
    bool minimum;           /* is there a variant with minimums? */
    uint16_t block;         /* that needs no suffix */
    uint8_t zero;           /* the code of level 0 if there are neither codebook nor minimum; 0: the middle, 2^(bits - 1) */
    const int8_t *levels;   /* 2^bits fixed levels; NULL: code - zero, or learned ones */
    const packing *packing; /* NULL: bit planes */
    /* Chooses scale and minimum of a block. All finite x give finite results; an all-zero block gives scale 0 and minimum 0. */
    grid (*fit)(const format *f, fit_method how, const codebook *book, const fit_block *b);
    /* codes[n] = the code of the value nearest to each x on that grid. x may lie anywhere (error-compensating methods move it). */
    void (*assign)(const format *f, const codebook *book, grid g, const float *x, size_t n, uint8_t *codes);
    const struct book_fit *learn; /* how codebooks are learned (codebook.h); NULL for a family without them */
};
extern const family *const families[]; /* NULL-terminated: the list */

/* ---- packing and the reference decode (the specification; scalar) ---- */

/* Writes the codes of one tile, codes[16][64] -> tile_codes bytes, and reads one back. */
void tile_pack(const format *f, const uint8_t codes[TILE_ROWS][TILE_K], uint8_t *tile);
unsigned tile_code(const format *f, const uint8_t *tile, unsigned row, unsigned k);

/* Writes one group of 16 rows: codes [16][tiles * 64] -> tiles * tile_codes bytes; grids [16][blocks] -> group_side bytes. */
void group_pack_codes(const format *f, const layout *l, const uint8_t *codes, uint8_t *out);
void group_pack_side(const format *f, const layout *l, const grid *grids, uint8_t *out);
/* The same for a plain family: x [16][tiles * 64] -> tiles * tile_codes bytes. */
void group_pack_plain(const format *f, const layout *l, const float *x, uint8_t *out);

/* The levels that the codes of a row are looked up in: in the tensor at `data`, or fixed ones; NULL if there are none. The entries of a codebook in the
 * head, 0 if there is none. */
const int8_t *format_book(const format *f, const uint8_t *data, size_t row);
size_t format_entries(const format *f);

/* out[k] = row `row` of the tensor at `data`, as f32. The reference for every kernel; also the embedding lookup. */
void format_decode_row(const format *f, const layout *l, const uint8_t *data, size_t row, size_t k, float *out);

#endif

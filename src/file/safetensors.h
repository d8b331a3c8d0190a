/* safetensors.h: reads a checkpoint: one .safetensors file, or a folder with model.safetensors or an index and its shards.
 *
 * Trusts nothing: header length, JSON (duplicate keys refused), dtypes, shapes, offsets, holes and overlaps are checked at open, names of
 * shards may not leave the folder. Data may be unaligned and in any order. */
#ifndef QBIN_FILE_SAFETENSORS_H
#define QBIN_FILE_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/map.h"
#include "quant_formats/format.h"

typedef struct source_type { /* one const object per type that can be read; lists are in safetensors.c and gguf_types.c */
    const char *name;        /* "F32", "F16", "BF16", "F8_E4M3" */
    size_t bytes;            /* of a block */
    /* out[n] f32 = n values at `in`, unaligned, the start of a block */
    void (*widen)(float *out, const uint8_t *in, size_t n);
    size_t block;     /* values that lie together; 1 for all that are dtypes */
    const char *keep; /* the format that holds the very same numbers; NULL if there is none */
    /* codes[n] and grids[n / block] of that format; NULL if it is a plain one */
    void (*codes)(uint8_t *codes, grid *grids, const uint8_t *in, size_t n);
    void (*store)(uint8_t *out, const float *x, size_t n); /* the way back, rounded to nearest; NULL if nobody writes it */
} source_type;
extern const source_type source_f32, source_f16, source_bf16;

enum { SOURCE_DIMS = 8 };

typedef struct source { /* one tensor of the checkpoint; borrowed from the maps */
    const char *name;
    const source_type *type; /* NULL for a dtype that cannot be read: only a message wants it */
    char dtype[12];
    uint32_t ndim;
    uint64_t shape[SOURCE_DIMS];
    const uint8_t *data;
    uint64_t bytes;
    const map *file; /* for messages and map_done */
    /* How it differs from what its name promises (GGUF); both 0 where it does not. */
    uint32_t pairs; /* heads whose rows are stored as rotary pairs: rows 2i and 2i + 1 of a head are its rows i and i + half */
    float plus;     /* is to be added to every value */
} source;

/* Where row `row` (of a vector: value `row`) of n is stored. */
uint64_t source_place(const source *s, uint64_t row, uint64_t n);

typedef struct checkpoint {
    map *files;
    size_t n_files;
    source *tensors; /* sorted by name */
    size_t n_tensors;
    char **names; /* [n_files] owned: the names of the tensors of a file */
} checkpoint;

/* `path`: a .safetensors file or a folder (model.safetensors, else model.safetensors.index.json and what it lists). A file that the index beside it
 * lists as one of several shards opens them all. E_FILE with file, tensor and offset. checkpoint_close takes {0} too. */
status checkpoint_open(checkpoint *c, const char *path, error *e);
void checkpoint_close(checkpoint *c);

const source *checkpoint_find(const checkpoint *c, const char *name); /* NULL if absent */

#endif

/* qbin.h: reads and writes the .qbin file. This comment is the specification of the format; docs/format.md is rendered from it.
 *
 * All numbers are little-endian. A file is
 *
 *     [header 64][section table][sections]  zero padding to 4096  [tensor data]
 *
 * header, 64 bytes:
 *
 *      0  8  magic "QBIN\r\n\x1a\n"
 *      8  4  version, 1                       12  4  number of sections, 1 to 64
 *     16  8  size of the file                 24  8  offset of the section table, 64
 *     32  8  end of the metadata: all bytes of [64, end) are hashed
 *     40  8  offset of the tensor data, a multiple of 4096; the bytes between are zero
 *     48  8  XXH3-64 of [64, end)             56  8  XXH3-64 of header bytes [0, 56)
 *
 * section, 32 bytes: 8 name (NUL-padded: "meta", "tokens", "tensors"), 8 offset (multiple of 64), 8 bytes, 8 flags. Bit 0 of the flags:
 *     required; the other bits are zero. An unknown required section is refused by name, another is ignored. Sections lie behind the table, in the
 *     order of the table, before the end of the metadata, and do not overlap. "meta" and "tensors" must be there; no name comes twice.
 * meta: a JSON object, padded with spaces: "spec" (the transformer spec, see spec.h), "requires" (list of feature names beyond the spec; an unknown
 *     one is refused by name), "generation", "chat_template" (the default one), "chat_templates" (others by name), "special_tokens" (texts by "bos_token",
 *     "eos_token" ...), "recipe" (options of the conversion, format by tensor), "sources" (files and hashes), "producer", "kind" (what the file is:
 *     "model", the default, or "calibration"). Only "spec" must be there; unknown keys are ignored.
 * tokens: the compiled tokenizer (text/tokenizer.h), empty if the model has none.
 * tensors: entries of 256 bytes: 112 name (1 to 111 printable ASCII characters, NUL-padded), 16 descriptor (format.h), 4 ndim, 4 zero, 8 rows, 8 k,
 *     8 offset from the data start, 8 bytes, 8 XXH3-64 of the bytes, 4 relative squared error (f32, NaN if not known), 4 scale and 4 centre
 *     of static activations (f32, 0 if the descriptor has none), zeros. ndim 1: a vector of
 *     `rows` contiguous f32 with the descriptor of f32 and k = 1; ndim 2: a matrix [rows, k] laid out as its descriptor says. In the order of their
 *     offsets, aligned to 64 (to 4096 when >= 64 KiB), not overlapping; the bytes between are zero; names are unique. The file ends with the last one.
 *
 * Opening checks header, section table and every tensor's range, descriptor and size once, with overflow-checked arithmetic, and the
 * metadata hash; tensor hashes and zero padding are checked by qbin_verify only. Together they cover every byte of the file. */
#ifndef QBIN_FILE_QBIN_H
#define QBIN_FILE_QBIN_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/map.h"
#include "base/progress.h"
#include "file/spec.h"
#include "file/tensor.h"

/* ---- reading ---- */

typedef struct qbin_kind { /* what a file is */
    const char *name, *what;
} qbin_kind;
extern const qbin_kind qbin_model, qbin_calibration;

typedef struct qbin {
    map map;
    const qbin_kind *kind;
    json_t *meta; /* owned */
    spec spec;    /* owned */
    const uint8_t *tokens;
    size_t tokens_size;     /* 0: no tokenizer */
    tensor *tensors;        /* owned, in file order */
    const tensor **by_name; /* owned: the same, sorted */
    size_t n_tensors;
    uint64_t data_offset;
} qbin;

/* E_FILE with path and offset for anything malformed; nothing is kept then. qbin_close takes {0} too. */
status qbin_open(qbin *q, const char *path, error *e);
void qbin_close(qbin *q);

/* E_FILE says in one sentence what the file is if it is of another kind. */
status qbin_expect(const qbin *q, const qbin_kind *kind, error *e);

/* NULL if there is none of that name. */
const tensor *qbin_tensor(const qbin *q, const char *name);

/* Reads every byte: metadata and tensor hashes and zero padding. E_FILE names the first tensor or offset that is wrong. */
status qbin_verify(const qbin *q, const progress *p, error *e);

/* Does the file start with the magic? For "replace only a .qbin". False if it cannot be read. */
bool qbin_is(const char *path);

/* ---- writing: plan all offsets, then write disjoint ranges from any thread, then commit ---- */

typedef struct qbin_entry { /* what the caller plans for a tensor; the rest is filled by the writer */
    char name[TENSOR_NAME];
    format format;
    uint32_t ndim;
    uint64_t rows, k;
    uint64_t offset, bytes; /* filled by qbin_plan: from the data start */
    uint64_t hash;          /* 0: filled by qbin_commit by reading the file back; the caller may fill it before */
    float error;
    float act_scale, act_center; /* see tensor.h */
} qbin_entry;

typedef struct qbin_writer qbin_writer;

/* Fills offset and bytes of the entries (in the order given) and returns the exact size of the file that these parts will make in
 * *file_bytes; for --dry-run nothing else is needed. E_RUN if a size overflows or a name is too long or there twice. */
status qbin_plan(qbin_entry *entries, size_t n, size_t meta_bytes, size_t tokens_bytes, uint64_t *file_bytes, error *e);

/* Creates "<target>.tmp-<pid>" beside the target (removing such litter of dead processes), at its full size: a full disk is found now
 * (E_MEMORY). Plans the entries, which are borrowed until commit. E_RUN: the target is a directory, a symbolic link or no regular file, or its folder
 * cannot be written. */
status qbin_create(qbin_writer **out, const char *target, qbin_entry *entries, size_t n, size_t meta_bytes, size_t tokens_bytes, error *e);

/* Writes bytes of tensor i at `at` from its start; from any thread, disjoint ranges. */
status qbin_write(qbin_writer *w, size_t i, uint64_t at, const void *data, size_t bytes, error *e);

/* Writes metadata, tokenizer, table and header; fsync; rename over the target; fsync of the folder. `meta` must have the planned size
 * (pad with spaces). On failure the temporary file is removed. The writer is freed either way and *w becomes NULL. */
status qbin_commit(qbin_writer **w, const char *meta, const void *tokens, error *e);

/* Gives up: removes the temporary file. Takes a pointer to NULL too. */
void qbin_abandon(qbin_writer **w);

#endif

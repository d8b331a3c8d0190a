/* gguf_write.h: writes a GGUF file of version 3: values are gathered first, then the place of every tensor is known, then any thread writes disjoint ranges of
 * them. Refuses to leave half a file behind. What the values mean is the caller's business. */
#ifndef QBIN_FILE_GGUF_WRITE_H
#define QBIN_FILE_GGUF_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "file/gguf_types.h"

typedef struct gguf_values { /* as they will be in the file; {0} to begin with */
    uint8_t *data;
    size_t n, room;
    uint64_t count;
    bool failed; /* no memory: said by gguf_create */
} gguf_values;

void gguf_put_u32(gguf_values *v, const char *key, uint32_t x);
void gguf_put_f32(gguf_values *v, const char *key, float x);
void gguf_put_flag(gguf_values *v, const char *key, bool x);
void gguf_put_text(gguf_values *v, const char *key, const char *text, size_t n);

/* An array: its head, then its elements one by one. */
void gguf_put_texts(gguf_values *v, const char *key, uint64_t n);
void gguf_add_text(gguf_values *v, const char *text, size_t n);
void gguf_put_f32s(gguf_values *v, const char *key, const float *x, uint64_t n);
void gguf_put_i32s(gguf_values *v, const char *key, const int32_t *x, uint64_t n);

void gguf_values_free(gguf_values *v);

typedef struct gguf_entry { /* what the caller plans */
    const char *name;
    const gguf_type *type;
    uint64_t shape[2]; /* the last varies fastest */
    size_t ndim;       /* 1 or 2 */
    uint64_t offset;   /* filled: from the start of the file */
} gguf_entry;

typedef struct gguf_writer gguf_writer;

/* Creates "<path>.tmp-<pid>" at its full size. Entries are borrowed until the end. E_MEMORY for a full disk, else E_RUN. */
status gguf_create(gguf_writer **out, const char *path, const gguf_values *values, gguf_entry *entries, size_t n, error *e);

/* Writes bytes at `at` from the start of tensor i; from any thread, disjoint ranges. */
status gguf_write(gguf_writer *w, size_t i, uint64_t at, const void *data, size_t bytes, error *e);

/* Syncs and renames; or removes what was written. Both free the writer; abandon takes a pointer to NULL too. */
status gguf_commit(gguf_writer **w, error *e);
void gguf_abandon(gguf_writer **w);

#endif

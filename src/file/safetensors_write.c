#include "file/safetensors_write.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "file/output.h"

enum { HEADER_ALIGN = 8 };

struct safetensors_writer {
    output file;
    safetensors_entry *entries;
};

/* The offsets from the start of the data, and the header's text; NULL if a size overflows or without memory. */
static char *plan(safetensors_entry *entries, size_t n, uint64_t *end) {
    json_t *all = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    *end = 0;
    bool good = all;
    for (size_t i = 0; i < n && good; i++) {
        safetensors_entry *t = &entries[i];
        uint64_t bytes;
        const uint64_t begin = *end;
        good = size_mul(t->shape[0], t->ndim == 2 ? t->shape[1] : 1, &bytes) && size_mul(bytes, t->bytes, &bytes) && size_add(begin, bytes, end);
        json_t *shape =
            t->ndim == 2 ? json_pack("[I, I]", (json_int_t)t->shape[0], (json_int_t)t->shape[1]) : json_pack("[I]", (json_int_t)t->shape[0]);
        json_object_set_new(
            all, t->name, json_pack("{s:s, s:o, s:[I, I]}", "dtype", t->dtype, "shape", shape, "data_offsets", (json_int_t)begin, (json_int_t)*end));
        t->offset = begin;
    }
    char *text = good ? json_dumps(all, JSON_COMPACT) : NULL;
    json_decref(all);
    return text;
}

static status write_header(safetensors_writer *w, const char *path, const char *text, uint64_t data_bytes, size_t n, error *e) {
    const size_t length = strlen(text), padded = (length + HEADER_ALIGN - 1) / HEADER_ALIGN * HEADER_ALIGN;
    const uint64_t start = sizeof(uint64_t) + padded;
    const uint64_t stored = padded;
    for (size_t i = 0; i < n; i++) w->entries[i].offset += start;
    TRY(output_open(&w->file, path, start + data_bytes, e));
    TRY(output_write(&w->file, 0, &stored, sizeof stored, e));
    TRY(output_write(&w->file, sizeof stored, text, length, e));
    return output_write(&w->file, sizeof stored + length, "       ", padded - length, e);
}

status safetensors_create(safetensors_writer **out, const char *path, safetensors_entry *entries, size_t n, error *e) {
    uint64_t data_bytes;
    char *text = plan(entries, n, &data_bytes);
    safetensors_writer *w = calloc(1, sizeof *w);
    *out = NULL;
    if (w) w->entries = entries;
    status s = text && w ? OK : fail(e, E_MEMORY, "no memory");
    if (s == OK) s = write_header(w, path, text, data_bytes, n, e);
    free(text);
    if (s != OK) safetensors_abandon(&w);
    *out = w;
    return s;
}

status safetensors_write(safetensors_writer *w, size_t i, uint64_t at, const void *data, size_t bytes, error *e) {
    return output_write(&w->file, w->entries[i].offset + at, data, bytes, e);
}

status safetensors_commit(safetensors_writer **w, error *e) {
    const status s = output_commit(&(*w)->file, e);
    safetensors_abandon(w);
    return s;
}

void safetensors_abandon(safetensors_writer **w) {
    if (!*w) return;
    output_abandon(&(*w)->file);
    free(*w);
    *w = NULL;
}

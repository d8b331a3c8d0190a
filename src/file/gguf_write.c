#include "file/gguf_write.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "file/gguf.h"
#include "file/output.h"

enum { ALIGN = 32, VERSION = 3, KIND_U32 = 4, KIND_I32 = 5, KIND_F32 = 6 };

struct gguf_writer {
    output file;
    gguf_entry *entries;
};

/* ---- values ---- */

static void add(gguf_values *v, const void *data, size_t n) {
    if (v->failed) return;
    if (v->room - v->n < n) {
        const size_t room = 2 * (v->n + n) + 4096;
        uint8_t *more = realloc(v->data, room);
        v->failed = !more;
        if (!more) return;
        v->data = more;
        v->room = room;
    }
    if (n) memcpy(v->data + v->n, data, n);
    v->n += n;
}

static void add_u32(gguf_values *v, uint32_t x) {
    add(v, &x, sizeof x);
}

static void add_u64(gguf_values *v, uint64_t x) {
    add(v, &x, sizeof x);
}

void gguf_add_text(gguf_values *v, const char *text, size_t n) {
    add_u64(v, n);
    add(v, text, n);
}

static void add_key(gguf_values *v, const char *key, uint32_t kind) {
    gguf_add_text(v, key, strlen(key));
    add_u32(v, kind);
    v->count++;
}

static void add_array(gguf_values *v, const char *key, uint32_t kind, uint64_t n) {
    add_key(v, key, GGUF_ARRAY);
    add_u32(v, kind);
    add_u64(v, n);
}

void gguf_put_u32(gguf_values *v, const char *key, uint32_t x) {
    add_key(v, key, KIND_U32);
    add_u32(v, x);
}

void gguf_put_f32(gguf_values *v, const char *key, float x) {
    add_key(v, key, KIND_F32);
    add(v, &x, sizeof x);
}

void gguf_put_flag(gguf_values *v, const char *key, bool x) {
    const uint8_t byte = x;
    add_key(v, key, GGUF_BOOL);
    add(v, &byte, sizeof byte);
}

void gguf_put_text(gguf_values *v, const char *key, const char *text, size_t n) {
    add_key(v, key, GGUF_TEXT);
    gguf_add_text(v, text, n);
}

void gguf_put_texts(gguf_values *v, const char *key, uint64_t n) {
    add_array(v, key, GGUF_TEXT, n);
}

void gguf_put_f32s(gguf_values *v, const char *key, const float *x, uint64_t n) {
    add_array(v, key, KIND_F32, n);
    add(v, x, (size_t)n * sizeof *x);
}

void gguf_put_i32s(gguf_values *v, const char *key, const int32_t *x, uint64_t n) {
    add_array(v, key, KIND_I32, n);
    add(v, x, (size_t)n * sizeof *x);
}

void gguf_values_free(gguf_values *v) {
    free(v->data);
    *v = (gguf_values){0};
}

/* ---- the file ---- */

/* Offsets from the start of the data, and how long that is; false if a size overflows. */
static bool plan(gguf_entry *entries, size_t n, uint64_t *end) {
    *end = 0;
    for (size_t i = 0; i < n; i++) {
        gguf_entry *t = &entries[i];
        const source_type *as = t->type->as;
        uint64_t bytes;
        if (!size_mul(t->shape[0], t->ndim == 2 ? t->shape[1] : 1, &bytes) || bytes % as->block) return false;
        t->offset = *end;
        if (!size_mul(bytes / as->block, as->bytes, &bytes) || !size_add(*end, bytes, end) || !size_round(*end, ALIGN, end)) return false;
    }
    return true;
}

static uint64_t data_bytes(const gguf_entry *t) {
    return t->shape[0] * (t->ndim == 2 ? t->shape[1] : 1) / t->type->as->block * t->type->as->bytes;
}

/* What stands between tensors stays zero. */
static void skip_gaps(gguf_writer *w, size_t n, uint64_t all) {
    for (size_t i = 0; i < n; i++) {
        const uint64_t end = w->entries[i].offset + data_bytes(&w->entries[i]), next = i + 1 < n ? w->entries[i + 1].offset : all;
        output_skip(&w->file, end, next - end);
    }
}

/* All that stands before the data, in memory. */
static void add_front(gguf_values *head, const gguf_values *values, const gguf_entry *entries, size_t n) {
    static const uint8_t zeros[ALIGN];
    add(head, "GGUF", 4);
    add_u32(head, VERSION);
    add_u64(head, n);
    add_u64(head, values->count);
    add(head, values->data, values->n);
    for (size_t i = 0; i < n; i++) {
        const gguf_entry *t = &entries[i];
        gguf_add_text(head, t->name, strlen(t->name));
        add_u32(head, (uint32_t)t->ndim);
        for (size_t k = t->ndim; k-- > 0;) add_u64(head, t->shape[k]);
        add_u32(head, t->type->id);
        add_u64(head, t->offset);
    }
    add(head, zeros, round_up(head->n, ALIGN) - head->n);
}

static status create(gguf_writer *w, const char *path, const gguf_values *values, size_t n, error *e) {
    uint64_t bytes, all = 0;
    gguf_values head = {0};
    if (!plan(w->entries, n, &bytes)) return fail(e, E_FILE, "%s: a tensor is too large, or its rows are no whole blocks", path);
    add_front(&head, values, w->entries, n);
    status s = head.failed || values->failed || !size_add(head.n, bytes, &all) ? fail(e, E_MEMORY, "no memory for the values of %s", path) : OK;
    if (s == OK) s = output_open(&w->file, path, all, e);
    for (size_t i = 0; i < n; i++) w->entries[i].offset += head.n;
    if (s == OK) skip_gaps(w, n, all);
    if (s == OK) s = output_write(&w->file, 0, head.data, head.n, e);
    gguf_values_free(&head);
    return s;
}

status gguf_create(gguf_writer **out, const char *path, const gguf_values *values, gguf_entry *entries, size_t n, error *e) {
    gguf_writer *w = calloc(1, sizeof *w);
    *out = NULL;
    if (!w) return fail(e, E_MEMORY, "no memory");
    w->entries = entries;
    const status s = create(w, path, values, n, e);
    if (s != OK) gguf_abandon(&w);
    *out = w;
    return s;
}

status gguf_write(gguf_writer *w, size_t i, uint64_t at, const void *data, size_t bytes, error *e) {
    return output_write(&w->file, w->entries[i].offset + at, data, bytes, e);
}

status gguf_commit(gguf_writer **w, error *e) {
    const status s = output_commit(&(*w)->file, e);
    gguf_abandon(w);
    return s;
}

void gguf_abandon(gguf_writer **w) {
    if (!*w) return;
    output_abandon(&(*w)->file);
    free(*w);
    *w = NULL;
}

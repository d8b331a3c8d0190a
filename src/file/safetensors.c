#include "file/safetensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/half.h"
#include "base/json.h"
#include "file/shards.h"

enum {
    HEADER_MAX = 100000000,  /* bytes; the limit of the reference implementation */
    HEADER_VALUES = 4000000, /* about 300,000 tensors in one file */
    LENGTH_BYTES = 8,
};

/* ---- dtypes ---- */

static void widen_f32(float *out, const uint8_t *in, size_t n) {
    memcpy(out, in, n * sizeof *out);
}

static void widen_f16(float *out, const uint8_t *in, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, in + 2 * i, sizeof h);
        out[i] = f32_of_f16(h);
    }
}

static void widen_bf16(float *out, const uint8_t *in, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, in + 2 * i, sizeof h);
        out[i] = f32_of_bf16(h);
    }
}

/* Sign, 4 bits of exponent with the bias 7, 3 of mantissa; no infinities. As in f16, one multiplication rebases the exponent and normalises denormals. */
static void widen_e4m3(float *out, const uint8_t *in, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const uint32_t sign = (uint32_t)(in[i] & 0x80u) << 24, rest = in[i] & 0x7fu;
        const float scaled = float_of_bits(rest << 20) * 0x1p120f;
        out[i] = float_of_bits(sign | (rest == 0x7f ? 0x7fc00000u : bits_of_float(scaled)));
    }
}

static void store_f32(uint8_t *out, const float *x, size_t n) {
    memcpy(out, x, n * sizeof *x);
}

static void store_f16(uint8_t *out, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const uint16_t h = f16_of_f32(x[i]);
        memcpy(out + 2 * i, &h, sizeof h);
    }
}

static void store_bf16(uint8_t *out, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const uint16_t h = bf16_of_f32(x[i]);
        memcpy(out + 2 * i, &h, sizeof h);
    }
}

const source_type source_f32 = {.name = "F32", .bytes = 4, .widen = widen_f32, .block = 1, .keep = "f32", .store = store_f32};
const source_type source_f16 = {.name = "F16", .bytes = 2, .widen = widen_f16, .block = 1, .keep = "f16", .store = store_f16};
const source_type source_bf16 = {.name = "BF16", .bytes = 2, .widen = widen_bf16, .block = 1, .keep = "bf16", .store = store_bf16};
static const source_type type_e4m3 = {.name = "F8_E4M3", .bytes = 1, .widen = widen_e4m3, .block = 1};

/* Every dtype whose size is known, so that its offsets can be checked; only some can be read. */
static const struct dtype {
    const char *name;
    unsigned bits;
    const source_type *type;
} dtypes[] = {
    {"F32", 32, &source_f32}, {"F16", 16, &source_f16}, {"BF16", 16, &source_bf16}, {"F64", 64, NULL},    {"I64", 64, NULL},
    {"U64", 64, NULL},        {"I32", 32, NULL},        {"U32", 32, NULL},          {"I16", 16, NULL},    {"U16", 16, NULL},
    {"I8", 8, NULL},          {"U8", 8, NULL},          {"BOOL", 8, NULL},          {"C64", 64, NULL},    {"F8_E4M3", 8, &type_e4m3},
    {"F8_E5M2", 8, NULL},     {"F8_E4M3FNUZ", 8, NULL}, {"F8_E5M2FNUZ", 8, NULL},   {"F8_E8M0", 8, NULL}, {"F6_E2M3", 6, NULL},
    {"F6_E3M2", 6, NULL},     {"F4", 4, NULL},
};

static const struct dtype *find_dtype(const char *name) {
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        if (strcmp(dtypes[i].name, name) == 0) return &dtypes[i];
    }
    return NULL;
}

/* ---- one entry of a header ---- */

static status read_shape(source *t, const json_t *value, uint64_t *count, error *e) {
    size_t n;
    TRY(json_to_array(value, "shape", SOURCE_DIMS, &n, e));
    t->ndim = (uint32_t)n;
    *count = 1;
    for (size_t i = 0; i < n; i++) {
        TRY(json_to_uint(json_array_get(value, i), "shape", 0, INT64_MAX, &t->shape[i], e));
        if (!size_mul(*count, t->shape[i], count)) return fail(e, E_FILE, "the number of values in 'shape' overflows");
    }
    return OK;
}

static status read_offsets(source *t, const json_t *value, const uint8_t *data, uint64_t limit, error *e) {
    size_t n;
    uint64_t begin, end;
    TRY(json_to_array(value, "data_offsets", 2, &n, e));
    TRY(json_to_uint(json_array_get(value, 0), "data_offsets[0]", 0, INT64_MAX, &begin, e));
    TRY(json_to_uint(json_array_get(value, 1), "data_offsets[1]", 0, INT64_MAX, &end, e));
    if (begin > end) return fail(e, E_FILE, "data_offsets [%" PRIu64 ", %" PRIu64 "] end before they begin", begin, end);
    if (end > limit) {
        return fail(e, E_FILE, "data_offsets [%" PRIu64 ", %" PRIu64 "] leave the %" PRIu64 " bytes of data in the file", begin, end, limit);
    }
    t->data = data + begin;
    t->bytes = end - begin;
    return OK;
}

static status check_bytes(const source *t, const struct dtype *dtype, uint64_t count, error *e) {
    uint64_t bits;
    if (!size_mul(count, dtype->bits, &bits)) return fail(e, E_FILE, "the number of bytes of 'shape' overflows");
    if (bits % 8) return fail(e, E_FILE, "%" PRIu64 " values of dtype %s do not fill whole bytes", count, t->dtype);
    if (bits / 8 == t->bytes) return OK;
    return fail(e, E_FILE, "%" PRIu64 " values of dtype %s need %" PRIu64 " bytes, data_offsets have %" PRIu64, count, t->dtype, bits / 8, t->bytes);
}

static status read_entry(source *t, const json_t *entry, const uint8_t *data, uint64_t limit, error *e) {
    const char *name;
    uint64_t count;
    TRY(json_to_object(entry, "entry", e));
    TRY(json_to_text(json_object_get(entry, "dtype"), "dtype", &name, e));
    if (strlen(name) >= sizeof t->dtype) return fail(e, E_FILE, "dtype '%s' is not known", name);
    strcpy(t->dtype, name);
    TRY(read_shape(t, json_object_get(entry, "shape"), &count, e));
    TRY(read_offsets(t, json_object_get(entry, "data_offsets"), data, limit, e));
    if (json_object_size(entry) != 3) return fail(e, E_FILE, "the entry has keys other than dtype, shape and data_offsets");
    const struct dtype *dtype = find_dtype(name);
    if (!dtype) return OK; /* t->type stays NULL: a message when somebody wants it */
    t->type = dtype->type;
    return check_bytes(t, dtype, count, e);
}

/* ---- one file ---- */

static int by_offset(const void *a, const void *b) {
    const source *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const source *)a)->name, ((const source *)b)->name);
}

/* The tensors of a file, sorted by offset, fill its data exactly. */
static status check_coverage(const source *t, size_t n, const uint8_t *data, uint64_t size, error *e) {
    uint64_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const uint64_t begin = (uint64_t)(t[i].data - data);
        if (begin < at) return fail(e, E_FILE, "tensor '%s' at data offset %" PRIu64 " overlaps the one before it", t[i].name, begin);
        if (begin > at) return fail(e, E_FILE, "data offset %" PRIu64 ": %" PRIu64 " bytes belong to no tensor", at, begin - at);
        at = begin + t[i].bytes;
    }
    return at == size ? OK : fail(e, E_FILE, "data offset %" PRIu64 ": %" PRIu64 " bytes at the end belong to no tensor", at, size - at);
}

static status check_metadata(const json_t *metadata, error *e) {
    TRY(json_to_object(metadata, "__metadata__", e));
    const char *key, *text;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)metadata, key, value) TRY(json_to_text(value, key, &text, e));
    return OK;
}

static bool is_tensor(const char *key) {
    return strcmp(key, "__metadata__") != 0;
}

/* Copies the names of the tensors into one block, so that the JSON need not live on. */
static char *copy_names(const json_t *header) {
    const char *key;
    json_t *value;
    size_t bytes = 1;
    json_object_foreach((json_t *)(uintptr_t)header, key, value) bytes += strlen(key) + 1;
    char *names = malloc(bytes), *at = names;
    if (!names) return NULL;
    json_object_foreach((json_t *)(uintptr_t)header, key, value) {
        if (is_tensor(key)) at = stpcpy(at, key) + 1;
    }
    return names;
}

static status read_entries(checkpoint *c, size_t file, const json_t *header, const uint8_t *data, uint64_t size, error *e) {
    TRY(json_to_object(header, "header", e));
    const size_t n = json_object_size(header);
    source *grown = reallocarray(c->tensors, c->n_tensors + n + 1, sizeof *grown);
    if (grown) c->tensors = grown;
    c->names[file] = copy_names(header);
    if (!grown || !c->names[file]) return fail(e, E_MEMORY, "no memory for %zu tensors", n);
    source *first = c->tensors + c->n_tensors, *t = first;
    const char *name = c->names[file], *key;
    json_t *entry;
    json_object_foreach((json_t *)(uintptr_t)header, key, entry) {
        if (!is_tensor(key)) {
            TRY(check_metadata(entry, e));
            continue;
        }
        *t = (source){.name = name, .file = &c->files[file]};
        if (read_entry(t, entry, data, size, e) != OK) {
            char what[160];
            snprintf(what, sizeof what, "tensor '%.120s'", name);
            return fail_in(e, what);
        }
        name += strlen(name) + 1;
        t++;
    }
    const size_t added = (size_t)(t - first);
    qsort(first, added, sizeof *first, by_offset);
    c->n_tensors += added;
    return check_coverage(first, added, data, size, e);
}

/* What people take for a checkpoint; its first bytes would be read as an absurd length. */
typedef struct foreign {
    const char *magic, *what;
} foreign;

static const foreign foreigners[] = {
    {"QBIN\r\n", "a .qbin file"},
    {"GGUF", "a GGUF file"},
    {"PK\003\004", "a PyTorch or zip file"},
    {"version https://git-lfs", "a Git LFS pointer (the weights were not downloaded)"},
    {0},
};

static status read_header(checkpoint *c, size_t file, error *e) {
    const map *m = &c->files[file];
    uint64_t length = 0;
    for (const foreign *f = foreigners; f->magic; f++) {
        const size_t n = strlen(f->magic);
        if (m->size >= n && !memcmp(m->data, f->magic, n)) return fail(e, E_FILE, "offset 0: this is %s, not a safetensors file", f->what);
    }
    if (m->size < LENGTH_BYTES) return fail(e, E_FILE, "%zu bytes are too few for a safetensors file", m->size);
    for (int i = LENGTH_BYTES; i-- > 0;) length = length << 8 | m->data[i];
    if (length > HEADER_MAX)
        return fail(e, E_FILE, "offset 0: a header of %" PRIu64 " bytes is longer than %d (is this a safetensors file?)", length, HEADER_MAX);
    if (!size_inside(LENGTH_BYTES, length, m->size)) {
        return fail(e, E_FILE, "offset 0: a header of %" PRIu64 " bytes does not fit in a file of %zu bytes", length, m->size);
    }
    json_t *header;
    if (json_parse(&header, (const char *)m->data + LENGTH_BYTES, (size_t)length, HEADER_VALUES, e) != OK) return fail_in(e, "header");
    const status s = read_entries(c, file, header, m->data + LENGTH_BYTES + length, m->size - LENGTH_BYTES - length, e);
    json_decref(header);
    return s;
}

static status open_file(checkpoint *c, size_t file, const char *path, error *e) {
    TRY(map_open(&c->files[file], path, e));
    return read_header(c, file, e) == OK ? OK : fail_in(e, path);
}

/* ---- the whole ---- */

static status open_all(checkpoint *c, const shards *s, error *e) {
    c->files = calloc(s->n, sizeof *c->files);
    c->names = calloc(s->n, sizeof *c->names);
    if (!c->files || !c->names) return fail(e, E_MEMORY, "no memory");
    c->n_files = s->n;
    for (size_t i = 0; i < s->n; i++) TRY(open_file(c, i, s->paths[i], e));
    if (c->n_tensors) qsort(c->tensors, c->n_tensors, sizeof *c->tensors, by_name);
    for (size_t i = 1; i < c->n_tensors; i++) {
        const source *a = &c->tensors[i - 1], *b = &c->tensors[i];
        if (strcmp(a->name, b->name) == 0) return fail(e, E_FILE, "%s: tensor '%s' is also in %s", b->file->path, b->name, a->file->path);
    }
    return shards_check(s, c, e);
}

status checkpoint_open(checkpoint *c, const char *path, error *e) {
    *c = (checkpoint){0};
    shards s;
    status result = shards_find(&s, path, e);
    if (result == OK) result = open_all(c, &s, e);
    shards_free(&s);
    if (result != OK) checkpoint_close(c);
    return result;
}

void checkpoint_close(checkpoint *c) {
    for (size_t i = 0; i < c->n_files; i++) {
        map_close(&c->files[i]);
        free(c->names[i]);
    }
    free(c->files);
    free(c->names);
    free(c->tensors);
    *c = (checkpoint){0};
}

const source *checkpoint_find(const checkpoint *c, const char *name) {
    const source key = {.name = name};
    return c->n_tensors ? bsearch(&key, c->tensors, c->n_tensors, sizeof key, by_name) : NULL;
}

uint64_t source_place(const source *s, uint64_t row, uint64_t n) {
    if (!s->pairs) return row;
    const uint64_t rows = n / s->pairs, half = rows / 2, in_head = row % rows;
    return row - in_head + (in_head < half ? 2 * in_head : 2 * (in_head - half) + 1);
}

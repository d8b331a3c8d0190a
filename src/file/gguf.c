#include "file/gguf.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "file/gguf_types.h"
#include "file/tensor.h"

enum {
    VALUE_LEAST = 8 + 4 + 1,              /* bytes of a value, with its key */
    TENSOR_LEAST = 8 + 1 + 4 + 8 + 4 + 8, /* of what is said about a tensor */
    KEY_MAX = 65535,
    DIMS_MAX = 4,
    DEFAULT_ALIGN = 32,
    ALIGN_MAX = 1 << 20,
};

#define MAGIC "GGUF"

/* ---- a cursor that cannot leave the file ---- */

typedef struct cursor {
    const uint8_t *begin, *at, *end;
} cursor;

static uint64_t left(const cursor *c) {
    return (uint64_t)(c->end - c->at);
}

static status fail_at(const cursor *c, const char *what, error *e) {
    return fail(e, E_FILE, "offset %td: %s", c->at - c->begin, what);
}

static status take(cursor *c, void *out, size_t bytes, error *e) {
    if (left(c) < bytes) return fail_at(c, "the file ends in the middle of a value", e);
    memcpy(out, c->at, bytes);
    c->at += bytes;
    return OK;
}

static status take_text(cursor *c, gguf_text *out, error *e) {
    uint64_t n = 0;
    TRY(take(c, &n, sizeof n, e));
    if (n > left(c)) return fail(e, E_FILE, "offset %td: a text of %" PRIu64 " bytes leaves the file", c->at - c->begin, n);
    *out = (gguf_text){(const char *)c->at, (size_t)n};
    c->at += n;
    return OK;
}

/* Names are printed in messages and looked for: neither empty nor with control characters. */
static status take_name(cursor *c, size_t max, gguf_text *out, error *e) {
    TRY(take_text(c, out, e));
    if (out->n == 0 || out->n > max) return fail(e, E_FILE, "offset %td: a name of %zu bytes, not 1 to %zu", c->at - c->begin, out->n, max);
    for (size_t i = 0; i < out->n; i++) {
        if ((unsigned char)out->p[i] < ' ') return fail_at(c, "the name before has a control character", e);
    }
    return OK;
}

/* ---- values ---- */

static status take_kind(cursor *c, const gguf_kind **out, error *e) {
    uint32_t id = 0;
    TRY(take(c, &id, sizeof id, e));
    if (id >= GGUF_KINDS) return fail(e, E_FILE, "its type %" PRIu32 " is not known", id);
    *out = &gguf_kinds[id];
    return OK;
}

static status skip_elements(cursor *c, const gguf_value *v, error *e) {
    uint64_t bytes;
    if (v->kind == &gguf_kinds[GGUF_TEXT]) {
        gguf_text text;
        for (uint64_t i = 0; i < v->n; i++) TRY(take_text(c, &text, e));
        return OK;
    }
    if (!size_mul(v->n, v->kind->bytes, &bytes) || bytes > left(c)) {
        return fail(e, E_FILE, "%" PRIu64 " elements of type %s leave the file", v->n, v->kind->name);
    }
    for (uint64_t i = 0; v->kind == &gguf_kinds[GGUF_BOOL] && i < v->n; i++) {
        if (c->at[i] > 1) return fail(e, E_FILE, "a flag is %d, neither 0 nor 1", c->at[i]);
    }
    c->at += bytes;
    return OK;
}

static status take_content(cursor *c, gguf_value *v, error *e) {
    TRY(take_kind(c, &v->kind, e));
    v->n = 1;
    v->is_array = v->kind == &gguf_kinds[GGUF_ARRAY];
    if (v->is_array) {
        TRY(take_kind(c, &v->kind, e));
        TRY(take(c, &v->n, sizeof v->n, e));
        if (v->kind == &gguf_kinds[GGUF_ARRAY]) return fail(e, E_FILE, "arrays of arrays are not supported");
    }
    v->data = c->at;
    return skip_elements(c, v, e);
}

static status take_value(cursor *c, gguf_value *v, error *e) {
    char what[100];
    TRY(take_name(c, KEY_MAX, &v->key, e));
    snprintf(what, sizeof what, "key '%.*s'", (int)(v->key.n < 80 ? v->key.n : 80), v->key.p);
    return take_content(c, v, e) == OK ? OK : fail_in(e, what);
}

static status take_values(gguf *g, cursor *c, uint64_t n, error *e) {
    if (n > left(c) / VALUE_LEAST) return fail(e, E_FILE, "%" PRIu64 " values do not fit in the file", n);
    g->values = calloc((size_t)n + 1, sizeof *g->values);
    if (!g->values) return fail(e, E_MEMORY, "no memory for %" PRIu64 " values", n);
    for (uint64_t i = 0; i < n; i++) TRY(take_value(c, &g->values[i], e));
    g->n_values = (size_t)n;
    qsort(g->values, g->n_values, sizeof *g->values, gguf_by_key);
    for (size_t i = 1; i < g->n_values; i++) {
        const gguf_text *key = &g->values[i].key;
        if (!gguf_by_key(&g->values[i], &g->values[i - 1]))
            return fail(e, E_FILE, "key '%.*s' comes twice", (int)(key->n < 80 ? key->n : 80), key->p);
    }
    return OK;
}

/* ---- tensors ---- */

static status count_values(const source *t, uint64_t *count, error *e) {
    *count = 1;
    for (uint32_t i = 0; i < t->ndim; i++) {
        if (!t->shape[i] || t->shape[i] > INT64_MAX) return fail(e, E_FILE, "dimension %u is %" PRIu64, i, t->shape[i]);
        if (!size_mul(*count, t->shape[i], count)) return fail(e, E_FILE, "the number of values overflows");
    }
    return OK;
}

/* A type that is not known leaves `type` NULL and has no bytes: a message when somebody wants it. */
static status set_type(source *t, uint32_t id, error *e) {
    const gguf_type *type = gguf_type_find(id);
    const char *name = gguf_type_name(id);
    uint64_t count;
    TRY(count_values(t, &count, e));
    snprintf(t->dtype, sizeof t->dtype, "%s", type ? type->as->name : name ? name : "");
    if (!*t->dtype) snprintf(t->dtype, sizeof t->dtype, "%" PRIu32, id);
    if (!type) return OK;
    t->type = type->as;
    if (t->shape[t->ndim - 1] % t->type->block) {
        return fail(e, E_FILE, "rows of %" PRIu64 " values are no whole blocks of %zu", t->shape[t->ndim - 1], t->type->block);
    }
    return size_mul(count / t->type->block, t->type->bytes, &t->bytes) ? OK : fail(e, E_FILE, "the number of bytes overflows");
}

/* Everything but where it lies, which is said from the end of all this. */
static status take_info(cursor *c, source *t, uint64_t *offset, error *e) {
    uint32_t id = 0;
    TRY(take(c, &t->ndim, sizeof t->ndim, e));
    if (t->ndim < 1 || t->ndim > DIMS_MAX) return fail(e, E_FILE, "%" PRIu32 " dimensions, not 1 to %d", t->ndim, DIMS_MAX);
    for (uint32_t i = t->ndim; i-- > 0;) TRY(take(c, &t->shape[i], sizeof t->shape[i], e));
    TRY(take(c, &id, sizeof id, e));
    TRY(take(c, offset, sizeof *offset, e));
    return set_type(t, id, e);
}

static status fail_tensor(const source *t, error *e) {
    char what[TENSOR_NAME + 16];
    snprintf(what, sizeof what, "tensor '%s'", t->name);
    return fail_in(e, what);
}

static status take_infos(gguf *g, cursor *c, uint64_t *offsets, size_t n, error *e) {
    char *name = g->tensors.names[0];
    for (size_t i = 0; i < n; i++) {
        gguf_text text;
        source *t = &g->tensors.tensors[i];
        TRY(take_name(c, TENSOR_NAME - 1, &text, e));
        t->name = name;
        t->file = &g->tensors.files[0];
        name = (char *)mempcpy(name, text.p, text.n) + 1;
        if (take_info(c, t, &offsets[i], e) != OK) return fail_tensor(t, e);
    }
    return OK;
}

static status read_align(const gguf *g, uint64_t *align, error *e) {
    double x;
    TRY(gguf_number(g, "general.alignment", DEFAULT_ALIGN, &x, e));
    *align = x >= 1 && x <= ALIGN_MAX ? (uint64_t)x : 0;
    return *align && (double)*align == x && !(*align & (*align - 1))
               ? OK
               : fail(e, E_FILE, "'general.alignment' is %g, no power of two up to %d", x, ALIGN_MAX);
}

static status place(gguf *g, const cursor *c, const uint64_t *offsets, error *e) {
    uint64_t align, data;
    TRY(read_align(g, &align, e));
    const uint64_t all = (uint64_t)(c->end - c->begin);
    if (!size_round((uint64_t)(c->at - c->begin), align, &data)) return fail(e, E_FILE, "the header is too long");
    for (size_t i = 0; i < g->tensors.n_tensors; i++) {
        source *t = &g->tensors.tensors[i];
        if (offsets[i] % align) fail(e, E_FILE, "data offset %" PRIu64 " is no multiple of %" PRIu64, offsets[i], align);
        if (offsets[i] % align) return fail_tensor(t, e);
        if (data > all || !size_inside(offsets[i], t->bytes, all - data)) {
            fail(e, E_FILE, "%" PRIu64 " bytes at data offset %" PRIu64 " leave the file of %" PRIu64 " bytes", t->bytes, offsets[i], all);
            return fail_tensor(t, e);
        }
        t->data = c->begin + data + offsets[i];
    }
    return OK;
}

static int by_data(const void *a, const void *b) {
    const source *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const source *)a)->name, ((const source *)b)->name);
}

static status sort_tensors(gguf *g, error *e) {
    source *t = g->tensors.tensors;
    const size_t n = g->tensors.n_tensors;
    if (n) qsort(t, n, sizeof *t, by_data);
    for (size_t i = 1; i < n; i++) {
        if (t[i].data < t[i - 1].data + t[i - 1].bytes) return fail(e, E_FILE, "tensor '%s' overlaps '%s'", t[i].name, t[i - 1].name);
    }
    if (n) qsort(t, n, sizeof *t, by_name);
    for (size_t i = 1; i < n; i++) {
        if (!strcmp(t[i].name, t[i - 1].name)) return fail(e, E_FILE, "tensor '%s' comes twice", t[i].name);
    }
    return OK;
}

static status take_tensors(gguf *g, cursor *c, uint64_t n, error *e) {
    if (n > left(c) / TENSOR_LEAST) return fail(e, E_FILE, "%" PRIu64 " tensors do not fit in the file", n);
    checkpoint *all = &g->tensors;
    uint64_t *offsets = calloc((size_t)n + 1, sizeof *offsets);
    all->tensors = calloc((size_t)n + 1, sizeof *all->tensors);
    all->names[0] = calloc((size_t)n + 1, TENSOR_NAME);
    status s = offsets && all->tensors && all->names[0] ? OK : fail(e, E_MEMORY, "no memory for %" PRIu64 " tensors", n);
    if (s == OK) s = take_infos(g, c, offsets, (size_t)n, e);
    if (s == OK) all->n_tensors = (size_t)n;
    if (s == OK) s = place(g, c, offsets, e);
    free(offsets);
    return s == OK ? sort_tensors(g, e) : s;
}

/* ---- the file ---- */

static status check_split(const gguf *g, error *e) {
    double parts, part;
    TRY(gguf_number(g, "split.count", 0, &parts, e));
    TRY(gguf_number(g, "split.no", 0, &part, e));
    return parts <= 1
               ? OK
               : fail(e, E_FILE, "this is part %g of a model split into %g files; merge them first (llama-gguf-split --merge)", part + 1, parts);
}

static status read_file(gguf *g, error *e) {
    const map *m = &g->tensors.files[0];
    uint64_t n_tensors = 0, n_values = 0;
    if (m->size < strlen(MAGIC) || memcmp(m->data, MAGIC, strlen(MAGIC)) != 0) return fail(e, E_FILE, "offset 0: this is not a GGUF file");
    cursor c = {m->data, m->data + strlen(MAGIC), m->data + m->size};
    TRY(take(&c, &g->version, sizeof g->version, e));
    if (g->version && !(g->version & 0xffff)) return fail(e, E_FILE, "offset 4: a big-endian GGUF file is not supported");
    if (g->version != 2 && g->version != 3)
        return fail(e, E_FILE, "offset 4: version %" PRIu32 " of GGUF is not supported (2 and 3 are)", g->version);
    TRY(take(&c, &n_tensors, sizeof n_tensors, e));
    TRY(take(&c, &n_values, sizeof n_values, e));
    TRY(take_values(g, &c, n_values, e));
    TRY(check_split(g, e));
    return take_tensors(g, &c, n_tensors, e);
}

status gguf_open(gguf *g, const char *path, error *e) {
    *g = (gguf){0};
    checkpoint *c = &g->tensors;
    c->files = calloc(1, sizeof *c->files);
    c->names = calloc(1, sizeof *c->names);
    if (c->files && c->names) c->n_files = 1;
    status s = c->n_files ? map_open(&c->files[0], path, e) : fail(e, E_MEMORY, "no memory");
    if (s == OK && read_file(g, e) != OK) s = fail_in(e, path);
    if (s != OK) gguf_close(g);
    return s;
}

void gguf_close(gguf *g) {
    checkpoint_close(&g->tensors);
    free(g->values);
    *g = (gguf){0};
}

static bool is_called_so(const char *path, int fd) {
    struct stat info;
    const size_t n = strlen(path), suffix = strlen(GGUF_SUFFIX);
    return n > suffix && !strcasecmp(path + n - suffix, GGUF_SUFFIX) && fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

bool gguf_is(const char *path) {
    char magic[sizeof MAGIC - 1];
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    const bool begins = fd >= 0 && pread(fd, magic, sizeof magic, 0) == (ssize_t)sizeof magic && !memcmp(magic, MAGIC, sizeof magic);
    const bool found = begins || (fd >= 0 && is_called_so(path, fd));
    if (fd >= 0) close(fd);
    return found;
}

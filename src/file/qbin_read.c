#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/check.h"
#include "base/json.h"
#include "file/qbin.h"
#include "file/qbin_disk.h"

enum { META_VALUES = 1000000 };

const qbin_kind qbin_model = {"model", "a model"};
const qbin_kind qbin_calibration = {"calibration", "a calibration: statistics of a model's inputs, which convert --calibration reads"};

static const qbin_kind *const kinds[] = {&qbin_model, &qbin_calibration, NULL};

/* Names that "requires" may hold, beyond the fields of the spec: a program that does not know calibrations refuses one by this name. */
static const char *const features[] = {"calibration", NULL};

typedef struct sections { /* the parts that this program knows; a part that is absent has data NULL and no bytes */
    disk_section meta, tokens, tensors;
} sections;

/* ---- header ---- */

static status read_header(const map *m, disk_header *h, error *e) {
    if (m->size < sizeof *h) return fail(e, E_FILE, "%zu bytes are too few for a .qbin file", m->size);
    memcpy(h, m->data, sizeof *h);
    if (memcmp(h->magic, QBIN_MAGIC, sizeof h->magic) != 0)
        return fail(e, E_FILE, "offset 0: this is not a .qbin file (convert makes one from a model)");
    if (XXH3_64bits(h, offsetof(disk_header, header_hash)) != h->header_hash) return fail(e, E_FILE, "offset 0: the checksum of the header is wrong");
    if (h->version != DISK_VERSION) return fail(e, E_FILE, "offset 8: version %" PRIu32 " is not known, only %d", h->version, DISK_VERSION);
    if (h->file_bytes != m->size) {
        return fail(e, E_FILE, "the file has %zu bytes, its header says %" PRIu64 ": it is truncated or was added to", m->size, h->file_bytes);
    }
    if (!h->n_sections || h->n_sections > DISK_SECTIONS_MAX)
        return fail(e, E_FILE, "offset 12: %" PRIu32 " sections are not in 1 .. %d", h->n_sections, DISK_SECTIONS_MAX);
    if (h->table_offset != sizeof *h)
        return fail(e, E_FILE, "offset 24: the section table is at %" PRIu64 ", not at %zu", h->table_offset, sizeof *h);
    const uint64_t table_end = sizeof *h + h->n_sections * sizeof(disk_section);
    if (h->meta_end < table_end || h->meta_end > h->data_offset || h->data_offset % DISK_DATA_ALIGN || h->data_offset > h->file_bytes) {
        return fail(e, E_FILE, "offset 32: metadata to %" PRIu64 " and data from %" PRIu64 " do not fit in %" PRIu64 " bytes", h->meta_end,
                    h->data_offset, h->file_bytes);
    }
    if (XXH3_64bits(m->data + sizeof *h, h->meta_end - sizeof *h) != h->meta_hash) {
        return fail(e, E_FILE, "offset %zu: the checksum of the metadata is wrong", sizeof *h);
    }
    return OK;
}

/* ---- sections ---- */

static status keep_section(sections *parts, const disk_section *s, error *e) {
    const struct {
        const char *name;
        disk_section *place;
    } known[] = {{DISK_META, &parts->meta}, {DISK_TOKENS, &parts->tokens}, {DISK_TENSORS, &parts->tensors}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strncmp(s->name, known[i].name, sizeof s->name) != 0) continue;
        if (known[i].place->offset) return fail(e, E_FILE, "section '%.8s' is there twice", s->name);
        *known[i].place = *s;
        return OK;
    }
    return s->flags & DISK_REQUIRED ? fail(e, E_FILE, "section '%.8s' is required, but not known to this program", s->name) : OK;
}

static status read_sections(const map *m, const disk_header *h, sections *parts, error *e) {
    *parts = (sections){0};
    uint64_t end = sizeof *h + h->n_sections * sizeof(disk_section);
    for (uint32_t i = 0; i < h->n_sections; i++) {
        const uint64_t at = sizeof *h + i * sizeof(disk_section);
        disk_section s;
        memcpy(&s, m->data + at, sizeof s);
        if (s.offset % DISK_SECTION_ALIGN || s.offset < end || !size_inside(s.offset, s.bytes, h->meta_end)) {
            return fail(e, E_FILE, "offset %" PRIu64 ": section '%.8s' with %" PRIu64 " bytes at %" PRIu64 " is misplaced", at, s.name, s.bytes,
                        s.offset);
        }
        if (s.flags & ~(uint64_t)DISK_REQUIRED) return fail(e, E_FILE, "offset %" PRIu64 ": section '%.8s' has unknown flags", at, s.name);
        end = s.offset + s.bytes;
        TRY(keep_section(parts, &s, e));
    }
    if (!parts->meta.offset) return fail(e, E_FILE, "section 'meta' is missing");
    return parts->tensors.offset ? OK : fail(e, E_FILE, "section 'tensors' is missing");
}

/* ---- metadata ---- */

static status check_requires(const json_t *list, error *e) {
    size_t n, i;
    const json_t *item;
    if (!list) return OK;
    TRY(json_to_array(list, "requires", SIZE_MAX, &n, e));
    json_array_foreach(list, i, item) {
        const char *name;
        TRY(json_to_text(item, "requires", &name, e));
        size_t f = 0;
        while (features[f] && strcmp(features[f], name) != 0) f++;
        if (!features[f]) return fail(e, E_FILE, "the file requires '%s', which is not known to this program", name);
    }
    return OK;
}

static status read_kind(qbin *q, error *e) {
    const json_t *kind = json_object_get(q->meta, "kind");
    const char *name = qbin_model.name;
    if (kind) TRY(json_to_text(kind, "kind", &name, e));
    size_t i = 0;
    while (kinds[i] && strcmp(kinds[i]->name, name) != 0) i++;
    q->kind = kinds[i];
    return q->kind ? OK : fail(e, E_FILE, "the file is of the kind '%.40s', which is not known to this program", name);
}

static status read_meta(qbin *q, const disk_section *part, error *e) {
    TRY(json_parse(&q->meta, (const char *)q->map.data + part->offset, part->bytes, META_VALUES, e));
    TRY(json_to_object(q->meta, DISK_META, e));
    TRY(check_requires(json_object_get(q->meta, "requires"), e));
    TRY(read_kind(q, e));
    return spec_from_json(&q->spec, json_object_get(q->meta, "spec"), e);
}

/* ---- tensors ---- */

static bool all_zero(const uint8_t *bytes, size_t n) {
    return !n || (!bytes[0] && memcmp(bytes, bytes + 1, n - 1) == 0);
}

/* What the bytes of a tensor must be; fills format and layout. */
static status read_shape(tensor *t, const disk_tensor *d, uint64_t *bytes, error *e) {
    format f32;
    TRY(format_unpack(&t->format, d->format, e));
    if (d->ndim == 2) {
        if (!format_layout(&t->format, d->rows, d->k, &t->layout))
            return fail(e, E_FILE, "the shape [%" PRIu64 ", %" PRIu64 "] is not possible", d->rows, d->k);
        *bytes = t->layout.bytes;
        return OK;
    }
    TRY(format_parse(&f32, "f32", e));
    const bool fits = d->rows && size_mul(d->rows, sizeof(float), bytes);
    if (d->ndim != 1 || d->k != 1 || !fits)
        return fail(e, E_FILE, "the shape [%" PRIu64 ", %" PRIu64 "] with %u dimensions is not possible", d->rows, d->k, d->ndim);
    return format_equal(&t->format, &f32) ? OK : fail(e, E_FILE, "a vector must be f32");
}

/* Static activations have a scale and a centre; others have neither. */
static status read_act(tensor *t, const disk_tensor *d, error *e) {
    const bool there = act_is_static(t->format.act) && d->ndim == 2;
    const bool good = there ? isfinite(d->act_scale) && d->act_scale > 0 && isfinite(d->act_center) : d->act_scale == 0 && d->act_center == 0;
    if (!good) return fail(e, E_FILE, "scale %g and centre %g of its activations are not possible", (double)d->act_scale, (double)d->act_center);
    t->act_scale = d->act_scale;
    t->act_center = d->act_center;
    return OK;
}

/* `end`: where the tensor before it ends, from the data start. */
static status read_tensor(const qbin *q, tensor *t, const disk_tensor *d, uint64_t end, error *e) {
    const uint64_t limit = q->map.size - q->data_offset;
    uint64_t bytes = 0;
    if (d->zero || !all_zero(d->zeros, sizeof d->zeros)) return fail(e, E_FILE, "reserved bytes are not zero");
    TRY(read_shape(t, d, &bytes, e));
    if (bytes != d->bytes) return fail(e, E_FILE, "%" PRIu64 " bytes instead of the %" PRIu64 " of its shape and format", d->bytes, bytes);
    const uint64_t align = bytes >= DISK_BIG_TENSOR ? DISK_DATA_ALIGN : DISK_TENSOR_ALIGN;
    if (d->offset % align) return fail(e, E_FILE, "data offset %" PRIu64 " is not a multiple of %" PRIu64, d->offset, align);
    if (d->offset < end) return fail(e, E_FILE, "data offset %" PRIu64 " overlaps the tensor before it", d->offset);
    if (!size_inside(d->offset, d->bytes, limit))
        return fail(e, E_FILE, "%" PRIu64 " bytes at data offset %" PRIu64 " leave the file", d->bytes, d->offset);
    t->ndim = d->ndim;
    t->rows = d->rows;
    t->k = d->k;
    t->data = q->map.data + q->data_offset + d->offset;
    t->bytes = d->bytes;
    t->offset = d->offset;
    t->hash = d->hash;
    t->error = d->error;
    return read_act(t, d, e);
}

static bool is_name(const char name[TENSOR_NAME]) {
    size_t length = 0;
    while (length < TENSOR_NAME && name[length] > ' ' && name[length] <= '~') length++;
    return length && length < TENSOR_NAME && all_zero((const uint8_t *)name + length, TENSOR_NAME - length);
}

static int by_name(const void *a, const void *b) {
    return strcmp((*(const tensor *const *)a)->name, (*(const tensor *const *)b)->name);
}

static status index_names(qbin *q, error *e) {
    for (size_t i = 0; i < q->n_tensors; i++) q->by_name[i] = &q->tensors[i];
    qsort(q->by_name, q->n_tensors, sizeof *q->by_name, by_name);
    for (size_t i = 1; i < q->n_tensors; i++) {
        if (by_name(&q->by_name[i - 1], &q->by_name[i]) == 0) return fail(e, E_FILE, "tensor '%s' is there twice", q->by_name[i]->name);
    }
    return OK;
}

static status read_tensors(qbin *q, const disk_section *part, error *e) {
    const disk_tensor *table = (const disk_tensor *)(const void *)(q->map.data + part->offset);
    uint64_t end = 0;
    if (part->bytes % sizeof *table)
        return fail(e, E_FILE, "the tensor table has %" PRIu64 " bytes, not a multiple of %zu", part->bytes, sizeof *table);
    q->n_tensors = part->bytes / sizeof *table;
    q->tensors = calloc(q->n_tensors + 1, sizeof *q->tensors);
    q->by_name = calloc(q->n_tensors + 1, sizeof *q->by_name);
    if (!q->tensors || !q->by_name) return fail(e, E_MEMORY, "no memory for %zu tensors", q->n_tensors);
    for (size_t i = 0; i < q->n_tensors; i++) {
        const uint64_t at = part->offset + i * sizeof *table;
        if (!is_name(table[i].name)) return fail(e, E_FILE, "offset %" PRIu64 ": the name of tensor %zu is malformed", at, i);
        q->tensors[i].name = table[i].name;
        if (read_tensor(q, &q->tensors[i], &table[i], end, e) != OK) {
            char what[TENSOR_NAME + 64];
            snprintf(what, sizeof what, "offset %" PRIu64 ": tensor '%s'", at, table[i].name);
            return fail_in(e, what);
        }
        end = table[i].offset + table[i].bytes;
    }
    if (q->data_offset + end != q->map.size)
        return fail(e, E_FILE, "the tensors end at %" PRIu64 ", the file at %zu", q->data_offset + end, q->map.size);
    return index_names(q, e);
}

/* ---- public ---- */

static status open_parts(qbin *q, error *e) {
    disk_header h;
    sections parts;
    TRY(read_header(&q->map, &h, e));
    TRY(read_sections(&q->map, &h, &parts, e));
    q->data_offset = h.data_offset;
    q->tokens = parts.tokens.bytes ? q->map.data + parts.tokens.offset : NULL;
    q->tokens_size = parts.tokens.bytes;
    TRY(read_meta(q, &parts.meta, e));
    return read_tensors(q, &parts.tensors, e);
}

status qbin_open(qbin *q, const char *path, error *e) {
    *q = (qbin){0};
    TRY(map_open(&q->map, path, e));
    if (open_parts(q, e) == OK) return OK;
    qbin_close(q);
    return fail_in(e, path);
}

void qbin_close(qbin *q) {
    spec_free(&q->spec);
    json_decref(q->meta);
    free(q->tensors);
    free(q->by_name);
    map_close(&q->map);
    *q = (qbin){0};
}

status qbin_expect(const qbin *q, const qbin_kind *kind, error *e) {
    return q->kind == kind ? OK : fail(e, E_FILE, "%s: is %s; what is wanted is %s", q->map.path, q->kind->what, kind->what);
}

const tensor *qbin_tensor(const qbin *q, const char *name) {
    const tensor wanted = {.name = name}, *key = &wanted;
    const tensor **found = q->n_tensors ? bsearch(&key, q->by_name, q->n_tensors, sizeof key, by_name) : NULL;
    return found ? *found : NULL;
}

static status check_padding(const qbin *q, uint64_t begin, uint64_t end, error *e) {
    for (uint64_t i = begin; i < end; i++) {
        if (q->map.data[i]) return fail(e, E_FILE, "%s: offset %" PRIu64 ": a padding byte is not zero", q->map.path, i);
    }
    return OK;
}

status qbin_verify(const qbin *q, const progress *p, error *e) {
    disk_header h;
    if (read_header(&q->map, &h, e) != OK) return fail_in(e, q->map.path);
    uint64_t end = h.meta_end;
    for (size_t i = 0; i < q->n_tensors; i++) {
        const tensor *t = &q->tensors[i];
        const uint64_t begin = q->data_offset + t->offset;
        TRY(check_padding(q, end, begin, e));
        if (XXH3_64bits(t->data, t->bytes) != t->hash) {
            return fail(e, E_FILE, "%s: tensor '%s' at offset %" PRIu64 ": the checksum is wrong", q->map.path, t->name, begin);
        }
        map_done(&q->map, begin, t->bytes);
        end = begin + t->bytes;
        progress_step(p, "verify", end, q->map.size);
    }
    return check_padding(q, end, q->map.size, e);
}

bool qbin_is(const char *path) {
    char magic[sizeof QBIN_MAGIC - 1];
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return false;
    const bool is = read(fd, magic, sizeof magic) == (ssize_t)sizeof magic && memcmp(magic, QBIN_MAGIC, sizeof magic) == 0;
    close(fd);
    return is;
}

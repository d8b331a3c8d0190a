#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/check.h"
#include "file/output.h"
#include "file/qbin.h"
#include "file/qbin_disk.h"

enum { HASH_CHUNK = 1 << 20, N_SECTIONS = 3 };

typedef struct plan {
    disk_section sections[N_SECTIONS]; /* meta, tokens, tensors */
    uint64_t meta_end, data_offset, file_bytes;
} plan;

struct qbin_writer {
    output file;
    qbin_entry *entries;
    size_t n;
    plan plan;
};

/* ---- plan ---- */

static bool plan_sections(plan *p, size_t n, size_t meta_bytes, size_t tokens_bytes) {
    static const char *const names[N_SECTIONS] = {DISK_META, DISK_TOKENS, DISK_TENSORS};
    uint64_t bytes[N_SECTIONS] = {meta_bytes, tokens_bytes, 0};
    uint64_t end = sizeof(disk_header) + sizeof p->sections;
    *p = (plan){0};
    if (!size_mul(n, sizeof(disk_tensor), &bytes[2])) return false;
    for (size_t i = 0; i < N_SECTIONS; i++) {
        disk_section *s = &p->sections[i];
        memcpy(s->name, names[i], strlen(names[i]));
        s->bytes = bytes[i];
        s->flags = DISK_REQUIRED;
        if (!size_round(end, DISK_SECTION_ALIGN, &s->offset) || !size_add(s->offset, s->bytes, &end)) return false;
    }
    p->meta_end = end;
    return size_round(end, DISK_DATA_ALIGN, &p->data_offset);
}

static bool entry_bytes(const qbin_entry *t, uint64_t *bytes) {
    layout l;
    if (t->ndim == 1) return t->rows && t->k == 1 && size_mul(t->rows, sizeof(float), bytes);
    if (t->ndim != 2 || !format_layout(&t->format, t->rows, t->k, &l)) return false;
    *bytes = l.bytes;
    return true;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static status check_names(const qbin_entry *entries, size_t n, error *e) {
    const char **names = calloc(n + 1, sizeof *names);
    if (!names) return fail(e, E_MEMORY, "no memory");
    status s = OK;
    for (size_t i = 0; i < n && s == OK; i++) {
        names[i] = entries[i].name;
        size_t length = 0;
        while (length < TENSOR_NAME && names[i][length] > ' ' && names[i][length] <= '~') length++;
        if (!length || length == TENSOR_NAME || names[i][length]) {
            s = fail(e, E_RUN, "the name of tensor %zu is not 1 to %d printable characters", i, TENSOR_NAME - 1);
        }
    }
    if (s == OK) qsort(names, n, sizeof *names, by_name);
    for (size_t i = 1; i < n && s == OK; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) s = fail(e, E_RUN, "tensor '%s' is there twice", names[i]);
    }
    free(names);
    return s;
}

static status make_plan(plan *p, qbin_entry *entries, size_t n, size_t meta_bytes, size_t tokens_bytes, error *e) {
    uint64_t end = 0;
    if (!plan_sections(p, n, meta_bytes, tokens_bytes)) return fail(e, E_RUN, "the metadata is too large");
    TRY(check_names(entries, n, e));
    for (size_t i = 0; i < n; i++) {
        qbin_entry *t = &entries[i];
        const bool possible = entry_bytes(t, &t->bytes);
        const uint64_t align = possible && t->bytes >= DISK_BIG_TENSOR ? DISK_DATA_ALIGN : DISK_TENSOR_ALIGN;
        if (!possible || !size_round(end, align, &t->offset) || !size_add(t->offset, t->bytes, &end)) {
            return fail(e, E_RUN, "tensor '%s': the shape [%" PRIu64 ", %" PRIu64 "] is not possible", t->name, t->rows, t->k);
        }
    }
    if (!size_add(p->data_offset, end, &p->file_bytes) || p->file_bytes > INT64_MAX) return fail(e, E_RUN, "the file is too large");
    return OK;
}

status qbin_plan(qbin_entry *entries, size_t n, size_t meta_bytes, size_t tokens_bytes, uint64_t *file_bytes, error *e) {
    plan p;
    TRY(make_plan(&p, entries, n, meta_bytes, tokens_bytes, e));
    *file_bytes = p.file_bytes;
    return OK;
}

/* ---- create ---- */

/* ---- create ---- */

/* The front is written last, and what lies between tensors stays zero: windows are not to wait for either. */
static void skip_gaps(qbin_writer *w) {
    uint64_t end = 0;
    for (size_t i = 0; i < w->n; i++) {
        const uint64_t at = w->plan.data_offset + w->entries[i].offset;
        output_skip(&w->file, end, at - end);
        end = at + w->entries[i].bytes;
    }
}

void qbin_abandon(qbin_writer **w) {
    if (!*w) return;
    output_abandon(&(*w)->file);
    free(*w);
    *w = NULL;
}

status qbin_create(qbin_writer **out, const char *target, qbin_entry *entries, size_t n, size_t meta_bytes, size_t tokens_bytes, error *e) {
    *out = NULL;
    qbin_writer *w = calloc(1, sizeof *w);
    if (!w) return fail(e, E_MEMORY, "no memory");
    w->entries = entries;
    w->n = n;
    status s = make_plan(&w->plan, entries, n, meta_bytes, tokens_bytes, e);
    if (s == OK) s = output_open(&w->file, target, w->plan.file_bytes, e);
    if (s == OK) {
        skip_gaps(w);
        *out = w;
    } else {
        free(w);
    }
    return s;
}

/* ---- write ---- */

status qbin_write(qbin_writer *w, size_t i, uint64_t at, const void *data, size_t bytes, error *e) {
    const qbin_entry *t = &w->entries[i];
    if (!size_inside(at, bytes, t->bytes)) return fail(e, E_RUN, "tensor '%s': %zu bytes at %" PRIu64 " leave it", t->name, bytes, at);
    return output_write(&w->file, w->plan.data_offset + t->offset + at, data, bytes, e);
}

/* ---- commit ---- */

static status hash_entry(const qbin_writer *w, qbin_entry *t, XXH3_state_t *state, char *buffer, error *e) {
    XXH3_64bits_reset(state);
    for (uint64_t at = 0; at < t->bytes;) {
        const size_t want = t->bytes - at < HASH_CHUNK ? (size_t)(t->bytes - at) : HASH_CHUNK;
        const ssize_t got = pread(w->file.fd, buffer, want, (off_t)(w->plan.data_offset + t->offset + at));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return fail(e, E_RUN, "%s: cannot be read back: %s", w->file.temp, strerror(got ? errno : EIO));
        XXH3_64bits_update(state, buffer, (size_t)got);
        at += (uint64_t)got;
    }
    t->hash = XXH3_64bits_digest(state);
    return OK;
}

static status hash_entries(const qbin_writer *w, error *e) {
    XXH3_state_t *state = XXH3_createState();
    char *buffer = malloc(HASH_CHUNK);
    status s = state && buffer ? OK : fail(e, E_MEMORY, "no memory");
    for (size_t i = 0; i < w->n && s == OK; i++) {
        if (!w->entries[i].hash) s = hash_entry(w, &w->entries[i], state, buffer, e);
    }
    free(buffer);
    XXH3_freeState(state);
    return s;
}

static void fill_table(const qbin_writer *w, disk_tensor *table) {
    for (size_t i = 0; i < w->n; i++) {
        const qbin_entry *t = &w->entries[i];
        disk_tensor d = {.ndim = t->ndim,
                         .rows = t->rows,
                         .k = t->k,
                         .offset = t->offset,
                         .bytes = t->bytes,
                         .hash = t->hash,
                         .error = t->error,
                         .act_scale = t->act_scale,
                         .act_center = t->act_center};
        memcpy(d.name, t->name, strlen(t->name));
        format_pack(&t->format, d.format);
        table[i] = d;
    }
}

static status write_front(const qbin_writer *w, const char *meta, const void *tokens, error *e) {
    const plan *p = &w->plan;
    uint8_t *front = calloc(1, p->data_offset);
    if (!front) return fail(e, E_MEMORY, "no memory for %" PRIu64 " bytes of metadata", p->data_offset);
    memcpy(front + sizeof(disk_header), p->sections, sizeof p->sections);
    memcpy(front + p->sections[0].offset, meta, p->sections[0].bytes);
    if (p->sections[1].bytes) memcpy(front + p->sections[1].offset, tokens, p->sections[1].bytes);
    fill_table(w, (disk_tensor *)(void *)(front + p->sections[2].offset));
    disk_header h = {
        .version = DISK_VERSION,
        .n_sections = N_SECTIONS,
        .file_bytes = p->file_bytes,
        .table_offset = sizeof h,
        .meta_end = p->meta_end,
        .data_offset = p->data_offset,
        .meta_hash = XXH3_64bits(front + sizeof h, p->meta_end - sizeof h),
    };
    memcpy(h.magic, QBIN_MAGIC, sizeof h.magic);
    h.header_hash = XXH3_64bits(&h, offsetof(disk_header, header_hash));
    memcpy(front, &h, sizeof h);
    const status s = output_write(&w->file, 0, front, p->data_offset, e);
    free(front);
    return s;
}

status qbin_commit(qbin_writer **w, const char *meta, const void *tokens, error *e) {
    status s = output_flush(&(*w)->file, e);
    if (s == OK) s = hash_entries(*w, e);
    if (s == OK) s = write_front(*w, meta, tokens, e);
    if (s == OK) s = output_commit(&(*w)->file, e);
    qbin_abandon(w);
    return s;
}

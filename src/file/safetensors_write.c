#include "file/safetensors_write.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/check.h"
#include "file/temporary.h"

enum { HEADER_ALIGN = 8 };

struct safetensors_writer {
    int fd;
    char *path, *temp;
    safetensors_entry *entries;
};

static status fail_io(error *e, const char *path, int reason) {
    const bool full = reason == ENOSPC || reason == EDQUOT || reason == EFBIG;
    return fail(e, full ? E_MEMORY : E_RUN, "%s: cannot be written: %s", path, strerror(reason));
}

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

static status write_at(const safetensors_writer *w, uint64_t at, const void *data, size_t bytes, error *e) {
    const char *from = data;
    while (bytes) {
        const ssize_t wrote = pwrite(w->fd, from, bytes, (off_t)at);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return fail_io(e, w->path, wrote ? errno : EIO);
        from += wrote;
        at += (uint64_t)wrote;
        bytes -= (size_t)wrote;
    }
    return OK;
}

static status write_header(safetensors_writer *w, const char *text, uint64_t data_bytes, size_t n, error *e) {
    const size_t length = strlen(text), padded = (length + HEADER_ALIGN - 1) / HEADER_ALIGN * HEADER_ALIGN;
    const uint64_t start = sizeof(uint64_t) + padded;
    const uint64_t stored = padded;
    for (size_t i = 0; i < n; i++) w->entries[i].offset += start;
    temporary_remove_litter(w->path);
    w->fd = open(w->temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (w->fd < 0) return fail_io(e, w->path, errno);
    if (flock(w->fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) return fail_io(e, w->temp, errno);
    const int full = posix_fallocate(w->fd, 0, (off_t)(start + data_bytes));
    if (full) return fail_io(e, w->path, full);
    TRY(write_at(w, 0, &stored, sizeof stored, e));
    TRY(write_at(w, sizeof stored, text, length, e));
    return write_at(w, sizeof stored + length, "       ", padded - length, e);
}

status safetensors_create(safetensors_writer **out, const char *path, safetensors_entry *entries, size_t n, error *e) {
    uint64_t data_bytes;
    char *text = plan(entries, n, &data_bytes);
    safetensors_writer *w = calloc(1, sizeof *w);
    *out = NULL;
    if (w) *w = (safetensors_writer){-1, strdup(path), NULL, entries};
    if (w) w->temp = temporary_name(path, NULL);
    status s = text && w && w->path && w->temp ? OK : fail(e, E_MEMORY, "no memory");
    if (s == OK) s = write_header(w, text, data_bytes, n, e);
    free(text);
    if (s != OK) safetensors_abandon(&w);
    *out = w;
    return s;
}

status safetensors_write(safetensors_writer *w, size_t i, uint64_t at, const void *data, size_t bytes, error *e) {
    return write_at(w, w->entries[i].offset + at, data, bytes, e);
}

static void free_writer(safetensors_writer **w) {
    if ((*w)->fd >= 0) close((*w)->fd);
    free((*w)->path);
    free((*w)->temp);
    free(*w);
    *w = NULL;
}

status safetensors_commit(safetensors_writer **w, error *e) {
    status s = fsync((*w)->fd) ? fail_io(e, (*w)->path, errno) : OK;
    if (s == OK && rename((*w)->temp, (*w)->path)) s = fail_io(e, (*w)->path, errno);
    if (s != OK) {
        safetensors_abandon(w);
    } else {
        free_writer(w);
    }
    return s;
}

void safetensors_abandon(safetensors_writer **w) {
    if (!*w) return;
    if ((*w)->fd >= 0) unlink((*w)->temp);
    free_writer(w);
}

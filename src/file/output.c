#include "file/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "file/temporary.h"

static status fail_io(error *e, const char *path, int reason) {
    const bool full = reason == ENOSPC || reason == EDQUOT || reason == EFBIG;
    return fail(e, full ? E_MEMORY : E_RUN, "%s: cannot be written: %s", path, strerror(reason));
}

static status create(output *o, uint64_t bytes, error *e) {
    temporary_remove_litter(o->path);
    o->fd = open(o->temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (o->fd < 0) return fail_io(e, o->path, errno);
    if (flock(o->fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) return fail_io(e, o->temp, errno);
    const int full = posix_fallocate(o->fd, 0, (off_t)bytes);
    return full ? fail_io(e, o->path, full) : OK;
}

status output_open(output *o, const char *path, uint64_t bytes, error *e) {
    *o = (output){-1, strdup(path), temporary_name(path, NULL)};
    const status s = o->path && o->temp ? create(o, bytes, e) : fail(e, E_MEMORY, "no memory");
    if (s != OK) output_abandon(o);
    return s;
}

status output_write(const output *o, uint64_t at, const void *data, size_t bytes, error *e) {
    const char *from = data;
    while (bytes) {
        const ssize_t wrote = pwrite(o->fd, from, bytes, (off_t)at);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return fail_io(e, o->path, wrote ? errno : EIO);
        from += wrote;
        at += (uint64_t)wrote;
        bytes -= (size_t)wrote;
    }
    return OK;
}

static void close_output(output *o) {
    if (o->fd >= 0) close(o->fd);
    free(o->path);
    free(o->temp);
    *o = (output){-1, NULL, NULL};
}

status output_commit(output *o, error *e) {
    status s = fsync(o->fd) ? fail_io(e, o->path, errno) : OK;
    if (s == OK && rename(o->temp, o->path)) s = fail_io(e, o->path, errno);
    if (s != OK) {
        output_abandon(o);
    } else {
        close_output(o);
    }
    return s;
}

void output_abandon(output *o) {
    if (!o->temp) return;
    if (o->fd >= 0) unlink(o->temp);
    close_output(o);
}

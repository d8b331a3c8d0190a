#include "file/output.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file/temporary.h"

static status fail_io(error *e, const char *path, const char *what, int reason) {
    const bool full = reason == ENOSPC || reason == EDQUOT || reason == EFBIG || reason == ENOMEM;
    return fail(e, full ? E_MEMORY : E_RUN, "%s: %s: %s", path, what, strerror(reason));
}

static status check_path(const char *path, error *e) {
    struct stat info;
    if (lstat(path, &info)) return errno == ENOENT ? OK : fail_io(e, path, "cannot be written", errno);
    if (S_ISDIR(info.st_mode)) return fail(e, E_RUN, "%s: is a directory, not a file to write", path);
    if (S_ISLNK(info.st_mode)) return fail(e, E_RUN, "%s: is a symbolic link; name the file itself", path);
    return S_ISREG(info.st_mode) ? OK : fail(e, E_RUN, "%s: is not a regular file", path);
}

static status name_paths(output *o, const char *path, error *e) {
    char *copy = strdup(path);
    o->path = strdup(path);
    o->folder = copy ? strdup(dirname(copy)) : NULL;
    o->temp = temporary_name(path, NULL);
    free(copy);
    return o->path && o->folder && o->temp ? OK : fail(e, E_MEMORY, "no memory");
}

static status create(output *o, uint64_t bytes, error *e) {
    temporary_remove_litter(o->path);
    o->fd = open(o->temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (o->fd < 0) return fail_io(e, o->path, "cannot be created", errno);
    if (flock(o->fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) return fail_io(e, o->temp, "is in use", errno);
    if (fallocate(o->fd, 0, 0, (off_t)bytes) == 0) return OK;
    if (errno != EOPNOTSUPP && errno != ENOSYS) return fail_io(e, o->path, "no room for the file", errno);
    return ftruncate(o->fd, (off_t)bytes) ? fail_io(e, o->path, "no room for the file", errno) : OK;
}

status output_open(output *o, const char *path, uint64_t bytes, error *e) {
    *o = (output){.fd = -1};
    TRY(check_path(path, e));
    status s = name_paths(o, path, e);
    if (s == OK) s = create(o, bytes, e);
    if (s == OK && !(o->gather = gather_open(o->fd, bytes))) s = fail(e, E_MEMORY, "no memory");
    if (s != OK) output_abandon(o);
    return s;
}

void output_skip(output *o, uint64_t at, uint64_t bytes) {
    gather_skip(o->gather, at, bytes);
}

status output_write(const output *o, uint64_t at, const void *data, size_t bytes, error *e) {
    const int failed = gather_write(o->gather, at, data, bytes);
    return failed ? fail_io(e, o->path, "cannot be written", failed) : OK;
}

status output_flush(output *o, error *e) {
    const int failed = gather_flush(o->gather);
    return failed ? fail_io(e, o->path, "cannot be written", failed) : OK;
}

static void close_output(output *o) {
    gather_close(o->gather);
    if (o->fd >= 0) close(o->fd);
    free(o->path);
    free(o->temp);
    free(o->folder);
    *o = (output){.fd = -1};
}

/* Some file systems cannot sync a folder: that is no failure. */
static status publish(const output *o, error *e) {
    if (fsync(o->fd)) return fail_io(e, o->temp, "cannot be synced", errno);
    if (rename(o->temp, o->path)) return fail_io(e, o->path, "cannot be replaced", errno);
    const int folder = open(o->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return OK;
    const int failed = fsync(folder) ? errno : 0;
    close(folder);
    return failed && failed != EINVAL && failed != ENOTSUP ? fail_io(e, o->folder, "cannot be synced", failed) : OK;
}

status output_commit(output *o, error *e) {
    status s = output_flush(o, e);
    if (s == OK) s = publish(o, e);
    if (s != OK) {
        output_abandon(o);
    } else {
        close_output(o);
    }
    return s;
}

void output_abandon(output *o) {
    if (o->temp && o->fd >= 0) unlink(o->temp);
    if (o->path || o->temp || o->folder) close_output(o);
}

#include "file/temporary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define MARK ".tmp-"
#define PART ".part-"

char *temporary_name(const char *target, const char *part) {
    char *name;
    return asprintf(&name, "%s" MARK "%ld%s%s", target, (long)getpid(), part ? PART : "", part ? part : "") < 0 ? NULL : name;
}

/* Is this temporary file of a process that is gone? A live one holds the lock; the process id is asked first because it is cheap and because a
 * file is there for a moment before it is locked. Our own id in a name that we do not hold is litter of an earlier process of that number; but our parts are
 * not locked. */
static bool is_litter(int folder, const char *name, const char *digits) {
    char *end;
    const long pid = strtol(digits, &end, 10);
    const bool part = !strncmp(end, PART, strlen(PART));
    if ((*end && !part) || end == digits || pid <= 0 || pid > INT32_MAX) return false;
    if (pid == getpid() ? part : kill((pid_t)pid, 0) == 0 || errno != ESRCH) return false;
    const int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    const bool free_lock = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (fd >= 0) close(fd);
    return free_lock;
}

void temporary_remove_litter(const char *target) {
    char *copy = strdup(target);
    const char *slash = strrchr(target, '/'), *base = slash ? slash + 1 : target;
    const size_t length = strlen(base), mark = strlen(MARK);
    DIR *folder = copy ? opendir(dirname(copy)) : NULL;
    free(copy);
    if (!folder) return;
    for (struct dirent *d = readdir(folder); d; d = readdir(folder)) {
        if (strncmp(d->d_name, base, length) != 0 || strncmp(d->d_name + length, MARK, mark) != 0) continue;
        if (is_litter(dirfd(folder), d->d_name, d->d_name + length + mark)) unlinkat(dirfd(folder), d->d_name, 0);
    }
    closedir(folder);
}

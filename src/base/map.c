#include "base/map.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the SIGBUS handler may look at: a list that only grows, whose nodes are taken and given back by storing `begin`. A map that is closed
 * while another thread faults in a third one is safe; a node is never freed. */
typedef struct region {
    atomic_uintptr_t begin; /* 0: free */
    uintptr_t end;
    const char *path;
    struct region *next;
} region;

static _Atomic(region *) regions;
static pthread_mutex_t regions_lock = PTHREAD_MUTEX_INITIALIZER;
static void (*on_truncated)(const char *path);

static bool watch(const map *m) {
    pthread_mutex_lock(&regions_lock);
    region *r = atomic_load(&regions);
    while (r && atomic_load(&r->begin)) r = r->next;
    const bool made = !r;
    if (made) r = calloc(1, sizeof *r);
    if (r) {
        r->end = (uintptr_t)m->data + m->size;
        r->path = m->path;
        atomic_store(&r->begin, (uintptr_t)m->data);
        if (made) {
            r->next = atomic_load(&regions);
            atomic_store(&regions, r);
        }
    }
    pthread_mutex_unlock(&regions_lock);
    return r;
}

static void unwatch(const map *m) {
    pthread_mutex_lock(&regions_lock);
    for (region *r = atomic_load(&regions); r; r = r->next) {
        if (atomic_load(&r->begin) == (uintptr_t)m->data) atomic_store(&r->begin, 0);
    }
    pthread_mutex_unlock(&regions_lock);
}

static void handle_bus(int number, siginfo_t *info, void *context) {
    (void)context;
    const uintptr_t at = (uintptr_t)info->si_addr;
    for (region *r = atomic_load(&regions); r; r = r->next) {
        const uintptr_t begin = atomic_load(&r->begin);
        if (begin && at >= begin && at < r->end) on_truncated(r->path);
    }
    signal(number, SIG_DFL); /* the faulting instruction runs again and ends the process as it would have */
}

void map_on_truncated(void (*lost)(const char *path)) {
    on_truncated = lost;
    struct sigaction action = {.sa_sigaction = handle_bus, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}

/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
static status open_regular(const char *path, int *fd, size_t *size, error *e) {
    if (!*path) return fail(e, E_FILE, "the name of a file is empty");
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (*fd < 0) return fail(e, errno == ENOMEM ? E_MEMORY : E_FILE, "%s: %s", path, strerror(errno));
    struct stat info;
    const char *why = NULL;
    if (fstat(*fd, &info)) {
        why = strerror(errno);
    } else if (S_ISDIR(info.st_mode)) {
        why = "is a directory";
    } else if (!S_ISREG(info.st_mode)) {
        why = "is not a regular file";
    } else {
        *size = (size_t)info.st_size;
        return OK;
    }
    fail(e, E_FILE, "%s: %s", path, why);
    close(*fd);
    return E_FILE;
}

status map_open(map *m, const char *path, error *e) {
    *m = (map){0};
    int fd = -1;
    size_t size = 0;
    TRY(open_regular(path, &fd, &size, e));
    void *data = size ? mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0) : NULL;
    const int reason = errno;
    close(fd);
    if (data == MAP_FAILED) return fail(e, reason == ENOMEM ? E_MEMORY : E_FILE, "%s: cannot be mapped: %s", path, strerror(reason));
    if (data) madvise(data, size, MADV_HUGEPAGE); /* where a file is not in memory yet, it is read into pages that are mapped as one */
    *m = (map){.data = data, .size = size, .path = strdup(path)};
    if (m->path && (!data || watch(m))) return OK;
    map_close(m);
    return fail(e, E_MEMORY, "%s: no memory", path);
}

void map_close(map *m) {
    if (m->data) {
        unwatch(m);
        munmap((void *)(uintptr_t)m->data, m->size);
    }
    free(m->path);
    *m = (map){0};
}

void map_want(const map *m) {
    if (m->data) madvise((void *)(uintptr_t)m->data, m->size, MADV_WILLNEED);
}

void map_done(const map *m, size_t offset, size_t bytes) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t begin = ((uintptr_t)m->data + offset + page - 1) & ~(page - 1);
    const uintptr_t end = ((uintptr_t)m->data + offset + bytes) & ~(page - 1);
    if (m->data && begin < end) madvise((void *)begin, end - begin, MADV_DONTNEED);
}

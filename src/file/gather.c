#include "file/gather.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    WINDOW = 2 << 20, /* the large page of x86-64 and of AArch64 with pages of 4 KiB */
    OPEN_MOST = 16,   /* windows that wait to be filled at a time */
};

typedef struct window {
    char *data;    /* [WINDOW], zeros where nothing was written; NULL while there is none */
    size_t filled; /* bytes that have been copied into it, or will not be */
    bool plain;    /* written as it comes: it has been flushed, or there was no room for it */
} window;

struct gather {
    int fd;
    uint64_t bytes;
    size_t n, open;
    pthread_mutex_t lock; /* of the windows' state; copying goes on outside it */
    window windows[];
};

/* From the system and back to it: what malloc keeps would grow with the threads. */
static char *take_zeros(void) {
    void *data = mmap(NULL, WINDOW, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return data == MAP_FAILED ? NULL : data;
}

static void give_back(char *data) {
    if (data) munmap(data, WINDOW);
}

gather *gather_open(int fd, uint64_t bytes) {
    const size_t n = (size_t)((bytes + WINDOW - 1) / WINDOW);
    gather *g = calloc(1, sizeof *g + n * sizeof *g->windows);
    if (!g) return NULL;
    g->fd = fd;
    g->bytes = bytes;
    g->n = n;
    pthread_mutex_init(&g->lock, NULL);
    return g;
}

void gather_close(gather *g) {
    if (!g) return;
    for (size_t i = 0; i < g->n; i++) give_back(g->windows[i].data);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

static size_t window_bytes(const gather *g, size_t i) {
    const uint64_t left = g->bytes - (uint64_t)i * WINDOW;
    return left < WINDOW ? (size_t)left : WINDOW;
}

void gather_skip(gather *g, uint64_t at, uint64_t n) {
    while (n) {
        const size_t i = (size_t)(at / WINDOW);
        const uint64_t room = WINDOW - at % WINDOW, part = n < room ? n : room;
        window *w = &g->windows[i];
        w->filled += (size_t)part;
        w->plain = w->filled == window_bytes(g, i);
        at += part;
        n -= part;
    }
}

static int write_all(int fd, uint64_t at, const char *data, size_t n) {
    while (n) {
        const ssize_t wrote = pwrite(fd, data, n, (off_t)at);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return wrote ? errno : EIO;
        data += wrote;
        at += (uint64_t)wrote;
        n -= (size_t)wrote;
    }
    return 0;
}

static int write_window(gather *g, size_t i, char *data) {
    const int failed = write_all(g->fd, (uint64_t)i * WINDOW, data, window_bytes(g, i));
    give_back(data);
    return failed;
}

/* Where the window's bytes go; NULL: straight into the file. */
static char *window_data(gather *g, window *w) {
    pthread_mutex_lock(&g->lock);
    if (!w->data && !w->plain) {
        w->data = g->open < OPEN_MOST ? take_zeros() : NULL;
        w->plain = !w->data;
        g->open += !w->plain;
    }
    char *data = w->data;
    pthread_mutex_unlock(&g->lock);
    return data;
}

/* Counts what was copied; the data of a window that is full now, which nobody else has any more, or NULL. */
static char *window_filled(gather *g, window *w, size_t n, size_t most) {
    char *full = NULL;
    pthread_mutex_lock(&g->lock);
    w->filled += n;
    if (w->filled == most) {
        full = w->data;
        w->data = NULL;
        w->plain = true;
        g->open--;
    }
    pthread_mutex_unlock(&g->lock);
    return full;
}

/* A piece that lies in one window. */
static int write_piece(gather *g, uint64_t at, const char *from, size_t n) {
    const size_t i = (size_t)(at / WINDOW);
    window *w = &g->windows[i];
    char *data = window_data(g, w);
    if (!data) return write_all(g->fd, at, from, n);
    memcpy(data + at % WINDOW, from, n);
    char *full = window_filled(g, w, n, window_bytes(g, i));
    return full ? write_window(g, i, full) : 0;
}

int gather_write(gather *g, uint64_t at, const void *data, size_t n) {
    for (const char *from = data; n;) {
        const size_t room = WINDOW - at % WINDOW, piece = n < room ? n : room;
        const int failed = write_piece(g, at, from, piece);
        if (failed) return failed;
        from += piece;
        at += piece;
        n -= piece;
    }
    return 0;
}

int gather_flush(gather *g) {
    int failed = 0;
    for (size_t i = 0; i < g->n; i++) {
        window *w = &g->windows[i];
        char *data = w->data;
        w->data = NULL;
        w->plain = true;
        if (data && failed) give_back(data);
        if (data && !failed) failed = write_window(g, i, data);
    }
    g->open = 0;
    return failed;
}

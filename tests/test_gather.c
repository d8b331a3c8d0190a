#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file/gather.h"
#include "files.h"

TestSuite(gather, .init = folder_open, .fini = folder_close);

enum { WINDOW = 2 << 20, THREADS = 3 };

static int file_of(uint64_t bytes) {
    const int fd = open(folder_path("gathered"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    cr_assert_geq(fd, 0);
    cr_assert_eq(ftruncate(fd, (off_t)bytes), 0);
    return fd;
}

static uint8_t byte_at(uint64_t at) {
    return (uint8_t)(at * 2654435761u >> 13 | 1);
}

typedef struct writing {
    gather *g;
    uint64_t begin, end, step, gap; /* pieces of `step` bytes, of which the last `gap` are left out */
    int failed;
} writing;

static void *write_pieces(void *context) {
    writing *w = context;
    uint8_t *piece = malloc(w->step);
    cr_assert_not_null(piece);
    for (uint64_t at = w->begin; at < w->end; at += w->step) {
        const uint64_t n = (w->end - at < w->step ? w->end - at : w->step);
        for (uint64_t i = 0; i < n; i++) piece[i] = byte_at(at + i);
        if (n > w->gap && !w->failed) w->failed = gather_write(w->g, at, piece, (size_t)(n - w->gap));
    }
    free(piece);
    return NULL;
}

/* Threads write their thirds of a file; what was left out is still zero. */
static void check_file(uint64_t bytes, uint64_t step, uint64_t gap) {
    const int fd = file_of(bytes);
    gather *g = gather_open(fd, bytes);
    cr_assert_not_null(g);
    writing parts[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        parts[i] = (writing){g, bytes * (uint64_t)i / THREADS, bytes * (uint64_t)(i + 1) / THREADS, step, gap, 0};
        cr_assert_eq(pthread_create(&threads[i], NULL, write_pieces, &parts[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        cr_assert_eq(parts[i].failed, 0);
    }
    cr_assert_eq(gather_flush(g), 0);
    gather_close(g);
    uint8_t *all = malloc(bytes);
    cr_assert_not_null(all);
    cr_assert_eq(pread(fd, all, bytes, 0), (ssize_t)bytes);
    for (int i = 0; i < THREADS; i++) {
        for (uint64_t at = parts[i].begin; at < parts[i].end; at++) {
            const uint64_t in = (at - parts[i].begin) % step, n = parts[i].end - (at - in) < step ? parts[i].end - (at - in) : step;
            cr_assert_eq(all[at], in + gap < n ? byte_at(at) : 0, "byte %llu of %llu", (unsigned long long)at, (unsigned long long)bytes);
        }
    }
    free(all);
    close(fd);
}

Test(gather, what_threads_wrote_in_pieces_is_in_the_file) {
    check_file(1, 1, 0);
    check_file(WINDOW, 4096, 0);
    check_file(3 * WINDOW + 12345, 70001, 0);
    check_file(3 * WINDOW + 12345, 3 * WINDOW, 0);
}

Test(gather, what_nobody_wrote_stays_zero) {
    check_file(2 * WINDOW + 77, 5000, 13);
}

/* One byte of each of many windows: more than are held. Then the rest, which fills those that wait and goes past those that were not held. */
Test(gather, more_open_windows_than_it_holds_are_written_all_the_same) {
    const uint64_t windows = 70, bytes = windows * WINDOW;
    const int fd = file_of(bytes);
    gather *g = gather_open(fd, bytes);
    cr_assert_not_null(g);
    for (uint64_t i = 0; i < windows; i++) cr_assert_eq(gather_write(g, i * WINDOW + i, "x", 1), 0);
    for (uint64_t i = 0; i < windows; i++) cr_assert_eq(gather_write(g, i * WINDOW + 100, "y", 1), 0);
    cr_assert_eq(gather_flush(g), 0);
    cr_assert_eq(gather_write(g, 200, "z", 1), 0, "a flushed window is written to directly");
    gather_close(g);
    char got;
    for (uint64_t i = 0; i < windows; i++) {
        cr_assert_eq(pread(fd, &got, 1, (off_t)(i * WINDOW + i)), 1);
        cr_assert_eq(got, 'x');
        cr_assert_eq(pread(fd, &got, 1, (off_t)(i * WINDOW + 100)), 1);
        cr_assert_eq(got, 'y');
    }
    cr_assert_eq(pread(fd, &got, 1, 200), 1);
    cr_assert_eq(got, 'z');
    close(fd);
}

/* A window whose other bytes nobody will write is full, and in the file, when the rest is there; one that nobody writes to at all waits for nothing. */
Test(gather, does_not_wait_for_what_is_skipped) {
    const uint64_t bytes = 3 * WINDOW + 50;
    const int fd = file_of(bytes);
    gather *g = gather_open(fd, bytes);
    cr_assert_not_null(g);
    gather_skip(g, 0, 0);
    gather_skip(g, 0, 7);
    gather_skip(g, WINDOW - 4, 4);
    gather_skip(g, WINDOW + 9, 2 * WINDOW + 1); /* the rest of one, a whole one, the beginning of the last */
    uint8_t *data = malloc(WINDOW);
    cr_assert_not_null(data);
    memset(data, 'x', WINDOW);
    cr_assert_eq(gather_write(g, 7, data, WINDOW - 11), 0);
    cr_assert_eq(gather_write(g, WINDOW, data, 9), 0);
    cr_assert_eq(gather_write(g, 3 * WINDOW + 10, data, 40), 0);
    uint8_t *all = malloc(bytes);
    cr_assert_not_null(all);
    cr_assert_eq(pread(fd, all, bytes, 0), (ssize_t)bytes);
    for (uint64_t at = 0; at < bytes; at++) {
        const bool skipped = at < 7 || (at >= WINDOW - 4 && at < WINDOW) || (at >= WINDOW + 9 && at < 3 * WINDOW + 10);
        cr_assert_eq(all[at], skipped ? 0 : 'x', "byte %llu before the flush", (unsigned long long)at);
    }
    cr_assert_eq(gather_flush(g), 0);
    cr_assert_eq(gather_write(g, WINDOW + 9, "z", 1), 0, "what was skipped may be written after the flush");
    gather_close(g);
    free(all);
    free(data);
    close(fd);
}

Test(gather, says_why_a_write_failed) {
    const int fd = file_of(WINDOW), closed = open(folder_path("gathered"), O_RDONLY | O_CLOEXEC);
    gather *g = gather_open(closed, WINDOW);
    cr_assert_not_null(g);
    cr_assert_eq(gather_write(g, 0, "x", 1), 0);
    cr_assert_eq(gather_flush(g), EBADF);
    cr_assert_eq(gather_write(g, 0, "x", 1), EBADF);
    gather_close(g);
    close(closed);
    close(fd);
}

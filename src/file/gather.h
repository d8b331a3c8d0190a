/* gather.h: pieces of a file that threads write in any order become writes of whole, aligned windows of 2 MiB. Owns the windows that are not yet full.
 *
 * The page cache keeps what is written at once in one large page, and maps it as one: a model that was just converted is read faster, and starts with a
 * three-hundredth of the page faults. Where memory is short, pieces are simply written as they come. */
#ifndef QBIN_FILE_GATHER_H
#define QBIN_FILE_GATHER_H

#include <stddef.h>
#include <stdint.h>

typedef struct gather gather;

/* For a file of `bytes` zeros, whose descriptor stays the caller's. NULL without memory. gather_close forgets what was not flushed, and takes NULL. */
gather *gather_open(int fd, uint64_t bytes);
void gather_close(gather *g);

/* Nobody will write [at, at + n) before the flush: no window waits for it. Before the first piece. */
void gather_skip(gather *g, uint64_t at, uint64_t n);

/* Writes data[n] at `at`, now or with the window that it belongs to; pieces are disjoint and inside the file. Any thread. 0, or the errno of a failed write. */
int gather_write(gather *g, uint64_t at, const void *data, size_t n);

/* Writes what is left; no thread writes any more. 0 or errno. */
int gather_flush(gather *g);

#endif

/* progress.h: says on stderr how far a long job is. A line that is redrawn on a terminal, nothing in a pipe. The library only calls the callback;
 * tools decide. */
#ifndef QBIN_BASE_PROGRESS_H
#define QBIN_BASE_PROGRESS_H

#include <stdint.h>

typedef struct progress {
    void (*step)(void *context, const char *what, uint64_t done, uint64_t total); /* bytes, tokens ... ; never from two threads at once */
    void *context;
} progress;

static inline void progress_step(const progress *p, const char *what, uint64_t done, uint64_t total) {
    if (p && p->step) p->step(p->context, what, done, total);
}

#endif

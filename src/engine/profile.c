#include "engine/profile.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CACHE_LINE = 64 };

typedef struct profile_lane { /* of a thread */
    _Alignas(CACHE_LINE) int64_t last;
    int64_t spent[STEPS]; /* nanoseconds */
} profile_lane;

struct profile {
    int threads;
    profile_lane *lanes;
};

const char *const profile_step_names[STEPS] = {
    [STEP_EMBED] = "embed",          [STEP_NORM] = "norm + encode",  [STEP_QKV] = "q + k + v",
    [STEP_STORE] = "rotate + store", [STEP_ATTENTION] = "attention", [STEP_O] = "o",
    [STEP_GATE_UP] = "gate + up",    [STEP_DOWN] = "down",           [STEP_HEAD] = "head",
    [STEP_WAIT] = "waiting",
};

static int64_t nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

status profile_open(profile **out, int threads, error *e) {
    profile *p = *out = malloc(sizeof *p);
    if (p) p->lanes = aligned_alloc(CACHE_LINE, (size_t)threads * sizeof *p->lanes);
    if (!p || !p->lanes) {
        free(p);
        *out = NULL;
        return fail(e, E_MEMORY, "no memory for a profile of %d threads", threads);
    }
    p->threads = threads;
    memset(p->lanes, 0, (size_t)threads * sizeof *p->lanes);
    return OK;
}

void profile_close(profile **p) {
    if (*p) free((*p)->lanes);
    free(*p);
    *p = NULL;
}

void profile_start(profile *p, int thread) {
    p->lanes[thread].last = nanoseconds();
}

void profile_end(profile *p, int thread, profile_step step) {
    profile_lane *lane = &p->lanes[thread];
    const int64_t now = nanoseconds();
    lane->spent[step] += now - lane->last;
    lane->last = now;
}

void profile_take(profile *p, double seconds[STEPS]) {
    for (int step = 0; step < STEPS; step++) {
        int64_t all = 0;
        for (int i = 0; i < p->threads; i++) all += p->lanes[i].spent[step];
        seconds[step] = 1e-9 * (double)all / p->threads;
    }
    memset(p->lanes, 0, (size_t)p->threads * sizeof *p->lanes);
}

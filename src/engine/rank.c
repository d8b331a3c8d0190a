#include "engine/rank.h"

#include <stdbool.h>

static bool is_worse(candidate a, candidate b) {
    return a.logit < b.logit || (a.logit == b.logit && a.id > b.id);
}

static void swap(candidate *a, candidate *b) {
    const candidate t = *a;
    *a = *b;
    *b = t;
}

/* A heap has its worst candidate at the root. */
static void heap_sift(candidate *heap, size_t n, size_t at) {
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= n) return;
        if (child + 1 < n && is_worse(heap[child + 1], heap[child])) child++;
        if (!is_worse(heap[child], heap[at])) return;
        swap(&heap[at], &heap[child]);
        at = child;
    }
}

static void heap_make(candidate *heap, size_t n) {
    for (size_t i = n / 2; i-- > 0;) heap_sift(heap, n, i);
}

/* Leaves the best first. */
static void heap_sort(candidate *heap, size_t n) {
    for (size_t end = n; end-- > 1;) {
        swap(&heap[0], &heap[end]);
        heap_sift(heap, end, 0);
    }
}

static bool any_above(const float *x, size_t n, float limit) {
    int any = 0;
    for (size_t i = 0; i < n; i++) any |= x[i] > limit;
    return any;
}

/* Few logits reach the heap, so whole blocks are passed over without looking at each. */
void rank_logits(candidate *list, size_t k, const float *logits, size_t n) {
    enum { BLOCK = 64 };
    for (size_t i = 0; i < k; i++) list[i] = (candidate){finite_logit(logits[i]), (int32_t)i};
    heap_make(list, k);
    for (size_t start = k; start < n; start += BLOCK) {
        const bool whole = n - start >= BLOCK;
        if (whole && !any_above(logits + start, BLOCK, list[0].logit)) continue;
        const size_t end = whole ? start + BLOCK : n;
        for (size_t i = start; i < end; i++) {
            const float x = finite_logit(logits[i]);
            if (x <= list[0].logit) continue; /* an equal logit of a higher id is worse */
            list[0] = (candidate){x, (int32_t)i};
            heap_sift(list, k, 0);
        }
    }
    heap_sort(list, k);
}

void rank_sort(candidate *list, size_t n) {
    heap_make(list, n);
    heap_sort(list, n);
}

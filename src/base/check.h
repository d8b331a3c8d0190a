/* check.h: sizes that come from files are added, multiplied and rounded here and nowhere else. Each returns false on overflow. */
#ifndef QBIN_BASE_CHECK_H
#define QBIN_BASE_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool size_add(uint64_t a, uint64_t b, uint64_t *sum) {
    return !__builtin_add_overflow(a, b, sum);
}

static inline bool size_mul(uint64_t a, uint64_t b, uint64_t *product) {
    return !__builtin_mul_overflow(a, b, product);
}

/* *out = n rounded up to a multiple of `to`, a power of two. */
static inline bool size_round(uint64_t n, uint64_t to, uint64_t *out) {
    if (!size_add(n, to - 1, out)) return false;
    *out &= ~(to - 1);
    return true;
}

/* Is [offset, offset + bytes) inside [0, limit)? */
static inline bool size_inside(uint64_t offset, uint64_t bytes, uint64_t limit) {
    return offset <= limit && bytes <= limit - offset;
}

/* For sizes already known to be small. */
static inline size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

#endif

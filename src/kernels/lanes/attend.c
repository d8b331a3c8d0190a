/* attend.c: attention of a few queries to one chunk of keys, whatever type the cache has; and the list of the types.
 *
 * Scores, then the softmax of the chunk with its own maximum: the sum of a query is 16 sums by position mod 16, then the fixed tree. Then the values that it
 * sees, weighed. Then (m, l, o) of the chunk is merged into the running one. What else is in the tile or in the chunk changes no bit. */
#include "attend.h"
#include "math.h"

/* ---- softmax of one query's scores ---- */

typedef struct softmax {
    float max, sum;
} softmax;

/* scores[from .. to) become exp(score - max); both bounds lie in one chunk and from < to. */
FOLD softmax softmax_in_place(float *scores, size_t from, size_t to) {
    const f32x16 none = f32_set(-INFINITY);
    f32x16 top = none, sum = f32_set(0.0f);
    for (size_t at = from / 16 * 16; at < to; at += 16) {
        top = f32_max(seen_or(at, from, to, f32_load(scores + at), none), top);
    }
    const float max = f32_top(top);
    for (size_t at = from / 16 * 16; at < to; at += 16) {
        const f32x16 p = exp16(f32_sub(f32_load(scores + at), f32_set(max)));
        sum = f32_add(sum, seen_or(at, from, to, p, f32_set(0.0f)));
        f32_store(scores + at, p);
    }
    return (softmax){max, f32_sum(sum)};
}

/* The vectors of positions that the query sees. */
FOLD void cap_scores(float *scores, size_t from, size_t to, float by) {
    for (size_t at = from / 16 * 16; at < to; at += 16) f32_store(scores + at, softcap16(f32_load(scores + at), f32_set(by)));
}

/* The running softmax takes the chunk's: both are scaled to the larger maximum. A chunk's zero is +0 whichever way it came to be. */
void LANE(attend_merge)(float *m, float *l, float *o, float chunk_m, float chunk_l, const float *chunk_o, size_t head_pad) {
    const float max = *m > chunk_m ? *m : chunk_m;
    const f32x16 by = exp16(f32_set(*m - max)), chunk_by = exp16(f32_set(chunk_m - max));
    f32_store_part(l, f32_fma(f32_set(*l), by, f32_mul(f32_set(chunk_l), chunk_by)), 1);
    *m = max;
    for (size_t d = 0; d < head_pad; d += 16) {
        const f32x16 part = f32_mul(f32_add(f32_load(chunk_o + d), f32_set(0.0f)), chunk_by);
        f32_store(o + d, f32_fma(f32_load(o + d), by, part));
    }
}

void LANE(attend)(const attend_args *a) {
    size_t from = ATTEND_CHUNK, to = 0;
    for (size_t i = 0; i < a->queries; i++) {
        if (a->from[i] >= a->to[i]) continue;
        from = a->from[i] < from ? a->from[i] : from;
        to = a->to[i] > to ? a->to[i] : to;
    }
    if (from >= to) return;
    float *p = a->scratch, *chunk_o = a->scratch + ATTEND_QUERIES * ATTEND_CHUNK;
    a->key_type->score(a, from, to, p);

    softmax chunk[ATTEND_QUERIES];
    for (size_t i = 0; i < a->queries; i++) {
        if (a->from[i] >= a->to[i]) continue;
        if (a->softcap > 0) cap_scores(p + i * ATTEND_CHUNK, a->from[i], a->to[i], a->softcap);
        chunk[i] = softmax_in_place(p + i * ATTEND_CHUNK, a->from[i], a->to[i]);
    }
    memset(chunk_o, 0, a->queries * a->head_pad * sizeof *chunk_o);
    a->value_type->weigh(a, from, to, p, chunk_o);
    for (size_t i = 0; i < a->queries; i++) {
        if (a->from[i] >= a->to[i]) continue;
        LANE(attend_merge)(a->m + i, a->l + i, a->o + i * a->head_pad, chunk[i].max, chunk[i].sum, chunk_o + i * a->head_pad, a->head_pad);
    }
}

const cache_type *const LANE(cache_types)[] = {&LANE(cache_f16), &LANE(cache_q8), &LANE(cache_q4), &LANE(cache_f32), NULL};

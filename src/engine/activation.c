#include "engine/activation.h"

#include "base/check.h"

void activation_layout(activation *a, arena *m, unsigned codes, size_t n, size_t k) {
    for (act_code code = 0; code < ACT_CODES; code++) {
        size_t values = 0, scales = 0, sums = 0;
        if (codes & 1u << code) acts_bytes(code, n, k, &values, &scales, &sums);
        a->values[code] = arena_take(m, values, 1);
        a->scales[code] = arena_take(m, scales, 1);
        a->sums[code] = arena_take(m, sums, 1);
    }
}

/* As much for each token as one alone takes, which is whole lines: every group begins on one. */
void activation_layout_apart(activation *a, arena *m, unsigned codes, size_t n, size_t k) {
    for (act_code code = 0; code < ACT_CODES; code++) {
        size_t values = 0, scales = 0, sums = 0;
        if (codes & 1u << code) acts_bytes(code, 1, k, &values, &scales, &sums);
        a->values[code] = arena_take(m, n, values);
        a->scales[code] = arena_take(m, n, scales);
        a->sums[code] = arena_take(m, n, sums);
    }
}

static void *after(void *start, size_t bytes) {
    return start ? (char *)start + bytes : NULL;
}

activation activation_apart(const activation *a, size_t first, size_t k) {
    activation part;
    for (act_code code = 0; code < ACT_CODES; code++) {
        size_t values, scales, sums;
        acts_bytes(code, 1, k, &values, &scales, &sums);
        part.values[code] = after(a->values[code], first * values);
        part.scales[code] = after(a->scales[code], first * scales);
        part.sums[code] = after(a->sums[code], first * sums);
    }
    return part;
}

acts activation_acts(const activation *a, const kernels *table, act_code code, size_t n, size_t k) {
    return (acts){
        .code = code,
        .n = n,
        .tiles = round_up(k, TILE_K) / TILE_K,
        .width = table->panel,
        .values = a->values[code],
        .scales = a->scales[code],
        .sums = a->sums[code],
    };
}

void activation_encode(const activation *a, const kernels *table, const encoding *how, activation_part part, const float *x, size_t ldx) {
    /* The kernel counts tokens and tiles from the start of the batch. The part's own rows may lie elsewhere: a pointer to where the batch would
     * start is formed as an integer, since it need not point into any array. */
    const float *origin = (const float *)((uintptr_t)x - (part.t0 * ldx + part.tile0 * TILE_K) * sizeof *x);
    for (act_code code = 0; code < ACT_CODES; code++) {
        if (!(how->codes & 1u << code)) continue;
        acts all = activation_acts(a, table, code, part.n, part.k);
        all.act_scale = how->act_scale;
        all.act_center = how->act_center;
        table->encode[code](&all, origin, ldx, part.k, part.t0, part.t1, part.tile0, part.tile1);
    }
}

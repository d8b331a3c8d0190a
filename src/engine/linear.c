#include "engine/linear.h"

status linear_of(linear *out, weight w, const kernels *table, error *e) {
    *out = (linear){.w = w.w, .bias = w.bias, .run = kernels_linear(table, &w.w->format)};
    if (out->run) return OK;
    char name[FORMAT_NAME];
    format_name(&w.w->format, name);
    return fail(e, E_FILE, "tensor %s: there is no kernel for its format %s", w.w->name, name);
}

void linear_rows(const linear *l, const product *p, range groups, float *y, size_t ldy) {
    const size_t first = groups.begin * TILE_ROWS;
    const acts a = activation_acts(p->input, p->kernels, l->w->format.act, p->n, l->w->k);
    /* The kernel counts rows from the tensor's start; as in activation_encode, that place need not be inside an array. */
    float *origin = (float *)((uintptr_t)y - first * sizeof *y);
    const matrix w = {&l->w->format, &l->w->layout, l->w->data};
    l->run(&w, &a, groups.begin, groups.end, origin, ldy, p->scratch);
    if (!l->bias) return;
    const size_t end = groups.end * TILE_ROWS, last = end < l->w->rows ? end : l->w->rows;
    for (size_t t = 0; t < p->n; t++) p->kernels->add(y + t * ldy, l->bias + first, last - first);
}

static uint64_t group_bytes(const linear *l) {
    return l->w->layout.bytes / l->w->layout.groups;
}

/* The group of a product that lies `cut` bytes from the start of all; the product itself begins at `begin`. */
static size_t group_at(const linear *l, uint64_t begin, uint64_t cut) {
    const uint64_t group = cut > begin ? (cut - begin) / group_bytes(l) : 0;
    return group < l->w->layout.groups ? (size_t)group : l->w->layout.groups;
}

range linear_share(const result *results, size_t count, size_t which, int thread, int threads) {
    uint64_t total = 0, begin = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == which) begin = total;
        total += results[i].of->w->layout.bytes;
    }
    const uint64_t share = total / (uint64_t)threads;
    const linear *l = results[which].of;
    return (range){group_at(l, begin, share * (uint64_t)thread),
                   thread + 1 == threads ? l->w->layout.groups : group_at(l, begin, share * ((uint64_t)thread + 1))};
}

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
    l->run(&l->w->layout, l->w->data, &a, groups.begin, groups.end, origin, ldy, p->scratch);
    if (!l->bias) return;
    const size_t end = groups.end * TILE_ROWS, last = end < l->w->rows ? end : l->w->rows;
    for (size_t t = 0; t < p->n; t++) p->kernels->add(y + t * ldy, l->bias + first, last - first);
}

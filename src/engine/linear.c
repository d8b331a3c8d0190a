#include "engine/linear.h"

status linear_of(linear *out, weight w, const char *activations, const kernels *table, error *e) {
    *out = (linear){.w = w.w, .format = w.w->format, .bias = w.bias};
    if (activations) format_set_act(&out->format, activations);
    if (act_is_static(out->format.act)) out->shift = w.shift;
    out->run = kernels_linear(table, &out->format);
    if (out->run) return OK;
    char name[FORMAT_NAME];
    format_name(&out->format, name);
    return fail(e, E_FILE, "tensor %s: there is no kernel for its format %s", w.w->name, name);
}

/* Scale and centre are the same for all that have them: the model was checked. */
encoding linear_encoding(const linear *const *products, size_t n) {
    encoding all = {0};
    for (size_t i = 0; i < n; i++) {
        all.codes |= 1u << products[i]->format.act;
        if (!act_is_static(products[i]->format.act)) continue;
        all.act_scale = products[i]->w->act_scale;
        all.act_center = products[i]->w->act_center;
    }
    return all;
}

static void add_rows(const product *p, const float *x, size_t rows, float *y, size_t ldy) {
    for (size_t t = 0; t < p->n && x; t++) p->kernels->add(y + t * ldy, x, rows);
}

void linear_rows(const linear *l, const product *p, range groups, float *y, size_t ldy) {
    const size_t first = groups.begin * TILE_ROWS;
    const acts a = activation_acts(p->input, p->kernels, l->format.act, p->n, l->w->k);
    /* The kernel counts rows from the tensor's start; as in activation_encode, that place need not be inside an array. */
    float *origin = (float *)((uintptr_t)y - first * sizeof *y);
    const matrix w = {&l->format, &l->w->layout, l->w->data};
    l->run(&w, &a, groups.begin, groups.end, origin, ldy, p->scratch);
    const size_t end = groups.end * TILE_ROWS, last = end < l->w->rows ? end : l->w->rows;
    add_rows(p, l->shift ? l->shift + first : NULL, last - first, y, ldy);
    add_rows(p, l->bias ? l->bias + first : NULL, last - first, y, ldy);
}

static uint64_t group_bytes(const linear *l) {
    return l->w->layout.bytes / l->w->layout.groups;
}

/* The group of a product that lies `cut` bytes from the start of all; the product itself begins at `begin`. */
static size_t group_at(const linear *l, uint64_t begin, uint64_t cut) {
    const uint64_t group = cut > begin ? (cut - begin) / group_bytes(l) / LINEAR_GROUPS * LINEAR_GROUPS : 0;
    return group < l->w->layout.groups ? (size_t)group : l->w->layout.groups;
}

range linear_taken(const result *results, size_t count, size_t which, const taking *t) {
    uint64_t total = 0, begin = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == which) begin = total;
        total += results[i].of->w->layout.bytes;
    }
    const uint64_t part = total / t->of;
    const linear *l = results[which].of;
    return (range){group_at(l, begin, part * t->first), t->last == t->of ? l->w->layout.groups : group_at(l, begin, part * t->last)};
}

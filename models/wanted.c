#include "models/wanted.h"

#include <stdio.h>
#include <stdlib.h>

status wanted_add(wanted_list *list, const char *name, const char *from, uint64_t rows, uint64_t k, error *e) {
    if (list->n == list->room) {
        const size_t room = list->room ? 2 * list->room : 64;
        wanted *items = reallocarray(list->items, room, sizeof *items);
        if (!items) return fail(e, E_MEMORY, "no memory for %zu tensors", room);
        list->items = items;
        list->room = room;
    }
    wanted *w = &list->items[list->n];
    *w = (wanted){.rows = rows, .k = k};
    const int a = snprintf(w->name, sizeof w->name, "%s", name), b = snprintf(w->source, sizeof w->source, "%s", from);
    if ((size_t)a >= sizeof w->name || (size_t)b >= sizeof w->source) return fail(e, E_FILE, "the tensor name '%.200s' is too long", from);
    list->n++;
    return OK;
}

status wanted_add_layer(wanted_list *list, uint32_t layer, const char *name, const char *prefix, const char *from, uint64_t rows, uint64_t k,
                        error *e) {
    char full[TENSOR_NAME + 1], full_source[TENSOR_NAME + 1];
    snprintf(full, sizeof full, "layers.%u.%s", layer, name);
    snprintf(full_source, sizeof full_source, "%s.%u.%s", prefix, layer, from);
    return wanted_add(list, full, full_source, rows, k, e);
}

status wanted_add_parts(wanted_list *list, uint32_t layer, const char *prefix, const layer_part *parts, size_t n, error *e) {
    for (size_t i = 0; i < n; i++) {
        const layer_part *p = &parts[i];
        if (!p->wanted) continue;
        TRY(wanted_add_layer(list, layer, p->name, prefix, p->source, p->rows, p->k, e));
        wanted_slice(list, p->slice);
    }
    return OK;
}

void wanted_slice(wanted_list *list, slice part) {
    list->items[list->n - 1].slice = part;
}

void wanted_free(wanted_list *list) {
    free(list->items);
    *list = (wanted_list){0};
}

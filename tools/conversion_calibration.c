#include "tools/conversion_calibration.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static status weigh_input(calibrated *d, size_t i, bool quiet, error *e) {
    const calibration_input *input = &d->file.inputs[i];
    d->importance[i] = malloc(input->k * sizeof **d->importance);
    if (!d->importance[i]) return fail(e, E_MEMORY, "no memory for %zu channels", input->k);
    const size_t silent = calibration_importance(input, d->importance[i]);
    if (silent && !quiet)
        fprintf(stderr, "warning: %s: %zu of %zu channels have no data; they count like the mean of the others\n", input->name, silent, input->k);
    return OK;
}

static status weigh_tensors(const calibrated *d, conversion *c, error *e) {
    for (size_t i = 0; i < c->n; i++) {
        const qbin_entry *t = &c->entries[i];
        const calibration_input *input = t->ndim == 2 ? calibration_find(&d->file, t->name) : NULL;
        if (!input) continue;
        if (input->k != t->k)
            return fail(e, E_FILE, "%s: '%s' has %zu channels, tensor '%s' has %llu", d->file.file.map.path, input->name, input->k, t->name,
                        (unsigned long long)t->k);
        c->todo[i].importance = d->importance[input - d->file.inputs];
        c->todo[i].products = input->products;
    }
    return OK;
}

status calibrated_open(calibrated *d, const char *path, uint64_t identity, conversion *c, error *e) {
    *d = (calibrated){0};
    TRY(calibration_open(&d->file, path, e));
    TRY(calibration_check(&d->file, identity, e));
    d->importance = calloc(d->file.n + 1, sizeof *d->importance);
    if (!d->importance) return fail(e, E_MEMORY, "no memory");
    for (size_t i = 0; i < d->file.n; i++) TRY(weigh_input(d, i, c->set->quiet, e));
    if (!c->set->method && d->file.has_products) c->method = &method_gptq;
    return weigh_tensors(d, c, e);
}

void calibrated_close(calibrated *d) {
    for (size_t i = 0; d->importance && i < d->file.n; i++) free(d->importance[i]);
    free(d->importance);
    calibration_close(&d->file);
    *d = (calibrated){0};
}

void calibrated_record(const calibrated *d, json_t *meta) {
    const char *path = d->file.file.map.path, *slash = path ? strrchr(path, '/') : NULL;
    json_t *recipe_now = json_object_get(meta, "recipe");
    if (path) json_object_set_new(recipe_now, "calibration", json_pack("{s:s*, s:O}", "file", slash ? slash + 1 : path, "texts", d->file.texts));
}

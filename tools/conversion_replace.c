/* The part of conversion.h that begins with a .qbin instead of a checkpoint. */
#include <stdio.h>
#include <string.h>

#include "base/version.h"
#include "tools/conversion.h"

#define SHIFT ".shift"

/* The matrix that a vector of shifts belongs to; NULL if it is none. */
static const tensor *shifted_by(const qbin *q, const tensor *t) {
    char name[TENSOR_NAME];
    const size_t length = strlen(t->name), end = strlen(SHIFT);
    if (t->ndim != 1 || length <= end || strcmp(t->name + length - end, SHIFT)) return NULL;
    snprintf(name, sizeof name, "%.*s", (int)(length - end), t->name);
    const tensor *of = qbin_tensor(q, name);
    return of && act_is_static(of->format.act) ? of : NULL;
}

static const tensor *shift_of(const qbin *q, const tensor *t) {
    char name[TENSOR_NAME + sizeof SHIFT];
    snprintf(name, sizeof name, "%s" SHIFT, t->name);
    const tensor *shift = qbin_tensor(q, name);
    return shift && shifted_by(q, shift) == t ? shift : NULL;
}

static status keep(conversion *c, const qbin *q, const tensor *t, error *e) {
    const tensor *shift = shift_of(q, t);
    TRY(conversion_keep(c, t, &q->map, e));
    return shift ? conversion_keep(c, shift, &q->map, e) : OK;
}

/* Read again if it is meant and gets another format. */
static status replace_matrix(conversion *c, const replacement *r, const tensor *t, size_t *meant, error *e) {
    const uint32_t layers = r->file->spec.layers;
    const char *origin = t->name;
    reader from;
    TRY(r->find(r->context, t, &from, &origin, e));
    if (r->only && !selector_matches(r->only, &(named){t->name, origin, layers})) return keep(c, r->file, t, e);
    ++*meant;
    TRY(conversion_add(c, t->name, origin, &from, false, layers, e));
    const size_t at = c->n - 1;
    const bool is_static = act_is_static(c->entries[at].format.act), measured = c->set->calibration || c->set->calibrate;
    if (from.from == t && format_equal(&c->entries[at].format, &t->format) && !(is_static && measured)) {
        c->n--; /* nothing is gained by reading what was rounded to this very format, unless its input gets another scale */
        return keep(c, r->file, t, e);
    }
    return measured || !is_static || !(t->act_scale > 0) ? OK : conversion_static(c, at, t->act_scale, t->act_center, e);
}

status conversion_replace(conversion *c, const replacement *r, error *e) {
    size_t meant = 0;
    for (size_t i = 0; i < r->file->n_tensors; i++) {
        const tensor *t = &r->file->tensors[i];
        if (t->ndim == 2) {
            TRY(replace_matrix(c, r, t, &meant, e));
        } else if (!shifted_by(r->file, t)) {
            TRY(conversion_keep(c, t, &r->file->map, e));
        }
    }
    return meant ? OK : fail(e, E_USAGE, "--only '%s' matches the name of no matrix", c->set->only);
}

json_t *conversion_metadata(const conversion *c, const qbin *file) {
    json_t *meta = json_copy(file->meta), *recipe_now = conversion_recipe(c), *before = json_copy(json_object_get(file->meta, "recipe"));
    json_object_del(before, "tensors");
    if (before) json_object_set_new(recipe_now, "before", before);
    json_object_set_new(meta, "recipe", recipe_now);
    json_object_set_new(meta, "producer", json_string("qbin " QBIN_VERSION));
    return meta;
}

status conversion_static(conversion *c, size_t i, float scale, float center, error *e) {
    char name[TENSOR_NAME + sizeof SHIFT];
    const reader none = {.rows = 1, .k = c->entries[i].rows};
    c->entries[i].act_scale = scale;
    c->entries[i].act_center = center;
    if (center == 0) return OK;
    snprintf(name, sizeof name, "%s" SHIFT, c->entries[i].name);
    if (strlen(name) >= TENSOR_NAME) return fail(e, E_RUN, "the tensor name '%s' is too long", name);
    TRY(conversion_add(c, name, name, &none, true, 1, e));
    c->todo[i].shift = c->n;
    return OK;
}

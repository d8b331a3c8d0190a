#include "tools/inspect_recipe.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "quantize/selector.h"

#define LAYERS "layers."

typedef struct matrix { /* of the file, as rules see it */
    const char *role;   /* what follows "layers.N", or the whole name */
    long layer;         /* -1: none */
    char format[FORMAT_NAME];
    bool told; /* a rule that was printed gives it its format */
} matrix;

typedef struct matrices {
    matrix *items;
    size_t n;
    long last; /* layer */
} matrices;

/* ---- comments ---- */

static void print_comment(FILE *out, const char *key, const json_t *value) {
    char *text = json_is_string(value) ? strdup(json_string_value(value)) : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    if (text && value && !json_is_null(value) && !json_is_false(value)) {
        fprintf(out, "# %s: ", key);
        for (const char *c = text; *c; c++) fputc(iscntrl((unsigned char)*c) ? '?' : *c, out);
        fputc('\n', out);
    }
    free(text);
}

static void print_comments(FILE *out, const qbin *q) {
    const json_t *recipe = json_object_get(q->meta, "recipe");
    const char *key;
    json_t *value;
    if (!json_is_object(recipe)) return;
    json_object_foreach((json_t *)(uintptr_t)recipe, key, value) {
        const bool shown = strcmp(key, "tensors") && (!json_is_array(value) || json_array_size(value));
        if (shown && strspn(key, "abcdefghijklmnopqrstuvwxyz_") == strlen(key)) print_comment(out, key, value);
    }
}

/* ---- rules ---- */

static matrix matrix_of(const tensor *t) {
    matrix m = {.role = t->name, .layer = -1};
    const size_t length = strlen(LAYERS);
    if (!strncmp(t->name, LAYERS, length) && isdigit((unsigned char)t->name[length])) {
        char *end;
        const long layer = strtol(t->name + length, &end, 10);
        if (*end == '.' && layer < SPEC_LAYERS_MAX) m = (matrix){.role = end, .layer = layer};
    }
    format_name(&t->format, m.format);
    return m;
}

static bool collect(matrices *all, const qbin *q) {
    *all = (matrices){.items = calloc(q->n_tensors + 1, sizeof *all->items), .last = -1};
    for (size_t i = 0; all->items && i < q->n_tensors; i++) {
        if (q->tensors[i].ndim != 2) continue;
        const matrix m = matrix_of(&q->tensors[i]);
        all->items[all->n++] = m;
        if (m.layer > all->last) all->last = m.layer;
    }
    return all->items;
}

static bool same_role(const matrix *a, const matrix *b) {
    return (a->layer < 0) == (b->layer < 0) && !strcmp(a->role, b->role);
}

/* The format of most of the matrices of that role, or (NULL) of all. */
static const char *usual_format(const matrices *all, const matrix *role) {
    const char *usual = "";
    size_t most = 0;
    for (size_t i = 0; i < all->n; i++) {
        size_t count = 0;
        if (role && !same_role(&all->items[i], role)) continue;
        for (size_t j = 0; j < all->n; j++)
            count += (!role || same_role(&all->items[j], role)) && !strcmp(all->items[j].format, all->items[i].format);
        if (count > most) {
            most = count;
            usual = all->items[i].format;
        }
    }
    return usual;
}

static matrix *find(const matrices *all, const matrix *like, long layer) {
    for (size_t i = 0; i < all->n; i++) {
        matrix *m = &all->items[i];
        if (m->layer == layer && same_role(m, like) && !strcmp(m->format, like->format)) return m;
    }
    return NULL;
}

/* One line for the matrices of that role and format, as many as a line can name, from this layer on; which says where the next line begins. */
static long print_layers(FILE *out, const matrices *all, const matrix *like, long layer) {
    const char *between = "layers[";
    for (int depths = 0; layer <= all->last && depths < SELECTOR_DEPTHS; layer++) {
        const long first = layer;
        for (matrix *m; (m = find(all, like, layer)); layer++) m->told = true;
        if (layer == first) continue;
        fprintf(out, layer - first > 1 ? "%s%ld-%ld" : "%s%ld", between, first, layer - 1);
        between = ", ";
        depths++;
    }
    if (*between == ',') fprintf(out, "]%s %s\n", like->role, like->format);
    return layer;
}

static void print_rule(FILE *out, const matrices *all, const matrix *like) {
    if (like->layer < 0) fprintf(out, "%s %s\n", like->role, like->format);
    for (long layer = 0; like->layer >= 0 && layer <= all->last;) layer = print_layers(out, all, like, layer);
}

/* What differs from the format of all, role by role: the usual format of a role first, if it is for all layers, then the layers that differ. */
static void print_role(FILE *out, const matrices *all, size_t first, const char *base) {
    const matrix *role = &all->items[first];
    const char *usual = usual_format(all, role);
    const bool whole = role->layer >= 0 && strcmp(usual, base);
    if (whole) fprintf(out, "layers[0-%ld]%s %s\n", all->last, role->role, usual);
    for (size_t i = first; i < all->n; i++) {
        matrix *m = &all->items[i];
        if (m->told || !same_role(m, role)) continue;
        m->told = true;
        if (strcmp(m->format, whole ? usual : base)) print_rule(out, all, m);
    }
}

status print_recipe(FILE *out, const qbin *q, error *e) {
    matrices all;
    if (!collect(&all, q)) return fail(e, E_MEMORY, "no memory");
    print_comments(out, q);
    const char *base = usual_format(&all, NULL);
    if (all.n) fprintf(out, "* %s\n", base);
    for (size_t i = 0; i < all.n; i++) {
        if (!all.items[i].told) print_role(out, &all, i, base);
    }
    free(all.items);
    return OK;
}

#include "tools/facts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct use {
    char name[FORMAT_NAME];
    uint64_t weights;
} use;

enum { USES = 32 }; /* more formats than a table has room for */

static void add_use(use *uses, size_t *n, const tensor *t, const char *activations) {
    char name[FORMAT_NAME];
    format f = t->format;
    if (activations) format_set_act(&f, activations);
    format_name(&f, name);
    size_t i = 0;
    while (i < *n && strcmp(uses[i].name, name)) i++;
    if (i == USES) return;
    if (i == *n) {
        uses[(*n)++] = (use){0};
        memcpy(uses[i].name, name, sizeof name);
    }
    uses[i].weights += t->rows * t->k;
    for (; i > 0 && uses[i].weights > uses[i - 1].weights; i--) {
        const use swapped = uses[i];
        uses[i] = uses[i - 1];
        uses[i - 1] = swapped;
    }
}

/* Appends, never past the end. */
__attribute__((format(printf, 3, 4))) static void append(char *text, size_t size, const char *how, ...) {
    const size_t n = strlen(text);
    va_list args;
    va_start(args, how);
    vsnprintf(text + n, size - n, how, args);
    va_end(args);
}

facts facts_of(const model *m, const char *activations) {
    facts f = {.bytes = m->file.map.size};
    use uses[USES];
    size_t n = 0;
    uint64_t tensor_bytes = 0;
    for (size_t i = 0; i < m->file.n_tensors; i++) {
        const tensor *t = &m->file.tensors[i];
        f.weights += t->rows * t->k;
        tensor_bytes += t->bytes;
        if (t->ndim == 2) add_use(uses, &n, t, activations);
    }
    const double weights = f.weights ? (double)f.weights : 1;
    f.bits = 8 * (double)f.bytes / weights;
    f.tensor_bits = 8 * (double)tensor_bytes / weights;
    for (size_t i = 0; i < n; i++) {
        append(f.formats, sizeof f.formats, "%s%s", i ? "+" : "", uses[i].name);
        append(f.shares, sizeof f.shares, "%s%s", i ? " " : "", uses[i].name);
        if (n > 1) append(f.shares, sizeof f.shares, " %.0f%%", 100 * (double)uses[i].weights / weights);
    }
    return f;
}

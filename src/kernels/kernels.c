/* kernels.c: sizes of encoded activations, and which table runs. */
#include "kernels/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/cpu.h"

enum { LINE = 64 }; /* alignment of everything that kernels touch */

static const struct act_size {  /* by act_code */
    act_code like;              /* whose panels it has */
    size_t value_bytes, blocks; /* bytes of a value; scales and sums of a tile */
} act_sizes[ACT_CODES] = {
    [ACT_F32] = {ACT_F32, sizeof(float), 0},          [ACT_I8_64] = {ACT_I8_64, sizeof(int8_t), 1},
    [ACT_I8_32] = {ACT_I8_32, sizeof(int8_t), 2},     [ACT_TOKEN_64] = {ACT_I8_64, sizeof(int8_t), 1},
    [ACT_TOKEN_32] = {ACT_I8_32, sizeof(int8_t), 2},  [ACT_STATIC_64] = {ACT_I8_64, sizeof(int8_t), 1},
    [ACT_STATIC_32] = {ACT_I8_32, sizeof(int8_t), 2},
};

act_code acts_like(act_code code) {
    return act_sizes[code].like;
}

void acts_bytes(act_code code, size_t n, size_t k, size_t *values, size_t *scales, size_t *sums) {
    const struct act_size *size = &act_sizes[code];
    const size_t tiles = (k + TILE_K - 1) / TILE_K;
    *values = round_up(n * tiles * TILE_K * size->value_bytes, LINE);
    *scales = round_up(n * tiles * size->blocks * sizeof(float), LINE);
    *sums = round_up(n * tiles * size->blocks * sizeof(int32_t), LINE);
}

/* 32 rows of bytes, and two int32 for each tile and token of a panel. */
size_t linear_scratch_bytes(size_t k) {
    enum { ROWS = 32, PANEL_MAX = 8 };
    const size_t tiles = (k + TILE_K - 1) / TILE_K;
    return ROWS * tiles * TILE_K + round_up(2 * tiles * PANEL_MAX * sizeof(int32_t), LINE) + LINE;
}

static bool runs(const kernels *k) {
    return (k->needs & ~cpu_features()) == 0;
}

static status unknown_isa(const char *isa, error *e) {
    char names[128] = "";
    for (const kernels *const *k = kernel_tables; *k; k++) {
        const size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", (*k)->name);
    }
    return fail(e, E_USAGE, "unknown instruction set \"%.40s\": this program has %s", isa, names);
}

status kernels_choose(const kernels **out, const char *isa, error *e) {
    if (!isa || !*isa) isa = getenv("QBIN_ISA");
    const bool any = !isa || !*isa;
    const kernels *found = NULL;
    for (const kernels *const *k = kernel_tables; *k; k++) {
        if (any ? runs(*k) : strcmp((*k)->name, isa) == 0) found = *k;
    }
    if (!found) return unknown_isa(any ? "" : isa, e);
    if (!runs(found)) return fail(e, E_USAGE, "this CPU lacks the instruction set \"%s\"", found->name);
    *out = found;
    return OK;
}

static bool suits(const linear_kernel *l, const format *f) {
    return strcmp(l->family, f->family->name) == 0 && l->bits == f->bits && l->has_min == f->has_min && l->grain == f->grain &&
           l->block == f->block && l->scope == f->scope && l->act == acts_like(f->act);
}

linear_fn *kernels_linear(const kernels *k, const format *f) {
    for (const linear_kernel *const *list = k->linear; *list; list++) {
        for (const linear_kernel *l = *list; l->family; l++) {
            if (suits(l, f)) return l->run;
        }
    }
    return NULL;
}

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

/* Coded weights: 32 rows of bytes, and two int32 for each tile and token of a panel. Decoded ones: 16 rows of floats and one more. */
size_t linear_scratch_bytes(size_t k) {
    enum { ROWS = 32, BLOCKS = 2, PANEL_MAX = 8, DECODED = TILE_ROWS + 1 };
    const size_t tiles = (k + TILE_K - 1) / TILE_K;
    const size_t coded = ROWS * tiles * TILE_K + round_up(BLOCKS * tiles * PANEL_MAX * sizeof(int32_t), LINE) + LINE;
    const size_t decoded = DECODED * tiles * TILE_K * sizeof(float);
    return coded > decoded ? coded : decoded;
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
    if (l->act != acts_like(f->act)) return false;
    if (l->plain || f->family->plain) return l->plain && !strcmp(l->plain, f->family->name);
    const code_view codes = format_codes(f);
    return l->bits == 0 || (l->bits == codes.bits && l->book == codes.book && l->packing == codes.packing);
}

linear_fn *kernels_linear(const kernels *k, const format *f) {
    for (const linear_kernel *const *list = k->linear; *list; list++) {
        for (const linear_kernel *l = *list; l->run; l++) {
            if (suits(l, f)) return l->run;
        }
    }
    return NULL;
}

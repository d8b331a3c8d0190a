/* linear_blocks.h: the list of quantized formats with scales for blocks, compiled once for each size of block (BLOCK, ACT, LIST).
 *
 * A format is one line of CODES: how it is matched and the constants of its code_kind. Its kernel is one call with those constants. */
#include "product.h"

/*    kernel       family      bits  min    scope         zero */
#define CODES(X)                                      \
    X(linear_q8, "linear", 8, false, SCOPE_NONE, 128) \
    X(linear_q4, "linear", 4, false, SCOPE_NONE, 8)   \
    X(linear_q4a, "linear", 4, true, SCOPE_NONE, 0)   \
    X(linear_km4, "codebook", 4, false, SCOPE_TENSOR, LEVEL_ZERO)

#define RANGE(bits, scope) ((scope) == SCOPE_NONE ? (bits) : 8)

#define PANELS(name, range, min)                                                                                \
    static void name(const weights *w, size_t groups, const acts *a, int32_t zero, int32_t *start, target to) { \
        panels_product((code_kind){8, dot_class(range), 0, BLOCK, false, min}, w, groups, a, zero, start, to);  \
    }
PANELS(panels_of_bytes, 8, false)
PANELS(panels_of_bytes_min, 8, true)
PANELS(panels_of_nibbles, 4, false)
PANELS(panels_of_nibbles_min, 4, true)

/* The product over unpacked numbers that suits a range: narrow numbers get their own only where the instruction set gains from it. */
FOLD panels_fn *panels_for(int range, bool has_min) {
    if (dot_class(range) == 8) return has_min ? panels_of_bytes_min : panels_of_bytes;
    return has_min ? panels_of_nibbles_min : panels_of_nibbles;
}

#define KERNEL(name, family, bits, min, scope, zero)                                                                      \
    static void name(const matrix *w, const acts *a, size_t group0, size_t group1, float *y, size_t ldy, void *scratch) { \
        const code_kind kind = {bits, RANGE(bits, scope), zero, BLOCK, (scope) != SCOPE_NONE, min};                       \
        linear_codes(kind, panels_for(kind.range, min), w, a, group0, group1, y, ldy, scratch);                           \
    }
CODES(KERNEL)

#define ROW(name, family, bits, min, scope, zero) {family, bits, min, GRAIN_BLOCK, BLOCK, scope, ACT, name},
const linear_kernel LIST[] = {CODES(ROW){.family = NULL}};

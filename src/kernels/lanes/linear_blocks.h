/* linear_blocks.h: the list of products of coded weights with int8 activations, compiled once for each length of exact sums (BLOCK, ACT, LIST).
 *
 * A kernel is one line of CODES: how codes are stored, and what bounds their numbers. Minimums, zero points, what shares a scale and where codebooks
 * stand are no business of it (weights.h). */
#include "product.h"

#define PLANES NULL
#define TRITS  (&packing_trits)

/*    kernel           packing bits  book */
#define CODES(X)                           \
    X(linear_q8, PLANES, 8, BOOK_NONE)     \
    X(linear_q6, PLANES, 6, BOOK_NONE)     \
    X(linear_q5, PLANES, 5, BOOK_NONE)     \
    X(linear_q4, PLANES, 4, BOOK_NONE)     \
    X(linear_q3, PLANES, 3, BOOK_NONE)     \
    X(linear_q2, PLANES, 2, BOOK_NONE)     \
    X(linear_km4, PLANES, 4, BOOK_SHARED)  \
    X(linear_km3, PLANES, 3, BOOK_SHARED)  \
    X(linear_km2, PLANES, 2, BOOK_SHARED)  \
    X(linear_km1, PLANES, 1, BOOK_SHARED)  \
    X(linear_km4_row, PLANES, 4, BOOK_ROW) \
    X(linear_km3_row, PLANES, 3, BOOK_ROW) \
    X(linear_km2_row, PLANES, 2, BOOK_ROW) \
    X(linear_trits, TRITS, 2, BOOK_NONE)

/* The products over unpacked numbers that suit a range: some for each class of numbers that the instruction set treats alike. */
#define PANELS(name, bound, f32, min)                                                                                                    \
    static void name(const weights *w, size_t groups, const acts *a, int32_t zero, int32_t *start, target to) {                          \
        const code_kind bytes = {.bits = 8, .range = dot_class(bound), .block = BLOCK, .unpacked = true, .floats = f32, .has_min = min}; \
        panels_product(bytes, w, groups, a, zero, start, to);                                                                            \
    }
#define PANELS_OF(bound)                           \
    PANELS(halves_##bound, bound, false, false)    \
    PANELS(halves_min_##bound, bound, false, true) \
    PANELS(floats_##bound, bound, true, false)     \
    PANELS(floats_min_##bound, bound, true, true)
PANELS_OF(8)
PANELS_OF(6)
PANELS_OF(5)
PANELS_OF(4)

#define RUN(bound)                                  \
    (panels_fns) {                                  \
        {                                           \
            {halves_##bound, halves_min_##bound}, { \
                floats_##bound, floats_min_##bound  \
            }                                       \
        }                                           \
    }
FOLD panels_fns panels_for(int range) {
    const int of = dot_class(range);
    return of == 8 ? RUN(8) : of == 6 ? RUN(6) : of == 5 ? RUN(5) : RUN(4);
}

#define KERNEL(name, packed, bits, book)                                                                                   \
    static void name(const matrix *w, const acts *a, size_t group0, size_t group1, float *y, size_t ldy, void *scratch) {  \
        const code_kind kind = {packed != NULL, bits, (book) == BOOK_NONE ? (bits) : 8, BLOCK, book, false, false, false}; \
        linear_codes(kind, panels_for(kind.range), w, a, group0, group1, y, ldy, scratch);                                 \
    }
CODES(KERNEL)

#define ROW(name, packed, bits, book) {name, ACT, NULL, bits, book, packed},
const linear_kernel LIST[] = {CODES(ROW){.run = NULL}};

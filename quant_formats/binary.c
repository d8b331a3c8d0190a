/* The binary family: levels -1 and 1 (XNOR-Net, Rastegari et al. 2016, section 3.1: the scale of least squared error is the mean magnitude). */
#include "families.h"

static const int8_t signs[2] = {-1, 1};

static grid binary_fit(const format *f, fit_method how, const codebook *book, const fit_block *b) {
    (void)book;
    return (grid){.scale = grid_round(f, block_mean(b, how != FIT_RTN))};
}

static void binary_assign(const format *f, const codebook *book, grid g, const float *x, size_t n, uint8_t *codes) {
    (void)f;
    (void)book;
    for (size_t i = 0; i < n; i++) codes[i] = g.scale < 0 ? x[i] < 0 : x[i] >= 0;
}

const family family_binary = {
    .name = "binary",
    .prefix = "binary",
    .summary = "-1 and 1",
    .widths = 1 << 1,
    .block = 64,
    .levels = signs,
    .fit = binary_fit,
    .assign = binary_assign,
};

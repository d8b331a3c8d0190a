/* What encoding and decoding lose, and the bytes between them. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "quant_formats/format.h"

static format parsed(const char *name) {
    format f;
    error e = {0};
    cr_assert_eq(format_parse(&f, name, &e), OK, "%s", e.text);
    return f;
}

/* A descriptor of the linear family that need not have a name. */
static format linear(uint8_t bits, bool has_min, grain shared, uint16_t block) {
    format f = parsed("q8");
    f.bits = bits;
    f.has_min = has_min;
    f.grain = shared;
    f.block = block;
    f.act = block == 32 ? ACT_I8_32 : ACT_I8_64;
    return f;
}

static float *random_matrix(size_t n, uint64_t seed) {
    float *x = malloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = 0.05f * random_normal(&seed);
    return x;
}

/* Sum of squared errors of what the file would decode to, over the sum of squares: measured apart from the encoder. */
static double decoded_error(const encoded *en, const float *x, size_t rows, size_t k) {
    double missed = 0, power = 0;
    float *row = malloc(k * sizeof *row);
    for (size_t r = 0; r < rows; r++) {
        format_decode_row(&en->format, &en->layout, en->data, r, k, row);
        for (size_t i = 0; i < k; i++) {
            cr_assert(isfinite(row[i]));
            missed += ((double)x[r * k + i] - (double)row[i]) * ((double)x[r * k + i] - (double)row[i]);
            power += (double)x[r * k + i] * (double)x[r * k + i];
        }
    }
    free(row);
    return power > 0 ? missed / power : missed;
}

/* Relative squared error that a format may have on normally distributed weights. */
static double allowed_error(const format *f) {
    if (f->family->plain) return f->family->plain_bits == 32 ? 0 : 1e-5;
    return f->bits == 8 ? 6e-5 : 0.012;
}

Test(decode, normal_weights_come_back_within_the_bound) {
    const size_t shapes[][2] = {{1, 1}, {5, 7}, {16, 64}, {33, 172}, {40, 256}};
    for (const format_entry *entry = format_list; entry->name; entry++) {
        const format f = parsed(entry->name);
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            const size_t rows = shapes[i][0], k = shapes[i][1];
            float *x = random_matrix(rows * k, i + 1);
            const char *const how[] = {"rtn", "fit"};
            for (size_t m = 0; m < 2; m++) {
                const encoded en = encode_as(&f, how[m], x, rows, k);
                const double lost = decoded_error(&en, x, rows, k);
                cr_expect_leq(lost, allowed_error(&f), "%s %s %zux%zu: %g", entry->name, how[m], rows, k, lost);
                cr_expect_float_eq(lost, en.relative, 1e-6 * lost + 1e-12, "%s %s: %g is not %g", entry->name, how[m], en.relative, lost);
                free(en.data);
            }
            free(x);
        }
    }
}

/* The bytes of each format, against files that tests/data/golden.py computes from the description alone (same matrix, method rtn). */
Test(decode, bytes_are_as_described) {
    static const int levels[16] = {-120, -98, -80, -63, -50, -37, -24, -11, 0, 12, 25, 39, 54, 75, 99, 127};
    const size_t rows = 3, k = 80;
    for (const format_entry *entry = format_list; entry->name; entry++) {
        const bool learned = parsed(entry->name).scope != SCOPE_NONE;
        float x[3 * 80];
        for (size_t i = 0; i < rows * k; i++) {
            const size_t r = i / k, c = i % k;
            const int linear = ((int)(r * 7 + c * 13) % 31 - 15) * (int)(1 + r);
            x[i] = learned ? (float)(levels[(c * 5 + r) % 16] * (int)(1 + r + c / 64)) / 1024 : (float)linear / 64;
        }
        const encoded en = encode(entry->name, "rtn", x, rows, k);
        char path[64];
        uint8_t golden[16384];
        snprintf(path, sizeof path, "tests/data/golden-%s.bin", entry->name);
        FILE *file = fopen(path, "rb");
        cr_assert(file, "%s", path);
        cr_assert_eq(fread(golden, 1, sizeof golden, file), en.layout.bytes);
        fclose(file);
        cr_expect_arr_eq(golden, en.data, en.layout.bytes, "%s", entry->name);
        free(en.data);
    }
}

Test(decode, every_width_and_grain_of_the_linear_family_works) {
    const uint8_t bits[] = {2, 3, 4, 5, 6, 8};
    const struct {
        grain grain;
        uint16_t block;
    } grains[] = {{GRAIN_BLOCK, 32}, {GRAIN_BLOCK, 64}, {GRAIN_BLOCK, 128}, {GRAIN_ROW, 0}};
    const size_t rows = 20, k = 172;
    float *x = random_matrix(rows * k, 9);
    for (size_t b = 0; b < sizeof bits; b++) {
        for (size_t g = 0; g < sizeof grains / sizeof *grains; g++) {
            for (int has_min = 0; has_min < 2; has_min++) {
                const format f = linear(bits[b], has_min, grains[g].grain, grains[g].block);
                cr_expect(format_valid(&f));
                const encoded en = encode_as(&f, "fit", x, rows, k);
                const double lost = decoded_error(&en, x, rows, k), step = 2.0 / (1 << bits[b]);
                cr_expect_lt(lost, step * step, "%u bits, grain %d/%u, minimum %d: %g", bits[b], (int)f.grain, f.block, has_min, lost);
                free(en.data);
            }
        }
    }
    free(x);
}

Test(decode, zeros_come_back_as_zeros) {
    const float x[20 * 100] = {0};
    for (const format_entry *entry = format_list; entry->name; entry++) {
        const encoded en = encode(entry->name, "fit", x, 20, 100);
        cr_expect_eq(decoded_error(&en, x, 20, 100), 0, "%s", entry->name);
        free(en.data);
    }
}

/* Padding must not disturb a product: rows past the end decode to zero, whatever the activations. */
Test(decode, padded_rows_decode_to_zero) {
    float *x = random_matrix(17 * 70, 3);
    for (const format_entry *entry = format_list; entry->name; entry++) {
        const encoded en = encode(entry->name, "fit", x, 17, 70);
        float row[70];
        for (size_t r = 17; r < 32; r++) {
            format_decode_row(&en.format, &en.layout, en.data, r, 70, row);
            for (size_t i = 0; i < 70; i++) cr_expect_eq(row[i], 0, "%s", entry->name);
        }
        free(en.data);
    }
    free(x);
}

Test(decode, blocks_keep_their_faults_to_themselves) {
    const size_t rows = 16, k = 128;
    for (const format_entry *entry = format_list; entry->name; entry++) {
        float *x = random_matrix(rows * k, 4);
        const format f = parsed(entry->name);
        x[3 * k + 70] = 1000;                                                   /* an outlier in block 64.. of row 3 */
        for (size_t i = 0; i < 64; i++) x[5 * k + i] = 1e-12f * (float)(i + 1); /* far below the least scale */
        const encoded en = encode_as(&f, "fit", x, rows, k);
        float row[128];
        format_decode_row(&en.format, &en.layout, en.data, 3, k, row);
        const double bound = f.family->plain ? 2e-3 : f.bits == 8 ? 2e-3 : 0.05;
        for (size_t i = 0; i < 64; i++) cr_expect_float_eq(row[i], x[3 * k + i], bound, "%s", entry->name);
        cr_expect_float_eq(row[70], 1000, 5, "%s: %g", entry->name, (double)row[70]);
        format_decode_row(&en.format, &en.layout, en.data, 5, k, row);
        for (size_t i = 0; i < 64; i++) cr_expect_float_eq(row[i], x[5 * k + i], 1e-7, "%s", entry->name);
        free(en.data);
        free(x);
    }
}

Test(decode, any_finite_weights_give_finite_results) {
    const float values[] = {FLT_MAX, -FLT_MAX, FLT_MIN, 1e-45f, 65504, 65536, 1e10f, -1e-8f, 6e-8f, 0};
    const size_t n = sizeof values / sizeof *values;
    uint64_t seed = 77;
    for (const format_entry *entry = format_list; entry->name; entry++) {
        if (!strcmp(entry->name, "f16") || !strcmp(entry->name, "bf16")) continue; /* these refuse what they cannot hold */
        float x[32 * 96];
        for (size_t i = 0; i < 32 * 96; i++) {
            const size_t pick = (size_t)((random_uniform(&seed) + 1) / 2 * (float)n);
            x[i] = i < 16 * 96 ? values[i / 96 % n] : values[pick];
        }
        const char *const how[] = {"rtn", "fit"};
        for (size_t m = 0; m < 2; m++) {
            const encoded en = encode(entry->name, how[m], x, 32, 96);
            cr_expect(isfinite(en.relative));
            decoded_error(&en, x, 32, 96);
            free(en.data);
        }
    }
}

Test(decode, the_search_is_never_worse_than_rounding) {
    const size_t rows = 32, k = 512;
    float *x = random_matrix(rows * k, 21);
    for (const format_entry *entry = format_list; entry->name; entry++) {
        const encoded rtn = encode(entry->name, "rtn", x, rows, k), fit = encode(entry->name, "fit", x, rows, k);
        if (rtn.format.family->plain) cr_expect_eq(fit.relative, rtn.relative);
        if (!rtn.format.family->plain) cr_expect_lt(fit.relative, rtn.relative, "%s", entry->name);
        free(rtn.data);
        free(fit.data);
    }
    free(x);
}

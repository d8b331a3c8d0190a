/* The matrix of formats: what encoding and decoding lose, and the bytes between them. Every test walks all descriptors. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "encode.h"
#include "quant_formats/format.h"

static const char *const how[] = {"rtn", "fit"};

static float *random_matrix(size_t n, uint64_t seed) {
    float *x = malloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = 0.05f * random_normal(&seed);
    return x;
}

static const char *name_of(const format *f) {
    static char name[FORMAT_NAME];
    format_name(f, name);
    return name;
}

/* Sum of squared errors of what the file would decode to, over the sum of squares: measured apart from the encoder. */
static double decoded_error(const encoded *en, const float *x, size_t rows, size_t k) {
    double missed = 0, power = 0;
    float *row = malloc(k * sizeof *row);
    for (size_t r = 0; r < rows; r++) {
        format_decode_row(&en->format, &en->layout, en->data, r, k, row);
        for (size_t i = 0; i < k; i++) {
            if (!isfinite(row[i])) cr_assert(false, "%s: [%zu, %zu] is %g", name_of(&en->format), r, i, (double)row[i]);
            missed += ((double)x[r * k + i] - (double)row[i]) * ((double)x[r * k + i] - (double)row[i]);
            power += (double)x[r * k + i] * (double)x[r * k + i];
        }
    }
    free(row);
    return power > 0 ? missed / power : missed;
}

/* Relative squared error on normally distributed weights: steps cover 4.5 deviations on each side at most and each value misses by a twelfth of the square of
 * a step on average; signs and a mean lose 1 - 2 / pi. */
static double allowed_error(const format *f) {
    if (f->family->plain) return f->family->plain_bits == 32 ? 0 : 1e-5;
    const double step = f->has_min ? 9.0 / ((1 << f->bits) - 1) : 4.5 / (1 << (f->bits - 1));
    return f->bits == 1 ? 0.45 : step * step / 12;
}

Test(decode, normal_weights_come_back_within_the_bound) {
    const size_t shapes[][2] = {{1, 1}, {5, 7}, {16, 64}, {33, 172}, {40, 256}};
    format f;
    for (size_t n = 0; format_nth(n, &f); n++) {
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            const size_t rows = shapes[i][0], k = shapes[i][1];
            float *x = random_matrix(rows * k, i + 1);
            for (size_t m = 0; m < 2; m++) {
                const encoded en = encode_as(&f, how[m], x, rows, k);
                const double lost = decoded_error(&en, x, rows, k);
                cr_expect_leq(lost, allowed_error(&f), "%s %s %zux%zu: %g", name_of(&f), how[m], rows, k, lost);
                cr_expect_float_eq(lost, en.relative, 1e-6 * lost + 1e-12, "%s %s: %g is not %g", name_of(&f), how[m], en.relative, lost);
                free(en.data);
            }
            free(x);
        }
    }
}

Test(decode, the_search_is_never_worse_than_rounding) {
    const size_t rows = 32, k = 512;
    float *x = random_matrix(rows * k, 21);
    format f;
    for (size_t n = 0; format_nth(n, &f); n++) {
        const encoded rtn = encode_as(&f, "rtn", x, rows, k), fit = encode_as(&f, "fit", x, rows, k);
        cr_expect_leq(fit.relative, rtn.relative, "%s: %g, %g", name_of(&f), fit.relative, rtn.relative);
        free(rtn.data);
        free(fit.data);
    }
    free(x);
}

Test(decode, more_bits_lose_less_and_finer_scales_do) {
    static const char *const order[][8] = {
        {"q8", "q6", "q5", "q4", "q3", "q2", "binary"},
        {"q8a", "q6a", "q5a", "q4a", "q3a", "q2a"},
        {"km4", "km3", "km2", "ternary", "binary"},
        {"km4-row", "km3-row", "km2-row"},
        {"q4-b32", "q4", "q4-b128", "q4-tensor"},
        {"ternary-b32", "ternary", "ternary5"},
        {"km4", "q4"},
        {"km3", "q3"},
        {"km2", "q2"},
        {"km4-row", "q4-row"},
        {"km3-row", "q3-row"},
        {"km2-tensor", "q2-tensor"},
        {"km3-b32", "q3-b32"},
        {"km2-b128", "q2-b128"},
        {"km4-group", "q4-row"},
    };
    const size_t rows = 48, k = 512;
    float *x = random_matrix(rows * k, 22);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        double before = 0;
        for (size_t j = 0; order[i][j]; j++) {
            const encoded en = encode(order[i][j], "fit", x, rows, k);
            cr_expect_gt(en.relative, before, "%s: %g after %g", order[i][j], en.relative, before);
            before = en.relative;
            free(en.data);
        }
    }
    free(x);
}

/* ---- special contents ---- */

Test(decode, zeros_come_back_as_zeros) {
    static const float x[20 * 100];
    format f;
    for (size_t n = 0; format_nth(n, &f); n++) {
        for (size_t m = 0; m < 2; m++) {
            const encoded en = encode_as(&f, how[m], x, 20, 100);
            cr_expect_eq(decoded_error(&en, x, 20, 100), 0, "%s", name_of(&f));
            cr_expect_eq(en.lost.clipped, 0);
            free(en.data);
        }
    }
}

/* Padding must not disturb a product: rows past the end decode to zero, whatever the activations; but for one scale of the tensor. */
Test(decode, padded_rows_decode_to_zero) {
    float *x = random_matrix(17 * 70, 3);
    format f;
    for (size_t n = 0; format_nth(n, &f); n++) {
        if (f.grain == GRAIN_TENSOR) continue;
        const encoded en = encode_as(&f, "fit", x, 17, 70);
        float row[70];
        for (size_t r = 17; r < 32; r++) {
            format_decode_row(&en.format, &en.layout, en.data, r, 70, row);
            for (size_t i = 0; i < 70; i++) cr_expect_eq(row[i], 0, "%s", name_of(&f));
        }
        free(en.data);
    }
    free(x);
}

/* An outlier in row 3, a block of zeros in row 4, one far below the least scale in row 5, all in values 128 .. 255. */
static float *special_matrix(size_t rows, size_t k) {
    float *x = random_matrix(rows * k, 4);
    x[3 * k + 200] = 1000;
    for (size_t i = 128; i < 256; i++) {
        x[4 * k + i] = 0;
        x[5 * k + i] = 1e-12f * (float)(i + 1);
    }
    return x;
}

Test(decode, blocks_keep_their_faults_to_themselves) {
    const size_t rows = 16, k = 384;
    float *x = special_matrix(rows, k), row[384];
    format f;
    for (size_t n = 0; format_nth(n, &f); n++) {
        if (f.grain != GRAIN_BLOCK) continue;
        for (size_t m = 0; m < 2; m++) {
            const encoded en = encode_as(&f, how[m], x, rows, k);
            format_decode_row(&f, &en.layout, en.data, 3, k, row);
            double missed = 0, power = 0;
            for (size_t i = 0; i < k; i++) {
                const double miss = (double)row[i] - (double)x[3 * k + i];
                missed += i < 128 || i >= 256 ? miss * miss : 0;
                power += i < 128 || i >= 256 ? (double)x[3 * k + i] * (double)x[3 * k + i] : 0;
            }
            cr_expect_leq(missed, (f.scope == SCOPE_NONE ? 1 : 2) * allowed_error(&f) * power, "%s %s: %g", name_of(&f), how[m], missed / power);
            if (f.bits > 2 || (m && f.bits > 1))
                cr_expect_float_eq(row[200], 1000, f.bits == 2 ? 500 : 10, "%s %s: %g", name_of(&f), how[m], (double)row[200]);
            format_decode_row(&f, &en.layout, en.data, 4, k, row);
            for (size_t i = 128; i < 256; i++) cr_expect_eq(row[i], 0, "%s %s", name_of(&f), how[m]);
            format_decode_row(&f, &en.layout, en.data, 5, k, row);
            for (size_t i = 128; i < 256; i++) cr_expect_float_eq(row[i], 0, 1e-7, "%s %s", name_of(&f), how[m]);
            free(en.data);
        }
    }
    free(x);
}

Test(decode, any_finite_weights_give_finite_results) {
    const float values[] = {FLT_MAX, -FLT_MAX, FLT_MIN, 1e-45f, 65504, 65536, 1e10f, -1e-8f, 6e-8f, 0};
    const size_t count = sizeof values / sizeof *values;
    uint64_t seed = 77;
    format f;
    for (size_t n = 0; format_nth(n, &f); n++) {
        if (f.family->plain && f.bits < 32) continue; /* these refuse what they cannot hold */
        float x[32 * 96];
        for (size_t i = 0; i < 32 * 96; i++) {
            const size_t pick = (size_t)((random_uniform(&seed) + 1) / 2 * (float)count);
            x[i] = i < 16 * 96 ? values[i / 96 % count] : values[pick];
        }
        for (size_t m = 0; m < 2; m++) {
            const encoded en = encode_as(&f, how[m], x, 32, 96);
            cr_expect(isfinite(en.relative), "%s %s: %g", name_of(&f), how[m], en.relative);
            decoded_error(&en, x, 32, 96);
            free(en.data);
        }
    }
}

/* What a row and the importance of its channels have to do with the losses that are reported. */
Test(decode, losses_are_counted) {
    float x[2 * 64], importance[64];
    for (size_t i = 0; i < 128; i++) x[i] = (float)((int)(i % 16) - 8); /* exactly what q4 has */
    for (size_t i = 0; i < 64; i++) importance[i] = i < 32 ? 0 : 2;
    x[3] = 100;
    encoded en = encode_weighted("q4", "fit", x, 2, 64, importance); /* the outlier has no weight */
    cr_expect_eq(en.lost.clipped, 1);
    cr_expect_eq(en.lost.weighted_error, 0);
    cr_expect_float_eq(en.lost.error, 93 * 93, 1e-6);
    cr_expect_float_eq(en.lost.weighted_power, 2 * 4 * (2 * 204 - 64), 1e-6, "%g", en.lost.weighted_power);
    free(en.data);
    en = encode("q4", "rtn", x, 2, 64);
    cr_expect_eq(en.lost.clipped, 0);
    cr_expect_eq(en.lost.weighted_error, en.lost.error);
    free(en.data);
}

/* ---- bytes ---- */

/* The bytes of each format, against files that tests/data/golden.py computes from the description alone (same matrix, method rtn). */
Test(decode, bytes_are_as_described) {
    static const int levels[16] = {-120, -98, -80, -63, -50, -37, -24, -11, 0, 12, 25, 39, 54, 75, 99, 127};
    const size_t rows = 3, k = 80;
    format f;
    size_t files = 0;
    for (size_t n = 0; format_nth(n, &f); n++) {
        const bool learned = f.scope != SCOPE_NONE;
        float x[3 * 80];
        for (size_t i = 0; i < rows * k; i++) {
            const size_t r = i / k, c = i % k;
            const int linear = ((int)(r * 7 + c * 13) % 31 - 15) * (int)(1 + r);
            x[i] = learned ? (float)(levels[(c * 5 + r) % 16] * (int)(1 + r + c / 64)) / 1024 : (float)linear / 64;
        }
        char path[64];
        uint8_t golden[16384];
        snprintf(path, sizeof path, "tests/data/golden-%s.bin", name_of(&f));
        FILE *file = fopen(path, "rb");
        if (!file) continue;
        files++;
        const encoded en = encode_as(&f, "rtn", x, rows, k);
        cr_assert_eq(fread(golden, 1, sizeof golden, file), en.layout.bytes);
        fclose(file);
        cr_expect_arr_eq(golden, en.data, en.layout.bytes, "%s", name_of(&f));
        free(en.data);
    }
    cr_expect_eq(files, 11);
}

/* A hash of what each descriptor makes of one matrix, by both methods: tests/data/golden-hashes.txt. GOLDEN=FILE writes them anew. */
Test(decode, bytes_are_what_they_were) {
    const size_t rows = 19, k = 200;
    float *x = random_matrix(rows * k, 2026);
    FILE *known = fopen("tests/data/golden-hashes.txt", "r"), *fresh = getenv("GOLDEN") ? fopen(getenv("GOLDEN"), "w") : NULL;
    cr_assert(known || fresh);
    format f;
    for (size_t n = 0; format_nth(n, &f); n++) {
        char line[128], wanted[128] = "";
        const encoded rtn = encode_as(&f, "rtn", x, rows, k), fit = encode_as(&f, "fit", x, rows, k);
        snprintf(line, sizeof line, "%-16s %016llx %016llx\n", name_of(&f), (unsigned long long)XXH3_64bits(rtn.data, rtn.layout.bytes),
                 (unsigned long long)XXH3_64bits(fit.data, fit.layout.bytes));
        if (fresh) fputs(line, fresh);
        if (!fresh && fgets(wanted, sizeof wanted, known)) cr_expect_str_eq(line, wanted);
        free(rtn.data);
        free(fit.data);
    }
    if (fresh) fclose(fresh);
    if (known) fclose(known);
    free(x);
}

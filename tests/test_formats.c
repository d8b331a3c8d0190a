/* The formats: names, descriptors, layout, packing, and what encoding and decoding lose. Every test of a format walks format_list. */
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

/* ---- names and descriptors ---- */

Test(formats, every_name_spells_its_descriptor) {
    for (const format_entry *entry = format_list; entry->name; entry++) {
        const format f = parsed(entry->name);
        char name[FORMAT_NAME];
        uint8_t packed[FORMAT_PACKED];
        format again;
        format_name(&f, name);
        cr_expect_str_eq(name, entry->name);
        format_pack(&f, packed);
        cr_expect_eq(format_unpack(&again, packed, NULL), OK, "%s", name);
        cr_expect(format_equal(&f, &again), "%s", name);
        cr_expect_gt(strlen(entry->summary), 5);
    }
}

Test(formats, names_may_be_typed_in_capitals) {
    const format f = parsed("Q4A-B32"), same = parsed("q4a-b32");
    cr_expect(format_equal(&f, &same));
}

Test(formats, unknown_name_suggests_the_nearest) {
    const char *const typed[][2] = {
        {"q44", "'q4'"}, {"mk4", "'km4'"}, {"q4-b23", "'q4-b32'"}, {"bf61", "'bf16'"}, {"quite unlike", "known are f32 f16"}, {"", "known"}};
    for (size_t i = 0; i < sizeof typed / sizeof *typed; i++) {
        format f;
        error e = {0};
        cr_expect_eq(format_parse(&f, typed[i][0], &e), E_USAGE);
        cr_expect(strstr(e.text, typed[i][1]), "%s: %s", typed[i][0], e.text);
    }
}

Test(formats, a_damaged_descriptor_is_refused_or_is_another_known_one) {
    for (const format_entry *entry = format_list; entry->name; entry++) {
        const format f = parsed(entry->name);
        uint8_t packed[FORMAT_PACKED], again[FORMAT_PACKED];
        for (size_t i = 0; i < FORMAT_PACKED; i++) {
            for (unsigned flip = 1; flip < 256; flip++) {
                format_pack(&f, packed);
                packed[i] ^= (uint8_t)flip;
                format other;
                error e = {0};
                if (format_unpack(&other, packed, &e) != OK) {
                    cr_expect_eq(e.code, E_FILE);
                    continue;
                }
                char name[FORMAT_NAME];
                format_name(&other, name);
                const format known = parsed(name);
                format_pack(&known, again);
                cr_expect_arr_eq(again, packed, FORMAT_PACKED);
            }
        }
    }
}

/* ---- layout and packing ---- */

Test(formats, parts_are_aligned_and_sizes_add_up) {
    const size_t shapes[][2] = {{1, 1}, {16, 64}, {17, 65}, {172, 172}, {4096, 11008}};
    for (const format_entry *entry = format_list; entry->name; entry++) {
        const format f = parsed(entry->name);
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            layout l;
            cr_assert(format_layout(&f, shapes[i][0], shapes[i][1], &l));
            cr_expect_eq(l.head, 0);
            cr_expect_eq(l.codes % 64 + l.side % 64 + l.bytes % 64, 0, "%s", entry->name);
            cr_expect_eq(l.groups, (shapes[i][0] + 15) / 16);
            cr_expect_eq(l.tiles, (shapes[i][1] + 63) / 64);
            cr_expect_eq(l.tile_codes, 128u * f.bits);
            cr_expect_eq(l.side - l.codes, l.groups * l.tiles * l.tile_codes);
            cr_expect_geq(l.bytes, l.side + l.groups * l.group_side);
            cr_expect_lt(l.bytes, l.side + l.groups * l.group_side + 64);
        }
    }
    const format q4 = parsed("q4"), q4a = parsed("q4a-b32");
    cr_expect_float_eq(format_bits(&q4, 4096, 4096), 4.25, 1e-9);
    cr_expect_float_eq(format_bits(&q4a, 4096, 4096), 5.0, 1e-9);
}

Test(formats, impossible_shapes_have_no_layout) {
    const uint64_t shapes[][2] = {{0, 64},        {64, 0}, {UINT64_MAX, 1}, {1, UINT64_MAX}, {1ull << 32, 1ull << 32}, {UINT64_MAX / 64, 64},
                                  {1ull << 58, 1}};
    for (const format_entry *entry = format_list; entry->name; entry++) {
        const format f = parsed(entry->name);
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            layout l;
            cr_expect_not(format_layout(&f, shapes[i][0], shapes[i][1], &l), "%s %zu", entry->name, i);
        }
    }
}

/* The place of a code as the header of format.h describes it, plane by plane. */
static unsigned code_by_definition(const uint8_t *tile, const unsigned *planes, unsigned r, unsigned k) {
    unsigned code = 0, low = 0;
    for (; *planes; planes++) {
        const unsigned p = *planes;
        for (unsigned c = 0; c < 2 * p; c++) {
            for (unsigned j = 0; j < 8 / p; j++) {
                for (unsigned i = 0; i < 4; i++) {
                    if ((c * (8 / p) + j) * 4 + i == k) code |= (tile[(c * 16 + r) * 4 + i] >> j * p & ((1u << p) - 1)) << low;
                }
            }
        }
        tile += 2 * p * 64;
        low += p;
    }
    return code;
}

Test(formats, codes_lie_where_the_header_says_for_every_width) {
    static const struct {
        uint8_t bits;
        unsigned planes[3];
    } widths[] = {{1, {1}}, {2, {2}}, {3, {2, 1}}, {4, {4}}, {5, {4, 1}}, {6, {4, 2}}, {8, {8}}};
    uint64_t seed = 5;
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        const format f = linear(widths[w].bits, false, GRAIN_BLOCK, 64);
        uint8_t codes[TILE_ROWS][TILE_K], tile[1024];
        for (size_t i = 0; i < sizeof codes; i++)
            codes[i / TILE_K][i % TILE_K] = (uint8_t)((int)(random_uniform(&seed) * 4096) & ((1 << f.bits) - 1));
        memset(tile, 0xaa, sizeof tile);
        tile_pack(&f, (const uint8_t(*)[TILE_K])codes, tile);
        for (unsigned r = 0; r < TILE_ROWS; r++) {
            for (unsigned k = 0; k < TILE_K; k++) {
                cr_expect_eq(tile_code(&f, tile, r, k), codes[r][k], "%u bits", f.bits);
                cr_expect_eq(code_by_definition(tile, widths[w].planes, r, k), codes[r][k], "%u bits", f.bits);
            }
        }
        for (size_t i = 128u * f.bits; i < sizeof tile; i++) cr_expect_eq(tile[i], 0xaa, "%u bits write past the tile", f.bits);
    }
}

/* ---- encoding and decoding ---- */

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

Test(formats, normal_weights_come_back_within_the_bound) {
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
Test(formats, bytes_are_as_described) {
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

Test(formats, every_width_and_grain_of_the_linear_family_works) {
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
                cr_expect(f.family->valid(&f));
                const encoded en = encode_as(&f, "fit", x, rows, k);
                const double lost = decoded_error(&en, x, rows, k), step = 2.0 / (1 << bits[b]);
                cr_expect_lt(lost, step * step, "%u bits, grain %d/%u, minimum %d: %g", bits[b], (int)f.grain, f.block, has_min, lost);
                free(en.data);
            }
        }
    }
    free(x);
}

Test(formats, zeros_come_back_as_zeros) {
    const float x[20 * 100] = {0};
    for (const format_entry *entry = format_list; entry->name; entry++) {
        const encoded en = encode(entry->name, "fit", x, 20, 100);
        cr_expect_eq(decoded_error(&en, x, 20, 100), 0, "%s", entry->name);
        free(en.data);
    }
}

/* Padding must not disturb a product: rows past the end decode to zero, whatever the activations. */
Test(formats, padded_rows_decode_to_zero) {
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

Test(formats, blocks_keep_their_faults_to_themselves) {
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

Test(formats, any_finite_weights_give_finite_results) {
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

Test(formats, the_search_is_never_worse_than_rounding) {
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

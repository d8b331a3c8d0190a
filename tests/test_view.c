/* Which numbers of a checkpoint tensor a view shows, and what they are: each kind of slice against indices that are counted here, codes with scales against
 * their definitions. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file/view.h"
#include "files.h"

TestSuite(view, .init = folder_open, .fini = folder_close);

static checkpoint open_checkpoint(const char *header, const void *data, size_t bytes) {
    const uint64_t length = strlen(header);
    uint8_t *file = malloc(8 + length + bytes);
    checkpoint c;
    error e;
    memcpy(file, &length, 8);
    memcpy(file + 8, header, length);
    memcpy(file + 8 + length, data, bytes);
    file_write(folder_path("model.safetensors"), file, 8 + length + bytes);
    free(file);
    cr_assert_eq(checkpoint_open(&c, folder_path("model.safetensors"), &e), OK, "%s", e.text);
    return c;
}

/* A tensor t of that shape whose numbers are 0, 1, 2 ... */
static checkpoint counted(const char *shape, size_t n) {
    char header[200];
    float *x = malloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = (float)i;
    snprintf(header, sizeof header, "{\"t\":{\"dtype\":\"F32\",\"shape\":%s,\"data_offsets\":[0,%zu]}}", shape, 4 * n);
    const checkpoint c = open_checkpoint(header, x, 4 * n);
    free(x);
    return c;
}

static const scale_blocks no_blocks;

/* All numbers of the view, row by row. */
static void check(const char *shape, size_t n, uint64_t rows, uint64_t k, slice part, const float *wanted) {
    checkpoint c = counted(shape, n);
    view v;
    error e;
    cr_assert_eq(view_open(&v, &c, "t", rows, k, &part, &no_blocks, &e), OK, "%s: %s", shape, e.text);
    const uint64_t width = k ? k : rows, lines = k ? rows : 1;
    float *row = malloc(width * sizeof *row);
    for (uint64_t r = 0; r < lines; r++) {
        view_read(&v, r, row);
        view_done(&v, r, 1);
        cr_assert_arr_eq(row, wanted + r * width, width * sizeof *row, "%s: row %zu begins with %g, not %g", shape, (size_t)r, (double)row[0],
                         (double)wanted[r * width]);
    }
    view_done(&v, 0, lines);
    cr_assert_eq(view_bytes(&v), rows * (k ? k : 1) * 4);
    free(row);
    checkpoint_close(&c);
}

Test(view, all) {
    check("[2,3]", 6, 2, 3, (slice){0}, (float[]){0, 1, 2, 3, 4, 5});
    check("[3]", 3, 3, 0, (slice){0}, (float[]){0, 1, 2});
}

Test(view, rows_of_a_fused_matrix) {
    check("[6,2]", 12, 2, 2, (slice){.group = 6, .first = 3, .take = 2}, (float[]){6, 7, 8, 9});
    check("[6]", 6, 2, 0, (slice){.group = 6, .first = 3, .take = 2}, (float[]){3, 4});
}

Test(view, rows_that_take_turns) { /* two heads of [q, k, v] with two rows each: the keys */
    check("[12,1]", 12, 4, 1, (slice){.group = 6, .first = 2, .take = 2}, (float[]){2, 3, 8, 9});
    check("[12]", 12, 4, 0, (slice){.group = 6, .first = 2, .take = 2}, (float[]){2, 3, 8, 9});
    check("[6,2]", 12, 3, 2, (slice){.group = 2, .first = 1, .take = 1}, (float[]){2, 3, 6, 7, 10, 11});
}

Test(view, turned) {
    check("[2,3]", 6, 3, 2, (slice){.turned = true}, (float[]){0, 3, 1, 4, 2, 5});
    check("[2,6]", 12, 2, 2, (slice){.group = 6, .first = 2, .take = 2, .turned = true}, (float[]){2, 8, 3, 9});
}

Test(view, one_of_a_stack) {
    check("[2,2,3]", 12, 2, 3, (slice){.stack = 2, .element = 1}, (float[]){6, 7, 8, 9, 10, 11});
    check("[2,3,2]", 12, 2, 3, (slice){.stack = 2, .element = 1, .turned = true}, (float[]){6, 8, 10, 7, 9, 11});
    check("[2,4]", 8, 2, 0, (slice){.stack = 2, .element = 1, .group = 2, .first = 1, .take = 1}, (float[]){5, 7});
    check("[2,3,4]", 24, 2, 3, (slice){.stack = 2, .element = 1, .group = 2, .first = 1, .take = 1, .turned = true},
          (float[]){13, 17, 21, 15, 19, 23});
}

Test(view, a_constant_added) {
    check("[3]", 3, 3, 0, (slice){.plus = 1}, (float[]){1, 2, 3});
    check("[2,2]", 4, 2, 2, (slice){.plus = 0.5f}, (float[]){0.5f, 1.5f, 2.5f, 3.5f});
}

Test(view, what_does_not_fit) {
    const struct {
        const char *shape;
        size_t n;
        uint64_t rows, k;
        slice part;
        const char *says;
    } rows[] = {
        {"[2,3]", 6, 3, 2, {0}, "has the shape [2, 3], [3, 2] is wanted"},
        {"[2,3]", 6, 2, 0, {0}, "has the shape [2, 3], [2] is wanted"},
        {"[2,3]", 6, 2, 3, {.turned = true}, "has the shape [2, 3], [3, 2] is wanted"},
        {"[2,3]", 6, 2, 3, {.stack = 1}, "has the shape [2, 3], [1, 2, 3] is wanted"},
        {"[1,2,3]", 6, 2, 3, {.stack = 1, .element = 1}, "cannot be taken"},
        {"[6,1]", 6, 2, 1, {.group = 6, .first = 5, .take = 2}, "cannot be taken"},
        {"[6,1]", 6, 3, 1, {.group = 6, .first = 0, .take = 2}, "cannot be taken"},
        {"[6,1]", 6, 2, 1, {.group = UINT64_MAX, .first = 0, .take = 1}, "cannot be taken"},
        {"[6,1]", 6, 2, 1, {.group = 6, .first = UINT64_MAX, .take = 2}, "cannot be taken"},
        {"[0,1]", 0, 2, 1, {0}, "has the shape [0, 1]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        checkpoint c = counted(rows[i].shape, rows[i].n);
        view v;
        error e;
        cr_assert_eq(view_open(&v, &c, "t", rows[i].rows, rows[i].k, &rows[i].part, &no_blocks, &e), E_FILE, "row %zu", i);
        cr_assert(strstr(e.text, rows[i].says), "row %zu: %s", i, e.text);
        cr_assert_eq(view_open(&v, &c, "none", 1, 1, &rows[i].part, &no_blocks, &e), E_FILE);
        cr_assert(strstr(e.text, "tensor 'none' is missing"), "%s", e.text);
        checkpoint_close(&c);
    }
}

/* ---- codes ---- */

/* The definition, in double: sign, 4 bits of exponent, 3 of mantissa. */
static double e4m3(unsigned code) {
    const int exponent = (int)(code >> 3 & 15), mantissa = (int)(code & 7);
    const double size = exponent ? ldexp(8 + mantissa, exponent - 10) : ldexp(mantissa, -9);
    return (code & 0x7f) == 0x7f ? (double)NAN : code >> 7 ? -size : size;
}

static bool same(double a, double b) {
    return isnan(a) ? isnan(b) : a == b && !signbit(a) == !signbit(b);
}

Test(view, every_code_of_e4m3) {
    uint8_t codes[256];
    float got[256];
    view v;
    error e;
    for (unsigned i = 0; i < 256; i++) codes[i] = (uint8_t)i;
    checkpoint c = open_checkpoint("{\"t\":{\"dtype\":\"F8_E4M3\",\"shape\":[256],\"data_offsets\":[0,256]}}", codes, 256);
    cr_assert_eq(view_open(&v, &c, "t", 256, 0, &(slice){0}, &no_blocks, &e), OK, "%s", e.text);
    view_read(&v, 0, got);
    for (unsigned i = 0; i < 256; i++) cr_assert(same((double)got[i], e4m3(i)), "code %02x: %g, not %g", i, (double)got[i], e4m3(i));
    cr_assert(got[0x7e] == 448 && got[1] == 0x1p-9f && got[0x08] == 0x1p-6f);
    checkpoint_close(&c);
}

/* Scales of F8: rows 5, columns 7, blocks of 2 x 3 give 3 x 3 scales, the last ones of what is left. */
enum { F8_ROWS = 5, F8_COLUMNS = 7, F8_BLOCK_ROWS = 2, F8_BLOCK_COLUMNS = 3 };

static void check_scaled(const char *name, const char *shape, size_t scales, uint64_t step_rows, uint64_t step_columns, bool turned) {
    uint8_t data[64];
    float row[F8_COLUMNS];
    char header[300];
    const size_t codes = F8_ROWS * F8_COLUMNS, across = (F8_COLUMNS + step_columns - 1) / step_columns;
    for (size_t i = 0; i < codes; i++) data[i] = (uint8_t)(i + 40);
    for (size_t i = 0; i < scales; i++) memcpy(data + codes + i * 2, &(uint16_t){(uint16_t)(0x3f80 + (i << 7))}, 2); /* 1, 2, 4 ... in bf16 */
    snprintf(header, sizeof header,
             "{\"w\":{\"dtype\":\"F8_E4M3\",\"shape\":[5,7],\"data_offsets\":[0,%zu]},\"%s\":{\"dtype\":\"BF16\",\"shape\":%s,"
             "\"data_offsets\":[%zu,%zu]}}",
             codes, name, shape, codes, codes + 2 * scales);
    checkpoint c = open_checkpoint(header, data, codes + 2 * scales);
    view v;
    error e;
    const uint64_t rows = turned ? F8_COLUMNS : F8_ROWS, k = turned ? F8_ROWS : F8_COLUMNS;
    const scale_blocks blocks = {F8_BLOCK_ROWS, F8_BLOCK_COLUMNS, true};
    cr_assert_eq(view_open(&v, &c, "w", rows, k, &(slice){.turned = turned}, &blocks, &e), OK, "%s: %s", shape, e.text);
    for (size_t r = 0; r < rows; r++) {
        view_read(&v, r, row);
        for (size_t j = 0; j < k; j++) {
            const size_t line = turned ? j : r, column = turned ? r : j, at = line / step_rows * across + column / step_columns;
            const double wanted = e4m3((unsigned)(line * F8_COLUMNS + column + 40)) * ldexp(1, (int)at);
            cr_assert_eq((double)row[j], wanted, "%s: [%zu, %zu] is %g, not %g", shape, line, column, (double)row[j], wanted);
        }
    }
    checkpoint_close(&c);
}

Test(view, scales_of_f8) {
    check_scaled("w_scale_inv", "[3,3]", 9, F8_BLOCK_ROWS, F8_BLOCK_COLUMNS, false);
    check_scaled("w_scale_inv", "[3,3]", 9, F8_BLOCK_ROWS, F8_BLOCK_COLUMNS, true);
    check_scaled("w_scale", "[]", 1, F8_ROWS, F8_COLUMNS, false);
    check_scaled("w_scale", "[1]", 1, F8_ROWS, F8_COLUMNS, true);
    check_scaled("w_scale", "[5,1]", 5, 1, F8_COLUMNS, false);
    check_scaled("w_scale", "[5]", 5, 1, F8_COLUMNS, true);
}

static void refuse_scales(const char *header, size_t bytes, const char *says) {
    uint8_t *data = calloc(bytes, 1);
    checkpoint c = open_checkpoint(header, data, bytes);
    view v;
    error e;
    cr_assert_eq(view_open(&v, &c, "w", 4, 32, &(slice){0}, &(scale_blocks){2, 2, true}, &e), E_FILE, "%s", header);
    cr_assert(strstr(e.text, says), "'%s' does not say '%s'", e.text, says);
    checkpoint_close(&c);
    free(data);
}

#define F8_ENTRY           "\"w\":{\"dtype\":\"F8_E4M3\",\"shape\":[4,32],\"data_offsets\":[0,128]}"
#define BLOCKS_ENTRY(type) "\"w_blocks\":{\"dtype\":\"" type "\",\"shape\":[4,1,16],\"data_offsets\":[0,64]}"

Test(view, scales_that_are_refused) {
    refuse_scales("{" F8_ENTRY "}", 128, "has no scales");
    refuse_scales("{" F8_ENTRY ",\"w_scale\":{\"dtype\":\"F32\",\"shape\":[3,16],\"data_offsets\":[128,320]}}", 320, "[3, 16], which fits no scales");
    refuse_scales("{" F8_ENTRY ",\"w_scale\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[128,132]}}", 132, "dtype I32 is none of scales");
    refuse_scales("{" F8_ENTRY ",\"w_scale\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[128,128]}}", 128, "fits no scales");
    refuse_scales("{" BLOCKS_ENTRY("U8") "}", 64, "tensor 'w' is missing");
    refuse_scales("{" BLOCKS_ENTRY("U8") ",\"w_scales\":{\"dtype\":\"U8\",\"shape\":[4,2],\"data_offsets\":[64,72]}}", 72,
                  "[4, 2], [4, 1] is wanted");
    refuse_scales("{" BLOCKS_ENTRY("I8") ",\"w_scales\":{\"dtype\":\"U8\",\"shape\":[4,1],\"data_offsets\":[64,68]}}", 68, "dtype I8 is not U8");
}

/* Every pair of E2M1 codes, under every scale: 256 rows of 32 numbers whose bytes are all the row's number, scaled by 2^(row - 127). */
Test(view, every_code_of_mxfp4) {
    enum { ROWS = 256, BYTES = ROWS * 16 };
    static const double values[8] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
    static uint8_t data[BYTES + ROWS];
    for (size_t i = 0; i < BYTES; i++) data[i] = (uint8_t)(i / 16);
    for (size_t i = 0; i < ROWS; i++) data[BYTES + i] = (uint8_t)(255 - i);
    checkpoint c = open_checkpoint(
        "{\"w_blocks\":{\"dtype\":\"U8\",\"shape\":[2,128,1,16],\"data_offsets\":[0,4096]},"
        "\"w_scales\":{\"dtype\":\"U8\",\"shape\":[2,128,1],\"data_offsets\":[4096,4352]}}",
        data, sizeof data);
    for (size_t element = 0; element < 2; element++) {
        view v;
        error e;
        float row[32];
        cr_assert_eq(view_open(&v, &c, "w", 64, 32, &(slice){.stack = 2, .element = element, .group = 2, .first = 1, .take = 1, .turned = true},
                               &no_blocks, &e),
                     OK, "%s", e.text);
        for (size_t r = 0; r < 64; r++) {
            const unsigned place = (unsigned)(element * 128 + 2 * r + 1), scale = 255 - place;
            view_read(&v, r, row);
            for (size_t j = 0; j < 32; j++) {
                const unsigned code = j % 2 ? place >> 4 : place & 15;
                const double size = values[code & 7] * (scale == 255 ? (double)NAN : ldexp(1, (int)scale - 127)), wanted = code >> 3 ? -size : size;
                cr_assert(same((double)row[j], (double)(float)wanted), "code %x, scale %u: %g, not %g", code, scale, (double)row[j], wanted);
            }
        }
    }
    checkpoint_close(&c);
}

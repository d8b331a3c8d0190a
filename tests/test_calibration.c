/* Statistics and the calibration file: the numbers against their definitions, merging, importance, identity; and every damaged file is refused. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "file/qbin_disk.h"
#include "files.h"
#include "quantize/statistics.h"
#include "tiny.h"

TestSuite(calibration, .init = folder_open, .fini = folder_close, .timeout = 300);

enum { WINDOWS = 6, TOKENS = 10, MODEL = 77 };

/* A value of a channel of an input at a token: of very different sizes; channel 3 is silent. */
static float value_of(size_t input, size_t token, size_t channel) {
    if (channel == 3) return 0;
    const uint32_t random = (uint32_t)(input * 7919 + token * 104729 + channel * 1299709) * 2654435761u;
    return ((float)(random >> 8) / (float)(1 << 23) - 0.8f) * ldexpf(1, (int)(channel % 12) - 4);
}

/* Windows [from, to) as `threads` threads would bring them. */
static void gather(statistics *s, const spec *sp, size_t from, size_t to, int threads) {
    float x[TOKENS * 256];
    for (size_t w = from; w < to; w++) {
        for (size_t in = 0; in < input_count(sp); in++) {
            const size_t k = input_width(sp, in);
            for (size_t t = 0; t < TOKENS; t++) {
                for (size_t c = 0; c < k; c++) x[t * k + c] = value_of(in, w * TOKENS + t, c);
            }
            for (int i = 0; i < threads; i++) {
                const size_t begin = k * (size_t)i / (size_t)threads, end = k * ((size_t)i + 1) / (size_t)threads;
                statistics_take(s, i, &(sighting){in, TOKENS, begin, end - begin, x + begin, k});
            }
        }
        cr_assert_eq(statistics_end_window(s, TOKENS, NULL), OK);
    }
    statistics_add_text(s, json_pack("{s:s, s:i}", "file", "text", "windows", (int)(to - from)));
}

static statistics *gathered(const spec *sp, size_t from, size_t to, int threads) {
    statistics *s;
    cr_assert_eq(statistics_open(&s, sp, MODEL, threads, NULL), OK);
    gather(s, sp, from, to, threads);
    return s;
}

static void write_to(statistics *s, const char *path) {
    error e = {0};
    cr_assert_eq(statistics_write(s, path, &e), OK, "%s", e.text);
    statistics_close(&s);
}

static calibration opened(const char *path) {
    calibration c;
    error e = {0};
    cr_assert_eq(calibration_open(&c, path, &e), OK, "%s", e.text);
    return c;
}

Test(calibration, holds_what_its_names_say) {
    spec sp = tiny_spec();
    write_to(gathered(&sp, 0, WINDOWS, 2), folder_path("a.cal"));
    calibration c = opened(folder_path("a.cal"));
    cr_assert_eq(c.model, MODEL);
    cr_assert_eq(c.n, 13);
    for (size_t in = 0; in < c.n; in++) {
        const calibration_input *x = &c.inputs[in];
        uint64_t bins[HISTOGRAM_BINS] = {0};
        double low_sum = 0;
        cr_assert(x->tokens == WINDOWS * TOKENS && x->windows == WINDOWS && x->silent == 1 && x->k == input_width(&sp, in));
        for (size_t ch = 0; ch < x->k; ch++) {
            double sum = 0, square = 0, lows = 0;
            float min = INFINITY, max = -INFINITY;
            for (size_t w = 0; w < WINDOWS; w++) {
                float low = INFINITY;
                for (size_t t = w * TOKENS; t < (w + 1) * TOKENS; t++) {
                    const float v = value_of(in, t, ch);
                    sum += (double)v;
                    square += (double)v * (double)v;
                    min = fminf(min, v);
                    max = fmaxf(max, v);
                    low = fminf(low, v);
                    bins[histogram_bin(v)]++;
                }
                lows += (double)low;
            }
            cr_assert_float_eq((double)x->mean[ch], sum / (WINDOWS * TOKENS), 1e-6 * (1 + fabs(sum)));
            cr_assert_float_eq((double)x->square[ch], square / (WINDOWS * TOKENS), 1e-6 * (1 + square));
            cr_assert(x->min[ch] == min && x->max[ch] == max);
            cr_assert_float_eq((double)x->ema_low[ch], lows / WINDOWS, 1e-5 * (1 + fabs(lows)), "few windows are averaged alike");
        }
        for (size_t w = 0; w < WINDOWS; w++) {
            float low = INFINITY;
            for (size_t i = 0; i < TOKENS * x->k; i++) low = fminf(low, value_of(in, w * TOKENS + i / x->k, i % x->k));
            low_sum += (double)low;
        }
        cr_assert_float_eq((double)x->low, low_sum / WINDOWS, 1e-4);
        cr_assert_arr_eq(x->histogram, bins, sizeof bins);
    }
    calibration_close(&c);
    spec_free(&sp);
}

Test(calibration, does_not_depend_on_threads) {
    spec sp = tiny_spec();
    size_t n[3];
    uint8_t *files[3];
    for (int threads = 1; threads <= 3; threads++) {
        write_to(gathered(&sp, 0, WINDOWS, threads), folder_path("t.cal"));
        files[threads - 1] = file_read(folder_path("t.cal"), &n[threads - 1]);
        cr_assert(n[threads - 1] == n[0] && memcmp(files[threads - 1], files[0], n[0]) == 0, "%d threads", threads);
    }
    for (int i = 0; i < 3; i++) free(files[i]);
    spec_free(&sp);
}

static void near(const float *a, const float *b, size_t n, const char *what) {
    for (size_t i = 0; i < n; i++) cr_assert_float_eq((double)a[i], (double)b[i], 1e-6 * (1 + fabs((double)b[i])), "%s of channel %zu", what, i);
}

Test(calibration, parts_merged_are_the_whole) {
    spec sp = tiny_spec();
    write_to(gathered(&sp, 0, WINDOWS, 1), folder_path("whole.cal"));
    write_to(gathered(&sp, 0, 2, 1), folder_path("a.cal"));
    write_to(gathered(&sp, 2, WINDOWS, 1), folder_path("b.cal"));
    calibration whole = opened(folder_path("whole.cal")), a = opened(folder_path("a.cal")), b = opened(folder_path("b.cal"));
    statistics *s;
    cr_assert_eq(statistics_open(&s, &a.file.spec, MODEL, 1, NULL), OK);
    cr_assert_eq(statistics_add(s, &b, NULL), OK);
    cr_assert_eq(statistics_add(s, &a, NULL), OK);
    write_to(s, folder_path("merged.cal"));
    calibration merged = opened(folder_path("merged.cal"));
    cr_assert_eq(json_array_size(merged.texts), 2);
    for (size_t i = 0; i < whole.n; i++) {
        const calibration_input *x = &whole.inputs[i], *y = &merged.inputs[i];
        cr_assert(x->tokens == y->tokens && x->windows == y->windows && x->silent == y->silent);
        cr_assert_arr_eq(x->histogram, y->histogram, HISTOGRAM_BINS * sizeof *x->histogram, "histograms are added exactly");
        near(x->mean, y->mean, x->k, "mean");
        near(x->square, y->square, x->k, "square");
        near(x->min, y->min, x->k, "min");
        near(x->max, y->max, x->k, "max");
        near(x->ema_low, y->ema_low, x->k, "low");
        near(x->ema_high, y->ema_high, x->k, "high");
        near(&x->low, &y->low, 1, "low");
        near(&x->high, &y->high, 1, "high");
    }
    calibration_close(&whole), calibration_close(&a), calibration_close(&b), calibration_close(&merged);
    spec_free(&sp);
}

Test(calibration, of_no_windows_adds_nothing) {
    spec sp = tiny_spec();
    statistics *s;
    write_to(gathered(&sp, 0, 0, 1), folder_path("none.cal"));
    calibration none = opened(folder_path("none.cal"));
    cr_assert_eq(statistics_open(&s, &sp, MODEL, 1, NULL), OK);
    cr_assert_eq(statistics_add(s, &none, NULL), OK);
    cr_assert_eq(statistics_add(s, &none, NULL), OK);
    write_to(s, folder_path("none.cal"));
    calibration_close(&none);
    none = opened(folder_path("none.cal")); /* which refuses what is not finite */
    calibration_close(&none);
    spec_free(&sp);
}

Test(calibration, another_model_is_refused) {
    spec sp = tiny_spec(), other = tiny_spec_aligned();
    error e = {0};
    write_to(gathered(&sp, 0, 1, 1), folder_path("a.cal"));
    calibration a = opened(folder_path("a.cal"));
    cr_assert_eq(calibration_check(&a, MODEL, &e), OK);
    cr_assert_eq(calibration_check(&a, MODEL + 1, &e), E_FILE);
    cr_assert(strstr(e.text, "a.cal") && strstr(e.text, "another model"), "%s", e.text);
    statistics *s;
    cr_assert_eq(statistics_open(&s, &sp, MODEL + 1, 1, &e), OK);
    cr_assert_eq(statistics_add(s, &a, &e), E_FILE);
    statistics_close(&s);
    cr_assert_eq(statistics_open(&s, &other, MODEL, 1, &e), OK);
    cr_assert_eq(statistics_add(s, &a, &e), E_FILE);
    statistics_close(&s);
    calibration_close(&a);
    spec_free(&sp), spec_free(&other);
}

Test(calibration, inputs_are_found_by_the_matrices_that_read_them) {
    static const char *const rows[][2] = {
        {"layers.0.q", "layers.0.attn"},
        {"layers.2.v", "layers.2.attn"},
        {"layers.1.o", "layers.1.heads"},
        {"layers.1.gate", "layers.1.mlp"},
        {"layers.1.up", "layers.1.mlp"},
        {"layers.2.down", "layers.2.inner"},
        {"head", "head"},
        {"embed", NULL},
        {"layers.3.q", NULL},
        {"layers.0.attn_norm", NULL},
        {"final_norm", NULL},
        {"layers.0.qq", NULL},
    };
    spec sp = tiny_spec();
    write_to(gathered(&sp, 0, 1, 1), folder_path("a.cal"));
    calibration a = opened(folder_path("a.cal"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const calibration_input *in = calibration_find(&a, rows[i][0]);
        cr_assert(rows[i][1] ? in && strcmp(in->name, rows[i][1]) == 0 : !in, "%s", rows[i][0]);
    }
    calibration_close(&a);
    sp.tied = true;
    write_to(gathered(&sp, 0, 1, 1), folder_path("a.cal"));
    a = opened(folder_path("a.cal"));
    cr_assert_eq(calibration_find(&a, "embed"), &a.inputs[a.n - 1]);
    calibration_close(&a);
    spec_free(&sp);
}

Test(calibration, channels_without_data_weigh_as_much_as_the_others_do) {
    const float square[4] = {1, 0, 3, 2}, nothing[4] = {0};
    float w[4];
    cr_assert_eq(calibration_importance(&(calibration_input){.k = 4, .square = square}, w), 1);
    cr_assert(w[0] == 1 && w[1] == 2 && w[2] == 3 && w[3] == 2);
    cr_assert_eq(calibration_importance(&(calibration_input){.k = 4, .square = nothing}, w), 4);
    cr_assert(w[0] == 1 && w[3] == 1);
}

Test(calibration, values_that_are_not_finite_are_named) {
    spec sp = tiny_spec();
    statistics *s;
    error e = {0};
    float x[72] = {0};
    x[5] = NAN;
    cr_assert_eq(statistics_open(&s, &sp, MODEL, 1, &e), OK);
    statistics_take(s, 0, &(sighting){4, 1, 0, 72, x, 72});
    cr_assert_eq(statistics_end_window(s, 1, &e), E_RUN);
    cr_assert(strstr(e.text, "channel 5") && strstr(e.text, "layers.1.attn"), "%s", e.text);
    statistics_close(&s);
    spec_free(&sp);
}

Test(calibration, a_model_is_told_by_its_weight_files_in_any_order) {
    json_t *a = json_pack("[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}]", "file", "1.safetensors", "xxh3", "0123456789abcdef", "file", "2.safetensors",
                          "xxh3", "fedcba9876543210", "file", "config.json", "xxh3", "1111111111111111");
    json_t *b = json_pack("[{s:s, s:s}, {s:s, s:s}]", "file", "b.safetensors", "xxh3", "fedcba9876543210", "file", "a.safetensors", "xxh3",
                          "0123456789abcdef");
    json_t *other = json_pack("[{s:s, s:s}]", "file", "b.safetensors", "xxh3", "fedcba9876543210");
    uint64_t x = 0, y = 1, z = 0;
    cr_assert(calibration_identity(a, &x) && calibration_identity(b, &y) && calibration_identity(other, &z));
    cr_assert(x == y && x != z);
    cr_assert(!calibration_identity(NULL, &z));
    json_decref(a), json_decref(b), json_decref(other);
}

Test(calibration, a_smoothed_model_is_another_one) {
    static const char *const recipes[] = {"{}", "{\"smooth\": 0.5}", "{\"smooth\": 0.6}", "{\"smooth\": 0.5, \"calibration\": {\"texts\": [1]}}",
                                          "{\"smooth\": 0.5, \"before\": {\"smooth\": 0.5}}"};
    enum { RECIPES = sizeof recipes / sizeof *recipes };
    uint64_t seen[RECIPES];
    for (size_t i = 0; i < RECIPES; i++) {
        json_t *recipe = json_loads(recipes[i], 0, NULL);
        json_t *meta = json_pack("{s:[{s:s, s:s}], s:O}", "sources", "file", "1.safetensors", "xxh3", "0123456789abcdef", "recipe", recipe);
        seen[i] = calibration_identity_of(&(qbin){.meta = meta});
        cr_assert_eq(seen[i], calibration_identity_of(&(qbin){.meta = meta}));
        cr_assert_eq(calibration_smoothed(&(qbin){.meta = meta}), i > 0);
        for (size_t j = 0; j < i; j++) cr_assert_neq(seen[i], seen[j], "%s", recipes[i]);
        json_object_set_new(meta, "recipe", json_pack("{s:s, s:{s:o}}", "format", "q4", "before", "before", recipe)); /* quantized again, twice */
        cr_assert_eq(seen[i], calibration_identity_of(&(qbin){.meta = meta}), "%s", recipes[i]);
        cr_assert_eq(calibration_smoothed(&(qbin){.meta = meta}), i > 0);
        json_decref(meta);
    }
}

Test(calibration, bins_of_the_histogram_hold_what_lies_between_their_edges) {
    for (size_t i = 0; i < HISTOGRAM_BINS; i++) cr_assert_lt(histogram_edge(i), histogram_edge(i + 1));
    for (int i = 0; i < 100000; i++) {
        const float x = value_of(0, (size_t)i, (size_t)i % 24) * (i % 7 ? 1 : 1e-6f);
        const size_t bin = histogram_bin(x);
        cr_assert_lt(bin, HISTOGRAM_BINS);
        cr_assert((double)x >= histogram_edge(bin) && (double)x <= histogram_edge(bin + 1), "%g in bin %zu", (double)x, bin);
    }
    cr_assert_eq(histogram_bin(0), HISTOGRAM_ZERO);
    cr_assert_eq(histogram_bin(-1e-30f), HISTOGRAM_ZERO);
    cr_assert_eq(histogram_bin(1e30f), HISTOGRAM_BINS - 1);
    cr_assert_eq(histogram_bin(-1e30f), 0);
}

/* ---- damaged files ---- */

static spec smallest_spec(void) {
    spec s = tiny_spec();
    s.layers = 1;
    s.hidden = 2, s.intermediate = 4, s.heads = s.kv_heads = 1, s.head_dim = 2, s.vocab = 4;
    tiny_rope(&s, 2);
    return s;
}

static uint8_t *smallest_file(size_t *bytes) {
    spec sp = smallest_spec();
    write_to(gathered(&sp, 0, 1, 1), folder_path("good.cal"));
    spec_free(&sp);
    return file_read(folder_path("good.cal"), bytes);
}

static void refused(const uint8_t *file, size_t bytes, const char *says, size_t at) {
    const char *path = folder_path("bad.cal");
    calibration c;
    error e = {0};
    file_write(path, file, bytes);
    cr_assert_eq(calibration_open(&c, path, &e), E_FILE, "byte %zu was accepted", at);
    cr_assert(strstr(e.text, path) == e.text && strlen(e.text) > strlen(path) + 2 && strstr(e.text, says), "byte %zu: %s", at, e.text);
}

Test(calibration, every_damaged_byte_is_noticed) {
    size_t bytes;
    uint8_t *file = smallest_file(&bytes);
    for (size_t i = 0; i < bytes; i += i < 8192 ? 1 : 61) {
        file[i] ^= (uint8_t)(1 << i % 8);
        refused(file, bytes, "", i);
        file[i] ^= (uint8_t)(1 << i % 8);
    }
    for (size_t n = 0; n < bytes; n += n < 4096 ? 37 : 1999) refused(file, n, "", n);
    free(file);
}

static void rehash(uint8_t *file, size_t tensors) {
    disk_section sections[3];
    disk_header h;
    memcpy(&h, file, sizeof h);
    memcpy(sections, file + sizeof h, sizeof sections);
    for (size_t i = 0; i < tensors; i++) {
        disk_tensor t;
        memcpy(&t, file + sections[2].offset + i * sizeof t, sizeof t);
        t.hash = XXH3_64bits(file + h.data_offset + t.offset, t.bytes);
        memcpy(file + sections[2].offset + i * sizeof t, &t, sizeof t);
    }
    h.meta_hash = XXH3_64bits(file + sizeof h, h.meta_end - sizeof h);
    h.header_hash = XXH3_64bits(&h, offsetof(disk_header, header_hash));
    memcpy(file, &h, sizeof h);
}

/* A number of the vectors of input 0 (mean, square, min, max, low, high, histogram) that cannot be. */
Test(calibration, impossible_numbers_under_right_checksums_are_refused) {
    static const struct {
        size_t vector, index;
        float number;
        const char *says;
    } rows[] = {
        {0, 1, NAN, "layers.0.attn.mean: number 1 is not finite"},        {1, 0, -1, "layers.0.attn: the statistics of channel 0"},
        {2, 1, 1e30f, "layers.0.attn: the statistics of channel 1"},      {5, 0, -1e30f, "layers.0.attn: the statistics of channel 0"},
        {6, 4, 0.5f, "layers.0.attn.histogram: bin 2 holds no count"},    {6, 5, -1, "layers.0.attn.histogram: bin 2 holds no count"},
        {6, 7, 0x1p24f, "layers.0.attn.histogram: bin 3 holds no count"}, {6, 0, 1, "layers.0.attn.histogram: counts 21 values"},
    };
    size_t bytes;
    uint8_t *file = smallest_file(&bytes), *copy = malloc(bytes);
    disk_section sections[3];
    disk_header h;
    memcpy(&h, file, sizeof h);
    memcpy(sections, file + sizeof h, sizeof sections);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        disk_tensor t;
        memcpy(copy, file, bytes);
        memcpy(&t, copy + sections[2].offset + rows[i].vector * sizeof t, sizeof t);
        memcpy(copy + h.data_offset + t.offset + rows[i].index * sizeof(float), &rows[i].number, sizeof(float));
        rehash(copy, 35);
        refused(copy, bytes, rows[i].says, i);
    }
    free(copy);
    free(file);
}

Test(calibration, wrong_metadata_under_right_checksums_is_refused) {
    static const char *const rows[][3] = {
        {"\"kind\":\"calibration\"", "\"kind\":\"calibratiom\"", "of the kind 'calibratiom'"},
        {"\"kind\":\"calibration\"", "\"king\":\"calibration\"", "is a model; what is wanted is a calibration"},
        {"\"model\":\"00", "\"model\":\"-0", "hexadecimal"},
        {"\"inputs\":[", "\"inputz\":[", "'inputs' is missing"},
        {"\"name\":\"layers.0.mlp\"", "\"name\":\"layers.1.mlp\"", "input 2 is 'layers.1.mlp'"},
        {"\"tokens\":10", "\"tokens\":-1", "'tokens' is -1"},
        {"\"tokens\":10", "\"tokens\":11", "not those of 11 tokens"},
        {"\"windows\":1,\"low\"", "\"windows\":x,\"low\"", "JSON"},
        {"\"hidden\":2", "\"hidden\":3", ""},
    };
    size_t bytes;
    uint8_t *file = smallest_file(&bytes), *copy = malloc(bytes);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        memcpy(copy, file, bytes);
        char *at = memmem(copy, 8192, rows[i][0], strlen(rows[i][0]));
        cr_assert_not_null(at, "%s", rows[i][0]);
        memcpy(at, rows[i][1], strlen(rows[i][1]));
        rehash(copy, 35);
        refused(copy, bytes, rows[i][2], i);
    }
    free(copy);
    free(file);
}

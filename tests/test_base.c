#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/half.h"
#include "base/json.h"
#include "base/map.h"
#include "files.h"

/* ---- error ---- */

Test(error, one_line_that_is_cut_and_never_overrun) {
    error e;
    char name[2000];
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = 0;
    cr_assert_eq(fail(&e, E_FILE, "tensor '%s'", name), E_FILE);
    cr_assert_eq(strlen(e.text), sizeof e.text - 1);
    cr_assert_eq(fail_in(&e, name), E_FILE);
    cr_assert_lt(strlen(e.text), sizeof e.text);
    cr_assert_eq(fail(&e, E_RUN, "a\nb\033[2J\r\177c"), E_RUN);
    cr_assert_str_eq(e.text, "a?b?[2J??c");
    cr_assert_eq(fail_in(&e, "file"), E_RUN);
    cr_assert_str_eq(e.text, "file: a?b?[2J??c");
    cr_assert_eq(fail_in(&e, "two\nlines\033[2J"), E_RUN);
    cr_assert_str_eq(e.text, "two?lines?[2J: file: a?b?[2J??c");
    cr_assert_eq(fail(NULL, E_MEMORY, "nobody listens"), E_MEMORY);
}

/* ---- check ---- */

Test(check, overflow_is_seen) {
    uint64_t out;
    cr_assert(size_add(1, 2, &out) && out == 3);
    cr_assert_not(size_add(UINT64_MAX, 1, &out));
    cr_assert(size_mul(1ull << 32, (1ull << 32) - 1, &out) && out == (UINT64_MAX ^ 0xffffffffu));
    cr_assert_not(size_mul(1ull << 32, 1ull << 32, &out));
    cr_assert(size_round(0, 64, &out) && out == 0);
    cr_assert(size_round(65, 64, &out) && out == 128);
    cr_assert(size_round(UINT64_MAX - 63, 64, &out) && out == UINT64_MAX - 63);
    cr_assert_not(size_round(UINT64_MAX - 62, 64, &out));
}

Test(check, ranges) {
    cr_assert(size_inside(0, 10, 10));
    cr_assert(size_inside(10, 0, 10));
    cr_assert_not(size_inside(11, 0, 10));
    cr_assert_not(size_inside(1, 10, 10));
    cr_assert_not(size_inside(UINT64_MAX, 2, 10));
    cr_assert_not(size_inside(2, UINT64_MAX, 10));
}

/* ---- half: against a definition by powers of two ---- */

static double f16_value(unsigned h) {
    const int exponent = h >> 10 & 31;
    const double fraction = h & 1023;
    const double sign = h >> 15 ? -1 : 1;
    if (exponent == 31) return fraction != 0 ? NAN : sign * INFINITY;
    return sign * (exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24));
}

Test(half, every_f16_becomes_its_value_and_comes_back) {
    for (unsigned h = 0; h < 65536; h++) {
        const double wanted = f16_value(h);
        const float got = f32_of_f16((uint16_t)h);
        if (isnan(wanted)) {
            cr_assert(isnan(got), "%04x", h);
            cr_assert(isnan(f16_value(f16_of_f32(got))), "%04x", h);
            continue;
        }
        cr_assert((double)got == wanted && !signbit(got) == !(h >> 15), "%04x", h);
        cr_assert_eq(f16_of_f32(got), h, "%04x", h);
    }
}

/* Between two neighbours the nearer one is taken, in the middle the even one. */
Test(half, f16_rounds_to_nearest_even) {
    for (unsigned h = 0; h < 0x7c00; h++) {
        const double low = f16_value(h), high = h == 0x7bff ? 65536 : f16_value(h + 1);
        const float middle = (float)((low + high) / 2); /* exact: 12 bits */
        cr_assert_eq(f16_of_f32(nextafterf(middle, 0)), h, "below the middle of %04x", h);
        cr_assert_eq(f16_of_f32(nextafterf(middle, INFINITY)), h + 1, "above the middle of %04x", h);
        cr_assert_eq(f16_of_f32(middle), h + (h & 1), "in the middle of %04x", h);
        cr_assert_eq(f16_of_f32(-middle), (h + (h & 1)) | 0x8000, "in the middle of -%04x", h);
    }
    cr_assert_eq(f16_of_f32(3.4e38f), 0x7c00);
    cr_assert_eq(f16_of_f32(1e-45f), 0);
}

Test(half, every_bf16_is_the_high_half_of_a_float) {
    for (unsigned h = 0; h < 65536; h++) {
        const float f = f32_of_bf16((uint16_t)h);
        cr_assert_eq(bits_of_float(f), h << 16);
        if (isnan(f)) {
            cr_assert(isnan(f32_of_bf16(bf16_of_f32(f))), "%04x", h);
            cr_assert(isnan(f32_of_bf16(bf16_of_f32(float_of_bits((h << 16) + 1)))), "%04x", h);
            continue;
        }
        cr_assert_eq(bf16_of_f32(f), h, "%04x", h);
        if ((h & 0x7fff) >= 0x7f80) continue;
        cr_assert_eq(bf16_of_f32(float_of_bits((h << 16) + 0x7fff)), h, "below the middle of %04x", h);
        cr_assert_eq(bf16_of_f32(float_of_bits((h << 16) + 0x8000)), h + (h & 1), "in the middle of %04x", h);
        cr_assert_eq(bf16_of_f32(float_of_bits((h << 16) + 0x8001)), h + 1, "above the middle of %04x", h);
    }
    cr_assert(isnan(f32_of_bf16(bf16_of_f32(float_of_bits(0x7f800001)))), "a NaN whose bits are all in the low half stays one");
}

/* ---- arena ---- */

static size_t lay_out(arena *a, uint8_t *parts[3]) {
    parts[0] = arena_take(a, 3, 1);
    parts[1] = arena_take(a, 0, 8);
    parts[2] = arena_take(a, 100, 8);
    return a->used;
}

Test(arena, what_was_measured_is_what_is_taken) {
    arena a = {0};
    uint8_t *parts[3];
    error e;
    const size_t size = lay_out(&a, parts);
    cr_assert_null(parts[0]);
    cr_assert_eq(size, 64 + 800);
    cr_assert_eq(arena_open(&a, size, &e), OK);
    cr_assert_eq(lay_out(&a, parts), size);
    cr_assert_eq(parts[2] - parts[0], 64);
    for (size_t i = 0; i < 800; i++) cr_assert_eq(parts[2][i], 0);
    cr_assert_eq((uintptr_t)parts[2] % 64, 0);
    memset(parts[2], 1, 800);
    arena_close(&a);
    arena_close(&a);
}

Test(arena, an_overflow_is_no_small_size) {
    arena a = {0};
    error e;
    arena_take(&a, SIZE_MAX / 2, 4);
    cr_assert_eq(a.used, SIZE_MAX);
    arena_take(&a, 1, 1);
    cr_assert_eq(a.used, SIZE_MAX);
    cr_assert_eq(arena_open(&a, a.used, &e), E_MEMORY);
    cr_assert(strstr(e.text, "no memory for"), "%s", e.text);
    cr_assert_eq(arena_open(&a, (size_t)1 << 60, &e), E_MEMORY);
    cr_assert(strstr(e.text, "1099511627776.0 MiB"), "%s", e.text);
}

/* ---- map ---- */

TestSuite(map, .init = folder_open, .fini = folder_close);

Test(map, the_bytes_of_a_file) {
    map m;
    error e;
    const char *path = folder_path("file");
    file_write_text(path, "0123456789");
    cr_assert_eq(map_open(&m, path, &e), OK);
    cr_assert_eq(m.size, 10);
    cr_assert_arr_eq(m.data, "0123456789", 10);
    cr_assert_str_eq(m.path, path);
    map_done(&m, 0, 10);
    map_done(&m, 3, 1);
    cr_assert_eq(m.data[9], '9');
    map_close(&m);
    map_close(&m);
    file_write_text(path, "");
    cr_assert_eq(map_open(&m, path, &e), OK);
    cr_assert_eq(m.size, 0);
    cr_assert_null(m.data);
    map_done(&m, 0, 0);
    map_close(&m);
}

Test(map, what_is_no_file_is_refused) {
    const char *fifo = folder_path("fifo");
    const struct {
        const char *path, *says;
    } rows[] = {
        {folder_path("absent"), "No such file or directory"},
        {folder_path(""), "is a directory"},
        {"/dev/null", "is not a regular file"},
        {fifo, "is not a regular file"},
        {"", "the name of a file is empty"},
    };
    cr_assert_eq(mkfifo(fifo, 0600), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        map m;
        error e = {0};
        cr_assert_eq(map_open(&m, rows[i].path, &e), E_FILE, "%s", rows[i].path);
        cr_assert(strstr(e.text, rows[i].says) && strncmp(e.text, rows[i].path, strlen(rows[i].path)) == 0, "%s", e.text);
        map_close(&m);
    }
}

static const char *expected_path;

static void lost(const char *path) {
    _exit(strcmp(path, expected_path) == 0 ? 3 : 99);
}

static int state_of(pid_t child) {
    int state;
    cr_assert_eq(waitpid(child, &state, 0), child);
    return state;
}

/* In a child, because the process ends. */
Test(map, a_file_truncated_while_mapped_ends_with_a_message) {
    const char *path = folder_path("file"), *other = folder_path("other");
    uint8_t pages[8192] = {0};
    file_write(path, pages, sizeof pages);
    file_write(other, pages, sizeof pages);
    const pid_t child = fork();
    if (!child) {
        map gone, first, m;
        expected_path = path;
        map_on_truncated(lost);
        if (map_open(&gone, other, NULL) || map_open(&first, other, NULL)) _exit(98);
        map_close(&gone); /* its place in the list of watched maps is taken by the next one */
        if (map_open(&m, path, NULL) || truncate(path, 100)) _exit(98);
        _exit(m.data[5000] + first.data[0]);
    }
    const int state = state_of(child);
    cr_assert(WIFEXITED(state) && WEXITSTATUS(state) == 3, "state %x", state);
}

Test(map, another_bus_error_keeps_its_default_action) {
    const char *path = folder_path("file");
    uint8_t pages[8192] = {0};
    file_write(path, pages, sizeof pages);
    const pid_t child = fork();
    if (!child) {
        map_on_truncated(lost);
        FILE *f = fopen(path, "rb");
        const uint8_t *data = mmap(NULL, sizeof pages, PROT_READ, MAP_SHARED, fileno(f), 0);
        if (data == MAP_FAILED || truncate(path, 100)) _exit(98);
        _exit(data[5000]);
    }
    const int state = state_of(child);
    cr_assert(WIFSIGNALED(state) && WTERMSIG(state) == SIGBUS, "state %x", state);
}

/* ---- json ---- */

static void check_json(const char *text, const char *says) {
    json_t *json;
    error e = {0};
    const status s = json_parse(&json, text, strlen(text), 20, &e);
    cr_assert_eq(s, says ? E_FILE : OK, "%s: %s", text, e.text);
    if (says) cr_assert(!json && strstr(e.text, says), "%s: '%s' does not say '%s'", text, e.text, says);
    json_decref(json);
}

Test(json, limits) {
    check_json("{\"a\": [1, 2.5, \"[[{{,,\\\"[\"]}", NULL);
    check_json("{\"a\": 1, \"a\": 2}", "line 1, column");
    check_json("{\"a\": {\"b\": 1, \"b\": 1}}", "duplicate");
    check_json("", "JSON");
    check_json("{", "JSON");
    check_json("{\"a\": \"\\", "JSON");
    check_json("{} x", "JSON");
    check_json("{\"a\": 99999999999999999999}", NULL);
    check_json("{\"a\": 1e999}", "real number overflow");
    check_json("{\"a\": NaN}", "JSON");
    check_json("{\"a\": \"\xff\"}", "decode byte 0xff");
    check_json("{\"a\\u0000b\": 1}", "JSON");
    check_json("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", NULL);
    check_json("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "more than 20 values");
    check_json("[[[[[[[[[[[[[[[[[[[", "JSON: ");
    char deep[100];
    memset(deep, '[', sizeof deep);
    json_t *json;
    error e;
    cr_assert_eq(json_parse(&json, deep, sizeof deep, 1000, &e), E_FILE);
    cr_assert(strstr(e.text, "byte 32: JSON is nested deeper than 32"), "%s", e.text);
}

/* One integer that is too large must not change what the others are. */
Test(json, an_integer_beyond_64_bits_is_a_real_number) {
    static const char text[] = "{\"max\": 1000000000000000019884624838656, \"n\": 7, \"list\": [-3, 0.5], \"o\": {\"x\": 9007199254740993}}";
    json_t *json;
    error e;
    cr_assert_eq(json_parse(&json, text, strlen(text), 20, &e), OK, "%s", e.text);
    cr_assert_eq(json_real_value(json_object_get(json, "max")), 1e30);
    cr_assert_eq(json_integer_value(json_object_get(json, "n")), 7);
    cr_assert_eq(json_integer_value(json_array_get(json_object_get(json, "list"), 0)), -3);
    cr_assert_eq(json_real_value(json_array_get(json_object_get(json, "list"), 1)), 0.5);
    cr_assert(json_is_real(json_object_get(json_object_get(json, "o"), "x")), "no integer that is not exact");
    json_decref(json);
}

Test(json, typed_access) {
    error e;
    uint64_t u;
    int64_t i;
    double x;
    bool b;
    size_t n;
    const char *text;
    json_t *v = json_pack("{s:i, s:f, s:b, s:s, s:[i,i], s:n}", "int", 5, "real", 2.5, "flag", 1, "text", "word", "list", 1, 2, "null");
    const json_t *whole = json_object_get(v, "int"), *real = json_object_get(v, "real"), *list = json_object_get(v, "list");
    cr_assert(json_to_uint(whole, "int", 0, 5, &u, &e) == OK && u == 5);
    cr_assert(json_to_int(whole, "int", -5, 5, &i, &e) == OK && i == 5);
    cr_assert(json_to_number(whole, "int", 0, 5, &x, &e) == OK && x == 5);
    cr_assert(json_to_number(real, "real", 0, 5, &x, &e) == OK && x == 2.5);
    cr_assert(json_to_bool(json_object_get(v, "flag"), "flag", &b, &e) == OK && b);
    cr_assert(json_to_text(json_object_get(v, "text"), "text", &text, &e) == OK && !strcmp(text, "word"));
    cr_assert(json_to_array(list, "list", 2, &n, &e) == OK && n == 2);
    cr_assert_eq(json_to_object(v, "all", &e), OK);

    cr_assert_eq(json_to_uint(whole, "int", 6, 9, &u, &e), E_FILE);
    cr_assert_str_eq(e.text, "'int' is 5, not in 6 .. 9");
    cr_assert_eq(json_to_uint(real, "real", 0, 9, &u, &e), E_FILE);
    cr_assert_str_eq(e.text, "'real' is a number, not an integer");
    cr_assert_eq(json_to_uint(NULL, "none", 0, 9, &u, &e), E_FILE);
    cr_assert_str_eq(e.text, "'none' is missing");
    cr_assert_eq(json_to_int(whole, "int", -9, 4, &i, &e), E_FILE);
    cr_assert_eq(json_to_number(real, "real", 3, 4, &x, &e), E_FILE);
    cr_assert_eq(json_to_bool(whole, "int", &b, &e), E_FILE);
    cr_assert_eq(json_to_text(json_object_get(v, "null"), "null", &text, &e), E_FILE);
    cr_assert_str_eq(e.text, "'null' is null, not text");
    cr_assert_eq(json_to_array(list, "list", 1, &n, &e), E_FILE);
    cr_assert_eq(json_to_object(list, "list", &e), E_FILE);
    json_decref(v);
}

TestSuite(json_file, .init = folder_open, .fini = folder_close);

Test(json_file, limits_and_path) {
    json_t *json;
    error e;
    const char *path = folder_path("a.json");
    file_write_text(path, "{\"a\": 1}");
    cr_assert_eq(json_parse_file(&json, path, 8, &e), OK, "%s", e.text);
    json_decref(json);
    cr_assert_eq(json_parse_file(&json, path, 7, &e), E_FILE);
    cr_assert(strstr(e.text, "a.json: 8 bytes are more than the 7"), "%s", e.text);
    file_write_text(path, "");
    cr_assert_eq(json_parse_file(&json, path, 7, &e), E_FILE);
    cr_assert(strstr(e.text, "a.json: line 1"), "%s", e.text);
    cr_assert_eq(json_parse_file(&json, folder_path("b.json"), 7, &e), E_FILE);
}

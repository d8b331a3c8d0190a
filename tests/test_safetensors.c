#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file/safetensors.h"
#include "files.h"

TestSuite(safetensors, .init = folder_open, .fini = folder_close);

/* Opens what the header and so many bytes make. `says` NULL: it must open. */
static void check_header(const char *header, size_t data_bytes, const char *says) {
    checkpoint c;
    error e = {0};
    const char *path = folder_path("model.safetensors");
    file_write_safetensors(path, header, data_bytes);
    const status s = checkpoint_open(&c, path, &e);
    cr_assert_eq(s, says ? E_FILE : OK, "%s: %s", header, e.text);
    if (says) cr_assert(strstr(e.text, says) && strstr(e.text, path), "%s: '%s' does not say '%s'", header, e.text, says);
    checkpoint_close(&c);
}

#define ENTRY(dtype, shape, offsets) "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

Test(safetensors, tensors_and_their_values) {
    checkpoint c;
    error e;
    const char *path = folder_path("model.safetensors");
    /* out of order, unaligned (the header has an odd length), a scalar, an empty one, an unknown dtype */
    file_write_safetensors(path,
                           " {\"z\":" ENTRY("BF16", "[2]", "[9,13]") ",\"__metadata__\":{\"format\":\"pt\"},\"a.b\":" ENTRY("F16", "[2,1]", "[4,8]") ","
                           "\"f\":" ENTRY("F32", "[]", "[0,4]") ",\"none\":" ENTRY("F32", "[0,5]", "[4,4]") ",\"odd\":" ENTRY("NEW7", "[3]", "[8,9]") "}  ",
                           13);
    cr_assert_eq(checkpoint_open(&c, path, &e), OK, "%s", e.text);
    cr_assert_eq(c.n_tensors, 5);
    cr_assert_eq(c.n_files, 1);
    cr_assert_str_eq(c.tensors[0].name, "a.b");
    cr_assert_str_eq(c.tensors[4].name, "z");
    float out[2];
    const source *t = checkpoint_find(&c, "a.b");
    cr_assert(t && t->ndim == 2 && t->shape[0] == 2 && t->shape[1] == 1 && t->bytes == 4 && t->file == &c.files[0]);
    t->type->widen(out, t->data, 2);
    cr_assert_float_eq(out[0], 0x1.41p-14, 1e-12);  /* bytes 4 5: 0x0504 */
    cr_assert_float_eq(out[1], 0x1.c18p-14, 1e-12); /* bytes 6 7: 0x0706 */
    t = checkpoint_find(&c, "f");
    cr_assert(t && t->ndim == 0 && !strcmp(t->type->name, "F32"));
    t->type->widen(out, t->data, 1);
    cr_assert_eq(out[0], 0x1.040200p-121f); /* bytes 0 1 2 3: 0x03020100 */
    t = checkpoint_find(&c, "z");
    t->type->widen(out, t->data, 2);
    cr_assert_eq(out[1], 0x1.16p-103f); /* bytes 11 12: 0x0c0b */
    t = checkpoint_find(&c, "odd");
    cr_assert(t && !t->type && !strcmp(t->dtype, "NEW7"));
    cr_assert_eq(checkpoint_find(&c, "none")->bytes, 0);
    cr_assert_null(checkpoint_find(&c, "a"));
    checkpoint_close(&c);
    checkpoint_close(&c);
}

Test(safetensors, headers_that_are_allowed) {
    check_header("{}", 0, NULL);
    check_header("{\"__metadata__\":{}}", 0, NULL);
    check_header("\n\t {\"a\":" ENTRY("F32", "[1]", "[0,4]") "}   ", 4, NULL);
    check_header("{\"a\":" ENTRY("F32", "[2,0]", "[0,0]") "}", 0, NULL);
    check_header("{\"a\":" ENTRY("F4", "[2]", "[0,1]") "}", 1, NULL);
    check_header("{\"a\":" ENTRY("I64", "[2]", "[0,16]") "}", 16, NULL);
    check_header("{\"a\":" ENTRY("F16", "[1,1,1,1,1,1,1,1]", "[0,2]") "}", 2, NULL);
}

Test(safetensors, headers_that_are_malformed) {
    check_header("", 0, "JSON");
    check_header("{", 0, "JSON");
    check_header("not json", 0, "JSON");
    check_header("\xff{}", 0, "JSON");
    check_header("[]", 0, "'header' is an array");
    check_header("{} {}", 0, "JSON");
    check_header("{\"a\":1}", 0, "tensor 'a': 'entry' is an integer");
    check_header("{\"a\":{}}", 0, "tensor 'a': 'dtype' is missing");
    check_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 0, "tensor 'a': 'data_offsets' is missing");
    check_header("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "tensor 'a': 'shape' is missing");
    check_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"strides\":[1]}}", 4, "keys other than");
    check_header("{\"__metadata__\":{\"a\":1}}", 0, "'a' is an integer, not text");
    check_header("{\"__metadata__\":[]}", 0, "'__metadata__' is an array");
    check_header("{\"a\":" ENTRY("F32", "[1]", "[0,4]") ",\"a\":" ENTRY("F32", "[1]", "[4,8]") "}", 8, "duplicate");
    check_header("{\"a\":" ENTRY("A DTYPE THAT IS LONG", "[1]", "[0,4]") "}", 4, "dtype 'A DTYPE THAT IS LONG' is not known");
    check_header("{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "'dtype' is an integer");
}

Test(safetensors, shapes_and_offsets_that_lie) {
    check_header("{\"a\":" ENTRY("F32", "[2]", "[0,4]") "}", 4, "2 values of dtype F32 need 8 bytes, data_offsets have 4");
    check_header("{\"a\":" ENTRY("F32", "[-1]", "[0,4]") "}", 4, "'shape' is -1");
    check_header("{\"a\":" ENTRY("F32", "[1.0]", "[0,4]") "}", 4, "'shape' is a number");
    check_header("{\"a\":" ENTRY("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, "'shape' has 9 entries");
    check_header("{\"a\":" ENTRY("F32", "[4294967296,4294967296]", "[0,4]") "}", 4, "the number of values in 'shape' overflows");
    check_header("{\"a\":" ENTRY("F32", "[9223372036854775807]", "[0,4]") "}", 4, "the number of bytes of 'shape' overflows");
    check_header("{\"a\":" ENTRY("F32", "[18446744073709551616]", "[0,4]") "}", 4, "'shape' is a number, not an integer");
    check_header("{\"a\":" ENTRY("F4", "[3]", "[0,1]") "}", 1, "do not fill whole bytes");
    check_header("{\"a\":" ENTRY("F32", "[1]", "[4,0]") "}", 4, "data_offsets [4, 0] end before they begin");
    check_header("{\"a\":" ENTRY("F32", "[1]", "[0]") "}", 4, "'data_offsets[1]' is missing");
    check_header("{\"a\":" ENTRY("F32", "[1]", "[0,4,8]") "}", 4, "'data_offsets' has 3 entries");
    check_header("{\"a\":" ENTRY("F32", "[1]", "[-4,0]") "}", 4, "'data_offsets[0]' is -4");
    check_header("{\"a\":" ENTRY("F32", "[2]", "[0,8]") "}", 4, "data_offsets [0, 8] leave the 4 bytes");
    check_header("{\"a\":" ENTRY("F32", "[1]", "[9223372036854775800,9223372036854775804]") "}", 4, "leave the 4 bytes");
    check_header("{\"a\":" ENTRY("F32", "[1]", "[0,4]") "}", 6, "data offset 4: 2 bytes at the end belong to no tensor");
    check_header("{\"a\":" ENTRY("F32", "[1]", "[2,6]") "}", 6, "data offset 0: 2 bytes belong to no tensor");
    check_header("{\"a\":" ENTRY("F32", "[1]", "[0,4]") ",\"b\":" ENTRY("F32", "[1]", "[6,10]") "}", 10,
                 "data offset 4: 2 bytes belong to no tensor");
    check_header("{\"a\":" ENTRY("F32", "[2]", "[0,8]") ",\"b\":" ENTRY("F32", "[1]", "[4,8]") "}", 8, "tensor 'b' at data offset 4 overlaps");
    check_header("{\"a\":" ENTRY("F32", "[1]", "[0,4]") ",\"b\":" ENTRY("F32", "[1]", "[0,4]") "}", 4, "overlaps");
    check_header("{}", 1, "data offset 0: 1 bytes at the end belong to no tensor");
}

Test(safetensors, header_lengths_that_lie) {
    const char *path = folder_path("model.safetensors");
    const struct {
        size_t bytes;
        uint64_t length;
        const char *says;
    } rows[] = {
        {0, 0, "0 bytes are too few"},
        {7, 0, "7 bytes are too few"},
        {8, 0, "JSON"},
        {8, 1, "a header of 1 bytes does not fit in a file of 8 bytes"},
        {16, 9, "a header of 9 bytes does not fit in a file of 16 bytes"},
        {16, 100000001, "longer than 100000000"},
        {16, UINT64_MAX, "longer than 100000000"},
        {16, UINT64_MAX - 7, "longer than 100000000"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t file[16];
        memset(file, ' ', sizeof file);
        memcpy(file, &rows[i].length, 8);
        file_write(path, file, rows[i].bytes);
        checkpoint c;
        error e;
        cr_assert_eq(checkpoint_open(&c, path, &e), E_FILE);
        cr_assert(strstr(e.text, rows[i].says), "'%s' does not say '%s'", e.text, rows[i].says);
    }
}

/* A header that would need gigabytes as a tree is refused before it is parsed. */
Test(safetensors, a_header_of_too_many_values_is_refused) {
    const size_t n = 9000000;
    char *header = malloc(n + 1);
    memset(header, ',', n);
    memcpy(header, "{\"a\":[1", 7);
    header[n] = 0;
    check_header(header, 0, "more than 4000000 values");
    memset(header, '[', n);
    check_header(header, 0, "nested deeper than 32");
    free(header);
}

Test(safetensors, every_truncation_is_refused) {
    const char *path = folder_path("model.safetensors");
    file_write_safetensors(path, "{\"a\":" ENTRY("F32", "[1]", "[0,4]") ",\"b\":" ENTRY("F16", "[2,2]", "[4,12]") "}", 12);
    size_t bytes;
    free(file_read(path, &bytes));
    for (size_t length = bytes; length-- > 0;) {
        checkpoint c;
        error e;
        cr_assert_eq(truncate(path, (off_t)length), 0);
        cr_assert_eq(checkpoint_open(&c, path, &e), E_FILE, "length %zu", length);
    }
}

/* ---- shards ---- */

static void make_shards(const char *index) {
    file_write_safetensors(folder_path("model-1.safetensors"), "{\"a\":" ENTRY("F32", "[1]", "[0,4]") "}", 4);
    file_write_safetensors(folder_path("model-2.safetensors"), "{\"b\":" ENTRY("F32", "[2]", "[0,8]") "}", 8);
    file_write_text(folder_path("model.safetensors.index.json"), index);
}

#define INDEX(map) "{\"metadata\":{\"total_size\":12},\"weight_map\":" map "}"
#define BOTH       INDEX("{\"a\":\"model-1.safetensors\",\"b\":\"model-2.safetensors\"}")

static void check_open(const char *name, size_t tensors, const char *says) {
    checkpoint c;
    error e = {0};
    cr_assert_eq(checkpoint_open(&c, folder_path(name), &e), says ? E_FILE : OK, "%s: %s", name, e.text);
    if (says) cr_assert(strstr(e.text, says), "'%s' does not say '%s'", e.text, says);
    cr_assert_eq(c.n_tensors, tensors);
    checkpoint_close(&c);
}

Test(safetensors, shards_are_found_from_the_folder_and_from_any_of_them) {
    make_shards(BOTH);
    check_open("", 2, NULL);
    check_open("model-1.safetensors", 2, NULL);
    check_open("model-2.safetensors", 2, NULL);
    file_write_safetensors(folder_path("other.safetensors"), "{\"c\":" ENTRY("F32", "[1]", "[0,4]") "}", 4);
    check_open("other.safetensors", 1, NULL);
    file_write_safetensors(folder_path("model.safetensors"), "{\"c\":" ENTRY("F32", "[1]", "[0,4]") "}", 4);
    check_open("", 1, NULL); /* a single file wins, as in the reference */
}

Test(safetensors, an_index_that_lies_is_refused) {
    const char *const rows[][2] = {
        {INDEX("{\"a\":\"model-1.safetensors\",\"b\":\"model-3.safetensors\"}"), "model-3.safetensors: No such file"},
        {INDEX("{\"a\":\"model-1.safetensors\",\"c\":\"model-2.safetensors\"}"), "tensor 'c' is in no shard, the index says model-2.safetensors"},
        {INDEX("{\"a\":\"model-2.safetensors\",\"b\":\"model-1.safetensors\"}"), "tensor 'a' is in"},
        {INDEX("{\"a\":\"../model-1.safetensors\"}"), "the file name '../model-1.safetensors' is not allowed"},
        {INDEX("{\"a\":\"/etc/passwd\"}"), "the file name '/etc/passwd' is not allowed"},
        {INDEX("{\"a\":\"..\"}"), "the file name '..' is not allowed"},
        {INDEX("{\"a\":\"\"}"), "the file name '' is not allowed"},
        {INDEX("{\"a\":1}"), "'a' is an integer"},
        {INDEX("{\"a\":\"model-1.safetensors\",\"a\":\"model-2.safetensors\"}"), "duplicate"},
        {INDEX("{}"), "'weight_map' is empty"},
        {INDEX("[]"), "'weight_map' is an array"},
        {"{}", "'weight_map' is missing"},
        {"[", "JSON"},
        {"", "JSON"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        make_shards(rows[i][0]);
        check_open("", 0, rows[i][1]);
    }
}

Test(safetensors, a_tensor_in_two_shards_is_refused) {
    make_shards(BOTH);
    file_write_safetensors(folder_path("model-2.safetensors"), "{\"a\":" ENTRY("F32", "[2]", "[0,8]") "}", 8);
    check_open("", 0, "tensor 'a' is also in");
}

Test(safetensors, folders_without_a_checkpoint) {
    check_open("", 0, "has neither model.safetensors nor model.safetensors.index.json");
    check_open("absent", 0, "No such file or directory");
    mkdir(folder_path("model.safetensors"), 0755);
    check_open("", 0, "is a directory");
    check_open("model.safetensors", 0, "has neither");
}

Test(safetensors, the_sharded_fixture) {
    const char *path = shared_path("fixtures/models/llama-sharded");
    if (!path) cr_skip_test("no third-party data beside the repository");
    checkpoint c;
    error e;
    cr_assert_eq(checkpoint_open(&c, path, &e), OK, "%s", e.text);
    cr_assert_eq(c.n_files, 3);
    cr_assert_eq(c.n_tensors, 21);
    cr_assert_not_null(checkpoint_find(&c, "model.layers.1.mlp.up_proj.weight"));
    checkpoint_close(&c);
}

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "file/qbin.h"
#include "file/qbin_disk.h"
#include "files.h"
#include "small_qbin.h"

TestSuite(qbin_hostile, .init = folder_open, .fini = folder_close);

/* ---- files whose checksums are right and whose content is not ---- */

static void rehash(uint8_t *file) {
    disk_header h;
    memcpy(&h, file, sizeof h);
    h.meta_hash = XXH3_64bits(file + sizeof h, h.meta_end - sizeof h);
    h.header_hash = XXH3_64bits(&h, offsetof(disk_header, header_hash));
    memcpy(file, &h, sizeof h);
}

typedef enum part { HEADER, SECTION, ENTRY, META } part;

typedef struct lie {
    part part;
    size_t index, offset; /* of the section or tensor; in it */
    size_t bytes;
    const char *text; /* instead of the number */
    uint64_t number;
    const char *says;
} lie;

#define NUMBER(where, i, type, field, value, message) \
    { where, i, offsetof(type, field), sizeof(((type *)0)->field), NULL, value, message }

static const lie lies[] = {
    NUMBER(HEADER, 0, disk_header, version, 2, "version 2 is not known"),
    NUMBER(HEADER, 0, disk_header, n_sections, 0, "0 sections"),
    NUMBER(HEADER, 0, disk_header, n_sections, 65, "65 sections"),
    NUMBER(HEADER, 0, disk_header, n_sections, 0xffffffff, "4294967295 sections"),
    NUMBER(HEADER, 0, disk_header, file_bytes, 1, "truncated or was added to"),
    NUMBER(HEADER, 0, disk_header, table_offset, 128, "the section table is at 128"),
    NUMBER(HEADER, 0, disk_header, data_offset, 0, "do not fit"),
    NUMBER(HEADER, 0, disk_header, data_offset, 4097, "do not fit"),
    NUMBER(HEADER, 0, disk_header, data_offset, UINT64_MAX - 4095, "do not fit"),
    NUMBER(HEADER, 0, disk_header, data_offset, 8192, "do not fit"),
    NUMBER(SECTION, 0, disk_section, offset, 0, "misplaced"),
    NUMBER(SECTION, 0, disk_section, offset, 193, "misplaced"),
    NUMBER(SECTION, 0, disk_section, offset, UINT64_MAX - 63, "misplaced"),
    NUMBER(SECTION, 0, disk_section, bytes, UINT64_MAX, "misplaced"),
    NUMBER(SECTION, 1, disk_section, offset, 192, "misplaced"),
    NUMBER(SECTION, 1, disk_section, flags, 2, "unknown flags"),
    NUMBER(SECTION, 2, disk_section, bytes, 255, "not a multiple of 256"),
    {SECTION, 0, 0, 4, "mete", 0, "section 'mete' is required, but not known"},
    {SECTION, 1, 0, 7, "tensors", 0, "section 'tensors' is there twice"},
    {ENTRY, 0, 0, 1, "", 0, "the name of tensor 0 is malformed"},
    {ENTRY, 0, 0, 11, "x\0l_norm..", 0, "the name of tensor 0 is malformed"},
    {ENTRY, 0, 0, 4, "\033[2J", 0, "the name of tensor 0 is malformed"},
    {ENTRY, 2, 0, 6, "embed", 0, "tensor 'embed' is there twice"},
    {ENTRY, 1, offsetof(disk_tensor, format), 7, "magical", 0, "magical"},
    NUMBER(ENTRY, 0, disk_tensor, ndim, 0, "0 dimensions"),
    NUMBER(ENTRY, 0, disk_tensor, ndim, 3, "3 dimensions"),
    NUMBER(ENTRY, 0, disk_tensor, zero, 1, "reserved"),
    NUMBER(ENTRY, 0, disk_tensor, k, 2, "shape"),
    NUMBER(ENTRY, 0, disk_tensor, rows, 0, "shape"),
    NUMBER(ENTRY, 0, disk_tensor, rows, 4, "12 bytes instead of the 16"),
    NUMBER(ENTRY, 0, disk_tensor, rows, UINT64_MAX / 4 + 4, "shape"),
    NUMBER(ENTRY, 1, disk_tensor, ndim, 1, "shape"),
    NUMBER(ENTRY, 1, disk_tensor, rows, 0, "shape"),
    NUMBER(ENTRY, 1, disk_tensor, rows, 17, "bytes instead of"),
    NUMBER(ENTRY, 1, disk_tensor, rows, UINT64_MAX, "shape"),
    NUMBER(ENTRY, 1, disk_tensor, k, UINT64_MAX - 62, "shape"),
    NUMBER(ENTRY, 1, disk_tensor, k, 0, "shape"),
    NUMBER(ENTRY, 1, disk_tensor, offset, 0, "overlaps the tensor before"),
    NUMBER(ENTRY, 1, disk_tensor, offset, 65, "not a multiple of 64"),
    NUMBER(ENTRY, 1, disk_tensor, offset, UINT64_MAX - 63, "leave the file"),
    NUMBER(ENTRY, 2, disk_tensor, offset, 1 << 20, "leave the file"),
    NUMBER(ENTRY, 1, disk_tensor, bytes, UINT64_MAX, "bytes instead of"),
    {ENTRY, 0, offsetof(disk_tensor, format), 4, "f16", 0, "unknown weight format: family f16"},
    {META, 0, 0, 1, "[", 0, "JSON"},
    {META, 0, 2, 4, "spex", 0, "'spec' is missing"},
};

static size_t place(const uint8_t *file, const lie *l) {
    disk_section sections[3];
    memcpy(sections, file + sizeof(disk_header), sizeof sections);
    const size_t starts[] = {0, sizeof(disk_header) + l->index * sizeof(disk_section), sections[2].offset + l->index * sizeof(disk_tensor),
                             sections[0].offset};
    return starts[l->part] + l->offset;
}

Test(qbin_hostile, lies_under_right_checksums_are_refused) {
    size_t bytes;
    uint8_t *file = file_read(small_made(), &bytes);
    uint8_t *copy = malloc(bytes);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        const lie *l = &lies[i];
        memcpy(copy, file, bytes);
        memcpy(copy + place(copy, l), l->text ? (const void *)l->text : (const void *)&l->number, l->bytes);
        rehash(copy);
        const char *path = folder_path("lie.qbin");
        file_write(path, copy, bytes);
        qbin q;
        error e;
        cr_assert_eq(qbin_open(&q, path, &e), E_FILE, "lie %zu: %s", i, l->says);
        cr_assert(strstr(e.text, l->says), "lie %zu: '%s' does not say '%s'", i, e.text, l->says);
    }
    free(copy);
    free(file);
}

Test(qbin_hostile, an_unknown_section_that_is_not_required_is_ignored) {
    size_t bytes;
    const char *path = small_made();
    uint8_t *file = file_read(path, &bytes);
    disk_section s;
    memcpy(&s, file + 96, sizeof s);
    memcpy(s.name, "novel\0", 6);
    s.flags = 0;
    memcpy(file + 96, &s, sizeof s);
    rehash(file);
    file_write(path, file, bytes);
    qbin q;
    error e;
    cr_assert_eq(qbin_open(&q, path, &e), OK, "%s", e.text);
    cr_assert_eq(q.tokens_size, 0);
    qbin_close(&q);
    free(file);
}

static void check_meta(const char *meta, const char *message) {
    qbin_writer *w;
    qbin q;
    error e = {0};
    const char *path = folder_path("meta.qbin");
    cr_assert_eq(qbin_create(&w, path, NULL, 0, strlen(meta), 0, &e), OK, "%s", e.text);
    cr_assert_eq(qbin_commit(&w, meta, NULL, &e), OK, "%s", e.text);
    cr_assert_eq(qbin_open(&q, path, &e), message ? E_FILE : OK, "%s", e.text);
    if (message) cr_assert(strstr(e.text, message), "'%s' does not say '%s'", e.text, message);
    if (!message) qbin_close(&q);
}

static void check_spec(const char *from, const char *to, const char *message) {
    char text[1024];
    const char *at = strstr(small_meta, from);
    cr_assert_not_null(at, "%s", from);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - small_meta), small_meta, to, at + strlen(from));
    check_meta(text, message);
}

Test(qbin_hostile, features_that_are_not_known_are_refused_by_name) {
    check_spec("\"requires\": []", "\"requires\": [\"time_travel\"]", "requires 'time_travel'");
    check_spec("\"requires\": []", "\"requires\": 1", "'requires' is an integer");
    check_spec("\"requires\": []", "\"other\": {\"a\": [1]}", NULL);
    check_spec("\"layers\": 2", "\"layers\": 2, \"softcap\": 30.0", "'softcap' is not known");
    check_meta("[]", "'meta' is an array");
    check_meta("{}", "'spec' is missing");
}

Test(qbin_hostile, every_field_of_the_spec_is_checked) {
    const char *const rows[][3] = {
        {"\"layers\": 2", "\"layers\": 0", "'layers' is 0"},
        {"\"layers\": 2", "\"layers\": 1025", "'layers' is 1025"},
        {"\"layers\": 2", "\"layers\": -1", "'layers' is -1"},
        {"\"layers\": 2", "\"layers\": 2.0", "'layers' is a number, not an integer"},
        {"\"layers\": 2", "\"layers\": \"2\"", "'layers' is text"},
        {"\"layers\": 2, ", "", "'layers' is missing"},
        {"\"hidden\": 70", "\"hidden\": 99999999999", "'hidden' is 99999999999"},
        {"\"heads\": 4", "\"heads\": 0", "'heads' is 0"},
        {"\"kv_heads\": 2", "\"kv_heads\": 0", "'kv_heads' is 0"},
        {"\"kv_heads\": 2", "\"kv_heads\": 3", "not a multiple of 3"},
        {"\"heads\": 4", "\"heads\": 4194304", "more than"},
        {"\"head_dim\": 8", "\"head_dim\": 1025", "'head_dim' is 1025"},
        {"\"vocab\": 9", "\"vocab\": 0", "'vocab' is 0"},
        {"\"context\": 64", "\"context\": 16777217", "'context' is 16777217"},
        {"\"norm_eps\": 1e-05", "\"norm_eps\": 0", "'norm_eps' is 0"},
        {"\"norm_eps\": 1e-05", "\"norm_eps\": -1", "'norm_eps' is -1"},
        {"\"activation\": \"silu\"", "\"activation\": \"swoosh\"", "'activation' is 'swoosh'"},
        {"\"attention_scale\": 0.5", "\"attention_scale\": 1e300", "'attention_scale' is 1e+300"},
        {"\"rope\": \"half\"", "\"rope\": \"none\"", "'rope_dims' is 4"},
        {"\"rope_dims\": 4", "\"rope_dims\": 5", "'rope_dims' is 5"},
        {"\"rope_dims\": 4", "\"rope_dims\": 10", "'rope_inverse' has 2 entries instead of 5"},
        {"\"rope_inverse\": [1.0, 0.01]", "\"rope_inverse\": [1.0]", "'rope_inverse' has 1 entries instead of 2"},
        {"\"rope_inverse\": [1.0, 0.01]", "\"rope_inverse\": [1.0, -1.0]", "'rope_inverse' is -1"},
        {"\"rope_inverse\": [1.0, 0.01], ", "", "'rope_inverse' is missing"},
        {"\"eos\": [2]", "\"eos\": [9]", "'eos' has 9"},
        {"\"eos\": [2]", "\"eos\": [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "more than 16"},
        {"\"eos\": [2]", "\"eos\": [2], \"bos\": 9", "'bos' is 9"},
        {"\"eos\": [2]", "\"eos\": [2], \"tied\": 1", "'tied' is an integer"},
        {"\"eos\": [2]", "\"eos\": [2], \"window\": [1]", "'window' has 1 entries instead of 2"},
        {"\"eos\": [2]", "\"eos\": [2], \"window\": [1, -5]", "'window' is -5"},
        {"\"architecture\": \"llama\"", "\"architecture\": \"an architecture with a very long name\"", "longer than 31"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) check_spec(rows[i][0], rows[i][1], rows[i][2]);
    char deep[200] = "{\"spec\": ";
    memset(deep + strlen(deep), '[', 100);
    check_meta(deep, "nested deeper");
}

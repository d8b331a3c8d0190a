#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file/qbin.h"
#include "file/qbin_disk.h"
#include "files.h"
#include "small_qbin.h"

static uint64_t end_of_metadata(const uint8_t *file) {
    disk_header h;
    memcpy(&h, file, sizeof h);
    return h.meta_end;
}

TestSuite(qbin, .init = folder_open, .fini = folder_close);

Test(qbin, what_was_written_is_read) {
    const char *path = small_made();
    qbin q;
    error e;
    cr_assert_eq(qbin_open(&q, path, &e), OK, "%s", e.text);
    cr_assert_eq(q.n_tensors, SMALL_TENSORS);
    cr_assert_eq(q.tokens_size, sizeof small_tokens);
    cr_assert_arr_eq(q.tokens, small_tokens, sizeof small_tokens);
    cr_assert_eq((uintptr_t)q.tokens % 64, 0);
    cr_assert_eq(q.spec.layers, 2);
    cr_assert_eq(q.spec.window[1], 0);
    cr_assert_eq(q.spec.bos, -1);
    cr_assert_eq(q.spec.eos[0], 2);
    const tensor *t = qbin_tensor(&q, "embed");
    cr_assert_eq(t, &q.tensors[1]);
    cr_assert_eq(t->rows, 9);
    cr_assert_eq(t->k, 70);
    cr_assert_eq(t->layout.bytes, t->bytes);
    cr_assert_eq(t->error, 0.25f);
    for (size_t i = 0; i < SMALL_TENSORS; i++) {
        cr_assert_eq((uintptr_t)q.tensors[i].data % 64, 0);
        for (uint64_t j = 0; j < q.tensors[i].bytes; j++) cr_assert_eq(q.tensors[i].data[j], small_content(i, j));
    }
    cr_assert_null(qbin_tensor(&q, "embe"));
    cr_assert_eq(qbin_verify(&q, NULL, &e), OK, "%s", e.text);
    cr_assert(qbin_is(path));
    qbin_close(&q);
}

Test(qbin, bytes_do_not_depend_on_the_order_of_writing) {
    size_t a_bytes, b_bytes;
    error e;
    cr_assert_eq(small_write(folder_path("a.qbin"), 1, &e), OK, "%s", e.text);
    cr_assert_eq(small_write(folder_path("b.qbin"), 4096, &e), OK, "%s", e.text);
    uint8_t *a = file_read(folder_path("a.qbin"), &a_bytes), *b = file_read(folder_path("b.qbin"), &b_bytes);
    cr_assert_eq(a_bytes, b_bytes);
    cr_assert_arr_eq(a, b, a_bytes);
    free(a);
    free(b);
}

Test(qbin, the_plan_is_the_size) {
    qbin_entry entries[SMALL_TENSORS];
    uint64_t planned;
    size_t bytes;
    small_entries(entries);
    cr_assert_eq(qbin_plan(entries, SMALL_TENSORS, strlen(small_meta), sizeof small_tokens, &planned, NULL), OK);
    free(file_read(small_made(), &bytes));
    cr_assert_eq(planned, bytes);
}

Test(qbin, a_big_tensor_starts_on_a_page) {
    qbin_entry entries[2] = {small_entry("a", "f32", 1, 1, 1), small_entry("b", "f16", 2, 512, 64)};
    uint64_t bytes;
    cr_assert_eq(qbin_plan(entries, 2, 2, 0, &bytes, NULL), OK);
    cr_assert_eq(entries[1].bytes, 65536);
    cr_assert_eq(entries[1].offset, 4096);
}

/* Every byte of the file is under some checksum or known to be zero; those of the metadata are found without reading the tensors. */
Test(qbin, every_flipped_byte_is_found) {
    const char *path = small_made();
    size_t bytes;
    uint8_t *file = file_read(path, &bytes);
    const int fd = open(path, O_WRONLY);
    for (size_t i = 0; i < bytes; i++) {
        const uint8_t flipped = (uint8_t)(file[i] ^ (1u << i % 8));
        cr_assert_eq(pwrite(fd, &flipped, 1, (off_t)i), 1);
        qbin q;
        error e;
        const status opened = qbin_open(&q, path, &e);
        if (i < end_of_metadata(file)) cr_assert_eq(opened, E_FILE, "byte %zu", i);
        if (opened == OK) {
            cr_assert_eq(qbin_verify(&q, NULL, &e), E_FILE, "byte %zu", i);
            qbin_close(&q);
        }
        cr_assert(strstr(e.text, path) && strstr(e.text, "offset"), "%s", e.text);
        cr_assert_eq(pwrite(fd, &file[i], 1, (off_t)i), 1);
    }
    close(fd);
    free(file);
}

Test(qbin, every_truncation_is_refused) {
    const char *path = small_made();
    size_t bytes;
    free(file_read(path, &bytes));
    for (size_t length = bytes; length-- > 0;) {
        qbin q;
        error e;
        cr_assert_eq(truncate(path, (off_t)length), 0);
        cr_assert_eq(qbin_open(&q, path, &e), E_FILE, "length %zu", length);
        cr_assert(strstr(e.text, "truncated") || strstr(e.text, "too few"), "length %zu: %s", length, e.text);
    }
}

Test(qbin, an_added_byte_is_refused) {
    const char *path = small_made();
    size_t bytes;
    uint8_t *file = file_read(path, &bytes);
    file[bytes] = 0;
    file_write(path, file, bytes + 1);
    qbin q;
    error e;
    cr_assert_eq(qbin_open(&q, path, &e), E_FILE);
    cr_assert(strstr(e.text, "added"), "%s", e.text);
    free(file);
}

Test(qbin, other_files_are_not_taken_for_ours) {
    qbin q;
    error e;
    const char *path = folder_path("other");
    file_write_text(path, "this is a text that is longer than sixty-four bytes, so that the magic is looked at");
    cr_assert_not(qbin_is(path));
    cr_assert_not(qbin_is(folder_path("absent")));
    cr_assert_not(qbin_is(folder_path("")));
    cr_assert_eq(qbin_open(&q, path, &e), E_FILE);
    cr_assert(strstr(e.text, "not a .qbin file"), "%s", e.text);
    cr_assert_eq(qbin_open(&q, folder_path(""), &e), E_FILE);
    cr_assert(strstr(e.text, "is a directory"), "%s", e.text);
    cr_assert_eq(qbin_open(&q, folder_path("absent"), &e), E_FILE);
    cr_assert(strstr(e.text, "No such file"), "%s", e.text);
    file_write_text(path, "");
    cr_assert_eq(qbin_open(&q, path, &e), E_FILE);
    qbin_close(&q);
}

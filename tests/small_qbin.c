#include "small_qbin.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "files.h"

const char small_meta[] =
    "{\"spec\": {\"architecture\": \"llama\", \"layers\": 2, \"hidden\": 70, \"intermediate\": 3, \"heads\": 4, \"kv_heads\": 2, \"head_dim\": 8, "
    "\"vocab\": 9, \"context\": 64, \"norm_eps\": 1e-05, \"activation\": \"silu\", \"attention_scale\": 0.5, \"rope\": \"half\", \"rope_dims\": 4, "
    "\"rope_inverse\": [1.0, 0.01], \"eos\": [2]}, \"requires\": []}   ";
const char small_tokens[SMALL_TOKENS] = "not a tokenizer";

qbin_entry small_entry(const char *name, const char *format_text, uint32_t ndim, uint64_t rows, uint64_t k) {
    qbin_entry t = {.ndim = ndim, .rows = rows, .k = k, .error = 0.25f};
    snprintf(t.name, sizeof t.name, "%s", name);
    cr_assert_eq(format_parse(&t.format, format_text, NULL), OK);
    return t;
}

void small_entries(qbin_entry entries[SMALL_TENSORS]) {
    entries[0] = small_entry("final_norm", "f32", 1, 3, 1);
    entries[1] = small_entry("embed", "q4", 2, 9, 70);
    entries[2] = small_entry("head", "f16", 2, 2, 5);
}

uint8_t small_content(size_t i, uint64_t j) {
    return (uint8_t)(i * 37 + j * 11 + (j >> 8) + 1);
}

static status write_tensors(qbin_writer *w, const qbin_entry entries[SMALL_TENSORS], uint64_t step, error *e) {
    for (size_t i = SMALL_TENSORS; i-- > 0;) {
        for (uint64_t at = 0; at < entries[i].bytes; at += step) {
            uint8_t part[4096];
            const size_t n = (size_t)(entries[i].bytes - at < step ? entries[i].bytes - at : step);
            for (size_t j = 0; j < n; j++) part[j] = small_content(i, at + j);
            TRY(qbin_write(w, i, at, part, n, e));
        }
    }
    return OK;
}

status small_write(const char *path, uint64_t step, error *e) {
    qbin_entry entries[SMALL_TENSORS];
    qbin_writer *w;
    small_entries(entries);
    TRY(qbin_create(&w, path, entries, SMALL_TENSORS, strlen(small_meta), sizeof small_tokens, e));
    const status s = write_tensors(w, entries, step, e);
    if (s == OK) return qbin_commit(&w, small_meta, small_tokens, e);
    qbin_abandon(&w);
    return s;
}

const char *small_made(void) {
    error e;
    const char *path = folder_path("model.qbin");
    cr_assert_eq(small_write(path, 100, &e), OK, "%s", e.text);
    return path;
}

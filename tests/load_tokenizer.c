#include "load_tokenizer.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"

static char *read_text(const char *folder, const char *name, size_t *n) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    *n = 0;
    return access(path, R_OK) == 0 ? (char *)file_read(path, n) : NULL;
}

static void compile(loaded *l, const char *what, const char *json, size_t n, const char *config, size_t m) {
    error e = {0};
    *l = (loaded){0};
    cr_assert_eq(tokenizer_compile(json, n, config, m, &l->block, &l->size, &e), OK, "%s: %s", what, e.text);
    cr_assert_eq(tokenizer_open(&l->t, l->block, l->size, &e), OK, "%s: %s", what, e.text);
}

bool load_tokenizer(loaded *l, const char *folder) {
    size_t n, m;
    char *json = read_text(folder, "tokenizer.json", &n), *config = read_text(folder, "tokenizer_config.json", &m);
    if (json) compile(l, folder, json, n, config, m);
    free(json);
    free(config);
    return json != NULL;
}

void compile_tokenizer(loaded *l, const char *json, const char *config) {
    compile(l, json, json, strlen(json), config, config ? strlen(config) : 0);
}

void unload_tokenizer(loaded *l) {
    tokenizer_close(&l->t);
    free(l->block);
    *l = (loaded){0};
}

id_list encode_text(const tokenizer *t, const void *text, size_t n, unsigned flags) {
    error e = {0};
    id_list ids = {0};
    cr_assert_eq(tokenizer_encode(t, text, n, flags, &ids, &e), OK, "%s", e.text);
    return ids;
}

bool ids_are(const id_list *got, const int32_t *want) {
    size_t n = 0;
    while (want[n] >= 0) n++;
    return got->n == n && (n == 0 || memcmp(got->ids, want, n * sizeof *want) == 0);
}

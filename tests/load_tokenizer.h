/* load_tokenizer.h: a tokenizer of a folder, compiled and opened, for tests. */
#ifndef QBIN_TESTS_LOAD_TOKENIZER_H
#define QBIN_TESTS_LOAD_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/tokenizer.h"

typedef struct loaded {
    uint8_t *block;
    size_t size;
    tokenizer *t;
} loaded;

/* From FOLDER/tokenizer.json and, if it is there, tokenizer_config.json; false if there is no tokenizer. Any other failure ends the test. */
bool load_tokenizer(loaded *l, const char *folder);
/* From texts; `config` may be NULL. */
void compile_tokenizer(loaded *l, const char *json, const char *config);
void unload_tokenizer(loaded *l);

/* The ids of a text; free ids. */
id_list encode_text(const tokenizer *t, const void *text, size_t n, unsigned flags);

/* Are they the ids that are listed up to -1? Frees nothing. */
bool ids_are(const id_list *got, const int32_t *want);

#endif

/* tokenizer.h: tokenizer.json executed as data, compiled once at conversion, then used straight from the mapping.
 *
 * tokenizer_compile reads tokenizer.json (or SentencePiece's tokenizer.model) and tokenizer_config.json and writes one relocatable block of tables
 * (vocabulary, merges or scores, hash tables, added tokens, pipeline of normalizers, pre-tokenizers, post-processor, decoder, regexes as text, chat
 * template aside). What it does not know it refuses by name. tokenizer_open checks the block's ranges once and uses it in place. Semantics: Hugging
 * Face `tokenizers` 0.23; of tokenizer.model, SentencePiece 0.2. */
#ifndef QBIN_TEXT_TOKENIZER_H
#define QBIN_TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct tokenizer tokenizer;

typedef struct tokenizer_file { /* its bytes; text NULL: there is none */
    const char *text;
    size_t size;
} tokenizer_file;

typedef struct tokenizer_files {   /* of a model folder */
    tokenizer_file tokenizer;      /* tokenizer.json, or SentencePiece's tokenizer.model */
    tokenizer_file config;         /* tokenizer_config.json: add_bos_token, bos_token and the like */
    tokenizer_file special_tokens; /* special_tokens_map.json: bos_token and eos_token where the config does not name them */
    tokenizer_file added_tokens;   /* added_tokens.json: tokens that tokenizer.model does not have */
} tokenizer_files;

/* Compiles them to a block that the caller frees. E_FILE names what is not supported or malformed. */
status tokenizer_compile_files(const tokenizer_files *files, uint8_t **block, size_t *size, error *e);

/* Compiles the text of tokenizer.json (and of tokenizer_config.json: add_bos_token and the like; may be NULL) to a block that the caller frees. E_FILE
 * names what is not supported or malformed. */
status tokenizer_compile(const char *json, size_t json_size, const char *config, size_t config_size, uint8_t **block, size_t *size, error *e);

/* Opens a block (64-byte aligned, borrowed until close). E_FILE if it is malformed. */
status tokenizer_open(tokenizer **out, const uint8_t *block, size_t size, error *e);
void tokenizer_close(tokenizer **t);

typedef struct id_list { /* grows; start with {0}; free ids */
    int32_t *ids;
    size_t n, room;
} id_list;

enum {
    ENCODE_SPECIAL = 1 << 0, /* add what the post-processor adds (BOS, EOS) */
    ENCODE_LITERAL = 1 << 1, /* special tokens in the text are not recognised: for text from a user in a chat */
    ENCODE_PROMPT = 1 << 2,  /* ENCODE_SPECIAL, and the BOS that tokenizer_config.json asks for, but never two of them at the beginning */
};

/* Appends the ids of text[n] (UTF-8; a bad byte is read as U+FFFD, as the reference's caller would) to out. Thread-safe. E_MEMORY, or E_RUN if a regex hits
 * its limits. */
status tokenizer_encode(const tokenizer *t, const char *text, size_t n, unsigned flags, id_list *out, error *e);

typedef struct text_range { /* bytes [begin, end) */
    size_t begin, end;
} text_range;

/* The same without flags, of a text of which some ranges (in order, not overlapping) come from outside, like the messages in a rendered chat: no special token
 * is recognised that touches one of them, whatever stands before or behind; else the ids are those of the whole text. E_RUN if the text is not UTF-8. */
status tokenizer_encode_mixed(const tokenizer *t, const char *text, size_t n, const text_range *data, size_t n_data, id_list *out, error *e);

size_t tokenizer_vocab(const tokenizer *t);                  /* ids are below this */
int32_t tokenizer_id(const tokenizer *t, const char *token); /* of a token's content; -1 if none */
bool tokenizer_is_special(const tokenizer *t, int32_t id);
int32_t tokenizer_bos(const tokenizer *t);   /* bos_token of tokenizer_config.json if its add_bos_token is true; -1 */
int32_t tokenizer_eos(const tokenizer *t);   /* eos_token of tokenizer_config.json; -1 */
bool tokenizer_adds_bos(const tokenizer *t); /* ENCODE_PROMPT begins with a token that is not of the text */

/* decode(ids) as the reference does it, skip_special as there; the caller frees *text (NUL-terminated; *n bytes). */
status tokenizer_decode(const tokenizer *t, const int32_t *ids, size_t n, bool skip_special, char **text, size_t *bytes, error *e);

/* Streaming: feeding ids one by one gives the same text as decoding them whole, in whole UTF-8 characters only. Start with {0}. */
typedef struct decoder decoder;
status decoder_open(decoder **out, const tokenizer *t, bool skip_special, error *e);
/* Text that has become final: *text borrowed until the next call. */
status decoder_feed(decoder *d, int32_t id, const char **text, size_t *bytes, error *e);
status decoder_finish(decoder *d, const char **text, size_t *bytes, error *e);
void decoder_close(decoder **d);

#endif

/* bpe.h: byte pair encoding: the model kind "BPE", over bytes (after ByteLevel) or over characters (with unknown characters as bytes, as an
 * unknown token, or left out). What it keeps in SECTION_MODEL, and its merge loop. */
#ifndef QBIN_TEXT_BPE_H
#define QBIN_TEXT_BPE_H

#include "text/encoder.h"

enum {
    BPE_FUSE_UNKNOWN = 1 << 0,  /* unknown characters in a row are one unknown token */
    BPE_IGNORE_MERGES = 1 << 1, /* a piece that is a token is that token */
    BPE_BYTE_FALLBACK = 1 << 2, /* unknown characters are byte tokens where those are there */
    BPE_CUTS = 1 << 3,          /* words can be told apart before merging: see `joined` */
};

typedef struct bpe_tables {
    uint32_t flags;
    int32_t unknown;       /* -1: unknown characters vanish */
    int32_t symbols[256];  /* ids of single bytes (BLOCK_BYTES) or of ASCII characters; -1 */
    int32_t fallback[256]; /* ids of <0x00> ... <0xFF>; -1 */
    /* No merge joins a token that ends in byte b with one that begins with U+2581 unless bit b is set. So a text of words that begin with U+2581
     * can be cut before U+2581 wherever the byte before has no bit, and gives the same ids. */
    uint8_t joined[32];
} bpe_tables;

extern const token_model bpe_model;

/* Import, in bpe_import.c. */
extern const char *const bpe_keys[];
status bpe_import(importer *in, const json_t *model, error *e);
/* Fills SECTION_MODEL from the tokens, the merges and what is filled in of *b: flags, unknown. */
status bpe_build(importer *in, bpe_tables *b, error *e);

/* Merges the symbols in place; the new number of them in list->n. `work` is scratch. */
status bpe_merge(const tokenizer *t, id_list *symbols, buffer *work, error *e);

#endif

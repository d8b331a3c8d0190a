/* spm.h: tokenizer.model of SentencePiece: its parts as they are stored (spm.c), and their import (spm_import.c). Field numbers: sentencepiece_model.proto. */
#ifndef QBIN_TEXT_SPM_H
#define QBIN_TEXT_SPM_H

#include "text/import.h"

enum { SPM_NORMAL = 1, SPM_UNKNOWN, SPM_CONTROL, SPM_USER_DEFINED, SPM_UNUSED, SPM_BYTE, SPM_TYPES };

typedef struct spm_piece {
    slice text; /* borrowed from the file; UTF-8, not empty */
    float score;
    int64_t type;
} spm_piece;

typedef struct spm_trainer {
    int64_t model, byte_fallback, suffix; /* suffix: spaces belong to the end of a word */
    int64_t unknown, bos, eos;            /* ids; -1 */
} spm_trainer;

typedef struct spm_normalizer {
    slice charsmap;
    int64_t prefix, squeeze, escape;
} spm_normalizer;

typedef struct spm_model {
    spm_piece *pieces; /* owned */
    size_t n, room;
    spm_trainer trainer;
    spm_normalizer normalizer, denormalizer;
} spm_model;

/* Reads a file; spm_close takes {0} and what a failed read left. E_FILE says what is broken and where. */
status spm_read(spm_model *m, slice file, error *e);
void spm_close(spm_model *m);

/* Could these bytes be such a file? It begins with its first piece. */
bool spm_is(slice file);

/* Tokens, model, pipeline and added tokens of a tokenizer.model; the template comes with in->config. E_FILE names what is not supported. */
status spm_import(importer *in, slice file, error *e);

#endif

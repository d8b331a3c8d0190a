/* gguf.h: a GGUF file in the words of a Hugging Face folder: config.json, tokenizer.json and tokenizer_config.json as they would be, and tensors under the
 * names that architectures want. So models/ and all that follows know one kind of checkpoint. An architecture, a key of an architecture, a tensor or a
 * tokenizer that is not in the tables of gguf_arch.c and gguf_pre.c is refused by name. */
#ifndef QBIN_MODELS_GGUF_H
#define QBIN_MODELS_GGUF_H

#include <jansson.h>
#include <stdbool.h>

#include "file/gguf.h"

/* ---- tables, for reading and writing ---- */

typedef struct gguf_pair { /* what the one and the other call a thing; {0} ends a list */
    const char *gguf, *hf;
    bool real; /* a number that is no integer */
} gguf_pair;

typedef struct gguf_arch {  /* one const object per architecture; the list is in gguf_arch.c */
    const char *name;       /* general.architecture, and what its keys begin with */
    const char *model_type; /* of config.json */
    const char *class;      /* architectures[0] of config.json */
    const gguf_pair *keys;  /* numbers that only some have, beside gguf_keys */
    const gguf_pair *layer; /* names of the tensors of a layer, without "blk.N." and ".weight" or ".bias" */
    const char *constants;  /* JSON: what config.json says, and GGUF leaves to the reader */
    bool pairs;             /* rows of q and k lie as rotary pairs */
    float norm_plus;        /* that norms are stored with */
    uint32_t window_every;  /* of so many layers all but the last have a sliding window; 0: none has */
    uint32_t wide_layers;   /* a model of so many layers scales scores by hidden / heads, not by head_dim; 0: none */
    bool attention_bias;    /* may q, k, v, o have biases, which config.json then says? */
} gguf_arch;
extern const gguf_arch *const gguf_archs[]; /* NULL-terminated */

extern const gguf_pair gguf_keys[];    /* numbers that all have, without "ARCHITECTURE." */
extern const gguf_pair gguf_scaling[]; /* of rope scaling, without "ARCHITECTURE.rope.scaling." */
extern const gguf_pair gguf_globals[]; /* names of the tensors that are in no layer */

typedef struct gguf_pre {     /* a way to split text before merging, as tokenizer.ggml.pre names it */
    const char *const *names; /* NULL-terminated; the first is what is written */
    const char *splitters;    /* JSON: the pre_tokenizer of tokenizer.json */
    const char *normalizer;   /* JSON or NULL */
    bool ignore_merges;
    bool bos; /* is a text begun with the token, if the file does not say? */
} gguf_pre;
extern const gguf_pre gguf_pres[]; /* ended by names NULL */

/* A word of JSON as in the tables above; NULL gives null. New reference. */
json_t *gguf_literal(const char *text);

/* ---- reading ---- */

/* Renames the tensors of the file as a checkpoint of Hugging Face has them, notes how they differ from it, and makes its config.json (new reference). */
status gguf_model(gguf *g, json_t **config, error *e);

/* tokenizer.json and tokenizer_config.json (new references; both NULL if the file has no tokenizer). */
status gguf_tokenizer(const gguf *g, json_t **tokenizer, json_t **config, error *e);

#endif

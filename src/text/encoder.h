/* encoder.h: the run of one call of tokenizer_encode: where ids go, and scratch that is kept for the next call. Encoders belong to one thread
 * at a time; the tokenizer keeps those that are free. */
#ifndef QBIN_TEXT_ENCODER_H
#define QBIN_TEXT_ENCODER_H

#include <pthread.h>

#include "text/stage.h"

typedef struct token_model token_model;

typedef struct encoder_pool { /* what a const tokenizer may change */
    pthread_mutex_t lock;
    encoder *first; /* free ones, linked by `next` */
} encoder_pool;

struct tokenizer {
    block_view view;
    const token_model *model;
    const void *model_data; /* of the model kind: SECTION_MODEL */
    const merge_slot *merges;
    size_t n_merges;
    stage_list normalizers, splitters, decoders;
    encoder_pool *pool;
};

enum { CACHE_SLOTS = 16384, CACHE_IDS = 3 };

typedef struct cached { /* the ids of a word of at most 16 bytes, half a cache line */
    uint64_t head, tail;
    uint8_t length, n, zero[2]; /* length 0: free */
    int32_t ids[CACHE_IDS];
} cached;

struct encoder {
    const tokenizer *t;
    id_list *out;
    error *e;
    unsigned flags;
    bool first;             /* what is normalized begins where the whole text begins */
    bool bare;              /* it is an added token, not a text */
    const uint8_t *begin;   /* of the text; */
    const text_range *data; /* what of it comes from outside; */
    size_t n_data;
    bool apart; /* ... and is encoded by itself, because special tokens are looked for after normalization */
    matcher matcher;
    buffer repaired, normal[2], split[STAGES_MAX];
    buffer form;     /* of a normalizer that goes over the text twice */
    id_list symbols; /* of the word that is being merged */
    buffer work;     /* of the model: links and heap of a long word */
    cached *cache;
    encoder *next; /* in the tokenizer's list */
};

/* A kind of model: how a piece of text becomes ids. */
struct token_model {
    const char *type;
    const char *const *keys;
    status (*import)(importer *in, const json_t *model, error *e); /* vocabulary and what it keeps in SECTION_MODEL */
    status (*check)(tokenizer *t, error *e);                       /* a block from a file */
    status (*encode)(encoder *x, slice text);                      /* appends the ids of a piece */
    bool (*whole)(encoder *x, int32_t id);                         /* does the token's own text give the token? NULL: it makes no use of the answer */
};
extern const token_model wordpiece_model;
extern const token_model *const token_models[]; /* NULL-terminated: the list */
const token_model *model_find(const char *type);

/* A new encoder without a cache, for normalizing and merging; NULL without memory. */
encoder *encoder_new(const tokenizer *t);
/* One that the tokenizer has free, or a new one, for encoding. */
encoder *encoder_take(const tokenizer *t);
void encoder_give(encoder *x);
void encoder_free(encoder *x);

/* Hands a piece to pre-tokenizer `index`, or to the model after the last. Empty pieces vanish. */
status encode_piece(encoder *x, size_t index, piece p);

/* Runs the normalizers. The result is borrowed: from text or from the encoder. */
status normalize_text(encoder *x, const stage_list *normalizers, slice *text);

/* Appends the ids of a word of the model, from the cache if it is there, else from `find`, which leaves them in x->symbols. */
typedef status find_ids(encoder *x, slice word);
status encode_word(encoder *x, slice word, find_ids *find);

static inline status encoder_put(encoder *x, int32_t id) {
    TRY(ids_reserve(x->out, 1, x->e));
    x->out->ids[x->out->n++] = id;
    return OK;
}

#endif

/* tokenizer.c: opens a block and answers questions about it. */
#include "text/tokenizer.h"

#include <stdlib.h>

#include "text/bpe.h"
#include "text/encoder.h"
#include "text/import.h"
#include "text/unigram.h"

const token_model *const token_models[] = {&bpe_model, &unigram_model, &wordpiece_model, NULL};

const token_model *model_find(const char *type) {
    const token_model *const *m = token_models;
    while (*m && strcmp((*m)->type, type) != 0) m++;
    return *m;
}

static status open_model(tokenizer *t, error *e) {
    char type[TYPE_NAME + 1] = "";
    memcpy(type, t->view.header->model, TYPE_NAME);
    const slice merges = block_section(&t->view, SECTION_MERGES);
    t->merges = (const merge_slot *)(const void *)merges.p;
    t->n_merges = merges.n / sizeof(merge_slot);
    t->model = model_find(type);
    return t->model ? t->model->check(t, e) : fail(e, E_FILE, "tokenizer: model \"%s\" is not supported", type);
}

static status open_stages(tokenizer *t, error *e) {
    const block_view *v = &t->view;
    const block_header *h = v->header;
    const stage_record *splitters = v->stages + h->n_normalizers, *decoders = splitters + h->n_splitters;
    TRY(stages_open(&t->normalizers, "normalizer", normalizer_kinds, v->stages, h->n_normalizers, v->text, e));
    TRY(stages_open(&t->splitters, "pre-tokenizer", splitter_kinds, splitters, h->n_splitters, v->text, e));
    return stages_open(&t->decoders, "decoder", decoder_kinds, decoders, h->n_decoders, v->text, e);
}

static status open_pool(tokenizer *t, error *e) {
    t->pool = calloc(1, sizeof *t->pool);
    if (!t->pool) return fail(e, E_MEMORY, "no memory for a tokenizer");
    pthread_mutex_init(&t->pool->lock, NULL);
    return OK;
}

status tokenizer_open(tokenizer **out, const uint8_t *block, size_t size, error *e) {
    *out = NULL;
    tokenizer *t = calloc(1, sizeof *t);
    if (!t) return fail(e, E_MEMORY, "no memory for a tokenizer");
    status s = block_open(&t->view, block, size, e);
    if (s == OK) s = open_pool(t, e);
    if (s == OK) s = open_model(t, e);
    if (s == OK) s = open_stages(t, e);
    if (s != OK) {
        tokenizer_close(&t);
        return s;
    }
    *out = t;
    return OK;
}

void tokenizer_close(tokenizer **t) {
    if (!*t) return;
    stages_close(&(*t)->normalizers);
    stages_close(&(*t)->splitters);
    stages_close(&(*t)->decoders);
    if ((*t)->pool) {
        for (encoder *x = (*t)->pool->first; x;) {
            encoder *next = x->next;
            encoder_free(x);
            x = next;
        }
        pthread_mutex_destroy(&(*t)->pool->lock);
        free((*t)->pool);
    }
    free(*t);
    *t = NULL;
}

size_t tokenizer_vocab(const tokenizer *t) {
    return t->view.n_ids;
}

int32_t tokenizer_id(const tokenizer *t, const char *token) {
    const slice text = slice_of(token);
    const int32_t raw = vocab_find(&t->view, text, 0);
    if (raw >= 0 || !(t->view.header->flags & BLOCK_BYTES)) return raw;
    buffer bytes = {0};
    bool spelled = false;
    const status s = bytes_of_alphabet(text, &bytes, &spelled, NULL);
    const int32_t id = s == OK && spelled ? vocab_find(&t->view, buffer_slice(&bytes), TOKEN_MAPPED) : -1;
    buffer_free(&bytes);
    return id;
}

bool tokenizer_is_special(const tokenizer *t, int32_t id) {
    return token_flags(&t->view, id) & TOKEN_SPECIAL;
}

int32_t tokenizer_bos(const tokenizer *t) {
    return t->view.header->flags & BLOCK_ADD_BOS ? t->view.header->bos : -1;
}

int32_t tokenizer_eos(const tokenizer *t) {
    return t->view.header->eos;
}

bool tokenizer_adds_bos(const tokenizer *t) {
    return tokenizer_bos(t) >= 0 || t->view.template[0] != TEMPLATE_TEXT;
}

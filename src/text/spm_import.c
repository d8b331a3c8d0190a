/* spm_import.c: from SentencePiece's pieces to the same collected tables that tokenizer.json gives. A BPE model of SentencePiece merges any two neighbours that
 * together are a piece, the one with the highest score first, the leftmost of equals (bpe_model.cc): every way to cut a piece in two is a merge of its
 * rank. Control pieces become special added tokens; user-defined pieces are found in normalized text, as there. */
#include <stdio.h>
#include <stdlib.h>

#include "text/bpe.h"
#include "text/precompiled.h"
#include "text/spm.h"
#include "text/unicode.h"
#include "text/unigram.h"

enum { MERGED_MAX = 256 /* bytes of a piece that merges make; the longest of real models have 64 */, STRIP_ALL = 1 << 20 };

static const char mark[] = "\xe2\x96\x81";

/* ---- tokens ---- */

static status import_pieces(importer *in, const spm_model *m, error *e) {
    TRY(import_list(in, m->n, e));
    for (size_t i = 0; i < m->n; i++) {
        const spm_piece *p = &m->pieces[i];
        if (p->type == SPM_UNUSED) return fail(e, E_FILE, "piece %zu is marked as unused, which is not supported", i);
        if (import_id(in, p->text) >= 0) return fail(e, E_FILE, "piece %zu is there twice", i);
        in->tokens[i] = (draft_token){p->text, TOKEN_PRESENT | (p->type == SPM_NORMAL ? 0u : (unsigned)DRAFT_ASIDE)};
        if (json_object_setn_new(in->ids, (const char *)p->text.p, p->text.n, json_integer((json_int_t)i)) != 0)
            return fail(e, E_MEMORY, "no memory for %zu tokens", m->n);
    }
    return OK;
}

/* ---- BPE ---- */

static int compare_scores(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* Different scores, the highest first, so that the place of a score is its rank. *n: how many. */
static float *sorted_scores(const spm_model *m, size_t *n) {
    float *scores = calloc(m->n, sizeof *scores);
    *n = 0;
    if (!scores) return NULL;
    for (size_t i = 0; i < m->n; i++) scores[i] = m->pieces[i].score;
    qsort(scores, m->n, sizeof *scores, compare_scores);
    for (size_t i = 0; i < m->n; i++) {
        if (*n == 0 || scores[*n - 1] != scores[i]) scores[(*n)++] = scores[i];
    }
    return scores;
}

static int32_t normal_piece(const importer *in, slice text) {
    const int32_t id = import_id(in, text);
    return id >= 0 && !(in->tokens[id].flags & DRAFT_ASIDE) ? id : -1;
}

static status add_merges(const importer *in, slice piece_text, int32_t id, uint32_t rank, buffer *merges, error *e) {
    if (piece_text.n > MERGED_MAX) return fail(e, E_FILE, "piece %d of %zu bytes is longer than %d", id, piece_text.n, MERGED_MAX);
    for (size_t i = utf8_length(piece_text.p[0]); i < piece_text.n; i += utf8_length(piece_text.p[i])) {
        const merge_slot s = {normal_piece(in, slice_part(piece_text, 0, i)), normal_piece(in, slice_part(piece_text, i, piece_text.n)), rank, id};
        if (s.left >= 0 && s.right >= 0) TRY(buffer_add(merges, &s, sizeof s, e));
    }
    return OK;
}

static status import_merges(importer *in, const spm_model *m, error *e) {
    size_t n;
    buffer merges = {0};
    float *scores = sorted_scores(m, &n);
    status s = scores ? OK : fail(e, E_MEMORY, "no memory for %zu scores", m->n);
    for (size_t i = 0; s == OK && i < m->n; i++) {
        const spm_piece *p = &m->pieces[i];
        if (p->type != SPM_NORMAL) continue;
        const float *at = bsearch(&p->score, scores, n, sizeof *scores, compare_scores);
        s = add_merges(in, p->text, (int32_t)i, (uint32_t)(at - scores), &merges, e);
    }
    free(scores);
    in->merges = (merge_slot *)(void *)merges.p;
    in->n_merges = merges.n / sizeof(merge_slot);
    return s;
}

static status import_bpe(importer *in, const spm_model *m, error *e) {
    bpe_tables b = {.unknown = (int32_t)m->trainer.unknown, .flags = BPE_FUSE_UNKNOWN};
    if (m->trainer.byte_fallback) b.flags |= BPE_BYTE_FALLBACK;
    TRY(import_merges(in, m, e));
    return bpe_build(in, &b, e);
}

/* ---- Unigram ---- */

static status import_unigram(importer *in, const spm_model *m, error *e) {
    unigram_tables u = {.unknown = (int32_t)m->trainer.unknown, .flags = UNIGRAM_SINGLE};
    double *scores = calloc(m->n, sizeof *scores);
    if (!scores) return fail(e, E_MEMORY, "no memory for %zu scores", m->n);
    bool any = false;
    float lowest = 0;
    for (size_t i = 0; i < m->n; i++) {
        const spm_piece *p = &m->pieces[i];
        scores[i] = (double)p->score;
        if (p->type != SPM_NORMAL) continue;
        lowest = any && lowest < p->score ? lowest : p->score;
        any = true;
    }
    u.unknown_score = (double)(lowest - (float)UNIGRAM_UNKNOWN_PENALTY);
    if (m->trainer.byte_fallback) u.flags |= UNIGRAM_BYTE_FALLBACK;
    import_fallback(in, m->trainer.byte_fallback, u.fallback);
    const status s = unigram_build(in, &u, scores, e);
    free(scores);
    return s;
}

static const struct {
    const char *name;
    status (*import)(importer *in, const spm_model *m, error *e); /* NULL: not supported */
    const token_model *model;
    bool begins, ends; /* does a text get a BOS, an EOS, if no file says so? As the Hugging Face classes for Llama and T5 do it */
} types[] = {{"?", NULL, NULL, false, false},
             {"Unigram", import_unigram, &unigram_model, false, true},
             {"BPE", import_bpe, &bpe_model, true, false},
             {"word", NULL, NULL, false, false},
             {"character", NULL, NULL, false, false}};

/* ---- the pipeline ---- */

static status add_stage(importer *in, stage_sort sort, const char *type, uint32_t flags, slice first, slice second, error *e) {
    stage_record *r = &in->stages[sort][in->n_stages[sort]++];
    memcpy(r->type, type, strlen(type));
    r->flags = flags;
    TRY(import_text(in, first, &r->text[0], e));
    return import_text(in, second, &r->text[1], e);
}

static status import_pipeline(importer *in, const spm_model *m, error *e) {
    const spm_normalizer *n = &m->normalizer;
    bool prefix = true, legacy = true;
    TRY(field_flag(in->config, "tokenizer_config.json", "add_prefix_space", &prefix, e));
    TRY(field_flag(in->config, "tokenizer_config.json", "legacy", &legacy, e));
    const bool marks = n->prefix && prefix;
    const uint32_t flags = (marks ? (uint32_t)SPM_MARK : 0) | (legacy ? 0 : (uint32_t)SPM_MARK_FIRST) |
                           (m->trainer.suffix ? (uint32_t)SPM_SUFFIX : 0) | (n->squeeze ? (uint32_t)SPM_SQUEEZE : 0) |
                           (n->escape ? (uint32_t)SPM_ESCAPE : 0);
    TRY(add_stage(in, SORT_NORMALIZER, SPM_NORMALIZER, flags, n->charsmap, (slice){0}, e));
    TRY(add_stage(in, SORT_DECODER, "Replace", 0, slice_of(mark), slice_of(" "), e));
    TRY(add_stage(in, SORT_DECODER, "ByteFallback", 0, (slice){0}, (slice){0}, e));
    TRY(add_stage(in, SORT_DECODER, "Fuse", 0, (slice){0}, (slice){0}, e));
    if (!marks && !n->squeeze) return OK;
    TRY(add_stage(in, SORT_DECODER, "Strip", 0, slice_of(" "), (slice){0}, e));
    stage_record *strip = &in->stages[SORT_DECODER][in->n_stages[SORT_DECODER] - 1];
    strip->numbers[0] = n->squeeze ? STRIP_ALL : 1;
    return OK;
}

/* ---- added tokens: pieces, then what the other files say of them or add ---- */

static status put_added(json_t *by_id, int64_t id, json_t *token, error *e) {
    char key[16];
    if (id < 0 || id >= VOCAB_MAX) {
        json_decref(token);
        return fail(e, E_FILE, "an added token has an id that is not from 0 to %d", VOCAB_MAX - 1);
    }
    snprintf(key, sizeof key, "%08lld", (long long)id); /* in the order of ids */
    json_object_set_new(token, "id", json_integer(id));
    return json_object_set_new(by_id, key, token) == 0 ? OK : fail(e, E_MEMORY, "no memory for added tokens");
}

static json_t *added_json(slice content, bool special, bool normalized) {
    return json_pack("{s:s%, s:b, s:b}", "content", (const char *)content.p, content.n, "special", special, "normalized", normalized);
}

static status add_pieces(json_t *by_id, const spm_model *m, error *e) {
    for (size_t i = 0; i < m->n; i++) {
        const spm_piece *p = &m->pieces[i];
        if (p->type == SPM_NORMAL || p->type == SPM_BYTE) continue;
        const bool user = p->type == SPM_USER_DEFINED;
        TRY(put_added(by_id, (int64_t)i, added_json(p->text, !user, user), e));
    }
    return OK;
}

/* tokenizer_config.json: "added_tokens_decoder": {"32000": {"content": ..., flags}}. */
static status add_decoder(json_t *by_id, const json_t *config, error *e) {
    static const char *const flags[] = {"content", "special", "normalized", "lstrip", "rstrip", "single_word"};
    const char *key;
    json_t *token;
    json_object_foreach(json_object_get(config, "added_tokens_decoder"), key, token) {
        char *end;
        const long long id = strtoll(key, &end, 10);
        json_t *copy = json_object();
        if (*end || !json_is_object(token) || !copy) {
            json_decref(copy);
            return fail(e, E_FILE, "tokenizer_config.json: \"added_tokens_decoder\" is not tokens by id");
        }
        for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
            json_t *value = json_object_get(token, flags[i]);
            if (value) json_object_set(copy, flags[i], value);
        }
        if (!json_object_get(copy, "normalized"))
            json_object_set_new(copy, "normalized", json_boolean(!json_is_true(json_object_get(copy, "special"))));
        TRY(put_added(by_id, id, copy, e));
    }
    return OK;
}

/* added_tokens.json: {"<pad>": 32000}; tokens that the others know are left as they are. */
static status add_list(const importer *in, json_t *by_id, error *e) {
    const char *key;
    size_t n;
    json_t *id;
    json_object_keylen_foreach(in->more, key, n, id) {
        char known[16];
        if (!json_is_integer(id)) return fail(e, E_FILE, "added_tokens.json: \"%.60s\" has no id", key);
        snprintf(known, sizeof known, "%08lld", (long long)json_integer_value(id) % 100000000);
        if (!json_object_get(by_id, known))
            TRY(put_added(by_id, json_integer_value(id), added_json((slice){(const uint8_t *)key, n}, false, false), e));
    }
    return OK;
}

static int compare_keys(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The tokens in the order of their ids, as tokenizer.json lists them. */
static status list_added(importer *in, json_t *by_id, error *e) {
    json_t *list = json_array(), *token;
    const size_t n = json_object_size(by_id);
    const char **keys = calloc(n + 1, sizeof *keys), *key;
    if (!list || !keys || json_object_set_new(in->root, "added_tokens", list) != 0) {
        free(keys);
        return fail(e, E_MEMORY, "no memory for added tokens");
    }
    size_t i = 0;
    json_object_foreach(by_id, key, token) keys[i++] = key;
    qsort(keys, n, sizeof *keys, compare_keys);
    for (i = 0; i < n; i++) json_array_append(list, json_object_get(by_id, keys[i]));
    free(keys);
    return OK;
}

static status import_added_tokens(importer *in, const spm_model *m, error *e) {
    json_t *by_id = json_object();
    if (!by_id) return fail(e, E_MEMORY, "no memory for added tokens");
    status s = add_pieces(by_id, m, e);
    if (s == OK) s = add_decoder(by_id, in->config, e);
    if (s == OK) s = add_list(in, by_id, e);
    if (s == OK) s = list_added(in, by_id, e);
    json_decref(by_id);
    return s == OK ? import_added(in, e) : s;
}

/* ---- what stands around a text ---- */

static status import_ends(importer *in, const spm_model *m, bool begins, bool ends, error *e) {
    const spm_trainer *t = &m->trainer;
    TRY(field_flag(in->config, "tokenizer_config.json", "add_bos_token", &begins, e));
    TRY(field_flag(in->config, "tokenizer_config.json", "add_eos_token", &ends, e));
    import_special_ids(in);
    if (in->bos < 0 && t->bos >= 0 && (size_t)t->bos < m->n) in->bos = (int32_t)t->bos;
    if (in->eos < 0 && t->eos >= 0 && (size_t)t->eos < m->n) in->eos = (int32_t)t->eos;
    if (begins && in->bos >= 0) in->template[in->n_template++] = in->bos;
    in->template[in->n_template++] = TEMPLATE_TEXT;
    if (ends && in->eos >= 0) in->template[in->n_template++] = in->eos;
    if (begins && in->bos >= 0) in->flags |= BLOCK_ADD_BOS;
    return OK;
}

static status import_parts(importer *in, const spm_model *m, error *e) {
    const spm_trainer *t = &m->trainer;
    if (t->model < 0 || (size_t)t->model >= sizeof types / sizeof types[0] || !types[t->model].import)
        return fail(e, E_FILE, "a SentencePiece model of type %lld is neither Unigram nor BPE", (long long)t->model);
    if (t->unknown < 0 || (size_t)t->unknown >= m->n || m->pieces[t->unknown].type != SPM_UNKNOWN)
        return fail(e, E_FILE, "there is no unknown piece");
    if (m->denormalizer.charsmap.n) return fail(e, E_FILE, "a SentencePiece model with a denormalizer is not supported");
    const char *type = types[t->model].model->type;
    memcpy(in->model_type, type, strlen(type));
    TRY(import_pieces(in, m, e));
    TRY(types[t->model].import(in, m, e));
    TRY(import_pipeline(in, m, e));
    TRY(import_added_tokens(in, m, e));
    return import_ends(in, m, types[t->model].begins, types[t->model].ends, e);
}

status spm_import(importer *in, slice file, error *e) {
    spm_model m;
    status s = spm_read(&m, file, e);
    if (s == OK) s = import_parts(in, &m, e);
    spm_close(&m);
    return s;
}

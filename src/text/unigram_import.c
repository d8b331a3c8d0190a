/* unigram_import.c: the model "Unigram" of tokenizer.json: tokens with their scores. */
#include <math.h>
#include <stdlib.h>

#include "text/import.h"
#include "text/unigram.h"

const char *const unigram_keys[] = {"unk_id", "vocab", "byte_fallback", NULL};

/* [token, score]; of equal tokens the last is the one that texts become. */
static status import_piece(importer *in, const json_t *entry, size_t id, double *score, error *e) {
    const json_t *token = json_array_get(entry, 0), *value = json_array_get(entry, 1);
    if (json_array_size(entry) != 2 || !json_is_string(token) || !json_is_number(value) || !isfinite(json_number_value(value)))
        return fail(e, E_FILE, "Unigram: entry %zu of \"vocab\" is not a token and its score", id);
    *score = json_number_value(value);
    in->tokens[id] = (draft_token){slice_of_json(token), TOKEN_PRESENT};
    if (json_object_setn_new(in->ids, json_string_value(token), json_string_length(token), json_integer((json_int_t)id)) == 0) return OK;
    return fail(e, E_MEMORY, "no memory for %zu tokens", id);
}

static status import_pieces(importer *in, const json_t *model, double **scores, error *e) {
    const json_t *vocab = json_object_get(model, "vocab");
    const size_t n = json_array_size(vocab);
    if (!json_is_array(vocab)) return fail(e, E_FILE, "Unigram: \"vocab\" is not a list");
    if (n > VOCAB_MAX) return fail(e, E_FILE, "Unigram: %zu tokens are more than %d", n, VOCAB_MAX);
    TRY(import_list(in, n, e));
    *scores = calloc(n + 1, sizeof **scores);
    if (!*scores) return fail(e, E_MEMORY, "no memory for %zu tokens", n);
    for (size_t i = 0; i < n; i++) TRY(import_piece(in, json_array_get(vocab, i), i, *scores + i, e));
    return OK;
}

status unigram_build(importer *in, unigram_tables *u, const double *scores, error *e) {
    buffer nodes = {0};
    if (in->flags & BLOCK_BYTES) return fail(e, E_FILE, "Unigram behind ByteLevel is not supported");
    status s = import_vocab_trie(in, &nodes, &u->longest, e);
    u->n_scores = (uint32_t)in->n_ids;
    u->n_nodes = (uint32_t)(nodes.n / sizeof(trie_node));
    if (s == OK) s = buffer_add(&in->model, u, sizeof *u, e);
    if (s == OK) s = buffer_add(&in->model, scores, in->n_ids * sizeof *scores, e);
    if (s == OK) s = buffer_add(&in->model, nodes.p, nodes.n, e);
    buffer_free(&nodes);
    return s;
}

static status import_tables(importer *in, const json_t *model, const double *scores, error *e) {
    unigram_tables u = {.unknown = -1};
    int64_t unknown = -1;
    bool fallback = false;
    TRY(field_flag(model, "Unigram", "byte_fallback", &fallback, e));
    TRY(field_number(model, "Unigram", "unk_id", 0, (int64_t)in->n_ids - 1, &unknown, e));
    double lowest = INFINITY;
    for (size_t i = 0; i < in->n_ids; i++) lowest = scores[i] < lowest ? scores[i] : lowest;
    u.unknown = (int32_t)unknown;
    u.unknown_score = lowest - UNIGRAM_UNKNOWN_PENALTY;
    u.flags = fallback ? (uint32_t)UNIGRAM_BYTE_FALLBACK : 0;
    import_fallback(in, fallback, u.fallback);
    return unigram_build(in, &u, scores, e);
}

status unigram_import(importer *in, const json_t *model, error *e) {
    double *scores = NULL;
    status s = import_pieces(in, model, &scores, e);
    if (s == OK) s = import_tables(in, model, scores, e);
    free(scores);
    return s;
}

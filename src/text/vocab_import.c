/* vocab_import.c: what the kinds of models share when they are imported: the vocabulary, tokens of single bytes, the trie of all tokens. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "text/import.h"

status import_vocab(importer *in, const json_t *model, const char *what, error *e) {
    json_t *vocab = json_object_get(model, "vocab"), *value;
    const char *key;
    size_t length;
    if (!json_is_object(vocab)) return fail(e, E_FILE, "%s: \"vocab\" is not an object", what);
    in->ids = vocab;
    in->n_vocab = json_object_size(vocab);
    json_object_keylen_foreach(vocab, key, length, value) {
        const int64_t id = json_integer_value(value);
        if (!json_is_integer(value) || id < 0 || id >= VOCAB_MAX) {
            return fail(e, E_FILE, "%s: token \"%.60s\" has an id that is not a number from 0 to %d", what, key, VOCAB_MAX - 1);
        }
        TRY(import_ids(in, (size_t)id + 1, e));
        draft_token *token = &in->tokens[id];
        if (token->flags & TOKEN_PRESENT) {
            return fail(e, E_FILE, "%s: tokens \"%.60s\" and \"%.60s\" have the same id %lld", what, (const char *)token->content.p, key,
                        (long long)id);
        }
        *token = (draft_token){{(const uint8_t *)key, length}, TOKEN_PRESENT};
    }
    return OK;
}

status import_unknown(const importer *in, const json_t *model, const char *what, int32_t *id, error *e) {
    const json_t *unknown = json_object_get(model, "unk_token");
    if (!json_is_string(unknown)) return OK;
    *id = import_id(in, slice_of_json(unknown));
    return *id >= 0 ? OK : fail(e, E_FILE, "%s: unk_token \"%.60s\" is not in the vocabulary", what, json_string_value(unknown));
}

void import_fallback(const importer *in, bool wanted, int32_t fallback[256]) {
    for (unsigned i = 0; i < 256; i++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", i);
        fallback[i] = wanted ? import_id(in, slice_of(name)) : -1;
    }
}

status import_vocab_trie(const importer *in, buffer *out, uint32_t *longest, error *e) {
    added_token *tokens = calloc(in->n_ids + 1, sizeof *tokens);
    const added_token **list = calloc(in->n_ids + 1, sizeof *list);
    status s = tokens && list ? OK : fail(e, E_MEMORY, "no memory for a trie of %zu tokens", in->n_ids);
    size_t n = 0;
    *longest = 0;
    for (size_t id = 0; s == OK && id < in->n_ids; id++) {
        const draft_token *t = &in->tokens[id];
        if (!(t->flags & TOKEN_PRESENT) || t->flags & DRAFT_ASIDE || t->content.n == 0) continue;
        if (t->content.n > ADDED_MAX) s = fail(e, E_FILE, "a token of %zu bytes is longer than %d", t->content.n, ADDED_MAX);
        if (t->content.n > *longest) *longest = (uint32_t)t->content.n;
        tokens[n] = (added_token){.content = t->content, .id = (int32_t)id, .order = id};
        list[n] = &tokens[n];
        n++;
    }
    if (s == OK) s = trie_build(list, n, out, e);
    free(list);
    free(tokens);
    return s;
}

status import_list(importer *in, size_t n, error *e) {
    json_t *ids = json_object();
    if (!ids || json_object_set_new(in->root, "(ids)", ids) != 0) return fail(e, E_MEMORY, "no memory for %zu tokens", n);
    in->ids = ids;
    in->n_vocab = in->n_ids = n;
    in->tokens = calloc(round_up(n + 1, IDS_STEP), sizeof *in->tokens);
    return in->tokens ? OK : fail(e, E_MEMORY, "no memory for %zu tokens", n);
}

/* import_added.c: "added_tokens" of tokenizer.json. */
#include <stdlib.h>

#include "base/check.h"
#include "text/encoder.h"
#include "text/import.h"

static const char *const added_keys[] = {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special", NULL};

enum { HOLES_MAX = 65536 }; /* ids without a token, beyond three for each token */

typedef struct added_flag {
    const char *key;
    unsigned flag;
} added_flag;

static const added_flag added_flags[] = {{"single_word", TOKEN_WORD}, {"lstrip", TOKEN_LSTRIP}, {"rstrip", TOKEN_RSTRIP}, {"special", TOKEN_SPECIAL}};

status import_ids(importer *in, size_t n, error *e) {
    if (n <= in->n_ids) return OK;
    if (n > json_object_size(in->ids) * 4 + HOLES_MAX)
        return fail(e, E_FILE, "id %zu is far beyond the %zu tokens", n - 1, json_object_size(in->ids));
    const size_t before = round_up(in->n_ids, IDS_STEP), room = round_up(n, IDS_STEP);
    if (room > before) {
        draft_token *tokens = realloc(in->tokens, (room > before * 2 ? room : before * 2) * sizeof *tokens);
        if (!tokens) return fail(e, E_MEMORY, "no memory for %zu tokens", n);
        in->tokens = tokens;
    }
    memset(in->tokens + in->n_ids, 0, (n - in->n_ids) * sizeof *in->tokens);
    in->n_ids = n;
    return OK;
}

/* The reference gives a token that the vocabulary does not have the next free id and ignores the file's number. Where the two differ, one of
 * them is wrong for the model, so the file is refused. */
static status place(importer *in, slice content, int64_t id, int64_t next, error *e) {
    const int32_t known = import_id(in, content);
    const int64_t expected = known >= 0 ? known : next;
    if (id != expected) {
        return fail(e, E_FILE, "added token \"%.60s\" has id %lld, where its place in the vocabulary is %lld", (const char *)content.p, (long long)id,
                    (long long)expected);
    }
    TRY(import_ids(in, (size_t)id + 1, e));
    if (known < 0 && json_object_setn_new(in->ids, (const char *)content.p, content.n, json_integer(id)) != 0) {
        return fail(e, E_MEMORY, "no memory for added tokens");
    }
    return OK;
}

static status import_token(importer *in, const json_t *json, int64_t *next, error *e) {
    slice content;
    int64_t id = -1;
    bool normalized = true;
    unsigned flags = TOKEN_PRESENT | TOKEN_ADDED;
    TRY(fields_known(json, "added token", added_keys, e));
    TRY(field_text(json, "added token", "content", &content, e));
    TRY(field_number(json, "added token", "id", 0, VOCAB_MAX - 1, &id, e));
    TRY(field_flag(json, "added token", "normalized", &normalized, e));
    for (size_t i = 0; i < sizeof added_flags / sizeof added_flags[0]; i++) {
        bool on = false;
        TRY(field_flag(json, "added token", added_flags[i].key, &on, e));
        if (on) flags |= added_flags[i].flag;
    }
    if (content.n == 0) return OK; /* ignored, as in the reference */
    if (content.n > ADDED_MAX) return fail(e, E_FILE, "an added token of %zu bytes is longer than %d", content.n, ADDED_MAX);
    if (id < 0) return fail(e, E_FILE, "added token \"%.60s\" has no id", (const char *)content.p);
    TRY(place(in, content, id, *next, e));
    if (id >= *next) *next = id + 1;
    draft_token *token = &in->tokens[id];
    if (token->flags & TOKEN_ADDED) return fail(e, E_FILE, "added token \"%.60s\" is there twice", (const char *)content.p);
    token->content = content;
    token->flags |= flags;
    in->added[in->n_added] = (added_token){content, (int32_t)id, normalized, in->n_added};
    in->n_added++;
    return OK;
}

/* What a normalized token matches, and is decoded as, is its normalized text. */
static status normalize_added(importer *in, const stage_list *normalizers, encoder *x, error *e) {
    for (size_t i = 0; i < in->n_added; i++) {
        added_token *a = &in->added[i];
        draft_token *token = &in->tokens[a->id];
        if (token->flags & TOKEN_SPECIAL) token->flags |= TOKEN_SKIPPED;
        if (!a->normalized) continue;
        slice text = a->content;
        TRY(normalize_text(x, normalizers, &text));
        if (slice_same(text, a->content)) continue;
        if (text.n == 0 || text.n > ADDED_MAX) {
            return fail(e, E_FILE, "added token \"%.60s\" is %zu bytes long after normalization", (const char *)a->content.p, text.n);
        }
        buffer copy = {0};
        TRY(buffer_add(&copy, text.p, text.n, e));
        in->kept[in->n_kept++] = copy;
        a->content = token->content = buffer_slice(&copy);
        token->flags &= ~(unsigned)TOKEN_SKIPPED; /* the reference knows special tokens by their text, and this is another */
        const int32_t other = import_id(in, a->content);
        if (other >= 0 && in->tokens[other].flags & TOKEN_SPECIAL) token->flags |= TOKEN_SKIPPED;
    }
    return OK;
}

status import_added(importer *in, error *e) {
    const json_t *list = json_object_get(in->root, "added_tokens");
    if (!list || json_is_null(list)) return OK;
    if (!json_is_array(list)) return fail(e, E_FILE, "\"added_tokens\" is not a list");
    const size_t n = json_array_size(list);
    in->added = calloc(n + 1, sizeof *in->added);
    in->kept = calloc(n + 1, sizeof *in->kept);
    encoder *x = encoder_new(NULL);
    if (!in->added || !in->kept || !x) {
        encoder_free(x);
        return fail(e, E_MEMORY, "no memory for %zu added tokens", n);
    }
    int64_t next = (int64_t)in->n_vocab;
    status s = OK;
    for (size_t i = 0; s == OK && i < n; i++) s = import_token(in, json_array_get(list, i), &next, e);
    stage_list normalizers = {0};
    if (s == OK) {
        s = stages_open(&normalizers, "normalizer", normalizer_kinds, in->stages[SORT_NORMALIZER], in->n_stages[SORT_NORMALIZER],
                        buffer_slice(&in->text), e);
    }
    x->e = e;
    x->bare = true;
    if (s == OK) s = normalize_added(in, &normalizers, x, e);
    stages_close(&normalizers);
    encoder_free(x);
    return s;
}

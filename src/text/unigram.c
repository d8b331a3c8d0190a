#include "text/unigram.h"

#include "base/check.h"
#include "text/unicode.h"

static const unigram_tables *tables(const tokenizer *t) {
    return t->model_data;
}

static const double *scores(const unigram_tables *u) {
    return (const double *)(const void *)(u + 1);
}

static trie tokens_trie(const unigram_tables *u) {
    return (trie){.nodes = (const trie_node *)(const void *)(scores(u) + u->n_scores), .n = u->n_nodes};
}

static bool known_id(const tokenizer *t, int32_t id) {
    return id >= -1 && (id < 0 || (size_t)id < t->view.n_ids);
}

static status unigram_check(tokenizer *t, error *e) {
    const slice data = block_section(&t->view, SECTION_MODEL);
    const unigram_tables *u = t->model_data = data.p;
    if (data.n < sizeof *u || data.n - sizeof *u != (uint64_t)u->n_scores * sizeof(double) + (uint64_t)u->n_nodes * sizeof(trie_node) ||
        u->n_nodes == 0)
        return fail(e, E_FILE, "tokenizer: Unigram tables do not fit into %zu bytes", data.n);
    if (u->flags & ~(uint32_t)UNIGRAM_KNOWN_FLAGS) return fail(e, E_FILE, "tokenizer: Unigram has unknown flags %#x", u->flags);
    bool good = known_id(t, u->unknown) && u->n_scores <= t->view.n_ids && u->longest <= ADDED_MAX;
    for (size_t i = 0; i < 256; i++) good = good && known_id(t, u->fallback[i]);
    return good ? OK : fail(e, E_FILE, "tokenizer: Unigram tables hold an id or a length that is out of range");
}

/* ---- the best way to every place of a word ---- */

typedef struct arrival { /* of the best cut of the text before this place */
    double score;
    int32_t id; /* of its last token */
    uint32_t begin;
} arrival;

#define NEVER UINT32_MAX

typedef struct walk {
    const unigram_tables *u;
    slice word;
    arrival *places;
} walk;

static void arrive(const walk *w, size_t begin, size_t end, int32_t id, double score) {
    arrival *to = &w->places[end];
    double sum = score + w->places[begin].score;
    if (w->u->flags & UNIGRAM_SINGLE) sum = (double)(float)sum;
    if (to->begin == NEVER || sum > to->score) *to = (arrival){sum, id, (uint32_t)begin};
}

/* Goes on from `begin` by every token that stands there. False: by none, and there is no unknown token. */
static bool leave(const walk *w, const trie *t, size_t begin) {
    const unigram_tables *u = w->u;
    const size_t character = utf8_length(w->word.p[begin]);
    const size_t most = w->word.n - begin < u->longest ? w->word.n - begin : u->longest;
    const trie_node *node = t->nodes;
    bool single = false;
    for (size_t i = 0; i < most; i++) {
        node = trie_child(t, node, w->word.p[begin + i]);
        if (!node) break;
        if (node->id < 0 || (uint32_t)node->id >= u->n_scores) continue;
        arrive(w, begin, begin + i + 1, node->id, scores(u)[node->id]);
        single = single || i + 1 == character;
    }
    if (!single && u->unknown >= 0) arrive(w, begin, begin + character, u->unknown, u->unknown_score);
    return single || u->unknown >= 0;
}

static status find_ways(const walk *w, error *e) {
    const trie t = tokens_trie(w->u);
    w->places[0] = (arrival){.begin = 0};
    for (size_t i = 1; i <= w->word.n; i++) w->places[i].begin = NEVER;
    for (size_t i = 0; i < w->word.n; i += utf8_length(w->word.p[i])) {
        if (w->places[i].begin == NEVER || !leave(w, &t, i))
            return fail(e, E_RUN, "the vocabulary cannot spell byte %zu of a word, and has no unknown token", i);
    }
    return w->places[w->word.n].begin == NEVER ? fail(e, E_RUN, "the vocabulary cannot spell the end of a word") : OK;
}

/* ---- its tokens ---- */

static status put(encoder *x, int32_t id) {
    TRY(ids_reserve(&x->symbols, 1, x->e));
    x->symbols.ids[x->symbols.n++] = id;
    return OK;
}

/* Text that is no token, from its end to its beginning: as a token that it happens to spell, as bytes, or as the unknown token. */
static status put_unknown(encoder *x, const unigram_tables *u, slice text) {
    const int32_t known = vocab_find(&x->t->view, text, 0);
    if (!(u->flags & UNIGRAM_SINGLE) && known >= 0 && (uint32_t)known < u->n_scores) return put(x, known);
    bool bytes = u->flags & UNIGRAM_BYTE_FALLBACK;
    for (size_t i = 0; bytes && i < text.n; i++) bytes = u->fallback[text.p[i]] >= 0;
    if (!bytes) return put(x, u->unknown);
    for (size_t i = text.n; i > 0; i--) TRY(put(x, u->fallback[text.p[i - 1]]));
    return OK;
}

/* Walks back; unknown characters in a row are one. */
static status collect(encoder *x, const walk *w) {
    size_t end = w->word.n;
    while (end > 0) {
        size_t begin = end;
        while (begin > 0 && w->places[begin].id == w->u->unknown) begin = w->places[begin].begin;
        if (begin < end) {
            TRY(put_unknown(x, w->u, slice_part(w->word, begin, end)));
        } else {
            TRY(put(x, w->places[end].id));
            begin = w->places[end].begin;
        }
        end = begin;
    }
    return OK;
}

static void reverse(id_list *list) {
    for (size_t i = 0, k = list->n; i + 1 < k; i++) {
        const int32_t id = list->ids[i];
        list->ids[i] = list->ids[--k];
        list->ids[k] = id;
    }
}

static status find_word(encoder *x, slice word) {
    if (word.n >= NEVER) return fail(x->e, E_RUN, "a word of %zu bytes is too long", word.n);
    x->work.n = x->symbols.n = 0;
    TRY(buffer_reserve(&x->work, (word.n + 1) * sizeof(arrival), x->e));
    const walk w = {tables(x->t), word, (arrival *)(void *)x->work.p};
    TRY(find_ways(&w, x->e));
    TRY(collect(x, &w));
    reverse(&x->symbols);
    return OK;
}

static status unigram_encode(encoder *x, slice text) {
    return encode_word(x, text, find_word);
}

const token_model unigram_model = {
    .type = "Unigram", .keys = unigram_keys, .import = unigram_import, .check = unigram_check, .encode = unigram_encode};

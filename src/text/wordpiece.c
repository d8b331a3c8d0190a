/* wordpiece.c: the model kind "WordPiece": the longest token first, from left to right; those inside a word begin with a prefix. A word that cannot be
 * spelled is one unknown token. What it keeps in SECTION_MODEL: a header and the trie of all tokens. */
#include "text/encoder.h"
#include "text/import.h"
#include "text/unicode.h"

enum { PREFIX_MAX = 32 };

typedef struct wordpiece_tables { /* behind it: trie_node[n_nodes] */
    int32_t unknown;
    uint32_t longest_word; /* in characters; a longer one is unknown */
    uint32_t n_nodes, prefix_bytes;
    uint8_t prefix[PREFIX_MAX];
} wordpiece_tables;

static const wordpiece_tables *tables(const tokenizer *t) {
    return t->model_data;
}

static status wordpiece_check(tokenizer *t, error *e) {
    const slice data = block_section(&t->view, SECTION_MODEL);
    const wordpiece_tables *w = t->model_data = data.p;
    if (data.n < sizeof *w || data.n - sizeof *w != (uint64_t)w->n_nodes * sizeof(trie_node) || w->n_nodes == 0)
        return fail(e, E_FILE, "tokenizer: WordPiece tables do not fit into %zu bytes", data.n);
    if (w->unknown < 0 || (size_t)w->unknown >= t->view.n_ids || w->prefix_bytes > PREFIX_MAX)
        return fail(e, E_FILE, "tokenizer: WordPiece tables hold an id or a prefix that is out of range");
    return OK;
}

/* ---- encoding ---- */

static size_t characters(slice word) {
    size_t n = 0;
    for (size_t i = 0; i < word.n; i++) n += (word.p[i] & 0xc0) != 0x80;
    return n;
}

/* The node of all tokens that begin with the prefix; NULL if there is none. */
static const trie_node *inside(const trie *t, const wordpiece_tables *w) {
    const trie_node *node = t->nodes;
    for (size_t i = 0; node && i < w->prefix_bytes; i++) node = trie_child(t, node, w->prefix[i]);
    return node;
}

/* Spells the word to x->symbols. *spelled: could it be? */
static status spell(encoder *x, const wordpiece_tables *w, slice word, bool *spelled) {
    const trie t = {.nodes = (const trie_node *)(const void *)(w + 1), .n = w->n_nodes};
    const trie_node *from = t.nodes, *later = inside(&t, w);
    *spelled = false;
    TRY(ids_reserve(&x->symbols, word.n + 1, x->e));
    for (size_t i = 0; i < word.n;) {
        size_t length = 0;
        const int32_t id = from ? trie_match_from(&t, from, slice_part(word, i, word.n), &length) : -1;
        if (id < 0 || (size_t)id >= x->t->view.n_ids) return OK;
        x->symbols.ids[x->symbols.n++] = id;
        i += length;
        from = later;
    }
    *spelled = true;
    return OK;
}

static status find_word(encoder *x, slice word) {
    const wordpiece_tables *w = tables(x->t);
    bool spelled = false;
    x->symbols.n = 0;
    TRY(ids_reserve(&x->symbols, 1, x->e));
    if (characters(word) <= w->longest_word) TRY(spell(x, w, word, &spelled));
    if (spelled) return OK;
    x->symbols.ids[0] = w->unknown;
    x->symbols.n = 1;
    return OK;
}

static status wordpiece_encode(encoder *x, slice text) {
    return encode_word(x, text, find_word);
}

/* ---- import ---- */

static status import_options(importer *in, const json_t *model, wordpiece_tables *w, error *e) {
    const json_t *prefix = json_object_get(model, "continuing_subword_prefix");
    int64_t longest = 100;
    TRY(import_unknown(in, model, "WordPiece", &w->unknown, e));
    TRY(field_number(model, "WordPiece", "max_input_chars_per_word", 0, UINT32_MAX, &longest, e));
    if (w->unknown < 0) return fail(e, E_FILE, "WordPiece: \"unk_token\" is missing");
    if (in->flags & BLOCK_BYTES) return fail(e, E_FILE, "WordPiece behind ByteLevel is not supported");
    const slice text = json_is_string(prefix) ? slice_of_json(prefix) : slice_of("##");
    if (text.n > PREFIX_MAX) return fail(e, E_FILE, "WordPiece: \"continuing_subword_prefix\" is longer than %d bytes", PREFIX_MAX);
    if (text.n) memcpy(w->prefix, text.p, text.n);
    w->prefix_bytes = (uint32_t)text.n;
    w->longest_word = (uint32_t)longest;
    return OK;
}

static status wordpiece_import(importer *in, const json_t *model, error *e) {
    wordpiece_tables w = {.unknown = -1};
    uint32_t longest;
    buffer nodes = {0};
    TRY(import_vocab(in, model, "WordPiece", e));
    TRY(import_options(in, model, &w, e));
    status s = import_vocab_trie(in, &nodes, &longest, e);
    w.n_nodes = (uint32_t)(nodes.n / sizeof(trie_node));
    if (s == OK) s = buffer_add(&in->model, &w, sizeof w, e);
    if (s == OK) s = buffer_add(&in->model, nodes.p, nodes.n, e);
    buffer_free(&nodes);
    return s;
}

static const char *const wordpiece_keys[] = {"unk_token", "continuing_subword_prefix", "max_input_chars_per_word", "vocab", NULL};

const token_model wordpiece_model = {
    .type = "WordPiece", .keys = wordpiece_keys, .import = wordpiece_import, .check = wordpiece_check, .encode = wordpiece_encode};

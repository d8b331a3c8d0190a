/* From tokenizer.ggml.* to tokenizer.json and tokenizer_config.json. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/gguf.h"

enum { TOKENS_MAX = 1 << 22, PIECE_MAX = 256, NO_ID = -1 };

#define LINE "\xe2\x96\x81" /* U+2581, a space of SentencePiece */

/* tokenizer.ggml.token_type */
enum { TOKEN_NORMAL = 1, TOKEN_UNKNOWN, TOKEN_CONTROL, TOKEN_USER, TOKEN_UNUSED, TOKEN_BYTE };

typedef struct words { /* all that is needed of the vocabulary; texts lie in the map */
    const gguf *g;
    const gguf_value *scores; /* NULL if there are none */
    gguf_text *tokens;        /* [n] */
    uint8_t *types;           /* [n] */
    size_t n;
    json_t *vocab; /* text -> id; new reference */
    bool add_bos, add_eos, prefix;
    int64_t bos, eos, unknown;
    json_t *tokenizer, *config; /* what is made */
} words;

static bool is_text(const gguf_text *t, const char *word) {
    return t->p && strlen(word) == t->n && !memcmp(t->p, word, t->n);
}

static int printed(const gguf_text *t) {
    return (int)(t->n < 60 ? t->n : 60);
}

/* ---- the vocabulary ---- */

static status read_types(words *w, error *e) {
    const gguf_value *types;
    TRY(gguf_numbers(w->g, "tokenizer.ggml.token_type", &types, e));
    memset(w->types, TOKEN_NORMAL, w->n);
    if (!types) return OK;
    if (types->n != w->n) return fail(e, E_FILE, "'tokenizer.ggml.token_type' has not as many entries as there are tokens");
    for (size_t i = 0; i < w->n; i++) {
        const double type = gguf_element(types, i);
        if (!(type >= 0 && type <= TOKEN_BYTE)) return fail(e, E_FILE, "'tokenizer.ggml.token_type': token %zu has the type %g", i, type);
        w->types[i] = (uint8_t)type;
    }
    return OK;
}

/* Tokens that fill up a number of rows have no text that anybody writes; those and a text that comes a second time have an id and nothing else. */
static status read_vocab(words *w, error *e) {
    for (size_t i = 0; i < w->n; i++) {
        const gguf_text *t = &w->tokens[i];
        if (!t->n || w->types[i] == TOKEN_UNUSED || json_object_getn(w->vocab, t->p, t->n)) continue;
        if (json_object_setn_new(w->vocab, t->p, t->n, json_integer((json_int_t)i))) {
            return fail(e, E_FILE, "'tokenizer.ggml.tokens': token %zu is not UTF-8", i);
        }
    }
    return OK;
}

static status read_tokens(words *w, error *e) {
    const gguf_value *list;
    TRY(gguf_texts(w->g, "tokenizer.ggml.tokens", &list, e));
    if (!list || !list->n || list->n > TOKENS_MAX)
        return fail(e, E_FILE, "'tokenizer.ggml.tokens' is missing or has not 1 to %d entries", TOKENS_MAX);
    w->n = (size_t)list->n;
    w->tokens = calloc(w->n, sizeof *w->tokens);
    w->types = calloc(w->n, 1);
    w->vocab = json_object();
    if (!w->tokens || !w->types || !w->vocab) return fail(e, E_MEMORY, "no memory for %zu tokens", w->n);
    const uint8_t *at = list->data;
    for (size_t i = 0; i < w->n; i++) w->tokens[i] = gguf_next(&at);
    TRY(read_types(w, e));
    return read_vocab(w, e);
}

static int64_t id_of(const words *w, const char *text, size_t n) {
    const json_t *id = json_object_getn(w->vocab, text, n);
    return id ? (int64_t)json_integer_value(id) : NO_ID;
}

static status read_id(const words *w, const char *key, int64_t *out, error *e) {
    double id;
    TRY(gguf_number(w->g, key, NO_ID, &id, e));
    *out = id >= 0 && id < (double)w->n ? (int64_t)id : NO_ID;
    return OK;
}

static json_t *text_of(const words *w, int64_t id) {
    return id < 0 ? json_null() : json_stringn(w->tokens[id].p, w->tokens[id].n);
}

/* ---- merges ---- */

static status copy_merges(const words *w, json_t *out, error *e) {
    const gguf_value *list;
    TRY(gguf_texts(w->g, "tokenizer.ggml.merges", &list, e));
    if (!list) return fail(e, E_FILE, "'tokenizer.ggml.merges' is missing");
    const uint8_t *at = list->data;
    for (uint64_t i = 0; i < list->n; i++) {
        const gguf_text t = gguf_next(&at);
        if (json_array_append_new(out, json_stringn(t.p, t.n)))
            return fail(e, E_FILE, "'tokenizer.ggml.merges': entry %llu is not UTF-8", (unsigned long long)i);
    }
    return OK;
}

typedef struct merge {
    double score;
    uint32_t left, right, token;
    uint32_t left_length, right_length; /* in characters */
} merge;

typedef struct merge_list {
    merge *items;
    size_t n, room;
} merge_list;

/* The order of the reference's converter: high scores first, then long left parts, then long right parts; what is left stays in the order of the vocabulary. */
static int by_score(const void *a, const void *b) {
    const merge *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    if (x->left_length != y->left_length) return x->left_length > y->left_length ? -1 : 1;
    if (x->right_length != y->right_length) return x->right_length > y->right_length ? -1 : 1;
    if (x->token != y->token) return x->token < y->token ? -1 : 1;
    return (x->left > y->left) - (x->left < y->left);
}

static uint32_t characters(const char *p, size_t n) {
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++) count += ((unsigned char)p[i] & 0xc0) != 0x80;
    return count;
}

static bool merges(const words *w, int64_t id) {
    return id >= 0 && (w->types[id] == TOKEN_NORMAL || w->types[id] == TOKEN_USER);
}

static bool add_merge(merge_list *list, const merge *m) {
    if (list->n == list->room) {
        const size_t room = list->room ? 2 * list->room : 1 << 16;
        merge *items = reallocarray(list->items, room, sizeof *items);
        if (!items) return false;
        list->items = items;
        list->room = room;
    }
    list->items[list->n++] = *m;
    return true;
}

/* All pairs of tokens that a token can be made of. */
static bool split_token(const words *w, size_t token, merge_list *list) {
    const gguf_text *t = &w->tokens[token];
    if (!merges(w, (int64_t)token) || t->n > PIECE_MAX || id_of(w, t->p, t->n) != (int64_t)token) return true;
    for (size_t cut = 1; cut < t->n; cut++) {
        if (((unsigned char)t->p[cut] & 0xc0) == 0x80) continue; /* inside a character */
        const int64_t left = id_of(w, t->p, cut), right = merges(w, left) ? id_of(w, t->p + cut, t->n - cut) : NO_ID;
        if (!merges(w, right)) continue;
        const merge m = {gguf_element(w->scores, token),    (uint32_t)left, (uint32_t)right, (uint32_t)token, characters(t->p, cut),
                         characters(t->p + cut, t->n - cut)};
        if (!add_merge(list, &m)) return false;
    }
    return true;
}

/* SentencePiece merges the pair whose token has the highest score; as ranks, that is the order of the scores. */
static status find_merges(const words *w, json_t *out, error *e) {
    merge_list list = {0};
    bool good = true;
    for (size_t i = 0; i < w->n && good; i++) good = split_token(w, i, &list);
    if (list.n) qsort(list.items, list.n, sizeof *list.items, by_score);
    for (size_t i = 0; i < list.n && good; i++) {
        const gguf_text *l = &w->tokens[list.items[i].left], *r = &w->tokens[list.items[i].right];
        good = !json_array_append_new(out, json_pack("[o, o]", json_stringn(l->p, l->n), json_stringn(r->p, r->n)));
    }
    free(list.items);
    return good ? OK : fail(e, E_MEMORY, "no memory for merges");
}

/* ---- the kinds of tokenizers: each fills normalizer, pre_tokenizer, decoder and model ---- */

json_t *gguf_literal(const char *text) {
    return text ? json_loads(text, JSON_DECODE_ANY, NULL) : json_null();
}

static status find_pre(const words *w, const gguf_pre **out, error *e) {
    gguf_text name;
    TRY(gguf_string(w->g, "tokenizer.ggml.pre", &name, e));
    if (!name.p) name = (gguf_text){"default", strlen("default")};
    for (const gguf_pre *p = gguf_pres; p->names; p++) {
        for (size_t i = 0; p->names[i]; i++) {
            *out = p;
            if (is_text(&name, p->names[i])) return OK;
        }
    }
    return fail(e, E_FILE, "'tokenizer.ggml.pre' is '%.*s', which is not known here", printed(&name), name.p);
}

static status make_bytes(words *w, error *e) {
    const gguf_pre *pre = NULL;
    json_t *list = json_array();
    status s = find_pre(w, &pre, e);
    if (s == OK) s = copy_merges(w, list, e);
    if (s == OK) s = gguf_flag(w->g, "tokenizer.ggml.add_bos_token", pre->bos, &w->add_bos, e);
    if (s != OK) {
        json_decref(list);
        return s;
    }
    json_object_set_new(w->tokenizer, "normalizer", gguf_literal(pre->normalizer));
    json_object_set_new(w->tokenizer, "pre_tokenizer", gguf_literal(pre->splitters));
    json_object_set_new(w->tokenizer, "decoder", gguf_literal("{\"type\": \"ByteLevel\"}"));
    json_object_set_new(w->tokenizer, "model",
                        json_pack("{s:s, s:b, s:O, s:o}", "type", "BPE", "ignore_merges", pre->ignore_merges, "vocab", w->vocab, "merges", list));
    return OK;
}

static status make_pieces(words *w, error *e) {
    TRY(gguf_numbers(w->g, "tokenizer.ggml.scores", &w->scores, e));
    if (!w->scores || w->scores->n != w->n) return fail(e, E_FILE, "'tokenizer.ggml.scores' has not as many entries as there are tokens");
    for (size_t i = 0; i < w->n; i++) {
        if (!isfinite(gguf_element(w->scores, i)))
            return fail(e, E_FILE, "entry %zu of 'tokenizer.ggml.scores' is not a number that can be compared", i);
    }
    TRY(gguf_flag(w->g, "tokenizer.ggml.add_space_prefix", true, &w->prefix, e));
    TRY(gguf_flag(w->g, "tokenizer.ggml.add_bos_token", true, &w->add_bos, e));
    const bool bytes = id_of(w, "<0x00>", 6) >= 0;
    json_t *list = json_array();
    if (find_merges(w, list, e) != OK) {
        json_decref(list);
        return E_MEMORY;
    }
    const char *replace = "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"" LINE "\"}";
    json_t *normalizers = json_pack("[]"), *decoders = json_pack("[]");
    if (w->prefix) json_array_append_new(normalizers, gguf_literal("{\"type\": \"Prepend\", \"prepend\": \"" LINE "\"}"));
    json_array_append_new(normalizers, gguf_literal(replace));
    json_array_append_new(decoders, gguf_literal("{\"type\": \"Replace\", \"pattern\": {\"String\": \"" LINE "\"}, \"content\": \" \"}"));
    json_array_append_new(decoders, gguf_literal("{\"type\": \"ByteFallback\"}"));
    json_array_append_new(decoders, gguf_literal("{\"type\": \"Fuse\"}"));
    if (w->prefix) json_array_append_new(decoders, gguf_literal("{\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}"));
    json_object_set_new(w->tokenizer, "normalizer", json_pack("{s:s, s:o}", "type", "Sequence", "normalizers", normalizers));
    json_object_set_new(w->tokenizer, "decoder", json_pack("{s:s, s:o}", "type", "Sequence", "decoders", decoders));
    json_object_set_new(w->tokenizer, "model",
                        json_pack("{s:s, s:o, s:b, s:b, s:O, s:o}", "type", "BPE", "unk_token", text_of(w, w->unknown), "fuse_unk", true,
                                  "byte_fallback", bytes, "vocab", w->vocab, "merges", list));
    return OK;
}

static const struct token_kind {
    const char *name;
    status (*make)(words *w, error *e);
} token_kinds[] = {{"gpt2", make_bytes}, {"llama", make_pieces}};

/* ---- around it ---- */

/* Control tokens are special; what the user defined is found in text, but is text. */
static void add_added(const words *w) {
    json_t *list = json_array();
    for (size_t i = 0; i < w->n; i++) {
        const bool control = w->types[i] == TOKEN_CONTROL || (w->types[i] == TOKEN_UNKNOWN && (int64_t)i == w->unknown);
        if ((!control && w->types[i] != TOKEN_USER) || id_of(w, w->tokens[i].p, w->tokens[i].n) != (int64_t)i) continue;
        json_array_append_new(list, json_pack("{s:i, s:o, s:b, s:b, s:b, s:b, s:b}", "id", (int)i, "content", text_of(w, (int64_t)i), "single_word",
                                              0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", control));
    }
    json_object_set_new(w->tokenizer, "added_tokens", list);
}

static json_t *special(const words *w, int64_t id) {
    return json_pack("{s:{s:o, s:i}}", "SpecialToken", "id", text_of(w, id), "type_id", 0);
}

static void add_template(const words *w) {
    json_t *single = json_array(), *specials = json_object();
    const bool bos = w->add_bos && w->bos >= 0, eos = w->add_eos && w->eos >= 0;
    const int64_t ids[] = {bos ? w->bos : NO_ID, eos ? w->eos : NO_ID};
    if (bos) json_array_append_new(single, special(w, w->bos));
    json_array_append_new(single, json_pack("{s:{s:s, s:i}}", "Sequence", "id", "A", "type_id", 0));
    if (eos) json_array_append_new(single, special(w, w->eos));
    for (size_t i = 0; i < 2; i++) {
        if (ids[i] < 0) continue;
        json_object_setn_new(specials, w->tokens[ids[i]].p, w->tokens[ids[i]].n,
                             json_pack("{s:o, s:[i], s:[o]}", "id", text_of(w, ids[i]), "ids", (int)ids[i], "tokens", text_of(w, ids[i])));
    }
    json_t *processor = json_pack("{s:s, s:o, s:[], s:o}", "type", "TemplateProcessing", "single", single, "pair", "special_tokens", specials);
    if (bos || eos) json_object_set(w->tokenizer, "post_processor", processor);
    json_decref(processor);
}

static status add_config(const words *w, error *e) {
    gguf_text chat;
    TRY(gguf_string(w->g, "tokenizer.chat_template", &chat, e));
    json_object_set_new(w->config, "add_bos_token", json_boolean(w->add_bos && w->bos >= 0));
    if (w->bos >= 0) json_object_set_new(w->config, "bos_token", text_of(w, w->bos));
    if (w->eos >= 0) json_object_set_new(w->config, "eos_token", text_of(w, w->eos));
    if (w->unknown >= 0) json_object_set_new(w->config, "unk_token", text_of(w, w->unknown));
    if (!chat.p) return OK;
    json_t *text = json_stringn(chat.p, chat.n);
    return text && !json_object_set_new(w->config, "chat_template", text) ? OK : fail(e, E_FILE, "'tokenizer.chat_template' is not UTF-8");
}

static status make_all(words *w, const struct token_kind *kind, error *e) {
    TRY(read_tokens(w, e));
    TRY(read_id(w, "tokenizer.ggml.bos_token_id", &w->bos, e));
    TRY(read_id(w, "tokenizer.ggml.eos_token_id", &w->eos, e));
    TRY(read_id(w, "tokenizer.ggml.unknown_token_id", &w->unknown, e));
    TRY(gguf_flag(w->g, "tokenizer.ggml.add_eos_token", false, &w->add_eos, e));
    w->tokenizer = json_pack("{s:s}", "version", "1.0");
    w->config = json_object();
    if (!w->tokenizer || !w->config) return fail(e, E_MEMORY, "no memory");
    add_added(w);
    TRY(kind->make(w, e));
    add_template(w);
    return add_config(w, e);
}

static status find_kind(const gguf *g, const struct token_kind **kind, error *e) {
    gguf_text name;
    *kind = NULL;
    TRY(gguf_string(g, "tokenizer.ggml.model", &name, e));
    if (!name.p || is_text(&name, "no_vocab") || is_text(&name, "none")) return OK;
    for (size_t i = 0; i < sizeof token_kinds / sizeof *token_kinds; i++) {
        *kind = &token_kinds[i];
        if (is_text(&name, token_kinds[i].name)) return OK;
    }
    return fail(e, E_FILE, "'tokenizer.ggml.model' is '%.*s', which is not supported (gpt2 and llama are)", printed(&name), name.p);
}

status gguf_tokenizer(const gguf *g, json_t **tokenizer, json_t **config, error *e) {
    const struct token_kind *kind;
    words w = {.g = g};
    *tokenizer = *config = NULL;
    status s = find_kind(g, &kind, e);
    if (s == OK && kind) s = make_all(&w, kind, e);
    if (s == OK) {
        *tokenizer = json_incref(w.tokenizer);
        *config = json_incref(w.config);
    }
    json_decref(w.tokenizer);
    json_decref(w.config);
    json_decref(w.vocab);
    free(w.tokens);
    free(w.types);
    return s == E_FILE ? fail_in(e, g->tensors.files[0].path) : s;
}

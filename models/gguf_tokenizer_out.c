/* From tokenizer.json and tokenizer_config.json to tokenizer.ggml.*. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/gguf_out.h"

#define LINE "\xe2\x96\x81"

/* tokenizer.ggml.token_type */
enum { TOKEN_NORMAL = 1, TOKEN_UNKNOWN, TOKEN_CONTROL, TOKEN_USER, TOKEN_UNUSED, TOKEN_BYTE };

enum { FILLER = 32 };

typedef struct words { /* of the size of the embedding; borrowed from the JSON but for the arrays */
    gguf_values *out;
    const json_t *tokenizer, *model, *config;
    gguf_text *tokens; /* [n] */
    int32_t *types;    /* [n] */
    float *scores;     /* [n] */
    char (*fillers)[FILLER];
    size_t n;
    bool pieces; /* SentencePiece */
} words;

static const char *type_of(const json_t *stage) {
    const char *type = json_string_value(json_object_get(stage, "type"));
    return type ? type : "";
}

/* ---- tokens ---- */

static status set_token(words *w, const char *text, size_t n, json_int_t id, int32_t type, error *e) {
    if (id < 0 || (uint64_t)id >= w->n)
        return fail(e, E_FILE, "token '%.60s' has the id %lld, beyond the embedding's %zu rows", text, (long long)id, w->n);
    w->tokens[id] = (gguf_text){text, n};
    w->types[id] = type;
    return OK;
}

static bool is_byte(const char *text, size_t n) {
    return n == 6 && !memcmp(text, "<0x", 3) && text[5] == '>';
}

/* Rows of the embedding that no token has. */
static void fill_up(words *w) {
    for (size_t i = 0; i < w->n; i++) {
        snprintf(w->fillers[i], FILLER, "[PAD%zu]", i);
        w->tokens[i] = (gguf_text){w->fillers[i], strlen(w->fillers[i])};
        w->types[i] = TOKEN_UNUSED;
    }
}

static status gather_tokens(words *w, error *e) {
    const char *text;
    size_t n, i;
    json_t *id, *added;
    json_object_keylen_foreach(json_object_get(w->model, "vocab"), text, n, id) {
        TRY(set_token(w, text, n, json_integer_value(id), w->pieces && is_byte(text, n) ? TOKEN_BYTE : TOKEN_NORMAL, e));
    }
    const char *unknown = json_string_value(json_object_get(w->model, "unk_token"));
    json_array_foreach(json_object_get(w->tokenizer, "added_tokens"), i, added) {
        const json_t *content = json_object_get(added, "content");
        const bool special = json_is_true(json_object_get(added, "special"));
        if (!json_is_string(content)) return fail(e, E_FILE, "added token %zu has no content", i);
        const int32_t type = !special                                                               ? TOKEN_USER
                             : w->pieces && unknown && !strcmp(unknown, json_string_value(content)) ? TOKEN_UNKNOWN
                                                                                                    : TOKEN_CONTROL;
        TRY(set_token(w, json_string_value(content), json_string_length(content), json_integer_value(json_object_get(added, "id")), type, e));
    }
    return OK;
}

static void put_tokens(const words *w) {
    gguf_put_texts(w->out, "tokenizer.ggml.tokens", w->n);
    for (size_t i = 0; i < w->n; i++) gguf_add_text(w->out, w->tokens[i].p, w->tokens[i].n);
    gguf_put_i32s(w->out, "tokenizer.ggml.token_type", w->types, w->n);
}

/* ---- merges ---- */

/* "a b", in memory that the caller frees; NULL if it is no pair. */
static char *merge_text(const json_t *merge, size_t *left) {
    const json_t *a = json_array_get(merge, 0), *b = json_array_get(merge, 1);
    char *text;
    if (json_is_string(merge)) {
        const char *space = strchr(json_string_value(merge), ' ');
        *left = space ? (size_t)(space - json_string_value(merge)) : 0;
        return space ? strdup(json_string_value(merge)) : NULL;
    }
    if (!json_is_string(a) || !json_is_string(b) || asprintf(&text, "%s %s", json_string_value(a), json_string_value(b)) < 0) return NULL;
    *left = json_string_length(a);
    return text;
}

static status each_merge(words *w, void (*use)(words *w, size_t rank, char *text, size_t left), error *e) {
    const json_t *list = json_object_get(w->model, "merges");
    size_t i, left;
    const json_t *merge;
    json_array_foreach(list, i, merge) {
        char *text = merge_text(merge, &left);
        if (!text) return fail(e, E_FILE, "merge %zu of tokenizer.json is not a pair", i);
        use(w, i, text, left);
        free(text);
    }
    return OK;
}

static void put_merge(words *w, size_t rank, char *text, size_t left) {
    (void)rank, (void)left;
    gguf_add_text(w->out, text, strlen(text));
}

/* SentencePiece merges the pair with the best score: the first merge that makes a token says how good it is. */
static void score_merge(words *w, size_t rank, char *text, size_t left) {
    memmove(text + left, text + left + 1, strlen(text + left));
    const json_t *id = json_object_get(json_object_get(w->model, "vocab"), text);
    if (!json_is_integer(id)) return;
    float *score = &w->scores[json_integer_value(id)];
    if (-(float)rank > *score) *score = -(float)rank;
}

/* ---- how text is split ---- */

/* Offsets of tokens in a text are nobody's business here. */
static json_t *without_offsets(const json_t *stage) {
    json_t *copy = json_deep_copy(stage), *member;
    size_t i;
    json_object_del(copy, "trim_offsets");
    json_array_foreach(json_object_get(copy, "pretokenizers"), i, member) json_object_del(member, "trim_offsets");
    return copy;
}

static bool same_stage(const json_t *stage, const char *text) {
    json_t *ours = gguf_literal(text), *a = without_offsets(ours), *b = without_offsets(stage);
    const bool same = text ? json_equal(a, b) : !stage || json_is_null(stage);
    json_decref(ours);
    json_decref(a);
    json_decref(b);
    return same;
}

static status put_pre(const words *w, error *e) {
    const bool ignore = json_is_true(json_object_get(w->model, "ignore_merges"));
    for (const gguf_pre *p = gguf_pres; p->names; p++) {
        if (p->ignore_merges != ignore || !same_stage(json_object_get(w->tokenizer, "pre_tokenizer"), p->splitters)) continue;
        if (!same_stage(json_object_get(w->tokenizer, "normalizer"), p->normalizer)) continue;
        gguf_put_text(w->out, "tokenizer.ggml.pre", p->names[0], strlen(p->names[0]));
        return OK;
    }
    return fail(e, E_FILE, "the way in which tokenizer.json splits text has no name in GGUF; --no-tokenizer writes the weights alone");
}

static status put_bytes(words *w, error *e) {
    gguf_put_text(w->out, "tokenizer.ggml.model", "gpt2", 4);
    TRY(put_pre(w, e));
    put_tokens(w);
    gguf_put_flag(w->out, "tokenizer.ggml.add_space_prefix", false);
    gguf_put_texts(w->out, "tokenizer.ggml.merges", json_array_size(json_object_get(w->model, "merges")));
    return each_merge(w, put_merge, e);
}

/* Spaces become lines, with one before the text or not; anything else cannot be said. */
static status find_prefix(const words *w, bool *prefix, error *e) {
    const json_t *normalizer = json_object_get(w->tokenizer, "normalizer"), *member;
    const json_t *splitter = json_object_get(w->tokenizer, "pre_tokenizer");
    const bool one = !strcmp(type_of(normalizer), "Replace");
    bool replaces = one, good = true;
    size_t i;
    *prefix = false;
    json_array_foreach(json_object_get(normalizer, "normalizers"), i, member) {
        const bool prepends = !strcmp(type_of(member), "Prepend");
        *prefix = *prefix || prepends;
        replaces = replaces || !strcmp(type_of(member), "Replace");
        good = good && (prepends || !strcmp(type_of(member), "Replace"));
    }
    if (json_is_object(splitter)) good = good && !strcmp(type_of(splitter), "Split") && one; /* of Gemma: on spaces, when there are none */
    return good && replaces
               ? OK
               : fail(e, E_FILE, "the way in which tokenizer.json normalizes text has no name in GGUF; --no-tokenizer writes the weights alone");
}

static bool is_piece(const words *w, const char *text, size_t n) {
    const json_t *id = json_object_getn(json_object_get(w->model, "vocab"), text, n);
    const int32_t type = json_is_integer(id) ? w->types[json_integer_value(id)] : TOKEN_UNUSED;
    return type == TOKEN_NORMAL || type == TOKEN_USER;
}

/* A reader of scores merges any two pieces that make a third. */
static size_t count_pairs(const words *w) {
    size_t pairs = 0;
    for (size_t i = 0; i < w->n; i++) {
        const gguf_text *t = &w->tokens[i];
        if (w->types[i] != TOKEN_NORMAL && w->types[i] != TOKEN_USER) continue;
        for (size_t cut = 1; cut < t->n; cut++) {
            const bool between = ((unsigned char)t->p[cut] & 0xc0) != 0x80;
            pairs += between && is_piece(w, t->p, cut) && is_piece(w, t->p + cut, t->n - cut);
        }
    }
    return pairs;
}

static status put_pieces(words *w, error *e) {
    bool prefix;
    const size_t pairs = count_pairs(w), merges = json_array_size(json_object_get(w->model, "merges"));
    TRY(find_prefix(w, &prefix, e));
    if (pairs != merges)
        return fail(e, E_FILE, "tokenizer.json merges %zu pairs where GGUF would merge %zu; --no-tokenizer writes the weights alone", merges, pairs);
    for (size_t i = 0; i < w->n; i++) w->scores[i] = w->types[i] == TOKEN_NORMAL ? -1e6f : 0;
    TRY(each_merge(w, score_merge, e));
    gguf_put_text(w->out, "tokenizer.ggml.model", "llama", 5);
    gguf_put_text(w->out, "tokenizer.ggml.pre", "default", 7);
    put_tokens(w);
    gguf_put_f32s(w->out, "tokenizer.ggml.scores", w->scores, w->n);
    gguf_put_flag(w->out, "tokenizer.ggml.add_space_prefix", prefix);
    return OK;
}

/* ---- around a text ---- */

static const json_t *find_template(const json_t *processor) {
    const json_t *member;
    size_t i;
    if (!strcmp(type_of(processor), "TemplateProcessing")) return processor;
    json_array_foreach(json_object_get(processor, "processors"), i, member) {
        if (!strcmp(type_of(member), "TemplateProcessing")) return member;
    }
    return NULL;
}

/* A token that a file names, as a text or as an object. */
static void put_named(const words *w, const json_t *from, const char *name, const char *key) {
    const json_t *token = json_object_get(from, name);
    if (json_is_object(token)) token = json_object_get(token, "content");
    const char *text = json_string_value(token);
    for (size_t i = 0; text && i < w->n; i++) {
        if (w->tokens[i].n != strlen(text) || memcmp(w->tokens[i].p, text, w->tokens[i].n)) continue;
        gguf_put_u32(w->out, key, (uint32_t)i);
        return;
    }
}

static void put_around(const words *w, const spec *s) {
    const json_t *single = json_object_get(find_template(json_object_get(w->tokenizer, "post_processor")), "single");
    const size_t n = json_array_size(single);
    const bool begins = json_object_get(json_array_get(single, 0), "SpecialToken"),
               ends = n && json_object_get(json_array_get(single, n - 1), "SpecialToken");
    const bool asked = json_is_true(json_object_get(w->config, "add_bos_token"));
    static const char *const names[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"};
    gguf_put_flag(w->out, "tokenizer.ggml.add_bos_token", begins || asked);
    gguf_put_flag(w->out, "tokenizer.ggml.add_eos_token", ends);
    if (s->bos >= 0) gguf_put_u32(w->out, "tokenizer.ggml.bos_token_id", (uint32_t)s->bos);
    for (uint32_t i = 0; i < s->n_eos && i < 2; i++) gguf_put_u32(w->out, names[i], (uint32_t)s->eos[i]);
    put_named(w, json_object_get(w->config, "unk_token") ? w->config : w->model, "unk_token", "tokenizer.ggml.unknown_token_id");
    put_named(w, w->config, "pad_token", "tokenizer.ggml.padding_token_id");
}

static status put_all(words *w, const spec *s, error *e) {
    fill_up(w);
    TRY(gather_tokens(w, e));
    TRY(w->pieces ? put_pieces(w, e) : put_bytes(w, e));
    put_around(w, s);
    return OK;
}

status gguf_put_tokenizer(gguf_values *v, const spec *s, const json_t *tokenizer, const json_t *config, const json_t *chat, error *e) {
    words w = {.out = v, .tokenizer = tokenizer, .model = json_object_get(tokenizer, "model"), .config = config, .n = s->vocab};
    if (json_is_string(chat)) gguf_put_text(v, "tokenizer.chat_template", json_string_value(chat), json_string_length(chat));
    if (!tokenizer) {
        gguf_put_text(v, "tokenizer.ggml.model", "no_vocab", 8);
        return OK;
    }
    if (strcmp(type_of(w.model), "BPE")) return fail(e, E_FILE, "a tokenizer of type '%s' cannot be written as GGUF", type_of(w.model));
    w.pieces = json_is_true(json_object_get(w.model, "byte_fallback"));
    w.tokens = calloc(w.n, sizeof *w.tokens);
    w.types = calloc(w.n, sizeof *w.types);
    w.scores = calloc(w.n, sizeof *w.scores);
    w.fillers = calloc(w.n, sizeof *w.fillers);
    const bool good = w.tokens && w.types && w.scores && w.fillers;
    const status result = good ? put_all(&w, s, e) : fail(e, E_MEMORY, "no memory for %zu tokens", w.n);
    free(w.tokens);
    free(w.types);
    free(w.scores);
    free(w.fillers);
    return result;
}

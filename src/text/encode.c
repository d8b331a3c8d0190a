/* encode.c: from text to ids: added tokens, normalizers, pre-tokenizers, model, post-processor. */
#include <stdlib.h>

#include "text/encoder.h"
#include "text/unicode.h"

/* ---- encoders ---- */

encoder *encoder_new(const tokenizer *t) {
    encoder *x = calloc(1, sizeof *x);
    if (x) x->t = t;
    return x;
}

void encoder_free(encoder *x) {
    if (!x) return;
    matcher_close(&x->matcher);
    buffer_free(&x->repaired);
    buffer_free(&x->normal[0]);
    buffer_free(&x->normal[1]);
    buffer_free(&x->form);
    for (size_t i = 0; i < STAGES_MAX; i++) buffer_free(&x->split[i]);
    buffer_free(&x->work);
    free(x->symbols.ids);
    free(x->cache);
    free(x);
}

encoder *encoder_take(const tokenizer *t) {
    pthread_mutex_lock(&t->pool->lock);
    encoder *x = t->pool->first;
    if (x) t->pool->first = x->next;
    pthread_mutex_unlock(&t->pool->lock);
    if (x || !(x = encoder_new(t))) return x;
    x->cache = calloc(CACHE_SLOTS, sizeof *x->cache);
    if (x->cache) return x;
    encoder_free(x);
    return NULL;
}

void encoder_give(encoder *x) {
    encoder_pool *pool = x->t->pool;
    pthread_mutex_lock(&pool->lock);
    x->next = pool->first;
    pool->first = x;
    pthread_mutex_unlock(&pool->lock);
}

/* ---- the pipeline ---- */

status normalize_text(encoder *x, const stage_list *normalizers, slice *text) {
    for (size_t i = 0; i < normalizers->n; i++) {
        const stage *s = &normalizers->items[i];
        buffer *scratch = text->p && text->p == x->normal[0].p ? &x->normal[1] : &x->normal[0];
        TRY(s->kind->normalize(s, x, text, scratch, x->e));
    }
    return OK;
}

status encode_piece(encoder *x, size_t index, piece p) {
    if (p.text.n == 0) return OK;
    if (index == x->t->splitters.n) return x->t->model->encode(x, p.text);
    const stage *s = &x->t->splitters.items[index];
    return s->kind->split(s, x, p);
}

/* ---- added tokens ---- */

/* The beginning of the spaces before `at`, but not before `limit`. */
static size_t spaces_before(slice text, size_t at, size_t limit) {
    if (at < limit) return limit;
    while (at > limit) {
        const size_t before = utf8_before(text.p, at);
        if (!unicode_space(utf8_get(text.p + before))) break;
        at = before;
    }
    return at;
}

/* The end of the spaces after `at`. `known` is a run of spaces seen before: tokens of spaces in it do not walk it again and again. */
static size_t spaces_after(slice text, size_t at, span *known) {
    if (known->begin <= at && at < known->end) return known->end;
    known->begin = at;
    while (at < text.n && unicode_space(utf8_get(text.p + at))) at += utf8_length(text.p[at]);
    known->end = at;
    return at;
}

static bool stands_alone(slice text, span found) {
    const bool left = found.begin > 0 && unicode_word(utf8_get(text.p + utf8_before(text.p, found.begin)));
    const bool right = found.end < text.n && unicode_word(utf8_get(text.p + found.end));
    return !left && !right;
}

/* Does a character begin here, or the text end? Tokens of a damaged block may say otherwise. */
static bool at_boundary(slice text, size_t at) {
    return at == text.n || (text.p[at] & 0xc0) != 0x80;
}

/* The first added token at or after `from`, found leftmost and longest. */
static int32_t next_added(const trie *t, slice text, size_t from, span *found) {
    for (size_t i = from; i < text.n; i++) {
        size_t length = 0;
        while (i < text.n && !t->starts[text.p[i]]) i++;
        if (i == text.n) break;
        const int32_t id = trie_match(t, slice_part(text, i, text.n), &length);
        if (id < 0 || !at_boundary(text, i) || !at_boundary(text, i + length)) continue;
        *found = (span){i, i + length};
        return id;
    }
    return -1;
}

/* Does it touch what comes from outside? */
static bool touches_data(const encoder *x, span s) {
    size_t i = 0;
    while (i < x->n_data && x->data[i].end <= s.begin) i++;
    return i < x->n_data && x->data[i].begin < s.end;
}

/* Places are known in the raw text alone; normalize_piece sees to the rest. */
static bool is_literal(const encoder *x, const trie *t, span found) {
    return x->flags & ENCODE_LITERAL || (t == &x->t->view.raw && touches_data(x, found));
}

typedef status take_text(encoder *x, piece p);

/* Emits the ids of the added tokens in a text, and hands on what lies between them. As in the reference, stripping comes after finding: a token in
 * spaces that another has stripped counts all the same, and the text goes on behind it. */
static status take_added(encoder *x, const trie *t, piece p, take_text *rest) {
    const block_view *v = &x->t->view;
    const slice text = p.text;
    size_t done = 0, from = 0;
    span found, blank = {0, 0};
    for (int32_t id; (id = next_added(t, text, from, &found)) >= 0;) {
        from = found.end;
        const unsigned flags = token_flags(v, id);
        if ((size_t)id >= v->n_ids || (flags & TOKEN_SPECIAL && is_literal(x, t, found))) continue;
        if (flags & TOKEN_WORD && !stands_alone(text, found)) continue;
        if (flags & TOKEN_LSTRIP) found.begin = spaces_before(text, found.begin, done);
        if (flags & TOKEN_RSTRIP) found.end = spaces_after(text, found.end, &blank);
        if (done < found.begin) TRY(rest(x, (piece){slice_part(text, done, found.begin), p.first && done == 0}));
        if (found.begin < found.end) TRY(encoder_put(x, id)); /* else all of it was stripped by the one before */
        done = found.end;
    }
    return done < text.n ? rest(x, (piece){slice_part(text, done, text.n), p.first && done == 0}) : OK;
}

static status split_first(encoder *x, piece p) {
    return encode_piece(x, 0, p);
}

static status normalize_whole(encoder *x, piece p) {
    x->first = p.first;
    TRY(normalize_text(x, &x->t->normalizers, &p.text));
    return take_added(x, &x->t->view.normal, p, split_first);
}

/* Normalizing moves places. So where special tokens are looked for after it, what comes from outside is encoded by itself. */
static status normalize_parts(encoder *x, piece p) {
    const size_t start = (size_t)(p.text.p - x->begin);
    const unsigned flags = x->flags;
    size_t at = 0;
    for (size_t i = 0; at < p.text.n; i++) {
        const bool some = i < x->n_data;
        size_t begin = some && x->data[i].begin > start ? x->data[i].begin - start : some ? 0 : p.text.n;
        size_t end = some && x->data[i].end > start ? x->data[i].end - start : some ? 0 : p.text.n;
        if (end < at) continue;
        begin = begin < at ? at : begin > p.text.n ? p.text.n : begin;
        end = end > p.text.n ? p.text.n : end;
        if (at < begin) TRY(normalize_whole(x, (piece){slice_part(p.text, at, begin), p.first && at == 0}));
        x->flags |= ENCODE_LITERAL;
        const status s = begin < end ? normalize_whole(x, (piece){slice_part(p.text, begin, end), p.first && begin == 0}) : OK;
        x->flags = flags;
        TRY(s);
        at = end;
    }
    return OK;
}

static status normalize_piece(encoder *x, piece p) {
    return x->apart ? normalize_parts(x, p) : normalize_whole(x, p);
}

static status encode_body(encoder *x, slice text) {
    return take_added(x, &x->t->view.raw, (piece){text, true}, normalize_piece);
}

/* ---- the post-processor ---- */

static status encode_special(encoder *x, slice text) {
    const block_view *v = &x->t->view;
    for (size_t i = 0; i < v->n_template; i++) {
        TRY(v->template[i] == TEMPLATE_TEXT ? encode_body(x, text) : encoder_put(x, v->template[i]));
    }
    return OK;
}

/* A prompt: what the post-processor adds and what tokenizer_config.json asks for, but never the same token twice at the beginning. */
static status encode_prompt(encoder *x, slice text) {
    const block_view *v = &x->t->view;
    const size_t begin = x->out->n;
    const bool adds = v->template[0] == TEMPLATE_TEXT && v->header->flags & BLOCK_ADD_BOS;
    if (adds) TRY(encoder_put(x, v->header->bos));
    TRY(encode_special(x, text));
    const size_t n = x->out->n - begin;
    if (n < 2 || !(adds || v->template[0] != TEMPLATE_TEXT)) return OK;
    int32_t *ids = x->out->ids + begin;
    if (ids[0] == ids[1]) memmove(ids, ids + 1, (--x->out->n - begin) * sizeof *ids);
    return OK;
}

static status encode_text(encoder *x, slice text) {
    if (text.n > INT32_MAX) return fail(x->e, E_RUN, "a text of %zu bytes is too long for one call", text.n);
    if (utf8_valid(text) != text.n) {
        x->repaired.n = 0;
        TRY(utf8_repair(&x->repaired, text, x->e));
        text = buffer_slice(&x->repaired);
    }
    if (x->flags & ENCODE_PROMPT) return encode_prompt(x, text);
    return x->flags & ENCODE_SPECIAL ? encode_special(x, text) : encode_body(x, text);
}

static bool has_special(const tokenizer *t, const trie *tokens) {
    size_t i = 0;
    while (i < tokens->n && !(token_flags(&t->view, tokens->nodes[i].id) & TOKEN_SPECIAL)) i++;
    return i < tokens->n;
}

static status encode(const tokenizer *t, slice text, const text_range *data, size_t n_data, unsigned flags, id_list *out, error *e) {
    encoder *x = encoder_take(t);
    if (!x) return fail(e, E_MEMORY, "no memory for an encoder");
    const size_t before = out->n;
    x->out = out;
    x->e = e;
    x->flags = flags;
    x->begin = text.p;
    x->data = data;
    x->n_data = n_data;
    x->apart = n_data && has_special(t, &t->view.normal);
    const status s = encode_text(x, text);
    if (s != OK) out->n = before;
    encoder_give(x);
    return s;
}

status tokenizer_encode(const tokenizer *t, const char *text, size_t n, unsigned flags, id_list *out, error *e) {
    return encode(t, (slice){(const uint8_t *)text, n}, NULL, 0, flags, out, e);
}

status tokenizer_encode_mixed(const tokenizer *t, const char *text, size_t n, const text_range *data, size_t n_data, id_list *out, error *e) {
    const slice whole = {(const uint8_t *)text, n};
    size_t at = 0;
    for (size_t i = 0; i < n_data; i++) {
        if (data[i].begin < at || data[i].end < data[i].begin || data[i].end > n)
            return fail(e, E_RUN, "part %zu of a mixed text is out of place", i);
        at = data[i].end;
    }
    if (utf8_valid(whole) != n) return fail(e, E_RUN, "a mixed text is not UTF-8");
    return encode(t, whole, data, n_data, 0, out, e);
}

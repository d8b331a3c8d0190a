#include "text/bpe.h"

#include "text/unicode.h"

static const bpe_tables *tables(const tokenizer *t) {
    return t->model_data;
}

static bool known_id(const tokenizer *t, int32_t id) {
    return id >= -1 && (id < 0 || (size_t)id < t->view.n_ids);
}

static status bpe_check(tokenizer *t, error *e) {
    const slice data = block_section(&t->view, SECTION_MODEL);
    if (data.n != sizeof(bpe_tables)) return fail(e, E_FILE, "tokenizer: %zu bytes of BPE tables instead of %zu", data.n, sizeof(bpe_tables));
    const bpe_tables *b = t->model_data = data.p;
    bool good = known_id(t, b->unknown);
    for (size_t i = 0; i < 256; i++) good = good && known_id(t, b->symbols[i]) && known_id(t, b->fallback[i]);
    return good ? OK : fail(e, E_FILE, "tokenizer: BPE tables hold an id that is not below %zu", t->view.n_ids);
}

/* ---- symbols ---- */

typedef struct speller {
    encoder *x;
    int32_t pending; /* the unknown token that waits, because more may fuse with it; -1 */
} speller;

static status put_symbol(speller *s, int32_t id) {
    id_list *list = &s->x->symbols;
    TRY(ids_reserve(list, 2, s->x->e));
    if (s->pending >= 0) list->ids[list->n++] = s->pending;
    s->pending = -1;
    list->ids[list->n++] = id;
    return OK;
}

/* A character that is no token. As in the reference, bytes do not end a row of unknown characters. */
static status put_unknown(speller *s, slice character) {
    const bpe_tables *b = tables(s->x->t);
    id_list *list = &s->x->symbols;
    TRY(ids_reserve(list, character.n + 1, s->x->e));
    bool bytes = b->flags & BPE_BYTE_FALLBACK;
    for (size_t i = 0; i < character.n; i++) bytes = bytes && b->fallback[character.p[i]] >= 0;
    if (bytes) {
        for (size_t i = 0; i < character.n; i++) list->ids[list->n++] = b->fallback[character.p[i]];
        return OK;
    }
    if (s->pending >= 0 && !(b->flags & BPE_FUSE_UNKNOWN)) list->ids[list->n++] = s->pending;
    s->pending = b->unknown;
    return OK;
}

static status spell_bytes(speller *s, slice word) {
    const bpe_tables *b = tables(s->x->t);
    for (size_t i = 0; i < word.n; i++) {
        const int32_t id = b->symbols[word.p[i]];
        TRY(id >= 0 ? put_symbol(s, id) : put_unknown(s, slice_part(word, i, i + 1)));
    }
    return OK;
}

static status spell_characters(speller *s, slice word) {
    const bpe_tables *b = tables(s->x->t);
    for (size_t i = 0; i < word.n;) {
        const slice character = slice_part(word, i, i + utf8_length(word.p[i]));
        const int32_t id = character.n == 1 ? b->symbols[word.p[i]] : vocab_find(&s->x->t->view, character, 0);
        TRY(id >= 0 ? put_symbol(s, id) : put_unknown(s, character));
        i += character.n;
    }
    return OK;
}

/* The ids of a word by merging, in x->symbols. */
static status merge_word(encoder *x, slice word) {
    speller s = {.x = x, .pending = -1};
    x->symbols.n = 0;
    TRY(x->t->view.header->flags & BLOCK_BYTES ? spell_bytes(&s, word) : spell_characters(&s, word));
    if (s.pending >= 0) x->symbols.ids[x->symbols.n++] = s.pending; /* put_unknown has made the room */
    return bpe_merge(x->t, &x->symbols, &x->work, x->e);
}

static status find_word(encoder *x, slice word) {
    const tokenizer *t = x->t;
    const unsigned mapped = t->view.header->flags & BLOCK_BYTES ? TOKEN_MAPPED : 0;
    const int32_t id = vocab_find(&t->view, word, mapped);
    if (id < 0 || !(tables(t)->flags & BPE_IGNORE_MERGES || token_flags(&t->view, id) & TOKEN_WHOLE)) return merge_word(x, word);
    TRY(ids_reserve(&x->symbols, 1, x->e));
    x->symbols.ids[0] = id;
    x->symbols.n = 1;
    return OK;
}

/* Where the word that begins at `from` ends: before the next U+2581 that no merge can join to what is before it. */
static size_t word_end(const bpe_tables *b, slice text, size_t from) {
    static const uint8_t mark[] = {0xe2, 0x96, 0x81};
    for (size_t i = from + 1; i + sizeof mark <= text.n;) {
        const uint8_t *at = memchr(text.p + i, mark[0], text.n - i);
        if (!at) break;
        i = (size_t)(at - text.p);
        if (i + sizeof mark > text.n) break;
        const uint8_t before = text.p[i - 1];
        if (memcmp(at, mark, sizeof mark) == 0 && !(b->joined[before >> 3] >> (before & 7) & 1)) return i;
        i++;
    }
    return text.n;
}

static status bpe_encode(encoder *x, slice text) {
    const bpe_tables *b = tables(x->t);
    if (!(b->flags & BPE_CUTS)) return encode_word(x, text, find_word);
    for (size_t i = 0; i < text.n;) {
        const size_t end = word_end(b, text, i);
        TRY(encode_word(x, slice_part(text, i, end), find_word));
        i = end;
    }
    return OK;
}

static bool bpe_whole(encoder *x, int32_t id) {
    const slice word = token_bytes(&x->t->view, id);
    return word.n > 0 && merge_word(x, word) == OK && x->symbols.n == 1 && x->symbols.ids[0] == id;
}

const token_model bpe_model = {.type = "BPE", .keys = bpe_keys, .import = bpe_import, .check = bpe_check, .encode = bpe_encode, .whole = bpe_whole};

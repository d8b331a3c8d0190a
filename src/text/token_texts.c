#include "text/token_texts.h"

#include <stdio.h>
#include <stdlib.h>

#include "text/block.h"
#include "text/encoder.h"
#include "text/unicode.h"

enum { TEXT_MAX = 4096 }; /* bytes of a text that is used at all; depth is 16 bits */

/* ---- trees ---- */

typedef struct sorted {
    slice text;
    int32_t id;
} sorted;

static int by_text(const void *a, const void *b) {
    const sorted *x = a, *y = b;
    const size_t n = x->text.n < y->text.n ? x->text.n : y->text.n;
    const int order = memcmp(x->text.p, y->text.p, n);
    if (order) return order;
    if (x->text.n != y->text.n) return x->text.n < y->text.n ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static size_t common(slice a, slice b) {
    size_t n = 0;
    while (n < a.n && n < b.n && a.p[n] == b.p[n]) n++;
    return n;
}

static status tree_make(token_tree *t, sorted *list, size_t n, error *e) {
    uint32_t open[TEXT_MAX]; /* the node of each byte of the text before */
    size_t room = 1;
    slice last = {0};
    for (size_t i = 0; i < n; i++) room += list[i].text.n;
    t->nodes = malloc(room * sizeof *t->nodes);
    t->ids = malloc((n + 1) * sizeof *t->ids);
    if (!t->nodes || !t->ids) return fail(e, E_MEMORY, "no memory for a vocabulary");
    qsort(list, n, sizeof *list, by_text);
    for (size_t i = 0; i <= n; i++) {
        const slice text = i < n ? list[i].text : (slice){0};
        const size_t shared = common(last, text);
        for (size_t k = shared; k < last.n; k++) t->nodes[open[k]].end = (uint32_t)t->n;
        for (size_t k = shared; k < text.n; k++) {
            open[k] = (uint32_t)t->n;
            t->nodes[t->n++] = (token_node){.tokens = (uint32_t)t->n_ids, .depth = (uint16_t)k, .byte = text.p[k]};
        }
        if (i < n) t->ids[t->n_ids++] = list[i].id;
        if (text.n > t->depth) t->depth = text.n;
        last = text;
    }
    t->nodes[t->n] = (token_node){.end = (uint32_t)t->n, .tokens = (uint32_t)t->n_ids};
    return OK;
}

static status make_trees(token_texts *t, error *e) {
    size_t n[2] = {0};
    sorted *lists[2] = {malloc((t->n + 1) * sizeof **lists), malloc((t->n + 1) * sizeof **lists)};
    status code = lists[0] && lists[1] ? OK : fail(e, E_MEMORY, "no memory for a vocabulary");
    for (size_t i = 0; code == OK && i < t->n; i++) {
        const slice text = token_text(t, (int32_t)i);
        const bool wordy = text.n > SHORT_TEXT;
        if (text.n && text.n <= TEXT_MAX) lists[wordy][n[wordy]++] = (sorted){text, (int32_t)i};
    }
    if (code == OK) code = tree_make(&t->brief, lists[0], n[0], e);
    if (code == OK) code = tree_make(&t->wordy, lists[1], n[1], e);
    free(lists[0]);
    free(lists[1]);
    return code;
}

/* ---- texts ---- */

static status start_texts(token_texts *t, size_t n, error *e) {
    *t = (token_texts){.n = n, .starts = calloc(n + 1, sizeof *t->starts)};
    return t->starts ? OK : fail(e, E_MEMORY, "no memory for a vocabulary");
}

/* Texts are added in the order of their ids. */
static status add_text(token_texts *t, size_t id, slice text, error *e) {
    TRY(buffer_add(&t->bytes, text.p, text.n, e));
    if (t->bytes.n > UINT32_MAX) return fail(e, E_RUN, "the tokens of the vocabulary are too long");
    t->starts[id + 1] = (uint32_t)t->bytes.n;
    return OK;
}

status token_texts_make(token_texts *t, const slice *texts, size_t n, error *e) {
    TRY(start_texts(t, n, e));
    for (size_t i = 0; i < n; i++) TRY(add_text(t, i, texts[i], e));
    return make_trees(t, e);
}

typedef struct reading {
    const tokenizer *of;
    decoder *decoder;
    bool byte_tokens; /* <0x41> is the byte 0x41 */
} reading;

/* The byte of a token such as <0x0A>; -1. */
static int byte_of(const reading *r, slice token) {
    unsigned byte;
    char text[7], again[7];
    if (!r->byte_tokens || token.n != 6) return -1;
    memcpy(text, token.p, 6);
    text[6] = 0;
    if (sscanf(text, "<0x%2X>", &byte) != 1) return -1;
    snprintf(again, sizeof again, "<0x%02X>", byte);
    return memcmp(text, again, 6) == 0 ? (int)byte : -1;
}

/* A token that is spelled in bytes writes them, which may be a part of a character only. What any other writes the decoder knows: it is asked in the
 * middle of a text, where nothing is held back. */
static status read_text(const reading *r, int32_t id, slice *text, uint8_t *room, error *e) {
    const block_view *v = &r->of->view;
    const unsigned flags = token_flags(v, id);
    const slice token = token_bytes(v, id);
    const int byte = byte_of(r, token);
    *text = (slice){0};
    if (!(flags & TOKEN_PRESENT) || flags & (TOKEN_SKIPPED | TOKEN_SPECIAL)) return OK;
    if (byte >= 0) {
        *room = (uint8_t)byte;
        *text = (slice){room, 1};
        return OK;
    }
    if (flags & TOKEN_MAPPED && utf8_valid(token) != token.n) {
        *text = token;
        return OK;
    }
    const char *out;
    TRY(decoder_feed(r->decoder, id, &out, &text->n, e));
    text->p = (const uint8_t *)out;
    return OK;
}

static status find_byte_tokens(reading *r, error *e) {
    const int32_t id = tokenizer_id(r->of, "<0x41>");
    char *text = NULL;
    size_t n = 0;
    if (id < 0) return OK;
    TRY(tokenizer_decode(r->of, &id, 1, true, &text, &n, e));
    r->byte_tokens = n == 1 && *text == 'A';
    free(text);
    return OK;
}

static status read_all(token_texts *t, reading *r, error *e) {
    slice text = {0};
    uint8_t room;
    TRY(find_byte_tokens(r, e));
    for (size_t id = 0; id < t->n && text.n == 0; id++) {
        if (byte_of(r, token_bytes(&r->of->view, (int32_t)id)) < 0) TRY(read_text(r, (int32_t)id, &text, &room, e)); /* to be in the middle */
    }
    for (size_t id = 0; id < t->n; id++) {
        TRY(read_text(r, (int32_t)id, &text, &room, e));
        TRY(add_text(t, id, text, e));
    }
    return OK;
}

status token_texts_open(token_texts *t, const tokenizer *of, error *e) {
    reading r = {.of = of};
    TRY(start_texts(t, tokenizer_vocab(of), e));
    TRY(decoder_open(&r.decoder, of, true, e));
    const status code = read_all(t, &r, e);
    decoder_close(&r.decoder);
    return code == OK ? make_trees(t, e) : code;
}

void token_texts_close(token_texts *t) {
    buffer_free(&t->bytes);
    free(t->starts);
    free(t->brief.nodes);
    free(t->brief.ids);
    free(t->wordy.nodes);
    free(t->wordy.ids);
    *t = (token_texts){0};
}

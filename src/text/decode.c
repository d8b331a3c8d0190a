/* decode.c: feeds tokens to the decoders; decoding whole is feeding all. */
#include "text/decoder.h"

#include <stdlib.h>

#include "text/encoder.h"
#include "text/import.h"
#include "text/unicode.h"

status decoder_push(decoder *d, size_t index, slice text, bool end) {
    if (index == d->t->decoders.n) return buffer_add(&d->text, text.p, text.n, d->e);
    const stage *s = &d->t->decoders.items[index];
    return s->kind->decode(s, d, text, end);
}

status decoder_open(decoder **out, const tokenizer *t, bool skip_special, error *e) {
    decoder *d = *out = calloc(1, sizeof *d);
    if (!d) return fail(e, E_MEMORY, "no memory for a decoder");
    d->t = t;
    d->skip_special = skip_special;
    return OK;
}

void decoder_close(decoder **d) {
    if (!*d) return;
    for (size_t i = 0; i < STAGES_MAX; i++) {
        buffer_free(&(*d)->states[i].token);
        buffer_free(&(*d)->states[i].out);
    }
    buffer_free(&(*d)->spelled);
    buffer_free(&(*d)->text);
    matcher_close(&(*d)->matcher);
    free(*d);
    *d = NULL;
}

/* One token; an id without a token is nothing, as in the reference. */
static status feed(decoder *d, int32_t id) {
    const block_view *v = &d->t->view;
    const unsigned flags = token_flags(v, id);
    if (!(flags & TOKEN_PRESENT) || (d->skip_special && flags & TOKEN_SKIPPED)) return OK;
    slice text = token_bytes(v, id);
    d->spelled.n = 0;
    if (flags & TOKEN_MAPPED) {
        TRY(alphabet_of_bytes(text, &d->spelled, d->e));
        text = buffer_slice(&d->spelled);
    } else if (utf8_valid(text) != text.n) { /* only in a damaged block */
        TRY(utf8_repair(&d->spelled, text, d->e));
        text = buffer_slice(&d->spelled);
    }
    return decoder_push(d, 0, text, true);
}

static status finish(decoder *d) {
    for (size_t i = 0; i < d->t->decoders.n; i++) {
        const stage *s = &d->t->decoders.items[i];
        if (s->kind->finish) TRY(s->kind->finish(s, d));
    }
    return OK;
}

static status hand_out(decoder *d, status s, const char **text, size_t *bytes) {
    *text = s == OK && d->text.n ? (const char *)d->text.p : "";
    *bytes = s == OK ? d->text.n : 0;
    return s;
}

status decoder_feed(decoder *d, int32_t id, const char **text, size_t *bytes, error *e) {
    d->e = e;
    d->text.n = 0;
    return hand_out(d, feed(d, id), text, bytes);
}

status decoder_finish(decoder *d, const char **text, size_t *bytes, error *e) {
    d->e = e;
    d->text.n = 0;
    return hand_out(d, finish(d), text, bytes);
}

status tokenizer_decode(const tokenizer *t, const int32_t *ids, size_t n, bool skip_special, char **text, size_t *bytes, error *e) {
    decoder *d;
    *text = NULL;
    *bytes = 0;
    TRY(decoder_open(&d, t, skip_special, e));
    d->e = e;
    status s = OK;
    for (size_t i = 0; s == OK && i < n; i++) s = feed(d, ids[i]);
    if (s == OK) s = finish(d);
    if (s == OK) s = buffer_add(&d->text, "", 1, e);
    if (s == OK) {
        *text = (char *)d->text.p;
        *bytes = d->text.n - 1;
        d->text = (buffer){0};
    }
    decoder_close(&d);
    return s;
}

/* precompiled.c: the two normalizers that read a charsmap: "Precompiled" of tokenizer.json, which looks at what a reader sees as one character, and what
 * SentencePiece does itself, which takes the longest rule and settles spaces too. */
#include <utf8proc.h>

#include "text/charsmap.h"
#include "text/encoder.h"
#include "text/import.h"
#include "text/precompiled.h"
#include "text/unicode.h"

static status check_charsmap(const stage *s, error *e) {
    charsmap m;
    return charsmap_open(&m, s->text[0], e);
}

static const char *const precompiled_keys[] = {"precompiled_charsmap", NULL};

static status precompiled_import(importer *in, const json_t *options, stage_record *out, error *e) {
    slice letters;
    buffer bytes = {0};
    charsmap m;
    TRY(field_text(options, "Precompiled", "precompiled_charsmap", &letters, e));
    status s = base64_decode(letters, &bytes, e);
    if (s == OK && bytes.n == 0) s = fail(e, E_FILE, "an empty character map");
    if (s == OK) s = charsmap_open(&m, buffer_slice(&bytes), e);
    if (s == OK) s = import_text(in, buffer_slice(&bytes), &out->text[0], e);
    buffer_free(&bytes);
    return s == OK || !e ? s : fail_in(e, "Precompiled");
}

/* The end of what a reader sees as one character (Unicode, annex 29, extended grapheme clusters). */
static size_t cluster_end(slice text, size_t begin) {
    uint32_t c = utf8_get(text.p + begin);
    size_t end = begin + utf8_length(text.p[begin]);
    utf8proc_int32_t state = 0;
    if (c < 0x80 && c != '\r' && end < text.n && text.p[end] < 0x80) return end;
    while (end < text.n) {
        const uint32_t next = utf8_get(text.p + end);
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)c, (utf8proc_int32_t)next, &state)) break;
        end += utf8_length(text.p[end]);
        c = next;
    }
    return end;
}

/* As in the reference, a rule for the beginning of a short cluster replaces all of it. */
static status put_cluster(const charsmap *m, slice cluster, buffer *out, error *e) {
    size_t length;
    slice to;
    if (cluster.n < 6 && charsmap_find(m, cluster, false, &length, &to)) return buffer_add(out, to.p, to.n, e);
    for (size_t i = 0; i < cluster.n;) {
        const slice one = slice_part(cluster, i, i + utf8_length(cluster.p[i]));
        to = one;
        charsmap_find(m, one, false, &length, &to);
        TRY(buffer_add(out, to.p, to.n, e));
        i += one.n;
    }
    return OK;
}

static status precompiled(const stage *s, encoder *x, slice *text, buffer *scratch, error *e) {
    (void)x;
    const charsmap m = charsmap_view(s->text[0]);
    scratch->n = 0;
    for (size_t i = 0; i < text->n;) {
        const size_t end = cluster_end(*text, i);
        TRY(put_cluster(&m, slice_part(*text, i, end), scratch, e));
        i = end;
    }
    *text = buffer_slice(scratch);
    return OK;
}

const stage_kind kind_precompiled = {
    .type = "Precompiled", .keys = precompiled_keys, .binary = true, .import = precompiled_import, .check = check_charsmap, .normalize = precompiled};

/* ---- SentencePiece's own (normalizer.cc, Normalizer::Normalize) ---- */

typedef struct spacing {
    uint32_t flags;
    buffer *out;
    error *e;
    bool after_space;
    bool any; /* there was more than spaces before the text */
} spacing;

static slice space_of(uint32_t flags) {
    return slice_of(flags & SPM_ESCAPE ? "\xe2\x96\x81" : " ");
}

/* Appends the normal form of one rule or character; spaces after a space vanish if they are to. */
static status put_spaced(spacing *p, slice text) {
    size_t i = 0;
    p->any = p->any || !slice_same(text, slice_of(" "));
    while (p->after_space && i < text.n && text.p[i] == ' ') i++;
    if (i == text.n) return OK;
    p->after_space = p->flags & SPM_SQUEEZE && text.p[text.n - 1] == ' ';
    for (; i < text.n; i++) {
        const slice one = text.p[i] == ' ' ? space_of(p->flags) : slice_part(text, i, i + 1);
        TRY(buffer_add(p->out, one.p, one.n, p->e));
    }
    return OK;
}

static void strip_spaces(buffer *out, slice space) {
    while (out->n >= space.n && memcmp(out->p + out->n - space.n, space.p, space.n) == 0) out->n -= space.n;
}

static status normalize_spaced(const charsmap *m, spacing *p, slice text) {
    for (size_t i = 0; i < text.n;) {
        size_t length = utf8_length(text.p[i]);
        slice to = slice_part(text, i, i + length);
        const slice rest = slice_part(text, i, text.n);
        charsmap_find(m, rest, true, &length, &to);
        TRY(put_spaced(p, to));
        i += length;
        while (i < text.n && (text.p[i] & 0xc0) == 0x80) i++; /* a rule of a damaged map can end inside a character */
    }
    return OK;
}

static status sentencepiece(const stage *s, encoder *x, slice *text, buffer *scratch, error *e) {
    const charsmap m = charsmap_view(s->text[0]);
    const uint32_t flags = s->record->flags;
    const slice space = space_of(flags);
    const bool marks = flags & SPM_MARK && !x->bare && (x->first || !(flags & SPM_MARK_FIRST));
    const bool squeezes = flags & SPM_SQUEEZE && !x->bare;
    spacing p = {.flags = squeezes ? flags : flags & ~(uint32_t)SPM_SQUEEZE, .out = scratch, .e = e, .after_space = squeezes, .any = !squeezes};
    if (text->n == 0) return OK;
    scratch->n = 0;
    TRY(normalize_spaced(&m, &p, *text));
    if (squeezes) strip_spaces(scratch, space);
    if (marks && (flags & SPM_SUFFIX || !squeezes ? p.any : scratch->n > 0)) {
        TRY(buffer_add(scratch, space.p, space.n, e));
        if (!(flags & SPM_SUFFIX)) {
            memmove(scratch->p + space.n, scratch->p, scratch->n - space.n);
            memcpy(scratch->p, space.p, space.n);
        }
    }
    *text = buffer_slice(scratch);
    return OK;
}

const stage_kind kind_sentencepiece = {.type = SPM_NORMALIZER, .binary = true, .check = check_charsmap, .normalize = sentencepiece};

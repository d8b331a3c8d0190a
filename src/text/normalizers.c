/* normalizers.c: what is done to text before it is split. */
#include <utf8proc.h>

#include "text/bert.h"
#include "text/encoder.h"
#include "text/import.h"
#include "text/precompiled.h"
#include "text/unicode.h"

static status normalize_form(slice *text, buffer *scratch, unicode_form form, error *e) {
    scratch->n = 0;
    TRY(unicode_normalize(scratch, *text, form, e));
    *text = buffer_slice(scratch);
    return OK;
}

static status nfc(const stage *s, encoder *x, slice *text, buffer *scratch, error *e) {
    (void)s, (void)x;
    return normalize_form(text, scratch, (unicode_form){.compose = true}, e);
}

static status nfd(const stage *s, encoder *x, slice *text, buffer *scratch, error *e) {
    (void)s, (void)x;
    return normalize_form(text, scratch, (unicode_form){0}, e);
}

static status nfkc(const stage *s, encoder *x, slice *text, buffer *scratch, error *e) {
    (void)s, (void)x;
    return normalize_form(text, scratch, (unicode_form){.compose = true, .compatible = true}, e);
}

static status nfkd(const stage *s, encoder *x, slice *text, buffer *scratch, error *e) {
    (void)s, (void)x;
    return normalize_form(text, scratch, (unicode_form){.compatible = true}, e);
}

/* Capitals that utf8proc 2.8 does not know yet; the reference lowers by Unicode 17. */
static const struct {
    uint32_t first, last, small; /* `small` is the letter of `first` */
} new_capitals[] = {
    {0x1c89, 0x1c89, 0x1c8a}, {0xa7cb, 0xa7cb, 0x264},  {0xa7cc, 0xa7cc, 0xa7cd}, {0xa7ce, 0xa7ce, 0xa7cf},    {0xa7d2, 0xa7d2, 0xa7d3},
    {0xa7d4, 0xa7d4, 0xa7d5}, {0xa7da, 0xa7da, 0xa7db}, {0xa7dc, 0xa7dc, 0x19b},  {0x10d50, 0x10d65, 0x10d70}, {0x16ea0, 0x16eb8, 0x16ebb},
};

static uint32_t small_letter(uint32_t c) {
    for (size_t i = 0; c >= 0x1c89 && i < sizeof new_capitals / sizeof new_capitals[0]; i++) {
        if (new_capitals[i].first <= c && c <= new_capitals[i].last) return new_capitals[i].small + (c - new_capitals[i].first);
    }
    return (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
}

/* Each character alone, so no final sigma; U+0130 is the one that becomes two. */
status lower_text(buffer *out, slice text, error *e) {
    TRY(buffer_reserve(out, text.n * 2, e));
    for (size_t i = 0; i < text.n; i += utf8_length(text.p[i])) {
        const uint32_t c = utf8_get(text.p + i);
        if (c == 0x130) {
            TRY(buffer_add(out, "i\xcc\x87", 3, e));
            continue;
        }
        TRY(buffer_reserve(out, 4, e));
        out->n += utf8_put(out->p + out->n, small_letter(c));
    }
    return OK;
}

static status lowercase(const stage *s, encoder *x, slice *text, buffer *scratch, error *e) {
    (void)s, (void)x;
    scratch->n = 0;
    TRY(lower_text(scratch, *text, e));
    *text = buffer_slice(scratch);
    return OK;
}

static status prepend_import(importer *in, const json_t *options, stage_record *out, error *e) {
    slice text;
    TRY(field_text(options, "Prepend", "prepend", &text, e));
    return import_text(in, text, &out->text[0], e);
}

static status prepend(const stage *s, encoder *x, slice *text, buffer *scratch, error *e) {
    (void)x;
    if (text->n == 0) return OK;
    scratch->n = 0;
    TRY(buffer_add(scratch, s->text[0].p, s->text[0].n, e));
    TRY(buffer_add(scratch, text->p, text->n, e));
    *text = buffer_slice(scratch);
    return OK;
}

static status replace(const stage *s, encoder *x, slice *text, buffer *scratch, error *e) {
    bool changed;
    scratch->n = 0;
    TRY(stage_replace(s, &x->matcher, *text, scratch, &changed, e));
    if (changed) *text = buffer_slice(scratch);
    return OK;
}

enum { STRIP_LEFT = 1 << 0, STRIP_RIGHT = 1 << 1 };

static status strip_import(importer *in, const json_t *options, stage_record *out, error *e) {
    (void)in;
    bool left = true, right = true;
    TRY(field_flag(options, "Strip", "strip_left", &left, e));
    TRY(field_flag(options, "Strip", "strip_right", &right, e));
    out->flags = (left ? STRIP_LEFT : 0u) | (right ? STRIP_RIGHT : 0u);
    return OK;
}

static status strip(const stage *s, encoder *x, slice *text, buffer *scratch, error *e) {
    (void)x, (void)scratch, (void)e;
    size_t begin = 0, end = text->n;
    while (s->record->flags & STRIP_LEFT && begin < end && unicode_space(utf8_get(text->p + begin))) begin += utf8_length(text->p[begin]);
    while (s->record->flags & STRIP_RIGHT && end > begin && unicode_space(utf8_get(text->p + utf8_before(text->p, end))))
        end = utf8_before(text->p, end);
    *text = slice_part(*text, begin, end);
    return OK;
}

static const char *const no_keys[] = {NULL};
static const char *const prepend_keys[] = {"prepend", NULL};
static const char *const replace_keys[] = {"pattern", "content", NULL};
static const char *const strip_keys[] = {"strip_left", "strip_right", NULL};

static const stage_kind kind_nfc = {.type = "NFC", .keys = no_keys, .normalize = nfc};
static const stage_kind kind_nfd = {.type = "NFD", .keys = no_keys, .normalize = nfd};
static const stage_kind kind_nfkc = {.type = "NFKC", .keys = no_keys, .normalize = nfkc};
static const stage_kind kind_nfkd = {.type = "NFKD", .keys = no_keys, .normalize = nfkd};
static const stage_kind kind_lowercase = {.type = "Lowercase", .keys = no_keys, .normalize = lowercase};
static const stage_kind kind_prepend = {.type = "Prepend", .keys = prepend_keys, .import = prepend_import, .normalize = prepend};
static const stage_kind kind_replace = {
    .type = "Replace", .keys = replace_keys, .import = import_replace, .searches = stage_searches, .normalize = replace};
static const stage_kind kind_strip = {.type = "Strip", .keys = strip_keys, .import = strip_import, .normalize = strip};

const stage_kind *const normalizer_kinds[] = {
    &kind_nfc,   &kind_nfd,         &kind_nfkc,          &kind_nfkd, &kind_lowercase,     &kind_prepend, &kind_replace,
    &kind_strip, &kind_precompiled, &kind_sentencepiece, &kind_bert, &kind_strip_accents, NULL,
};

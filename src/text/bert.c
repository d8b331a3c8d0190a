#include "text/bert.h"

#include "text/encoder.h"
#include "text/import.h"
#include "text/unicode.h"

enum { BERT_CLEAN = 1 << 0, BERT_CHINESE = 1 << 1, BERT_ACCENTS = 1 << 2, BERT_LOWER = 1 << 3 };

static const char *const bert_keys[] = {"clean_text", "handle_chinese_chars", "strip_accents", "lowercase", NULL};

/* Accents go with capitals unless the file says otherwise. */
static status bert_import(importer *in, const json_t *options, stage_record *out, error *e) {
    (void)in;
    bool clean = true, chinese = true, lower = true;
    TRY(field_flag(options, "BertNormalizer", "clean_text", &clean, e));
    TRY(field_flag(options, "BertNormalizer", "handle_chinese_chars", &chinese, e));
    TRY(field_flag(options, "BertNormalizer", "lowercase", &lower, e));
    bool accents = lower;
    TRY(field_flag(options, "BertNormalizer", "strip_accents", &accents, e));
    out->flags = (clean ? (uint32_t)BERT_CLEAN : 0) | (chinese ? (uint32_t)BERT_CHINESE : 0) | (accents ? (uint32_t)BERT_ACCENTS : 0) |
                 (lower ? (uint32_t)BERT_LOWER : 0);
    return OK;
}

/* Ideographs stand alone; the ranges are the reference's, whose fifth ends late. */
static bool is_chinese(uint32_t c) {
    static const uint32_t ranges[][2] = {{0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xf900, 0xfaff},   {0x20000, 0x2a6df},
                                         {0x2a700, 0x2b73f}, {0x2b740, 0x2b81f}, {0x2b920, 0x2ceaf}, {0x2f800, 0x2fa1f}};
    for (size_t i = 0; c >= 0x3400 && i < sizeof ranges / sizeof ranges[0]; i++) {
        if (ranges[i][0] <= c && c <= ranges[i][1]) return true;
    }
    return false;
}

/* Not tabs and line ends, which are spaces. */
static bool is_control(uint32_t c) {
    if (c == '\t' || c == '\n' || c == '\r') return false;
    if (c < 0x80) return c < 0x20 || c == 0x7f;
    const char *category = unicode_category(c);
    return (category[0] == 'C' && category[1] != 'n') != unicode_within(bert_control, c); /* what is not assigned is kept */
}

/* Control characters vanish, spaces are plain, ideographs get spaces around them. */
static status clean_text(uint32_t flags, slice text, buffer *out, error *e) {
    for (size_t i = 0; i < text.n;) {
        const slice one = slice_part(text, i, i + utf8_length(text.p[i]));
        const uint32_t c = utf8_get(one.p);
        i += one.n;
        const bool chinese = flags & BERT_CHINESE && is_chinese(c);
        if (flags & BERT_CLEAN && (c == 0 || c == 0xfffd || is_control(c))) continue;
        if (chinese) TRY(buffer_add(out, " ", 1, e));
        TRY(flags & BERT_CLEAN && unicode_space(c) ? buffer_add(out, " ", 1, e) : buffer_add(out, one.p, one.n, e));
        if (chinese) TRY(buffer_add(out, " ", 1, e));
    }
    return OK;
}

/* Appends the text without marks: all of them, or those alone that take no room. */
static status drop_marks(slice text, bool nonspacing, buffer *out, error *e) {
    for (size_t i = 0; i < text.n;) {
        const slice one = slice_part(text, i, i + utf8_length(text.p[i]));
        i += one.n;
        if (one.n > 1) {
            const uint32_t c = utf8_get(one.p);
            const char *category = unicode_category(c);
            const bool mark = category[0] == 'M' && (!nonspacing || category[1] == 'n');
            if (mark != unicode_within(nonspacing ? bert_nonspacing : bert_marks, c)) continue;
        }
        TRY(buffer_add(out, one.p, one.n, e));
    }
    return OK;
}

static status bert(const stage *s, encoder *x, slice *text, buffer *scratch, error *e) {
    const uint32_t flags = s->record->flags;
    scratch->n = 0;
    TRY(clean_text(flags, *text, scratch, e));
    if (flags & BERT_ACCENTS) {
        x->form.n = 0;
        TRY(unicode_normalize(&x->form, buffer_slice(scratch), (unicode_form){0}, e));
        scratch->n = 0;
        TRY(drop_marks(buffer_slice(&x->form), true, scratch, e));
    }
    if (flags & BERT_LOWER) {
        x->form.n = 0;
        TRY(lower_text(&x->form, buffer_slice(scratch), e));
        scratch->n = 0;
        TRY(buffer_add(scratch, x->form.p, x->form.n, e));
    }
    *text = buffer_slice(scratch);
    return OK;
}

static status strip_accents(const stage *s, encoder *x, slice *text, buffer *scratch, error *e) {
    (void)s, (void)x;
    scratch->n = 0;
    TRY(drop_marks(*text, false, scratch, e));
    *text = buffer_slice(scratch);
    return OK;
}

static const char *const no_keys[] = {NULL};

const stage_kind kind_bert = {.type = "BertNormalizer", .keys = bert_keys, .import = bert_import, .normalize = bert};
const stage_kind kind_strip_accents = {.type = "StripAccents", .keys = no_keys, .normalize = strip_accents};

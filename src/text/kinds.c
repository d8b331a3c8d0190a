/* kinds.c: pre-tokenizers that cut where the kind of a character changes: at spaces, punctuation, or one letter. */
#include "text/bert.h"
#include "text/encoder.h"
#include "text/import.h"
#include "text/unicode.h"

typedef enum kind { GAP, ALONE, WORD, REST } kind; /* left out; a piece of its own; runs of one kind are a piece */

typedef kind find_kind(const stage *s, slice character);

static status split_kinds(const stage *s, encoder *x, piece p, find_kind *find) {
    for (size_t i = 0; i < p.text.n;) {
        size_t end = i + utf8_length(p.text.p[i]);
        const kind k = find(s, slice_part(p.text, i, end));
        while (k != ALONE && end < p.text.n) {
            const size_t next = end + utf8_length(p.text.p[end]);
            if (find(s, slice_part(p.text, end, next)) != k) break;
            end = next;
        }
        if (k != GAP) TRY(encode_piece(x, s->index + 1, (piece){slice_part(p.text, i, end), p.first && i == 0}));
        i = end;
    }
    return OK;
}

static bool is_punctuation(uint32_t c) {
    if (c < 0x80) return c > ' ' && c < 0x7f && !((c | 0x20) - 'a' < 26 || c - '0' < 10);
    return (unicode_category(c)[0] == 'P') != unicode_within(bert_punctuation, c);
}

static kind kind_of_space(const stage *s, slice c) {
    (void)s;
    return unicode_space(utf8_get(c.p)) ? GAP : WORD;
}

static kind kind_of_bert(const stage *s, slice c) {
    return is_punctuation(utf8_get(c.p)) ? ALONE : kind_of_space(s, c);
}

static kind kind_of_word(const stage *s, slice c) {
    (void)s;
    const uint32_t code = utf8_get(c.p);
    return unicode_word(code) ? WORD : unicode_space(code) ? GAP : REST;
}

static kind kind_of_mark(const stage *s, slice c) {
    return is_punctuation(utf8_get(c.p)) ? (kind)s->record->numbers[0] : WORD;
}

static kind kind_of_letter(const stage *s, slice c) {
    return slice_same(c, s->text[0]) ? GAP : WORD;
}

static status split_spaces(const stage *s, encoder *x, piece p) {
    return split_kinds(s, x, p, kind_of_space);
}

static status split_bert(const stage *s, encoder *x, piece p) {
    return split_kinds(s, x, p, kind_of_bert);
}

static status split_words(const stage *s, encoder *x, piece p) {
    return split_kinds(s, x, p, kind_of_word);
}

static status split_marks(const stage *s, encoder *x, piece p) {
    return split_kinds(s, x, p, kind_of_mark);
}

static status split_letter(const stage *s, encoder *x, piece p) {
    return split_kinds(s, x, p, kind_of_letter);
}

/* What becomes of punctuation. */
static const struct {
    const char *behavior;
    kind k;
} behaviors[] = {{"Isolated", ALONE}, {"Removed", GAP}, {"Contiguous", REST}};
enum { BEHAVIORS = sizeof behaviors / sizeof behaviors[0] };

static status punctuation_import(importer *in, const json_t *options, stage_record *out, error *e) {
    (void)in;
    slice name = slice_of("Isolated");
    if (json_object_get(options, "behavior")) TRY(field_text(options, "Punctuation", "behavior", &name, e));
    size_t i = 0;
    while (i < BEHAVIORS && !slice_same(slice_of(behaviors[i].behavior), name)) i++;
    if (i == BEHAVIORS) return fail(e, E_FILE, "Punctuation: behavior \"%.60s\" is not supported", (const char *)name.p);
    out->numbers[0] = behaviors[i].k;
    return OK;
}

static status punctuation_check(const stage *s, error *e) {
    return s->record->numbers[0] <= REST ? OK : fail(e, E_FILE, "tokenizer: Punctuation has no behavior %u", s->record->numbers[0]);
}

static status delimiter_import(importer *in, const json_t *options, stage_record *out, error *e) {
    slice letter;
    TRY(field_text(options, "CharDelimiterSplit", "delimiter", &letter, e));
    if (letter.n == 0 || letter.n != utf8_length(letter.p[0])) return fail(e, E_FILE, "CharDelimiterSplit: \"delimiter\" is not one character");
    return import_text(in, letter, &out->text[0], e);
}

static const char *const no_keys[] = {NULL};
static const char *const punctuation_keys[] = {"behavior", NULL};
static const char *const delimiter_keys[] = {"delimiter", NULL};

const stage_kind kind_bert_splitter = {.type = "BertPreTokenizer", .keys = no_keys, .split = split_bert};
const stage_kind kind_whitespace_split = {.type = "WhitespaceSplit", .keys = no_keys, .split = split_spaces};
const stage_kind kind_whitespace = {.type = "Whitespace", .keys = no_keys, .split = split_words};
const stage_kind kind_punctuation = {
    .type = "Punctuation", .keys = punctuation_keys, .import = punctuation_import, .check = punctuation_check, .split = split_marks};
const stage_kind kind_delimiter = {.type = "CharDelimiterSplit", .keys = delimiter_keys, .import = delimiter_import, .split = split_letter};

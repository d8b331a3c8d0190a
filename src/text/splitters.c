/* splitters.c: pre-tokenizers, which cut text into the pieces that the model reads one by one. */
#include "text/bert.h"
#include "text/encoder.h"
#include "text/import.h"
#include "text/unicode.h"

/* Between this stage and the next: parts of a piece. */
static status pass(const stage *s, encoder *x, piece p, size_t begin, size_t end) {
    return encode_piece(x, s->index + 1, (piece){slice_part(p.text, begin, end), p.first && begin == 0});
}

/* A copy of the text with `before` put before it, in the stage's own buffer. */
static status prefixed(const stage *s, encoder *x, slice before, slice *text) {
    buffer *b = &x->split[s->index];
    b->n = 0;
    TRY(buffer_add(b, before.p, before.n, x->e));
    TRY(buffer_add(b, text->p, text->n, x->e));
    *text = buffer_slice(b);
    return OK;
}

/* ---- behaviours: what becomes of matches and of the text between them ----
 *
 * Text is cut into spans that are a match or not. A behaviour sees them in order and says what to do with a span that was held back when the next
 * one comes, and whether to hold that one. */

typedef struct cutter {
    const stage *s;
    encoder *x;
    piece p;
    span held;
    bool holds, held_match; /* is a span held back; was the last one seen a match */
} cutter;

typedef struct behavior {
    const char *name;
    status (*take)(cutter *c, span s, bool match);
} behavior;

static status cutter_pass(cutter *c, span s) {
    return s.begin < s.end ? pass(c->s, c->x, c->p, s.begin, s.end) : OK;
}

static status cutter_release(cutter *c) {
    if (!c->holds) return OK;
    c->holds = false;
    return cutter_pass(c, c->held);
}

static status cutter_hold(cutter *c, span s, bool match) {
    TRY(cutter_release(c));
    c->held = s;
    c->holds = true;
    c->held_match = match;
    return OK;
}

static status take_isolated(cutter *c, span s, bool match) {
    (void)match;
    return cutter_pass(c, s);
}

static status take_removed(cutter *c, span s, bool match) {
    return match ? OK : cutter_pass(c, s);
}

/* A match joins the text before it, but not a match before it. */
static status take_merged_previous(cutter *c, span s, bool match) {
    if (match && c->holds && !c->held_match) {
        c->held.end = s.end;
        c->held_match = true;
        return OK;
    }
    return cutter_hold(c, s, match);
}

/* A match joins the text after it, but not a match after it. */
static status take_merged_next(cutter *c, span s, bool match) {
    if (!match && c->holds) {
        c->holds = false;
        return cutter_pass(c, (span){c->held.begin, s.end});
    }
    return match ? cutter_hold(c, s, true) : cutter_pass(c, s);
}

/* Spans of one kind in a row are one. */
static status take_contiguous(cutter *c, span s, bool match) {
    if (c->holds && match == c->held_match) {
        c->held.end = s.end;
        return OK;
    }
    return cutter_hold(c, s, match);
}

static const behavior behaviors[] = {
    {"Isolated", take_isolated},          {"Removed", take_removed},       {"MergedWithPrevious", take_merged_previous},
    {"MergedWithNext", take_merged_next}, {"Contiguous", take_contiguous},
};
enum { BEHAVIORS = sizeof behaviors / sizeof behaviors[0], ISOLATED = 0, REMOVED = 1, MERGED_WITH_NEXT = 3 };

/* Cuts at the matches of the stage's pattern. */
static status cut(const stage *s, encoder *x, piece p, const behavior *how, bool invert) {
    cutter c = {.s = s, .x = x, .p = p};
    pattern_walk walk = PATTERN_WALK;
    size_t done = 0;
    for (;;) {
        span found;
        TRY(pattern_next(s->pattern, &x->matcher, p.text, &walk, &found, x->e));
        if (found.begin == SIZE_MAX) break;
        if (found.begin > done) TRY(how->take(&c, (span){done, found.begin}, invert));
        TRY(how->take(&c, found, !invert));
        done = found.end;
    }
    if (done < p.text.n) TRY(how->take(&c, (span){done, p.text.n}, invert));
    return cutter_release(&c);
}

/* ---- Split ---- */

enum { SPLIT_INVERT = 1 << 1 };

static status split_import(importer *in, const json_t *options, stage_record *out, error *e) {
    slice name;
    bool invert = false;
    TRY(import_pattern(in, options, "Split", out, e));
    TRY(field_text(options, "Split", "behavior", &name, e));
    TRY(field_flag(options, "Split", "invert", &invert, e));
    size_t i = 0;
    while (i < BEHAVIORS && !slice_same(slice_of(behaviors[i].name), name)) i++;
    if (i == BEHAVIORS) return fail(e, E_FILE, "Split: behavior \"%.60s\" is not supported", (const char *)name.p);
    out->flags |= invert ? (uint32_t)SPLIT_INVERT : 0u;
    out->numbers[0] = (uint32_t)i;
    return OK;
}

static status split_check(const stage *s, error *e) {
    return s->record->numbers[0] < BEHAVIORS ? OK : fail(e, E_FILE, "tokenizer: Split has no behavior %u", s->record->numbers[0]);
}

/* Pieces of an expression that leaves nothing between its matches go on without being held. */
static status split_scanned(const stage *s, encoder *x, piece p) {
    size_t (*const scan)(slice, size_t) = s->pattern->engine->scan;
    for (size_t i = 0; i < p.text.n;) {
        const size_t end = scan(p.text, i);
        TRY(pass(s, x, p, i, end));
        i = end;
    }
    return OK;
}

static status split(const stage *s, encoder *x, piece p) {
    const bool invert = s->record->flags & SPLIT_INVERT;
    const uint32_t how = s->record->numbers[0];
    if (s->pattern->engine->scan && (invert ? how == REMOVED : how == ISOLATED)) return split_scanned(s, x, p);
    return cut(s, x, p, &behaviors[how], invert);
}

/* ---- Digits: numbers (category N) apart, one by one or run by run ---- */

enum { DIGITS_INDIVIDUAL = 1 << 1 };

static status digits_import(importer *in, const json_t *options, stage_record *out, error *e) {
    (void)in;
    bool individual = false;
    TRY(field_flag(options, "Digits", "individual_digits", &individual, e));
    out->flags = individual ? (uint32_t)DIGITS_INDIVIDUAL : 0u;
    return OK;
}

/* The reference counts by Unicode 17 here, which has two more rows of digits than its regular expressions know. */
static bool is_number(const uint8_t *p) {
    if (*p < 0x80) return *p >= '0' && *p <= '9';
    const uint32_t c = utf8_get(p);
    return unicode_category(c)[0] == 'N' || (c >= 0x11de0 && c <= 0x11de9) || (c >= 0x16ff4 && c <= 0x16ff6);
}

static status digits(const stage *s, encoder *x, piece p) {
    const bool individual = s->record->flags & DIGITS_INDIVIDUAL;
    for (size_t i = 0; i < p.text.n;) {
        const bool number = is_number(p.text.p + i);
        size_t end = i;
        do end += utf8_length(p.text.p[end]);
        while (end < p.text.n && !(number && individual) && is_number(p.text.p + end) == number);
        TRY(pass(s, x, p, i, end));
        i = end;
    }
    return OK;
}

/* ---- ByteLevel: GPT-2's expression; that bytes become letters is how the vocabulary is compiled ---- */

enum { BYTELEVEL_REGEX = 1 << 1, BYTELEVEL_PREFIX = 1 << 2 };

static status bytelevel_import(importer *in, const json_t *options, stage_record *out, error *e) {
    bool prefix = true, regex = true;
    TRY(field_flag(options, "ByteLevel", "add_prefix_space", &prefix, e));
    TRY(field_flag(options, "ByteLevel", "use_regex", &regex, e));
    in->flags |= BLOCK_BYTES;
    if (!prefix && !regex) out->type[0] = 0;
    out->flags = STAGE_REGEX | (prefix ? (uint32_t)BYTELEVEL_PREFIX : 0u) | (regex ? (uint32_t)BYTELEVEL_REGEX : 0u);
    return import_text(in, slice_of(regex_gpt2), &out->text[0], e);
}

static status bytelevel(const stage *s, encoder *x, piece p) {
    if (s->record->flags & BYTELEVEL_PREFIX && p.text.p[0] != ' ') TRY(prefixed(s, x, slice_of(" "), &p.text));
    if (!(s->record->flags & BYTELEVEL_REGEX)) return pass(s, x, p, 0, p.text.n);
    return s->pattern->engine->scan ? split_scanned(s, x, p) : cut(s, x, p, &behaviors[ISOLATED], false);
}

/* ---- Metaspace: spaces become a letter, which may stand before the text too ---- */

static const struct {
    const char *name;
    uint32_t flags;
} schemes[] = {{"always", METASPACE_ALWAYS}, {"first", METASPACE_FIRST}, {"never", 0}};
enum { SCHEMES = sizeof schemes / sizeof schemes[0] };

/* Older files say add_prefix_space instead of prepend_scheme. */
status import_metaspace(importer *in, const json_t *options, stage_record *out, error *e) {
    slice letter, scheme = slice_of("always");
    bool prefix = true, parts = true;
    TRY(field_text(options, "Metaspace", "replacement", &letter, e));
    TRY(field_flag(options, "Metaspace", "add_prefix_space", &prefix, e));
    TRY(field_flag(options, "Metaspace", "split", &parts, e));
    if (json_object_get(options, "prepend_scheme")) {
        TRY(field_text(options, "Metaspace", "prepend_scheme", &scheme, e));
        if (!prefix && !slice_same(scheme, slice_of("never"))) return fail(e, E_FILE, "Metaspace: add_prefix_space contradicts prepend_scheme");
    } else if (!prefix) {
        scheme = slice_of("never");
    }
    if (letter.n == 0 || letter.n != utf8_length(letter.p[0])) return fail(e, E_FILE, "Metaspace: \"replacement\" is not one character");
    size_t i = 0;
    while (i < SCHEMES && !slice_same(slice_of(schemes[i].name), scheme)) i++;
    if (i == SCHEMES) return fail(e, E_FILE, "Metaspace: prepend_scheme \"%.60s\" is not supported", (const char *)scheme.p);
    out->flags = schemes[i].flags | (parts ? (uint32_t)METASPACE_SPLIT : 0u);
    return import_text(in, letter, &out->text[0], e);
}

status check_metaspace(const stage *s, error *e) {
    const slice letter = s->text[0];
    return letter.n && letter.n == utf8_length(letter.p[0]) ? OK : fail(e, E_FILE, "tokenizer: Metaspace has no letter");
}

static bool begins_with(slice text, slice beginning) {
    return text.n >= beginning.n && memcmp(text.p, beginning.p, beginning.n) == 0;
}

static status metaspace(const stage *s, encoder *x, piece p) {
    const slice letter = s->text[0];
    const uint32_t flags = s->record->flags;
    const bool wanted = flags & METASPACE_ALWAYS || (flags & METASPACE_FIRST && p.first);
    const bool there = p.text.p[0] == ' ' || begins_with(p.text, letter);
    buffer *b = &x->split[s->index];
    b->n = 0;
    if (wanted && !there) TRY(buffer_add(b, letter.p, letter.n, x->e));
    for (size_t i = 0; i < p.text.n;) {
        const uint8_t *space = memchr(p.text.p + i, ' ', p.text.n - i);
        const size_t end = space ? (size_t)(space - p.text.p) : p.text.n;
        TRY(buffer_add(b, p.text.p + i, end - i, x->e));
        if (space) TRY(buffer_add(b, letter.p, letter.n, x->e));
        i = end + 1;
    }
    p.text = buffer_slice(b);
    if (!(flags & METASPACE_SPLIT)) return pass(s, x, p, 0, p.text.n);
    return cut(s, x, p, &behaviors[MERGED_WITH_NEXT], false);
}

static const char *const split_keys[] = {"pattern", "behavior", "invert", NULL};
static const char *const digits_keys[] = {"individual_digits", NULL};
static const char *const bytelevel_keys[] = {"add_prefix_space", "use_regex", "trim_offsets", NULL};
static const char *const metaspace_keys[] = {"replacement", "prepend_scheme", "add_prefix_space", "split", "str_rep", NULL};

static const stage_kind kind_split = {
    .type = "Split", .keys = split_keys, .import = split_import, .check = split_check, .searches = stage_searches, .split = split};
static const stage_kind kind_digits = {.type = "Digits", .keys = digits_keys, .import = digits_import, .split = digits};
static const stage_kind kind_bytelevel = {
    .type = "ByteLevel", .keys = bytelevel_keys, .import = bytelevel_import, .searches = stage_searches, .split = bytelevel};
static const stage_kind kind_metaspace = {.type = "Metaspace",
                                          .keys = metaspace_keys,
                                          .import = import_metaspace,
                                          .check = check_metaspace,
                                          .searches = stage_searches,
                                          .split = metaspace};

const stage_kind *const splitter_kinds[] = {
    &kind_split,     &kind_digits, &kind_bytelevel, &kind_metaspace, &kind_bert_splitter, &kind_whitespace_split, &kind_whitespace, &kind_punctuation,
    &kind_delimiter, NULL,
};

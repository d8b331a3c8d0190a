/* decoders.c: from ids to text. Tokens run through the decoders of tokenizer.json one by one, as far as each can say something final. */
#include "text/decoder.h"

#include "text/encoder.h"
#include "text/import.h"
#include "text/unicode.h"

static decoder_state *state(const stage *s, decoder *d) {
    return &d->states[s->index];
}

/* A decoder that looks at tokens as a whole gathers their parts. True: *text is the whole token. */
static status gather(const stage *s, decoder *d, slice *text, bool end, bool *whole) {
    buffer *held = &state(s, d)->token;
    *whole = end;
    if (end && held->n == 0) return OK;
    TRY(buffer_add(held, text->p, text->n, d->e));
    *text = buffer_slice(held);
    if (end) held->n = 0; /* the bytes stay until the next token */
    return OK;
}

static status pass(const stage *s, decoder *d, slice text, bool end) {
    return decoder_push(d, s->index + 1, text, end);
}

/* ---- Replace ---- */

static status decode_replace(const stage *s, decoder *d, slice text, bool end) {
    bool whole, changed;
    TRY(gather(s, d, &text, end, &whole));
    if (!whole) return OK;
    buffer *out = &state(s, d)->out;
    out->n = 0;
    TRY(stage_replace(s, &d->matcher, text, out, &changed, d->e));
    return pass(s, d, changed ? buffer_slice(out) : text, true);
}

/* ---- ByteFallback: <0xE2><0x96><0x81> in a row are one character, or one U+FFFD each ---- */

static int hex_digit(uint8_t c) {
    const char *digits = "0123456789abcdef";
    const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c | 0x20 : c) : NULL;
    return at ? (int)(at - digits) : -1;
}

static int byte_token(slice t) {
    if (t.n != 6 || memcmp(t.p, "<0x", 3) != 0 || t.p[5] != '>') return -1;
    const int high = hex_digit(t.p[3]), low = hex_digit(t.p[4]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static status finish_bytes(const stage *s, decoder *d) {
    buffer *held = &state(s, d)->out;
    const slice bytes = buffer_slice(held);
    held->n = 0;
    if (bytes.n == 0) return OK;
    if (utf8_valid(bytes) == bytes.n) return pass(s, d, bytes, true);
    for (size_t i = 0; i < bytes.n; i++) TRY(pass(s, d, slice_of("\xef\xbf\xbd"), true));
    return OK;
}

static status decode_bytes(const stage *s, decoder *d, slice text, bool end) {
    bool whole;
    TRY(gather(s, d, &text, end, &whole));
    if (!whole) return OK;
    const int byte = byte_token(text);
    if (byte >= 0) return buffer_add(&state(s, d)->out, &(uint8_t){(uint8_t)byte}, 1, d->e);
    TRY(finish_bytes(s, d));
    return pass(s, d, text, true);
}

/* ---- Fuse: all tokens are one from here on ---- */

static status decode_fuse(const stage *s, decoder *d, slice text, bool end) {
    (void)end;
    return pass(s, d, text, false);
}

static status finish_fuse(const stage *s, decoder *d) {
    return pass(s, d, (slice){0}, true);
}

/* ---- Strip: a character off the ends of every token ---- */

static status strip_import(importer *in, const json_t *options, stage_record *out, error *e) {
    slice letter;
    int64_t start = 0, stop = 0;
    TRY(field_text(options, "Strip", "content", &letter, e));
    TRY(field_number(options, "Strip", "start", 0, 1 << 20, &start, e));
    TRY(field_number(options, "Strip", "stop", 0, 1 << 20, &stop, e));
    if (letter.n == 0 || letter.n != utf8_length(letter.p[0])) return fail(e, E_FILE, "Strip: \"content\" is not one character");
    out->numbers[0] = (uint32_t)start;
    out->numbers[1] = (uint32_t)stop;
    return import_text(in, letter, &out->text[0], e);
}

static status strip_check(const stage *s, error *e) {
    return s->text[0].n ? OK : fail(e, E_FILE, "tokenizer: Strip has no character");
}

static bool begins_with(slice text, slice letter) {
    return text.n >= letter.n && memcmp(text.p, letter.p, letter.n) == 0;
}

static slice strip_end(slice text, slice letter, size_t most) {
    for (; most > 0 && text.n >= letter.n && memcmp(text.p + text.n - letter.n, letter.p, letter.n) == 0; most--) text.n -= letter.n;
    return text;
}

static status decode_strip(const stage *s, decoder *d, slice text, bool end) {
    decoder_state *st = state(s, d);
    const slice letter = s->text[0];
    if (s->record->numbers[1] > 0) {
        bool whole;
        TRY(gather(s, d, &text, end, &whole));
        if (!whole) return OK;
    }
    while (!st->inside && st->count < s->record->numbers[0] && begins_with(text, letter)) {
        text = slice_part(text, letter.n, text.n);
        st->count++;
    }
    st->inside = !end && (st->inside || text.n > 0);
    if (end) st->count = 0;
    return pass(s, d, strip_end(text, letter, s->record->numbers[1]), end);
}

/* ---- ByteLevel: letters back to bytes; a token that has other letters is taken as it is ---- */

static status finish_bytelevel(const stage *s, decoder *d) {
    buffer *held = &state(s, d)->out;
    if (held->n) TRY(pass(s, d, slice_of("\xef\xbf\xbd"), false));
    held->n = 0;
    return pass(s, d, (slice){0}, true);
}

/* Whole characters of what is held go on, an unfinished one stays. */
static status release_characters(const stage *s, decoder *d) {
    buffer *held = &state(s, d)->out, *clean = &state(s, d)->token;
    size_t end = utf8_valid(buffer_slice(held));
    while (end < held->n) {
        const int length = utf8_check(held->p + end, held->n - end);
        if (length == 0) break;
        end += (size_t)(length < 0 ? -length : length);
    }
    TRY(utf8_repair(clean, (slice){held->p, end}, d->e));
    held->n -= end;
    if (held->n) memmove(held->p, held->p + end, held->n);
    const slice final = buffer_slice(clean);
    clean->n = 0;
    return final.n ? pass(s, d, final, false) : OK;
}

static status decode_bytelevel(const stage *s, decoder *d, slice text, bool end) {
    buffer *held = &state(s, d)->out;
    bool spelled = false, whole = end;
    if (!end || state(s, d)->token.n) TRY(gather(s, d, &text, end, &whole));
    if (!whole) return OK;
    TRY(bytes_of_alphabet(text, held, &spelled, d->e));
    if (!spelled) TRY(buffer_add(held, text.p, text.n, d->e));
    return release_characters(s, d);
}

/* ---- Metaspace: the letter back to a space; none at the beginning of the first token ---- */

static status decode_metaspace(const stage *s, decoder *d, slice text, bool end) {
    decoder_state *st = state(s, d);
    const slice letter = s->text[0];
    bool whole;
    TRY(gather(s, d, &text, end, &whole));
    if (!whole) return OK;
    const bool vanish = st->count == 0 && s->record->flags & METASPACE_PREPENDS;
    st->count = 1;
    st->out.n = 0;
    for (size_t i = 0; i < text.n;) {
        const uint8_t *at = memmem(text.p + i, text.n - i, letter.p, letter.n);
        const size_t next = at ? (size_t)(at - text.p) : text.n;
        TRY(buffer_add(&st->out, text.p + i, next - i, d->e));
        if (at && !vanish) TRY(buffer_add(&st->out, " ", 1, d->e));
        i = at ? next + letter.n : next;
    }
    return pass(s, d, buffer_slice(&st->out), true);
}

/* ---- WordPiece: a space before every token but the first and those that go on a word; what the space spoils is mended token by token ---- */

enum { WORDPIECE_CLEANUP = 1 << 0 };

static const char *const cleanups[][2] = {{" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
                                          {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};

static status wordpiece_import(importer *in, const json_t *options, stage_record *out, error *e) {
    slice prefix;
    bool cleanup = true;
    TRY(field_text(options, "WordPiece", "prefix", &prefix, e));
    TRY(field_flag(options, "WordPiece", "cleanup", &cleanup, e));
    out->flags = cleanup ? (uint32_t)WORDPIECE_CLEANUP : 0;
    return import_text(in, prefix, &out->text[0], e);
}

/* Replaces every `from` in b[0 .. n) by `to`, which is not longer. */
static size_t mend(uint8_t *b, size_t n, slice from, slice to) {
    size_t kept = 0;
    for (size_t i = 0; i < n;) {
        const bool there = n - i >= from.n && memcmp(b + i, from.p, from.n) == 0;
        if (there) memcpy(b + kept, to.p, to.n);
        if (!there) b[kept] = b[i];
        kept += there ? to.n : 1;
        i += there ? from.n : 1;
    }
    return kept;
}

static status decode_wordpiece(const stage *s, decoder *d, slice text, bool end) {
    decoder_state *st = state(s, d);
    const slice prefix = s->text[0];
    bool whole;
    TRY(gather(s, d, &text, end, &whole));
    if (!whole) return OK;
    st->out.n = 0;
    if (st->count && begins_with(text, prefix)) {
        text = slice_part(text, prefix.n, text.n);
    } else if (st->count) {
        TRY(buffer_add(&st->out, " ", 1, d->e));
    }
    st->count = 1;
    TRY(buffer_add(&st->out, text.p, text.n, d->e));
    for (size_t i = 0; s->record->flags & WORDPIECE_CLEANUP && i < sizeof cleanups / sizeof cleanups[0]; i++)
        st->out.n = mend(st->out.p, st->out.n, slice_of(cleanups[i][0]), slice_of(cleanups[i][1]));
    return pass(s, d, buffer_slice(&st->out), true);
}

/* ---- no decoder: tokens with spaces between them ---- */

static status decode_join(const stage *s, decoder *d, slice text, bool end) {
    decoder_state *st = state(s, d);
    if (st->count && !st->inside) TRY(pass(s, d, slice_of(" "), false));
    st->count = 1;
    st->inside = !end;
    return pass(s, d, text, false);
}

static const char *const no_keys[] = {NULL};
static const char *const replace_keys[] = {"pattern", "content", NULL};
static const char *const strip_keys[] = {"content", "start", "stop", NULL};
static const char *const bytelevel_keys[] = {"add_prefix_space", "trim_offsets", "use_regex", NULL};
static const char *const wordpiece_keys[] = {"prefix", "cleanup", NULL};
static const char *const metaspace_keys[] = {"replacement", "prepend_scheme", "add_prefix_space", "split", "str_rep", NULL};

static const stage_kind kind_replace = {
    .type = "Replace", .keys = replace_keys, .import = import_replace, .searches = stage_searches, .decode = decode_replace};
static const stage_kind kind_bytes = {.type = "ByteFallback", .keys = no_keys, .decode = decode_bytes, .finish = finish_bytes};
static const stage_kind kind_fuse = {.type = "Fuse", .keys = no_keys, .decode = decode_fuse, .finish = finish_fuse};
static const stage_kind kind_strip = {.type = "Strip", .keys = strip_keys, .import = strip_import, .check = strip_check, .decode = decode_strip};
static const stage_kind kind_bytelevel = {.type = "ByteLevel", .keys = bytelevel_keys, .decode = decode_bytelevel, .finish = finish_bytelevel};
static const stage_kind kind_metaspace = {
    .type = "Metaspace", .keys = metaspace_keys, .import = import_metaspace, .check = check_metaspace, .decode = decode_metaspace};
static const stage_kind kind_wordpiece = {.type = "WordPiece", .keys = wordpiece_keys, .import = wordpiece_import, .decode = decode_wordpiece};
const stage_kind decoder_join = {.type = "(spaces)", .decode = decode_join};

const stage_kind *const decoder_kinds[] = {
    &kind_replace, &kind_bytes, &kind_fuse, &kind_strip, &kind_bytelevel, &kind_metaspace, &kind_wordpiece, &decoder_join, NULL,
};

/* scanners.c: the three regular expressions that nearly every byte-level model uses, as loops. A test compares them with PCRE2. */
#include "text/pattern.h"
#include "text/unicode.h"

typedef enum kind { LETTER, NUMBER, SPACE, OTHER } kind;

static const uint8_t ascii_kinds[128] = {
    [0 ... 8] = OTHER,   [9 ... 13] = SPACE,     [14 ... 31] = OTHER, [' '] = SPACE,          [33 ... 47] = OTHER,   ['0' ... '9'] = NUMBER,
    [58 ... 64] = OTHER, ['A' ... 'Z'] = LETTER, [91 ... 96] = OTHER, ['a' ... 'z'] = LETTER, [123 ... 127] = OTHER,
};

static kind wide_kind(const uint8_t *p) {
    const uint32_t c = utf8_get(p);
    if (unicode_space(c)) return SPACE;
    const char *category = unicode_category(c);
    return category[0] == 'L' ? LETTER : category[0] == 'N' ? NUMBER : OTHER;
}

static inline kind kind_at(slice t, size_t i) {
    return t.p[i] < 0x80 ? (kind)ascii_kinds[t.p[i]] : wide_kind(t.p + i);
}

/* The end of the run of characters of one kind from i on. */
static inline size_t run_end(slice t, size_t i, kind k) {
    while (i < t.n) {
        if (kind_at(t, i) != k) break;
        i += utf8_length(t.p[i]);
    }
    return i;
}

/* At most `most` digits. */
static size_t digits_end(slice t, size_t i, size_t most) {
    for (; most > 0 && i < t.n && kind_at(t, i) == NUMBER; most--) i += utf8_length(t.p[i]);
    return i;
}

/* \s+(?!\S)|\s+ : a run of spaces leaves its last to what follows. */
static size_t spaces_end(slice t, size_t i, size_t end) {
    if (end == t.n) return end;
    const size_t last = utf8_before(t.p, end);
    return last > i ? last : end;
}

size_t scan_gpt2(slice t, size_t from) {
    size_t i = from;
    if (t.p[i] == '\'' && i + 1 < t.n) {
        const uint8_t a = t.p[i + 1], b = i + 2 < t.n ? t.p[i + 2] : 0;
        if (a == 's' || a == 't' || a == 'm' || a == 'd') return i + 2;
        if ((b == 'e' && (a == 'r' || a == 'v')) || (a == 'l' && b == 'l')) return i + 3;
    }
    kind k = kind_at(t, i);
    if (t.p[i] == ' ' && i + 1 < t.n) {
        const kind next = kind_at(t, i + 1);
        if (next != SPACE) {
            k = next;
            i++;
        }
    }
    if (k != SPACE) return run_end(t, i, k);
    return spaces_end(t, i, run_end(t, i, SPACE));
}

/* The end of (?i:'s|'t|'re|'ve|'m|'ll|'d), or `from`. U+017F folds to s. */
static size_t contraction_end(slice t, size_t from) {
    if (t.n - from < 2) return from;
    const uint8_t *p = t.p + from;
    const uint8_t a = p[1] | 0x20, b = t.n - from > 2 ? p[2] | 0x20 : 0;
    if (p[1] < 0x80 && (a == 's' || a == 't' || a == 'm' || a == 'd')) return from + 2;
    if (b == 'e' && (a == 'r' || a == 'v')) return from + 3;
    if (a == 'l' && b == 'l') return from + 3;
    return t.n - from > 2 && p[1] == 0xc5 && p[2] == 0xbf ? from + 3 : from;
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ : a run of spaces ends after its last line end if it has one. */
static size_t blank_end(slice t, size_t from) {
    size_t i = from, line = from;
    while (i < t.n && kind_at(t, i) == SPACE) {
        const bool ends = t.p[i] == '\n' || t.p[i] == '\r';
        i += utf8_length(t.p[i]);
        if (ends) line = i;
    }
    return line > from ? line : spaces_end(t, from, i);
}

static size_t others_end(slice t, size_t i) {
    i = run_end(t, i, OTHER);
    while (i < t.n && (t.p[i] == '\r' || t.p[i] == '\n')) i++;
    return i;
}

static inline size_t scan_cl100k(slice t, size_t from, size_t digits) {
    if (t.p[from] == '\'') {
        const size_t end = contraction_end(t, from);
        if (end > from) return end;
    }
    const kind k = kind_at(t, from);
    if (k == LETTER) return run_end(t, from, LETTER);
    if (k == NUMBER) return digits_end(t, from, digits);
    const size_t next = from + utf8_length(t.p[from]);
    const kind then = next < t.n ? kind_at(t, next) : SPACE;
    if (then == LETTER && t.p[from] != '\r' && t.p[from] != '\n') return run_end(t, next, LETTER);
    if (k == OTHER) return others_end(t, from);
    if (t.p[from] == ' ' && then == OTHER) return others_end(t, next);
    return blank_end(t, from);
}

size_t scan_llama3(slice text, size_t from) {
    return scan_cl100k(text, from, 3);
}

size_t scan_qwen(slice text, size_t from) {
    return scan_cl100k(text, from, 1);
}

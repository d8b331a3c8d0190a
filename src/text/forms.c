/* forms.c: NFC, NFD, NFKC, NFKD. utf8proc supplies the tables and the composition; the canonical order is sorted here, because utf8proc's
 * own ordering takes quadratic time on long runs of marks. */
#include <stdlib.h>
#include <utf8proc.h>

#include "text/unicode.h"

enum { CLASSES = 256, DECOMPOSED_MAX = 32, HANGUL_BEFORE_TRAILING = 0x11a7 };

/* The reference normalizes by Unicode 9: to it these later code points, which have a combining class, a decomposition or a composition by now,
 * are plain characters. */
static const struct {
    uint32_t first, last;
} later[] = {
    {0x7fd, 0x7fd},     {0x898, 0x89f},     {0x8ca, 0x8d3},     {0x9fe, 0x9fe},     {0xc3c, 0xc3c},     {0xd3b, 0xd3c},     {0xeba, 0xeba},
    {0x1715, 0x1715},   {0x1abf, 0x1ace},   {0x1df6, 0x1dfa},   {0x32ff, 0x32ff},   {0xa7f2, 0xa7f4},   {0xa82c, 0xa82c},   {0xab69, 0xab69},
    {0x10781, 0x10785}, {0x10787, 0x107b0}, {0x107b2, 0x107ba}, {0x10d24, 0x10d27}, {0x10eab, 0x10eac}, {0x10efd, 0x10eff}, {0x10f46, 0x10f50},
    {0x10f82, 0x10f85}, {0x11070, 0x11070}, {0x1133b, 0x1133b}, {0x1145e, 0x1145e}, {0x11839, 0x1183a}, {0x11930, 0x11930}, {0x11938, 0x11938},
    {0x1193d, 0x1193e}, {0x11943, 0x11943}, {0x119e0, 0x119e0}, {0x11a34, 0x11a34}, {0x11a47, 0x11a47}, {0x11a99, 0x11a99}, {0x11d42, 0x11d42},
    {0x11d44, 0x11d45}, {0x11d97, 0x11d97}, {0x11f41, 0x11f42}, {0x16ff0, 0x16ff1}, {0x1e030, 0x1e06d}, {0x1e08f, 0x1e08f}, {0x1e130, 0x1e136},
    {0x1e2ae, 0x1e2ae}, {0x1e2ec, 0x1e2ef}, {0x1e4ec, 0x1e4ef}, {0x1f16c, 0x1f16c}, {0x1fbf0, 0x1fbf9},
};

static bool is_later(uint32_t c) {
    size_t low = 0, high = sizeof later / sizeof later[0];
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (later[middle].last < c) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < sizeof later / sizeof later[0] && later[low].first <= c;
}

typedef struct points {
    utf8proc_int32_t *c;
    size_t n, room;
} points;

static status points_reserve(points *p, size_t more, error *e) {
    if (p->room - p->n >= more) return OK;
    const size_t room = (p->n + more) * 2;
    utf8proc_int32_t *c = realloc(p->c, room * sizeof *c);
    if (!c) return fail(e, E_MEMORY, "no memory to normalize %zu characters", room);
    p->c = c;
    p->room = room;
    return OK;
}

static unsigned combining_class(utf8proc_int32_t c) {
    const unsigned k = (unsigned)utf8proc_get_property(c)->combining_class & (CLASSES - 1);
    return k && is_later((uint32_t)c) ? 0 : k;
}

/* Stable sort of a run of marks by class: insertion while short, counting when long. */
static status sort_marks(utf8proc_int32_t *c, size_t n, error *e) {
    if (n <= 32) {
        for (size_t i = 1; i < n; i++) {
            const utf8proc_int32_t mark = c[i];
            size_t j = i;
            for (; j > 0 && combining_class(c[j - 1]) > combining_class(mark); j--) c[j] = c[j - 1];
            c[j] = mark;
        }
        return OK;
    }
    utf8proc_int32_t *sorted = malloc(n * sizeof *sorted);
    if (!sorted) return fail(e, E_MEMORY, "no memory to order %zu marks", n);
    size_t at[CLASSES + 1] = {0};
    for (size_t i = 0; i < n; i++) at[combining_class(c[i]) + 1]++;
    for (size_t k = 0; k < CLASSES; k++) at[k + 1] += at[k];
    for (size_t i = 0; i < n; i++) sorted[at[combining_class(c[i])]++] = c[i];
    memcpy(c, sorted, n * sizeof *sorted);
    free(sorted);
    return OK;
}

static status order_marks(points *p, error *e) {
    for (size_t i = 0; i < p->n;) {
        if (combining_class(p->c[i]) == 0) {
            i++;
            continue;
        }
        size_t end = i + 1;
        while (end < p->n && combining_class(p->c[end]) != 0) end++;
        TRY(sort_marks(p->c + i, end - i, e));
        i = end;
    }
    return OK;
}

static status decompose(points *p, slice text, unicode_form form, error *e) {
    const utf8proc_option_t options = (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (form.compatible ? (unsigned)UTF8PROC_COMPAT : 0u));
    for (size_t i = 0; i < text.n; i += utf8_length(text.p[i])) {
        TRY(points_reserve(p, DECOMPOSED_MAX, e));
        int boundary = 0;
        const uint32_t c = utf8_get(text.p + i);
        if (is_later(c)) {
            p->c[p->n++] = (utf8proc_int32_t)c;
            continue;
        }
        const utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)c, p->c + p->n, DECOMPOSED_MAX, options, &boundary);
        if (n < 0 || n > DECOMPOSED_MAX) return fail(e, E_RUN, "cannot decompose a character: %s", utf8proc_errmsg(n));
        p->n += (size_t)n;
    }
    return OK;
}

/* Composes c[n] in place and appends it. */
static status put_composed(buffer *out, utf8proc_int32_t *c, size_t n, unicode_form form, error *e) {
    utf8proc_ssize_t length = (utf8proc_ssize_t)n;
    if (form.compose) length = utf8proc_normalize_utf32(c, length, (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    if (length < 0) return fail(e, E_RUN, "cannot compose text: %s", utf8proc_errmsg(length));
    TRY(buffer_reserve(out, (size_t)length * 4, e));
    for (utf8proc_ssize_t i = 0; i < length; i++) out->n += utf8_put(out->p + out->n, (uint32_t)c[i]);
    return OK;
}

/* Characters before which composition starts anew. U+11A7, just below the trailing consonants of Hangul, is one: utf8proc 2.8 lets it vanish
 * behind a syllable. */
static bool joins_nothing(uint32_t c) {
    return c == HANGUL_BEFORE_TRAILING || is_later(c);
}

static status normalize_run(buffer *out, points *p, slice text, unicode_form form, error *e) {
    p->n = 0;
    TRY(decompose(p, text, form, e));
    TRY(order_marks(p, e));
    for (size_t i = 0; i < p->n;) {
        size_t end = i + 1;
        while (end < p->n && !joins_nothing((uint32_t)p->c[end])) end++;
        TRY(put_composed(out, p->c + i, end - i, form, e));
        i = end;
    }
    return OK;
}

/* Bytes below `limit` begin characters that stay as they are and combine with nothing before them: U+0300 is the first code point that
 * changes or combines under NFC; under the other forms it is U+00A0. So text is normalized in runs between such characters. */
status unicode_normalize(buffer *out, slice text, unicode_form form, error *e) {
    const uint8_t limit = form.compose && !form.compatible ? 0xcc : 0xc2;
    points p = {0};
    status s = OK;
    size_t done = 0, i = 0;
    while (s == OK && i < text.n) {
        while (i < text.n && text.p[i] < limit) i++;
        if (i == text.n) break;
        const size_t begin = i > done ? utf8_before(text.p, i) : i; /* the character before may combine */
        size_t end = i;
        while (end < text.n && (text.p[end] >= limit || (text.p[end] & 0xc0) == 0x80)) end++;
        s = buffer_add(out, text.p + done, begin - done, e);
        if (s == OK) s = normalize_run(out, &p, slice_part(text, begin, end), form, e);
        done = i = end;
    }
    if (s == OK) s = buffer_add(out, text.p + done, text.n - done, e);
    free(p.c);
    return s;
}

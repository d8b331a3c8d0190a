/* forms.c: NFC, NFD, NFKC, NFKD. utf8proc supplies the tables and the composition; the canonical order is sorted here, because utf8proc's
 * own ordering takes quadratic time on long runs of marks. */
#include <stdlib.h>
#include <utf8proc.h>

#include "text/unicode.h"

enum { CLASSES = 256, DECOMPOSED_MAX = 32 };

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
    return (unsigned)utf8proc_get_property(c)->combining_class & (CLASSES - 1);
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
    const utf8proc_option_t options =
        (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (form.compatible ? (unsigned)UTF8PROC_COMPAT : 0u));
    for (size_t i = 0; i < text.n; i += utf8_length(text.p[i])) {
        TRY(points_reserve(p, DECOMPOSED_MAX, e));
        int boundary = 0;
        const utf8proc_ssize_t n =
            utf8proc_decompose_char((utf8proc_int32_t)utf8_get(text.p + i), p->c + p->n, DECOMPOSED_MAX, options, &boundary);
        if (n < 0 || n > DECOMPOSED_MAX) return fail(e, E_RUN, "cannot decompose a character: %s", utf8proc_errmsg(n));
        p->n += (size_t)n;
    }
    return OK;
}

static status normalize_run(buffer *out, points *p, slice text, unicode_form form, error *e) {
    p->n = 0;
    TRY(decompose(p, text, form, e));
    TRY(order_marks(p, e));
    utf8proc_ssize_t n = (utf8proc_ssize_t)p->n;
    if (form.compose) n = utf8proc_normalize_utf32(p->c, n, (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    if (n < 0) return fail(e, E_RUN, "cannot compose text: %s", utf8proc_errmsg(n));
    TRY(buffer_reserve(out, (size_t)n * 4, e));
    for (utf8proc_ssize_t i = 0; i < n; i++) out->n += utf8_put(out->p + out->n, (uint32_t)p->c[i]);
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

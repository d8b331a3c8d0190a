#include "text/charsmap.h"

#include "text/unicode.h"

enum { UNIT_LEAF = 1 << 8, UNIT_WIDE = 1 << 9 };
#define UNIT_LABEL 0x800000ffu /* a leaf's top bit is no label */
#define UNIT_VALUE 0x7fffffffu

charsmap charsmap_view(slice bytes) {
    uint32_t size;
    if (bytes.n < sizeof size) return (charsmap){0};
    memcpy(&size, bytes.p, sizeof size);
    if (size > bytes.n - sizeof size) return (charsmap){0};
    return (charsmap){bytes.p + sizeof size, size / sizeof(uint32_t), slice_part(bytes, sizeof size + size, bytes.n)};
}

status charsmap_open(charsmap *m, slice bytes, error *e) {
    *m = charsmap_view(bytes);
    if (bytes.n == 0) return OK;
    if (m->n_units == 0) return fail(e, E_FILE, "a character map of %zu bytes is broken", bytes.n);
    return utf8_valid(m->texts) == m->texts.n ? OK : fail(e, E_FILE, "a character map holds text that is not UTF-8");
}

static uint32_t unit_at(const charsmap *m, size_t i) {
    uint32_t unit;
    memcpy(&unit, m->units + i * sizeof unit, sizeof unit);
    return unit;
}

static uint32_t offset(uint32_t unit) {
    return unit >> 10 << ((unit & UNIT_WIDE) >> 6);
}

/* The text at a leaf's value; false if the leaf leads outside, or into a character. */
static bool text_at(const charsmap *m, uint32_t value, slice *to) {
    const size_t begin = value & UNIT_VALUE;
    if (begin >= m->texts.n || (m->texts.p[begin] & 0xc0) == 0x80) return false;
    const uint8_t *end = memchr(m->texts.p + begin, 0, m->texts.n - begin);
    *to = slice_part(m->texts, begin, end ? (size_t)(end - m->texts.p) : m->texts.n);
    return true;
}

bool charsmap_find(const charsmap *m, slice text, bool longest, size_t *length, slice *to) {
    bool found = false;
    size_t at = m->n_units ? offset(unit_at(m, 0)) : 0;
    for (size_t i = 0; i < text.n && text.p[i] && !(found && !longest); i++) {
        at ^= text.p[i];
        if (at >= m->n_units) break;
        const uint32_t unit = unit_at(m, at);
        if ((unit & UNIT_LABEL) != text.p[i]) break;
        at ^= offset(unit);
        if (at >= m->n_units) break;
        if (!(unit & UNIT_LEAF) || !text_at(m, unit_at(m, at), to)) continue;
        *length = i + 1;
        found = true;
    }
    return found;
}

static int digit_of(uint8_t c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

status base64_decode(slice text, buffer *out, error *e) {
    size_t digits = text.n;
    while (digits > 0 && text.n - digits < 2 && text.p[digits - 1] == '=') digits--;
    if (text.n % 4) return fail(e, E_FILE, "base64 of %zu letters", text.n);
    TRY(buffer_reserve(out, text.n / 4 * 3, e));
    uint32_t held = 0;
    for (size_t i = 0; i < digits; i++) {
        const int digit = digit_of(text.p[i]);
        if (digit < 0) return fail(e, E_FILE, "base64 with a letter of none at %zu", i);
        held = held << 6 | (uint32_t)digit;
        if (i % 4) out->p[out->n++] = (uint8_t)(held >> (6 - 2 * (i % 4)));
    }
    return OK;
}

#include "text/unicode.h"

#include <utf8proc.h>

int utf8_check(const uint8_t *p, size_t n) {
    if (p[0] < 0x80) return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4) return -1;
    const int length = (int)utf8_length(p[0]);
    /* The second byte is where overlong forms, surrogates and code points past U+10FFFF show. */
    const uint8_t low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    const uint8_t high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (n < 2) return 0;
    if (p[1] < low || p[1] > high) return -1;
    for (int i = 2; i < length; i++) {
        if ((size_t)i >= n) return 0;
        if ((p[i] & 0xc0) != 0x80) return -i;
    }
    return length;
}

size_t utf8_valid(slice text) {
    size_t i = 0;
    while (i < text.n) {
        uint64_t eight;
        while (text.n - i >= sizeof eight) {
            memcpy(&eight, text.p + i, sizeof eight);
            if (eight & 0x8080808080808080u) break;
            i += sizeof eight;
        }
        while (i < text.n && text.p[i] < 0x80) i++;
        while (i < text.n && text.p[i] >= 0x80) {
            const int length = utf8_check(text.p + i, text.n - i);
            if (length <= 0) return i;
            i += (size_t)length;
        }
    }
    return i;
}

status utf8_repair(buffer *out, slice text, error *e) {
    while (text.n > 0) {
        const size_t good = utf8_valid(text);
        TRY(buffer_add(out, text.p, good, e));
        text = slice_part(text, good, text.n);
        if (text.n == 0) break;
        const int length = utf8_check(text.p, text.n);
        TRY(buffer_add(out, "\xef\xbf\xbd", 3, e));
        text = slice_part(text, length < 0 ? (size_t)-length : text.n, text.n);
    }
    return OK;
}

uint32_t utf8_get(const uint8_t *p) {
    if (p[0] < 0x80) return p[0];
    if (p[0] < 0xe0) return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
    if (p[0] < 0xf0) return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
    return (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
}

size_t utf8_put(uint8_t out[4], uint32_t c) {
    return (size_t)utf8proc_encode_char((utf8proc_int32_t)c, out);
}

const char *unicode_category(uint32_t c) {
    const char *known = utf8proc_category_string((utf8proc_int32_t)c);
    if (known[0] != 'C' || known[1] != 'n') return known;
    size_t low = 0, high = n_unicode_new;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (unicode_new[middle].last < c) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < n_unicode_new && unicode_new[low].first <= c ? unicode_new[low].category : known;
}

bool unicode_within(unicode_spans spans, uint32_t c) {
    size_t low = 0, high = spans.n;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (spans.items[middle].last < c) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < spans.n && spans.items[low].first <= c;
}

bool unicode_space(uint32_t c) {
    if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13);
    return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
           c == 0x3000;
}

/* Alphabetic symbols: circled and squared Latin letters are So, but count as letters of words. */
static bool letter_symbol(uint32_t c) {
    return (c >= 0x24b6 && c <= 0x24e9) || (c >= 0x1f130 && c <= 0x1f149) || (c >= 0x1f150 && c <= 0x1f169) || (c >= 0x1f170 && c <= 0x1f189);
}

bool unicode_word(uint32_t c) {
    if (c < 0x80) return (c | 0x20) - 'a' < 26 || c - '0' < 10 || c == '_';
    const char *k = unicode_category(c);
    if (k[0] == 'L' || k[0] == 'M') return true;
    if (k[0] == 'N') return k[1] != 'o';
    return (k[0] == 'P' && k[1] == 'c') || c == 0x200c || c == 0x200d || letter_symbol(c);
}

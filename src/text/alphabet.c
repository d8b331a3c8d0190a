/* alphabet.c: GPT-2's spelling of bytes as printable letters: a byte that prints is its Latin-1 letter, the others are U+0100, U+0101, ... in order. */
#include "text/import.h"
#include "text/unicode.h"

static bool prints(unsigned byte) {
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

/* How many bytes below `byte` do not print. */
static unsigned hidden_below(unsigned byte) {
    return byte < 0x21 ? byte : byte < 0xa1 ? 0x21 + (byte - 0x7f) : 0x21 + 0x22;
}

static int byte_of_letter(uint32_t c) {
    if (c < 0x100) return prints(c) ? (int)c : -1;
    const uint32_t i = c - 0x100;
    if (i < 0x21) return (int)i;
    if (i < 0x21 + 0x22) return (int)(i - 0x21 + 0x7f);
    return i == 0x21 + 0x22 ? 0xad : -1;
}

status bytes_of_alphabet(slice content, buffer *out, bool *spelled, error *e) {
    const size_t before = out->n;
    *spelled = true;
    for (size_t i = 0; i < content.n; i += utf8_length(content.p[i])) {
        const int byte = byte_of_letter(utf8_get(content.p + i));
        if (byte < 0) {
            *spelled = false;
            out->n = before;
            return OK;
        }
        const uint8_t b = (uint8_t)byte;
        TRY(buffer_add(out, &b, 1, e));
    }
    return OK;
}

status alphabet_of_bytes(slice bytes, buffer *out, error *e) {
    for (size_t i = 0; i < bytes.n; i++) {
        uint8_t letter[4];
        const unsigned b = bytes.p[i];
        TRY(buffer_add(out, letter, utf8_put(letter, prints(b) ? b : 0x100 + hidden_below(b)), e));
    }
    return OK;
}

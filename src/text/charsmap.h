/* charsmap.h: SentencePiece's "precompiled_charsmap": what characters and short runs of them are replaced with. Owns the reading of it, in place: the size of
 * a double-array trie in bytes (u32), the trie (u32 units), then the replacements, each ended by a zero byte. Any bytes may stand there: what leads
 * outside is no rule. Format: Darts-clone (Yata), as SentencePiece's normalizer.cc stores it. */
#ifndef QBIN_TEXT_CHARSMAP_H
#define QBIN_TEXT_CHARSMAP_H

#include "text/buffer.h"

typedef struct charsmap {
    const uint8_t *units; /* u32 each, not aligned */
    size_t n_units;
    slice texts;
} charsmap;

/* Borrows the bytes; none at all are a map without rules. E_FILE: too short, or replacements that are not UTF-8. */
status charsmap_open(charsmap *m, slice bytes, error *e);
/* The same of bytes that were opened before. */
charsmap charsmap_view(slice bytes);

/* The rule for the shortest, or the longest, beginning of text that has one. False: none. *length: bytes that are replaced by *to. */
bool charsmap_find(const charsmap *m, slice text, bool longest, size_t *length, slice *to);

/* Appends what standard base64 (with padding) stands for. E_FILE if it is none. */
status base64_decode(slice text, buffer *out, error *e);

#endif

/* unicode.h: UTF-8, and the few properties of code points that tokenizers ask for (Unicode 16, as the reference knows it).
 *
 * Text inside the tokenizer is valid UTF-8: utf8_repair makes it so at the border, and everything behind it reads without checks. */
#ifndef QBIN_TEXT_UNICODE_H
#define QBIN_TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "text/buffer.h"

/* What stands at p[n > 0]: the length of a well-formed character (1..4), 0 if the text ends inside one, or minus the length of the
 * longest ill-formed piece that is read as one U+FFFD (Unicode 3.9, "substitution of maximal subparts"; Python's errors="replace"). */
int utf8_check(const uint8_t *p, size_t n);

/* Length of the longest valid beginning. */
size_t utf8_valid(slice text);

/* Appends text to out, every ill-formed piece as U+FFFD, an unfinished character at the end too. */
status utf8_repair(buffer *out, slice text, error *e);

/* The character at p of valid text. */
uint32_t utf8_get(const uint8_t *p);
size_t utf8_put(uint8_t out[4], uint32_t c);

static inline size_t utf8_length(uint8_t first) {
    return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* Start of the character that ends before p + at; at > 0, valid text. */
static inline size_t utf8_before(const uint8_t *p, size_t at) {
    do at--;
    while (at > 0 && (p[at] & 0xc0) == 0x80);
    return at;
}

/* General category as its two letters, "Lu"; "Cn" for what is not assigned. */
const char *unicode_category(uint32_t c);

bool unicode_space(uint32_t c); /* White_Space: what \s means to Oniguruma and to Rust */
bool unicode_word(uint32_t c);  /* \w of Rust's regex: alphabetic, mark, decimal digit, connector, joiner */

/* Code points that the installed libraries do not know yet; in order. */
typedef struct unicode_range {
    uint32_t first, last;
    char category[3];
} unicode_range;
extern const unicode_range unicode_new[];
extern const size_t n_unicode_new;

/* Ranges in order. */
typedef struct unicode_span {
    uint32_t first, last;
} unicode_span;
typedef struct unicode_spans {
    const unicode_span *items;
    size_t n;
} unicode_spans;
bool unicode_within(unicode_spans spans, uint32_t c);

/* Code points for which the reference's BERT steps say the opposite of their category: C (other than unassigned), P, Mn, M. */
extern const unicode_spans bert_control, bert_punctuation, bert_nonspacing, bert_marks;

/* Normalization forms. Appends the form of text to out; linear time. */
typedef struct unicode_form {
    bool compose, compatible;
} unicode_form;
status unicode_normalize(buffer *out, slice text, unicode_form form, error *e);

#endif

/* pattern.h: what the text of a Split, Replace or ByteLevel is searched for: a literal, or a regular expression in the syntax of Oniguruma (Ruby).
 *
 * Engines are rows in one list: a scanner written by hand for the expressions that nearly every model uses, chosen by the text of the
 * expression and tested to agree with PCRE2; PCRE2 with limits for every other; plain search for literals. */
#ifndef QBIN_TEXT_PATTERN_H
#define QBIN_TEXT_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "text/buffer.h"

typedef struct span {
    size_t begin, end;
} span;

typedef struct pattern pattern;

/* What one search over one text remembers; also the engine's scratch, so each thread has its own. Start with {0}. */
typedef struct matcher {
    void *data; /* of PCRE2 */
} matcher;
void matcher_close(matcher *m);

/* One row: an engine. */
typedef struct pattern_engine {
    const char *name;
    const char *regex; /* the only expression that this engine runs; NULL: see `regexes` */
    bool regexes;      /* any expression, or any literal */
    /* The first match at or after `from`; begin = SIZE_MAX if there is none. */
    status (*find)(const pattern *p, matcher *m, slice text, size_t from, span *found, error *e);
    size_t (*scan)(slice text, size_t from); /* of a scanner: the end of the match that begins at `from`; every position has one */
    status (*open)(pattern *p, error *e);
    void (*close)(pattern *p);
} pattern_engine;
extern const pattern_engine *const pattern_engines[]; /* NULL-terminated; the first that fits is taken */

struct pattern {
    const pattern_engine *engine;
    slice text; /* the literal or the expression; borrowed */
    void *code; /* of PCRE2 */
};

enum { PATTERN_BYTES_MAX = 1 << 15 };

/* E_FILE: what the expression uses that is not supported, or where it is wrong. */
status pattern_open(pattern **out, slice text, bool regex, error *e);
/* The same without the scanners: for the test that compares. */
status pattern_open_engine(pattern **out, slice text, const pattern_engine *engine, error *e);
void pattern_close(pattern **p);

/* All matches of a text, one a call, none overlapping, as the reference iterates: an empty match right after a match is skipped. */
typedef struct pattern_walk {
    size_t from;
    size_t last; /* end of the last match; SIZE_MAX before the first */
} pattern_walk;
#define PATTERN_WALK \
    { 0, SIZE_MAX }

/* *found begin = SIZE_MAX when there are no more. E_RUN: the expression hit its limits on this text. */
status pattern_next(const pattern *p, matcher *m, slice text, pattern_walk *w, span *found, error *e);

/* Oniguruma's expression in PCRE2's words (regex_syntax.c). E_FILE names what is not supported. */
status regex_translate(slice regex, buffer *out, error *e);

/* The expression of ByteLevel, from GPT-2. */
extern const char regex_gpt2[];

size_t scan_gpt2(slice text, size_t from);
size_t scan_llama3(slice text, size_t from);
size_t scan_qwen(slice text, size_t from);

extern const pattern_engine engine_pcre2;

#endif

/* grammar_build.h: a grammar as it is put together: expressions over bytes and rules, and the automaton that they become. The two notations (GBNF, JSON Schema)
 * know this header, the automaton knows neither. Owns the limits on expressions; a builder that has failed stays failed, so that callers may put expressions
 * together without looking at each and ask once at the end. */
#ifndef QBIN_TEXT_GRAMMAR_BUILD_H
#define QBIN_TEXT_GRAMMAR_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "text/buffer.h"
#include "text/grammar.h"

typedef uint32_t expr; /* an expression of a builder; may be used in several others */

enum { EXPR_NEVER = 0, EXPR_EMPTY = 1 }; /* matches nothing at all; matches the empty text */
enum { REPEAT_ENDLESS = UINT32_MAX };

typedef enum expr_kind { KIND_NEVER, KIND_EMPTY, KIND_BYTES, KIND_CHARS, KIND_THEN, KIND_OR, KIND_REPEAT, KIND_RULE } expr_kind;

typedef struct expr_node {
    expr_kind kind;
    uint32_t a, b;        /* THEN, OR: both parts; REPEAT: a; RULE: a; BYTES and CHARS: a is the first byte or range, b how many */
    uint32_t min, max;    /* REPEAT */
    uint32_t next, entry; /* the state that the expression was last put in front of, and where it then began (grammar_states.c) */
} expr_node;

typedef struct char_range { /* code points */
    uint32_t first, last;
} char_range;

typedef struct build_rule {
    buffer name; /* NUL-terminated */
    expr body;
    bool defined, apart; /* apart: never stands where it is called, however small it is */
    size_t line, column; /* where it was defined, or first used */
} build_rule;

typedef struct builder {
    expr_node *nodes;
    char_range *ranges;
    build_rule *rules;
    buffer bytes;
    size_t n_nodes, room_nodes, n_ranges, room_ranges, n_rules, room_rules;
    uint32_t *slots; /* rules by the hash of their name; UINT32_MAX: free */
    size_t n_slots;
    status code; /* of the first failure */
    error *e;
} builder;

/* Ready for expressions, or failed. builder_close takes {0} too. */
void builder_open(builder *b, error *e);
void builder_close(builder *b);

/* Fails, unless it has failed already. */
void builder_fail(builder *b, status code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The number of the rule of that name, which need not be defined yet. */
uint32_t builder_rule(builder *b, slice name);

expr expr_bytes(builder *b, slice text);      /* the text itself */
expr expr_text(builder *b, const char *text); /* the same */
/* One character of any of the ranges (in any order; surrogates are left out), as UTF-8. */
expr expr_chars(builder *b, const char_range *ranges, size_t n);
expr expr_then(builder *b, expr first, expr second);
expr expr_or(builder *b, expr one, expr other);
expr expr_repeat(builder *b, expr x, uint32_t min, uint32_t max); /* max REPEAT_ENDLESS: no limit */
expr expr_rule(builder *b, uint32_t rule);

static inline expr expr_optional(builder *b, expr x) {
    return expr_or(b, x, EXPR_EMPTY);
}

enum { RANGES_MAX = 4096 }; /* of one class */

/* Sorts n ranges, joins those that touch and leaves out surrogates; returns how many are left. At most one more than n: there must be room. */
size_t ranges_normalize(char_range *ranges, size_t n);
/* What n normalized ranges leave out, into out[n + 2]; returns how many. */
size_t ranges_complement(char_range *out, const char_range *ranges, size_t n);

/* Makes the grammar of a rule. `what` is what messages call a rule ("rule", "schema"). E_FILE: left recursion, a rule that never ends, too many states. */
status builder_finish(builder *b, uint32_t root, const char *what, grammar **out);

#endif

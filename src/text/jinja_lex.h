/* jinja_lex.h: the text of a template as tokens. Owns the white space that tags take away (trim_blocks, lstrip_blocks, "-", "+"), raw blocks, comments and the
 * spelling of numbers and strings; what tokens mean is the parser's. Internal to text/jinja*.c. */
#ifndef QBIN_TEXT_JINJA_LEX_H
#define QBIN_TEXT_JINJA_LEX_H

#include "text/jinja_value.h"

typedef enum token_type {
    TOKEN_DATA, /* text outside of tags */
    TOKEN_PRINT_BEGIN,
    TOKEN_PRINT_END,
    TOKEN_BLOCK_BEGIN,
    TOKEN_BLOCK_END,
    TOKEN_NAME,
    TOKEN_STRING,
    TOKEN_INTEGER,
    TOKEN_FLOAT,
    TOKEN_SIGN, /* operators and brackets */
    TOKEN_END,
} token_type;

typedef struct token {
    token_type type;
    uint32_t begin, end, line;
} token;

typedef struct tokens {
    const letter *source;
    size_t n_source;
    token *list; /* ends with TOKEN_END */
    size_t n, room;
} tokens;

/* Cuts a template, whose line ends become "\n" and whose last one goes. */
status lex_template(run *x, value source, tokens *out);

value token_text(const tokens *t, const token *at);                         /* as written, shared */
status token_string(run *x, const tokens *t, const token *at, writer *out); /* appends what a TOKEN_STRING stands for */
status token_number(run *x, const tokens *t, const token *at, value *out);  /* of a TOKEN_INTEGER or TOKEN_FLOAT */

#endif

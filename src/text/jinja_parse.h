/* jinja_parse.h: what the two halves of the parser, expressions and statements, tell each other. Owns the grammar, which is that of Jinja 3.1 word for word,
 * and identifiers; what is not in it is refused with the line. Internal to text/jinja*.c. */
#ifndef QBIN_TEXT_JINJA_PARSE_H
#define QBIN_TEXT_JINJA_PARSE_H

#include "text/jinja_lex.h"
#include "text/jinja_tree.h"

enum { NAME_BUCKETS = 1024 };

typedef struct parser {
    run *x;
    tokens tokens;
    const token *at; /* the current one */
    struct name_entry *buckets[NAME_BUCKETS];
    value *names;
    size_t n_names, room_names;
    size_t loops;   /* around the current place, inside of its macro */
    size_t chosen;  /* conditions around it: what it names need not be known until it is reached */
    signature used; /* which names of a macro's own have been seen */
} parser;

typedef struct node_list { /* nodes that are being collected */
    const node **p;
    size_t n, room;
} node_list;

status list_add(parser *p, node_list *l, const node *n);
body list_body(const node_list *l);

status parse_refuse(parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
status node_new(parser *p, node **out); /* of the current line */
status name_number(parser *p, value text, uint32_t *out);
const char *token_shown(parser *p, const token *t); /* as messages call it */

bool token_is(const parser *p, const token *t, token_type type, const char *text);
bool at_name(const parser *p, const char *name);
bool at_sign(const parser *p, const char *sign);
bool skip_name(parser *p, const char *name);
bool skip_sign(parser *p, const char *sign);
status expect_sign(parser *p, const char *sign);
status expect_type(parser *p, token_type type, const char *what);
status expect_name(parser *p, value *out); /* any identifier */

status parse_number(parser *p, const node **out);                   /* the literal that stands here */
status parse_primary(parser *p, bool attributes, const node **out); /* attributes: "name.attribute" as a target too */
status parse_expression(parser *p, bool conditional, const node **out);
/* One expression, or several with commas as a tuple. `stop`: a word that ends it too, or NULL. */
status parse_tuple(parser *p, bool conditional, const char *stop, const node **out);
status parse_target(parser *p, const char *stop, bool attributes, const node **out);
status parse_filters(parser *p, const node *operand, bool first, const node **out); /* first: the name of one stands here, without "|" */

/* Statements up to the end of the template (ends NULL) or a tag that begins with one of the words; that word is then the current token. */
status parse_body(parser *p, const char *const *ends, body *out);

#endif

/* jinja.h: chat templates, which are programs in the Jinja language. Owns compiling and running them as Hugging Face's environment does (Jinja 3.1,
 * sandboxed, trim_blocks, lstrip_blocks, loop controls, {% generation %}), byte for byte.
 *
 * A template comes with a model and is not trusted: it sees nothing but the variables that it is given, cannot change them, and runs within limits.
 * What it does not know it refuses with the number of the line: imports, inheritance, attributes of Python's objects.
 *
 * The text that comes out says of each byte whether it was written by the template or came from the variables, so that a person's words never become
 * special tokens. Origin goes with every character through all filters, methods and joins; punctuation of a list or dict that is printed whole is of
 * the origin of that list; numbers computed from data are data; counts and answers yes or no are the template's. Texts that the caller trusts as much
 * as the template (bos_token ...) can be named as such. */
#ifndef QBIN_TEXT_JINJA_H
#define QBIN_TEXT_JINJA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/error.h"

typedef struct jinja jinja; /* a compiled template: immutable, may be rendered by several threads at once */

typedef struct jinja_limits { /* 0 stands for the default; what goes beyond one is an error like any other of the template */
    size_t steps;             /* nodes evaluated, items visited and blocks of characters touched: 20,000,000, about a second */
    size_t depth;             /* of nested statements, expressions and calls of macros: 500 */
    size_t output;            /* characters of the result: 16 Mi */
    size_t memory;            /* bytes for all values of one rendering: 256 MiB */
} jinja_limits;

/* Why a template could not be compiled or rendered. */
typedef struct jinja_failure {
    const char
        *type;   /* Jinja's name for it, static: "TemplateSyntaxError", "UndefinedError", ...; "TemplateError" is raise_exception of the template */
    size_t line; /* of the template, from 1 */
    char text[480]; /* without the line; of raise_exception: its text as it is, cut between characters */
} jinja_failure;

/* Bytes [begin, end) of the output. Spans follow each other without a hole and differ in origin; an empty output has none. */
typedef struct jinja_span {
    size_t begin, end;
    bool data; /* from the variables; false: written by the template, special tokens may be read here */
} jinja_span;

/* A special token is one only if all of its bytes are the template's. The text must still be encoded as a whole: to cut it at spans would change how words
 * are cut into tokens. */
typedef struct jinja_output { /* starts as {0} */
    char *text;               /* UTF-8, NUL-terminated; NUL bytes may also stand inside */
    size_t bytes;
    jinja_span *spans;
    size_t n_spans;
} jinja_output;
void jinja_output_free(jinja_output *out);

enum { JINJA_SOURCE_MAX = 1 << 20 }; /* bytes of a template */

/* Compiles text[bytes] (UTF-8, copied). E_FILE with "line N: ..." in *e and the same in *why (may be NULL) if it is no template that can be run; E_MEMORY.
 * jinja_close takes a pointer to NULL too. */
status jinja_compile(jinja **out, const char *text, size_t bytes, jinja_failure *why, error *e);
void jinja_close(jinja **j);

typedef struct jinja_input {
    const json_t *variables;    /* an object: the template's variables by name; borrowed, not changed. Hugging Face always passes "messages", "tools",
                               * "documents" (null if there are none) and "add_generation_prompt" */
    const char *const *trusted; /* names of variables that count as written by the template ("bos_token"), ends with NULL; NULL: none */
    const struct tm *now;       /* what strftime_now formats, all fields filled, local time; NULL: calling strftime_now is an error */
    jinja_limits limits;
} jinja_input;

/* Renders into *out, which the caller frees with jinja_output_free; empty after a failure. E_RUN with "line N: ..." in *e and the same in *why (may be NULL)
 * if the template fails or raises; E_MEMORY. The result depends on nothing but the arguments. */
status jinja_render(const jinja *j, const jinja_input *in, jinja_output *out, jinja_failure *why, error *e);

#endif

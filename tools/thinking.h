/* thinking.h: tells a model's thoughts from its answer while the text comes in. Knows by which marks models set them off (a list), and owns what may be the
 * beginning of a mark. What is done with the parts is the caller's. */
#ifndef QBIN_TOOLS_THINKING_H
#define QBIN_TOOLS_THINKING_H

#include "tools/stops.h"

typedef struct thought_part {
    const char *text; /* borrowed, n > 0 */
    size_t n;
    bool thought; /* or a mark of one */
    bool content; /* belongs into the message that templates read: they know this mark, and take thoughts out themselves */
} thought_part;

typedef struct thinking { /* starts as {.take, .owner} */
    status (*take)(void *owner, const thought_part *part, error *e);
    void *owner;
    const struct thought_kind *now; /* NULL: it answers */
    stops marks, end;               /* what is looked for in an answer, and in a thought */
    buffer rest;
} thinking;

/* A new answer behind a prompt, which may have opened a thought already. */
void thinking_begin(thinking *t, const char *prompt, size_t bytes);

/* Takes text[n], gives its parts as soon as they are known. Errors of `take`, E_MEMORY. */
status thinking_feed(thinking *t, const char *text, size_t n, error *e);
status thinking_finish(thinking *t, error *e);
void thinking_free(thinking *t);

/* Is a special token of this text part of a mark? Then it must be fed, although it is no text otherwise. */
bool thinking_has(const char *token);

/* Does this text end a thought? It does not end an answer then. */
bool thinking_ends(const char *token);

#endif

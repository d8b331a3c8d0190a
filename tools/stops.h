/* stops.h: texts at which an answer ends, looked for in a stream. Owns what has come and may be the beginning of one, so that no part of a stop text is ever
 * handed on. Knows bytes alone: characters are whole in what goes in, and stop texts are UTF-8, so they are whole in what comes out. */
#ifndef QBIN_TOOLS_STOPS_H
#define QBIN_TOOLS_STOPS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "text/buffer.h"

typedef struct stops {        /* starts as {.texts, .n} */
    const char *const *texts; /* borrowed; empty ones are ignored */
    size_t n;
    bool found;   /* one of them has come: there is nothing after it, */
    size_t which; /* and it is this one */
    buffer held;  /* what may be the beginning of one, behind what was handed on */
    size_t done;  /* bytes of `held` that were handed on */
} stops;

/* Takes text[n], hands on what is surely no part of a stop text (borrowed until the next call), at most all before the first one. E_MEMORY. */
status stops_feed(stops *s, const char *text, size_t n, const char **out, size_t *bytes, error *e);

/* What has come behind the text that was found. */
void stops_behind(const stops *s, const char **out, size_t *bytes);

/* What is still held: no more text comes. */
void stops_finish(stops *s, const char **out, size_t *bytes);

/* Ready for another text. */
void stops_reset(stops *s);
void stops_free(stops *s);

#endif

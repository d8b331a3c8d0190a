/* selector.h: which tensors a line of a recipe means. Owns the syntax of patterns and nothing else; knows tensors by their names only.
 *
 *     *.down   embed   model.layers.*.mlp.*      a name here or in the checkpoint; * is any text, ? any character
 *     layers[first 1/8, last 2, 7, 9-11, every 3].v
 *                                                layers by depth, whatever their number: counts, or parts of all layers rounded up; numbers from 0
 *     /down|[vo]$/                               a POSIX extended regular expression that matches anywhere in either name */
#ifndef QBIN_QUANTIZE_SELECTOR_H
#define QBIN_QUANTIZE_SELECTOR_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { SELECTOR_DEPTHS = 16, SELECTOR_TEXT = 256 };

typedef struct depth depth;
struct depth { /* some of the layers */
    bool (*has)(const depth *d, uint32_t layer, uint32_t layers);
    uint32_t a, b; /* a count (b = 0) or the part a / b; the first and last layer; a step */
};

typedef struct selector {
    char text[SELECTOR_TEXT]; /* as it was written */
    bool is_regex;
    size_t glob; /* else: where in the text that begins which names are compared with */
    depth depths[SELECTOR_DEPTHS];
    size_t n_depths; /* 0: the glob is the whole name, else what follows "layers.N" */
    regex_t regex;   /* of is_regex */
} selector;

typedef struct named {         /* a tensor, as patterns see it */
    const char *name, *source; /* in the .qbin and in the checkpoint */
    uint32_t layers;           /* of the model */
} named;

/* Reads the pattern text[n]. On failure (E_USAGE) *at is the offset of what is wrong and nothing is kept. selector_close takes {0} too. */
status selector_open(selector *p, const char *text, size_t n, size_t *at, error *e);

/* The same for a regular expression without slashes around it. */
status selector_open_regex(selector *p, const char *regex, size_t n, error *e);
void selector_close(selector *p);

bool selector_matches(const selector *p, const named *t);

/* Bytes of the pattern that a line of a recipe begins with: to the first space that is outside of brackets and slashes. */
size_t selector_length(const char *line, size_t n);

#endif

/* windows.h: how a text becomes windows and which of their tokens are scored. Two conventions are in use and their numbers differ much, so each result
 * names its own. Refuses texts too short to say anything. */
#ifndef QBIN_EVALUATE_WINDOWS_H
#define QBIN_EVALUATE_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct convention {
    const char *name;
    const char *summary;
    bool second_half; /* score only tokens that have half a window before them; else all but the first */
    bool with_bos;    /* BOS replaces the first token of a window, for models whose tokenizer adds one */
} convention;
extern const convention conventions[]; /* NULL name ends the list */

typedef struct windows {
    const convention *how;
    const int32_t *ids; /* of the whole text, borrowed */
    size_t context;     /* tokens of a window; window i is ids[i * context, (i + 1) * context) */
    size_t count;       /* whole windows used */
    size_t first;       /* positions [first, context - 1) of a window are scored on predicting the token after them */
    int32_t bos;        /* -1: none */
} windows;

/* Plans windows over ids[n]; `wanted` windows at most, all if 0. `bos` is used if the convention does. E_RUN with the numbers if the text has fewer
 * tokens than two windows, E_USAGE if a window is too short to score anything. */
status windows_plan(windows *w, const convention *how, const int32_t *ids, size_t n, size_t context, size_t wanted, int32_t bos, error *e);

static inline size_t windows_scored(const windows *w) { /* positions of one window */
    return w->context - 1 - w->first;
}

/* Copies window i with its BOS to out[context]. */
void windows_copy(const windows *w, size_t i, int32_t *out);

#endif

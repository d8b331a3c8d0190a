/* comparison.h: what was measured of several files, side by side: their order, which of them are worth having, and the rows that say so. Evaluates nothing. */
#ifndef QBIN_TOOLS_COMPARISON_H
#define QBIN_TOOLS_COMPARISON_H

#include <stdbool.h>

#include "evaluate/perplexity.h"
#include "tools/facts.h"

typedef struct result { /* one file */
    const char *name;
    facts facts;
    verdict verdict;
    const windows *windows;
    size_t tokens; /* scored: fewer than the windows have if it was stopped */
    int threads;
    const char *isa;
    bool reference; /* what the others are compared with */
    bool front;     /* no other file is both no larger and no worse */
    size_t order;   /* as given */
} result;

typedef struct comparison {
    const char *text;      /* its name */
    const char *reference; /* the name of the reference, or NULL */
    bool mixed;            /* are there different tokenizers? Then perplexities mean different things, and nothing is marked */
    result *results;       /* [n], borrowed and put in order */
    size_t n;
} comparison;

#define COMPARISON_ORDERS "size|ppl|kld|name"

/* Marks the front: by divergence if there is a reference, else by perplexity. Then sorts: `order` is one of COMPARISON_ORDERS: size has the largest first,
 * ppl and kld the best. Equals keep the order in which they were given. */
void comparison_arrange(comparison *c, const char *order);

/* Prints it in one of TABLE_STYLES. */
void comparison_show(const comparison *c, const char *style);

/* Draws it (plot.h); points are labelled with the names, without .qbin. */
status comparison_plot(const comparison *c, const char *path, error *e);

#endif

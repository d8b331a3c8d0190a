/* nearest.h: which of the known words was meant? For messages about options, commands, formats and other names that a person types. */
#ifndef QBIN_BASE_NEAREST_H
#define QBIN_BASE_NEAREST_H

#include <stddef.h>

typedef struct nearest {
    const char *word; /* what was typed */
    const char *best; /* the nearest word offered so far that is near enough; NULL if none is. Borrowed. */
    size_t distance;  /* edits from `word` to `best` */
} nearest;

/* Starts a search: (nearest){.word = typed}. Offers one known word; the first of equally near ones stays. Near enough means at most one edit per three
 * characters, and one for short words; an edit inserts, deletes or replaces a character or swaps two neighbours (optimal string alignment). A word that
 * begins with what was typed counts as one edit away; a word that what was typed begins with (q4 for Q4_K_M) is near at any distance. */
void nearest_offer(nearest *n, const char *known);

#endif

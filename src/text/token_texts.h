/* token_texts.h: what each token of a vocabulary writes in the middle of a text, as bytes, and a tree of all of them, so that tokens with a common
 * beginning are looked at together. Built once for a model. Special tokens write nothing and are in no tree. */
#ifndef QBIN_TEXT_TOKEN_TEXTS_H
#define QBIN_TEXT_TOKEN_TEXTS_H

#include "text/buffer.h"
#include "text/tokenizer.h"

typedef struct token_node { /* in the order of the texts: a node, then what goes on from it */
    uint32_t end;           /* the node after all that go on from this one */
    uint32_t tokens;        /* of tree->ids: the tokens that end here are from this one to the next node's */
    uint16_t depth;         /* bytes before this one */
    uint8_t byte;
} token_node;

typedef struct token_tree {
    token_node *nodes; /* [n + 1] */
    int32_t *ids;
    size_t n, n_ids, depth; /* of the longest text */
} token_tree;

enum { SHORT_TEXT = 16 }; /* bytes of a text of the tree of short ones: those of a family of states (grammar_states.h) */

typedef struct token_texts {
    buffer bytes;
    uint32_t *starts;        /* [n + 1] */
    size_t n;                /* ids are below this */
    token_tree brief, wordy; /* texts of at most SHORT_TEXT bytes; the others */
} token_texts;

/* From the tokens of a tokenizer. E_MEMORY, or what decoding says. token_texts_close takes {0} too, and what a failure leaves. */
status token_texts_open(token_texts *t, const tokenizer *of, error *e);
/* From n texts; an empty one is no token. */
status token_texts_make(token_texts *t, const slice *texts, size_t n, error *e);
void token_texts_close(token_texts *t);

static inline slice token_text(const token_texts *t, int32_t id) {
    if (id < 0 || (size_t)id >= t->n) return (slice){0};
    return (slice){t->bytes.p + t->starts[id], t->starts[id + 1] - t->starts[id]};
}

#endif

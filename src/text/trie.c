/* trie.c: builds tries of tokens, breadth first, so that the children of a node lie together. */
#include <stdlib.h>

#include "text/import.h"

typedef struct range {
    size_t begin, end; /* of the sorted tokens that share the node's path */
    uint32_t node;
    size_t depth;
} range;

static int compare_tokens(const void *a, const void *b) {
    const added_token *x = *(const added_token *const *)a, *y = *(const added_token *const *)b;
    const size_t n = x->content.n < y->content.n ? x->content.n : y->content.n;
    const int order = memcmp(x->content.p, y->content.p, n);
    if (order) return order;
    if (x->content.n != y->content.n) return x->content.n < y->content.n ? -1 : 1;
    return (x->order < y->order) - (x->order > y->order);
}

/* Adds the children of one node; each goes to the end of the queue. */
static status add_children(const added_token **tokens, range r, buffer *nodes, buffer *queue, error *e) {
    const uint32_t first = (uint32_t)(nodes->n / sizeof(trie_node));
    uint16_t count = 0;
    size_t i = r.begin;
    while (i < r.end && tokens[i]->content.n == r.depth) i++; /* those that end here */
    trie_node *self = (trie_node *)(void *)nodes->p + r.node;
    if (i > r.begin) self->id = tokens[r.begin]->id;
    self->first = first;
    while (i < r.end) {
        const uint8_t byte = tokens[i]->content.p[r.depth];
        const range child = {i, 0, first + count, r.depth + 1};
        while (i < r.end && tokens[i]->content.p[r.depth] == byte) i++;
        const trie_node node = {.id = -1, .byte = byte};
        TRY(buffer_add(nodes, &node, sizeof node, e));
        TRY(buffer_add(queue, &(range){child.begin, i, child.node, child.depth}, sizeof child, e));
        count++;
    }
    ((trie_node *)(void *)nodes->p + r.node)->count = count;
    return OK;
}

status trie_build(const added_token **tokens, size_t n, buffer *out, error *e) {
    qsort(tokens, n, sizeof(const added_token *), compare_tokens);
    buffer queue = {0};
    const trie_node root = {.id = -1};
    const range all = {0, n, 0, 0};
    status s = buffer_add(out, &root, sizeof root, e);
    if (s == OK) s = buffer_add(&queue, &all, sizeof all, e);
    for (size_t at = 0; s == OK && at < queue.n; at += sizeof(range)) {
        range r;
        memcpy(&r, queue.p + at, sizeof r);
        s = add_children(tokens, r, out, &queue, e);
    }
    buffer_free(&queue);
    return s;
}

status trie_of_added(const importer *in, bool normalized, buffer *out, error *e) {
    const added_token **tokens = calloc(in->n_added + 1, sizeof *tokens);
    if (!tokens) return fail(e, E_MEMORY, "no memory for %zu added tokens", in->n_added);
    size_t n = 0;
    for (size_t i = 0; i < in->n_added; i++) {
        if (in->added[i].normalized == normalized) tokens[n++] = &in->added[i];
    }
    const status s = trie_build(tokens, n, out, e);
    free(tokens);
    return s;
}

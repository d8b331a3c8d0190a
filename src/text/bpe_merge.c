/* bpe_merge.c: the merge loop. The pair with the lowest rank is merged first, the leftmost of equals, until no pair of neighbours is in the table.
 *
 * A short word keeps the merge of every pair in an array and takes the smallest; a long one keeps them in a heap, so that a text without any
 * boundary costs n log n. Both give the same ids. */
#include "text/bpe.h"

enum { SHORT_WORD = 48 };

/* rank << 32 | id of what the pair becomes; NO_MERGE if it stays apart. So the smallest is the next to merge. */
#define NO_MERGE UINT64_MAX

static uint64_t find_merge(const tokenizer *t, int32_t left, int32_t right) {
    const size_t begin = hash_slot(hash_pair(left, right), t->n_merges > PROBES_MAX ? t->n_merges - PROBES_MAX : 0);
    for (size_t i = begin; i < t->n_merges && i < begin + PROBES_MAX; i++) {
        const merge_slot *m = &t->merges[i];
        if (m->left == left && m->right == right) {
            return m->id >= 0 && (size_t)m->id < t->view.n_ids ? (uint64_t)m->rank << 32 | (uint32_t)m->id : NO_MERGE;
        }
        if (m->left < 0) break;
    }
    return NO_MERGE;
}

static void merge_short(const tokenizer *t, id_list *symbols) {
    int32_t *ids = symbols->ids;
    uint64_t merges[SHORT_WORD];
    size_t n = symbols->n;
    for (size_t i = 0; i + 1 < n; i++) merges[i] = find_merge(t, ids[i], ids[i + 1]);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++) {
            if (merges[i] >> 32 < merges[best] >> 32) best = i;
        }
        if (merges[best] == NO_MERGE) break;
        ids[best] = (int32_t)(uint32_t)merges[best];
        memmove(ids + best + 1, ids + best + 2, (n - best - 2) * sizeof *ids);
        memmove(merges + best, merges + best + 1, (n - best - 2) * sizeof *merges);
        n--;
        if (best > 0) merges[best - 1] = find_merge(t, ids[best - 1], ids[best]);
        if (best + 1 < n) merges[best] = find_merge(t, ids[best], ids[best + 1]);
    }
    symbols->n = n;
}

/* ---- long words ---- */

typedef struct link {
    int32_t id; /* -1: merged into the one before */
    uint32_t before, after;
} link;

typedef struct heap { /* of rank << 32 | position, smallest first */
    uint64_t *items;
    size_t n;
} heap;

enum { NOWHERE = -1 };
#define END UINT32_MAX

static void heap_push(heap *h, uint64_t item) {
    size_t i = h->n++;
    for (; i > 0 && h->items[(i - 1) / 2] > item; i = (i - 1) / 2) h->items[i] = h->items[(i - 1) / 2];
    h->items[i] = item;
}

static uint64_t heap_pop(heap *h) {
    const uint64_t top = h->items[0], last = h->items[--h->n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= h->n) break;
        if (child + 1 < h->n && h->items[child + 1] < h->items[child]) child++;
        if (h->items[child] >= last) break;
        h->items[i] = h->items[child];
        i = child;
    }
    h->items[i] = last;
    return top;
}

static void offer(const tokenizer *t, heap *h, const link *links, uint32_t at) {
    const uint32_t after = links[at].after;
    if (after == END) return;
    const uint64_t merge = find_merge(t, links[at].id, links[after].id);
    if (merge != NO_MERGE) heap_push(h, (merge & 0xffffffff00000000u) | at);
}

static void merge_heap(const tokenizer *t, heap *h, link *links) {
    while (h->n > 0) {
        const uint64_t top = heap_pop(h);
        const uint32_t at = (uint32_t)top, after = links[at].id < 0 ? END : links[at].after;
        if (after == END) continue;
        const uint64_t merge = find_merge(t, links[at].id, links[after].id);
        if (merge == NO_MERGE || merge >> 32 != top >> 32) continue; /* the pair is no longer what it was */
        links[at].id = (int32_t)(uint32_t)merge;
        links[at].after = links[after].after;
        links[after].id = NOWHERE;
        if (links[at].after != END) links[links[at].after].before = at;
        if (links[at].before != END) offer(t, h, links, links[at].before);
        offer(t, h, links, at);
    }
}

static status merge_long(const tokenizer *t, id_list *symbols, buffer *work, error *e) {
    const size_t n = symbols->n;
    if (n >= END / 4) return fail(e, E_RUN, "a word of %zu characters is too long", n);
    work->n = 0;
    TRY(buffer_reserve(work, n * (3 * sizeof(uint64_t) + sizeof(link)), e)); /* each merge takes one offer and makes two at most */
    heap h = {.items = (uint64_t *)(void *)work->p};
    link *links = (link *)(void *)(work->p + n * 3 * sizeof(uint64_t));
    for (size_t i = 0; i < n; i++) links[i] = (link){symbols->ids[i], i ? (uint32_t)i - 1 : END, i + 1 < n ? (uint32_t)i + 1 : END};
    for (size_t i = 0; i + 1 < n; i++) offer(t, &h, links, (uint32_t)i);
    merge_heap(t, &h, links);
    symbols->n = 0;
    for (uint32_t i = 0; i != END; i = links[i].after) symbols->ids[symbols->n++] = links[i].id;
    return OK;
}

status bpe_merge(const tokenizer *t, id_list *symbols, buffer *work, error *e) {
    if (symbols->n > SHORT_WORD) return merge_long(t, symbols, work, e);
    if (symbols->n > 1) merge_short(t, symbols);
    return OK;
}

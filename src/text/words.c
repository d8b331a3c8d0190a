/* words.c: the cache that an encoder keeps: words of at most 16 bytes and their ids. */
#include "text/encoder.h"

/* The word as two numbers: its first and its last eight bytes. With the length they are the word. */
static inline void word_key(slice word, uint64_t *head, uint64_t *tail) {
    const size_t n = word.n;
    if (n >= 8) {
        memcpy(head, word.p, 8);
        memcpy(tail, word.p + n - 8, 8);
    } else if (n >= 4) {
        uint32_t a, b;
        memcpy(&a, word.p, 4);
        memcpy(&b, word.p + n - 4, 4);
        *head = a;
        *tail = b;
    } else {
        *head = (uint64_t)word.p[0] << 16 | (uint64_t)word.p[n / 2] << 8 | word.p[n - 1];
        *tail = 0;
    }
}

static inline cached *cache_at(encoder *x, uint64_t head, uint64_t tail, size_t n) {
    uint64_t h = (head ^ n << 56) * 0x9e3779b97f4a7c15u ^ tail * 0xc2b2ae3d27d4eb4fu;
    h ^= h >> 32;
    return x->cache + (h * 0x9e3779b97f4a7c15u >> 40) % CACHE_SLOTS;
}

status encode_word(encoder *x, slice word, find_ids *find) {
    TRY(ids_reserve(x->out, CACHE_IDS, x->e));
    cached *c = NULL;
    if (word.n <= 16) {
        uint64_t head, tail;
        word_key(word, &head, &tail);
        c = cache_at(x, head, tail, word.n);
        if (c->length == word.n && c->head == head && c->tail == tail) {
            memcpy(x->out->ids + x->out->n, c->ids, sizeof c->ids);
            x->out->n += c->n;
            return OK;
        }
        c->head = head;
        c->tail = tail;
        c->length = 0; /* until the ids are there */
    }
    TRY(find(x, word));
    const size_t n = x->symbols.n;
    TRY(ids_reserve(x->out, n, x->e));
    if (n) memcpy(x->out->ids + x->out->n, x->symbols.ids, n * sizeof(int32_t));
    x->out->n += n;
    if (c && n <= CACHE_IDS) {
        c->length = (uint8_t)word.n;
        c->n = (uint8_t)n;
        if (n) memcpy(c->ids, x->symbols.ids, n * sizeof(int32_t));
    }
    return OK;
}

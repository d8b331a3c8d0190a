#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "engine/state.h"

enum {
    ITEM_QUERIES = 64, /* aimed at: a chunk of keys and values is read from the nearest cache for all of them */
    ITEMS_EACH = 4,    /* items that each thread should have, to even out that some are longer */
};

/* A work item: some tokens of the batch, and the query heads that share one KV head. */
typedef struct item {
    size_t kv_head, t0, t1;
} item;

static size_t group_of(const session *s) {
    return s->spec->heads / s->spec->kv_heads;
}

size_t attention_item_tokens(const spec *s) {
    const size_t group = s->heads / s->kv_heads;
    return group < ITEM_QUERIES ? ITEM_QUERIES / group : 1;
}

/* Fewer tokens than would be best if there are too few items for all threads, but whole tiles of queries. */
static size_t item_tokens(const session *s) {
    const size_t fair = s->n * s->spec->kv_heads / ((size_t)s->threads * ITEMS_EACH), tile = (ATTEND_QUERIES + group_of(s) - 1) / group_of(s);
    const size_t least = tile < s->item_tokens ? tile : s->item_tokens;
    return fair < least ? least : fair < s->item_tokens ? fair : s->item_tokens;
}

bool attention_needs_barrier(const session *s) {
    return s->n > item_tokens(s);
}

/* The items of tokens [first, n), one after the other as a thread gets them. They are dealt like cards: later tokens see more keys, and so every
 * thread has its part of the long ones. */
typedef struct deal {
    size_t first, tokens, next, count, step;
} deal;

static deal deal_items(const session *s, size_t first, int thread) {
    const size_t tokens = item_tokens(s), tiles = (s->n - first + tokens - 1) / tokens;
    return (deal){first, tokens, (size_t)thread, tiles * s->spec->kv_heads, (size_t)s->threads};
}

static bool next_item(const session *s, deal *d, item *out) {
    if (d->next >= d->count) return false;
    const size_t heads = s->spec->kv_heads, t0 = d->first + d->next / heads * d->tokens, t1 = t0 + d->tokens;
    *out = (item){.kv_head = d->next % heads, .t0 = t0, .t1 = t1 < s->n ? t1 : s->n};
    d->next += d->step;
    return true;
}

static uint8_t *keys_of(const session *s, const block *b, size_t kv_head) {
    return b->keys + kv_head * s->capacity * s->spec->head_dim * s->cache->bytes;
}

static uint8_t *values_of(const session *s, const block *b, size_t kv_head) {
    return b->values + kv_head * s->capacity * s->head_pad * s->cache->bytes;
}

static void rotate(const session *s, float *head, size_t token) {
    if (s->rope) s->rope(head, s->table + token * s->spec->rope_dims, s->spec->rope_dims);
}

void attention_store(session *s, const block *b, int thread) {
    const size_t dim = s->spec->head_dim;
    item it;
    for (deal d = deal_items(s, 0, thread); next_item(s, &d, &it);) {
        uint8_t *keys = keys_of(s, b, it.kv_head), *values = values_of(s, b, it.kv_head);
        for (size_t t = it.t0; t < it.t1; t++) {
            const size_t position = s->position + t, at = t * s->key + it.kv_head * dim;
            rotate(s, s->k + at, t);
            s->cache->store_key(keys, dim, position, s->k + at);
            s->cache->store_value(values + position * s->head_pad * s->cache->bytes, dim, s->v + at);
        }
    }
}

/* Query i of an item is head i % group of token t0 + i / group. */
static float *query_at(const session *s, item it, size_t i) {
    const size_t group = group_of(s);
    return s->q + (it.t0 + i / group) * s->query + (it.kv_head * group + i % group) * s->spec->head_dim;
}

static void load_queries(const session *s, worker *w, item it, size_t queries) {
    const size_t dim = s->spec->head_dim, bytes = dim * sizeof(float);
    for (size_t i = 0; i < queries; i++) {
        memcpy(w->q + i * dim, query_at(s, it, i), bytes);
        rotate(s, w->q + i * dim, it.t0 + i / group_of(s));
        w->max[i] = -INFINITY;
        w->sum[i] = 0;
    }
    s->kernels->scale(w->q, s->spec->attention_scale, queries * dim);
    memset(w->o, 0, queries * s->head_pad * sizeof *w->o);
}

static void store_results(const session *s, worker *w, item it, size_t queries) {
    for (size_t i = 0; i < queries; i++) {
        float *o = w->o + i * s->head_pad;
        s->kernels->scale(o, 1.0f / w->sum[i], s->head_pad);
        memcpy(query_at(s, it, i), o, s->spec->head_dim * sizeof *o);
    }
}

/* The positions [from, to) that a query at `position` sees. */
static range seen_from(size_t position, uint32_t window) {
    return (range){window && position + 1 > window ? position + 1 - window : 0, position + 1};
}

static uint16_t clip(size_t x, size_t start) {
    return (uint16_t)(x < start ? 0 : x - start < ATTEND_CHUNK ? x - start : ATTEND_CHUNK);
}

/* Queries [q0, q0 + count) of the item against the chunk of keys that starts at position `start`. */
static void attend_chunk(const session *s, const block *b, worker *w, item it, size_t q0, size_t count, size_t start) {
    attend_args a = {
        .q = w->q + q0 * s->spec->head_dim,
        .queries = count,
        .head_dim = s->spec->head_dim,
        .head_pad = s->head_pad,
        .keys = keys_of(s, b, it.kv_head) + start * s->spec->head_dim * s->cache->bytes,
        .values = values_of(s, b, it.kv_head) + start * s->head_pad * s->cache->bytes,
        .m = w->max + q0,
        .l = w->sum + q0,
        .o = w->o + q0 * s->head_pad,
        .scratch = w->attend,
    };
    for (size_t i = 0; i < count; i++) {
        const range seen = seen_from(s->position + it.t0 + (q0 + i) / group_of(s), b->window);
        a.from[i] = clip(seen.begin, start);
        a.to[i] = clip(seen.end, start);
        if (a.to[i] > a.from[i] && a.to[i] > a.count) a.count = a.to[i];
    }
    if (a.count) s->cache->attend(&a);
}

/* Chunks are cut by position, so a query meets the same chunks in the same order whatever the batch. */
void attention_run(session *s, const block *b, size_t first, int thread) {
    worker *w = &s->workers[thread];
    item it;
    for (deal d = deal_items(s, first, thread); next_item(s, &d, &it);) {
        const size_t queries = (it.t1 - it.t0) * group_of(s);
        const size_t oldest = seen_from(s->position + it.t0, b->window).begin / ATTEND_CHUNK * ATTEND_CHUNK;
        load_queries(s, w, it, queries);
        for (size_t start = oldest; start < s->position + it.t1; start += ATTEND_CHUNK) {
            for (size_t q0 = 0; q0 < queries; q0 += ATTEND_QUERIES) {
                const size_t left = queries - q0;
                attend_chunk(s, b, w, it, q0, left < ATTEND_QUERIES ? left : ATTEND_QUERIES, start);
            }
        }
        store_results(s, w, it, queries);
    }
}

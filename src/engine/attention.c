#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "engine/state.h"

enum {
    ITEM_QUERIES = 64, /* aimed at: a chunk of keys and values is read from the nearest cache for all of them */
    ITEMS_EACH = 4,    /* items that each thread should have, to even out that some are longer */
    SPREAD_CHUNKS = 3, /* chunks from which on a single token's are spread over the threads */
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
    return b->keys + kv_head * (s->capacity / CACHE_POSITIONS) * s->key_unit;
}

static uint8_t *values_of(const session *s, const block *b, size_t kv_head) {
    return b->values + kv_head * (s->capacity / CACHE_POSITIONS) * s->value_unit;
}

static void turn(const cache_type *type, float *head, size_t dim) {
    if (type->turn) type->turn(head, dim);
}

/* A query's or key's head as it is compared: normalised if heads are, and turned to its position. */
static void place(const session *s, const block *b, const norm_gain *norm, float *head, size_t token) {
    if (s->spec->qk_norm == QK_NORM_HEAD) s->norm(s->kernels, head, head, norm, s->spec->head_dim, s->spec->norm_eps);
    if (b->table) s->rope(head, b->table + token * s->spec->rope_dims, s->spec->rope_dims);
}

void attention_store(session *s, const block *b, int thread) {
    const size_t dim = s->spec->head_dim;
    item it;
    for (deal d = deal_items(s, 0, thread); next_item(s, &d, &it);) {
        uint8_t *keys = keys_of(s, b, it.kv_head), *values = values_of(s, b, it.kv_head);
        for (size_t t = it.t0; t < it.t1; t++) {
            const size_t position = s->position + t, at = t * s->key + it.kv_head * dim;
            place(s, b, &b->of->k_norm, s->k + at, t);
            turn(s->key_type, s->k + at, dim);
            turn(s->value_type, s->v + at, dim);
            s->key_type->store_key(keys, dim, position, s->k + at);
            s->value_type->store_value(values, dim, position, s->v + at);
        }
    }
}

/* Query i of an item is head i % group of token t0 + i / group. */
static float *query_at(const session *s, item it, size_t i) {
    const size_t group = group_of(s);
    return s->q + (it.t0 + i / group) * s->query + (it.kv_head * group + i % group) * s->spec->head_dim;
}

/* What a query has gathered so far: nothing, or its head's sink, a score without a value. */
static void start_softmax(const session *s, worker *w, size_t queries, const float *sinks) {
    for (size_t i = 0; i < queries; i++) {
        w->max[i] = sinks ? sinks[i % group_of(s)] : -INFINITY;
        w->sum[i] = sinks ? 1 : 0;
    }
    memset(w->o, 0, queries * s->head_pad * sizeof *w->o);
}

/* Of the heads that share a KV head; NULL: they have none. */
static const float *sinks_of(const session *s, const block *b, size_t kv_head) {
    return b->of->sinks ? b->of->sinks + kv_head * group_of(s) : NULL;
}

static void load_queries(const session *s, const block *b, worker *w, item it, size_t queries) {
    const size_t dim = s->spec->head_dim;
    for (size_t i = 0; i < queries; i++) {
        memcpy(w->query, query_at(s, it, i), dim * sizeof *w->query);
        place(s, b, &b->of->q_norm, w->query, it.t0 + i / group_of(s));
        s->kernels->scale(w->query, s->spec->attention_scale, dim);
        turn(s->key_type, w->query, dim);
        s->key_type->query(w->q + i * s->head_pad, dim, w->query);
    }
}

static void store_result(const session *s, item it, size_t i, float *o, float sum) {
    s->kernels->scale(o, 1.0f / sum, s->head_pad);
    turn(s->value_type, o, s->spec->head_dim);
    memcpy(query_at(s, it, i), o, s->spec->head_dim * sizeof *o);
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
    const size_t unit = start / CACHE_POSITIONS;
    bool any = false;
    attend_args a = {
        .key_type = s->key_type,
        .value_type = s->value_type,
        .q = w->q + q0 * s->head_pad,
        .queries = count,
        .head_dim = s->spec->head_dim,
        .head_pad = s->head_pad,
        .keys = keys_of(s, b, it.kv_head) + unit * s->key_unit,
        .values = values_of(s, b, it.kv_head) + unit * s->value_unit,
        .m = w->max + q0,
        .l = w->sum + q0,
        .o = w->o + q0 * s->head_pad,
        .scratch = w->attend,
        .softcap = s->spec->attention_softcap,
    };
    for (size_t i = 0; i < count; i++) {
        const range seen = seen_from(s->position + it.t0 + (q0 + i) / group_of(s), b->window);
        a.from[i] = clip(seen.begin, start);
        a.to[i] = clip(seen.end, start);
        any = any || a.to[i] > a.from[i];
    }
    if (any) s->kernels->attend(&a);
}

static void attend_item_chunk(const session *s, const block *b, worker *w, item it, size_t queries, size_t start) {
    for (size_t q0 = 0; q0 < queries; q0 += ATTEND_QUERIES) {
        const size_t left = queries - q0;
        attend_chunk(s, b, w, it, q0, left < ATTEND_QUERIES ? left : ATTEND_QUERIES, start);
    }
}

/* Where the chunk begins that has the oldest key that a token sees. */
static size_t first_chunk(const session *s, const block *b, size_t token) {
    return seen_from(s->position + token, b->window).begin / ATTEND_CHUNK * ATTEND_CHUNK;
}

/* Chunks are cut by position, so a query meets the same chunks in the same order whatever the batch. */
static void run_items(session *s, const block *b, size_t first, int thread) {
    worker *w = &s->workers[thread];
    item it;
    for (deal d = deal_items(s, first, thread); next_item(s, &d, &it);) {
        const size_t queries = (it.t1 - it.t0) * group_of(s);
        load_queries(s, b, w, it, queries);
        start_softmax(s, w, queries, sinks_of(s, b, it.kv_head));
        for (size_t start = first_chunk(s, b, it.t0); start < s->position + it.t1; start += ATTEND_CHUNK) {
            attend_item_chunk(s, b, w, it, queries, start);
        }
        for (size_t i = 0; i < queries; i++) store_result(s, it, i, w->o + i * s->head_pad, w->sum[i]);
    }
}

/* ---- one token and many keys: the chunks of a KV head are spread over the threads ---- */

static size_t chunks_of_token(const session *s, const block *b) {
    return (s->position - first_chunk(s, b, 0)) / ATTEND_CHUNK + 1;
}

/* Worth two more barriers only if the KV heads alone do not keep the threads equally busy. */
static bool spreads_chunks(const session *s, const block *b) {
    return s->n == 1 && s->spec->kv_heads % (size_t)s->threads != 0 && chunks_of_token(s, b) >= SPREAD_CHUNKS;
}

static float *part_at(const session *s, size_t part, size_t query) {
    return s->parts + (part * group_of(s) + query) * (s->head_pad + PART_EXTRA);
}

static void run_parts(session *s, const block *b, int thread) {
    worker *w = &s->workers[thread];
    const size_t chunks = chunks_of_token(s, b), first = first_chunk(s, b, 0), group = group_of(s);
    const range mine = pool_share(chunks * s->spec->kv_heads, 1, thread, s->threads);
    for (size_t part = mine.begin; part < mine.end; part++) {
        const item it = {.kv_head = part / chunks, .t0 = 0, .t1 = 1};
        if (part == mine.begin || part % chunks == 0) load_queries(s, b, w, it, group);
        start_softmax(s, w, group, part % chunks == 0 ? sinks_of(s, b, it.kv_head) : NULL);
        attend_item_chunk(s, b, w, it, group, first + part % chunks * ATTEND_CHUNK);
        for (size_t i = 0; i < group; i++) {
            float *to = part_at(s, part, i);
            memcpy(to, w->o + i * s->head_pad, s->head_pad * sizeof *to);
            to[s->head_pad] = w->max[i];
            to[s->head_pad + 1] = w->sum[i];
        }
    }
}

/* In the order of the chunks, as if one thread had met them one after the other. */
static void merge_parts(session *s, const block *b, int thread) {
    const size_t chunks = chunks_of_token(s, b), group = group_of(s), pad = s->head_pad;
    for (size_t head = (size_t)thread; head < s->spec->heads; head += (size_t)s->threads) {
        const item it = {.kv_head = head / group, .t0 = 0, .t1 = 1};
        float *o = part_at(s, it.kv_head * chunks, head % group);
        for (size_t c = 1; c < chunks; c++) {
            const float *next = part_at(s, it.kv_head * chunks + c, head % group);
            s->kernels->attend_merge(o + pad, o + pad + 1, o, next[pad], next[pad + 1], next, pad);
        }
        store_result(s, it, head % group, o, o[pad + 1]);
    }
}

bool attention_needs_barrier(const session *s, const block *b) {
    return s->n > item_tokens(s) || spreads_chunks(s, b);
}

void attention_run(session *s, const block *b, size_t first, int thread) {
    if (!spreads_chunks(s, b)) {
        run_items(s, b, first, thread);
        return;
    }
    run_parts(s, b, thread);
    pool_barrier(s->pool, thread);
    merge_parts(s, b, thread);
}

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tools/bench_steps.h"
#include "tools/signals.h"

enum {
    HEAD = 64, /* of the 1.1B shape, whose KV heads serve eight query heads each */
    UNITS = ATTEND_CHUNK / CACHE_POSITIONS,
};

typedef struct lane {     /* what a thread alone writes */
    float *raw, *queries; /* eight heads of a token, and as the type of the keys wants them */
    float *scratch, *o;
    float m[ATTEND_QUERIES], l[ATTEND_QUERIES];
} lane;

/* A context of many equal chunks: keys of a chunk, then its values. */
typedef struct attention {
    stopwatch watch;
    const kernels *set;
    const cache_type *type;
    size_t chunks, chunk_bytes, value_at;
    uint8_t *cache;
    lane *lanes; /* [threads] */
} attention;

static int threads_of(const attention *a) {
    return pool_threads(a->watch.pool);
}

static float *floats(size_t n) {
    float *x = probe_pages(n * sizeof *x);
    uint64_t seed = n;
    for (size_t i = 0; x && i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        x[i] = (float)(seed >> 40) * 0x1p-23f - 1.0f;
    }
    return x;
}

static const cache_type *named(const kernels *set, const char *name) {
    const cache_type *const *c = set->caches;
    while (strcmp((*c)->name, name) != 0) c++;
    return *c;
}

/* ---- what is timed ---- */

static void attend(const attention *a, const kernels *set, lane *own, range chunks) {
    const cache_type *type = named(set, a->type->name); /* stored bytes are the same in all tables, encoded queries are not */
    for (size_t i = 0; i < ATTEND_QUERIES; i++) type->query(own->queries + i * HEAD, HEAD, own->raw + i * HEAD);
    attend_args args = {.key_type = type,
                        .value_type = type,
                        .q = own->queries,
                        .queries = ATTEND_QUERIES,
                        .head_dim = HEAD,
                        .head_pad = HEAD,
                        .m = own->m,
                        .l = own->l};
    args.o = own->o;
    args.scratch = own->scratch;
    for (size_t i = 0; i < ATTEND_QUERIES; i++) {
        args.to[i] = ATTEND_CHUNK;
        own->m[i] = -INFINITY;
        own->l[i] = 0;
    }
    memset(own->o, 0, ATTEND_QUERIES * HEAD * sizeof *own->o);
    for (size_t c = chunks.begin; c < chunks.end; c++) {
        args.keys = a->cache + c * a->chunk_bytes;
        args.values = args.keys + a->value_at;
        set->attend(&args);
    }
}

static void run_attention(void *context, int thread) {
    const attention *a = context;
    attend(a, a->set, &a->lanes[thread], pool_share(a->chunks, 1, thread, threads_of(a)));
}

/* One chunk, by this table and by the scalar one. */
static bool agrees(attention *a) {
    float mine[ATTEND_QUERIES * HEAD];
    attend(a, a->set, &a->lanes[0], (range){0, 1});
    memcpy(mine, a->lanes[0].o, sizeof mine);
    attend(a, kernel_tables[0], &a->lanes[0], (range){0, 1});
    return !memcmp(mine, a->lanes[0].o, sizeof mine);
}

/* ---- the context ---- */

/* x[HEAD] of a position, turned as the type wants it. */
static const float *turned(const attention *a, float *room, const float *x) {
    memcpy(room, x, HEAD * sizeof *x);
    if (a->type->turn) a->type->turn(room, HEAD);
    return room;
}

static void fill_chunk(attention *a, const float *x, float *room) {
    for (size_t at = 0; at < ATTEND_CHUNK; at++) {
        a->type->store_key(a->cache, HEAD, at, turned(a, room, x + at * HEAD));
        a->type->store_value(a->cache + a->value_at, HEAD, at, turned(a, room, x + (ATTEND_CHUNK - 1 - at) * HEAD));
    }
    for (int t = 0; t < threads_of(a); t++) {
        for (size_t i = 0; i < ATTEND_QUERIES; i++) memcpy(a->lanes[t].raw + i * HEAD, turned(a, room, x + i * HEAD), HEAD * sizeof *x);
    }
    for (size_t c = 1; c < a->chunks; c++) memcpy(a->cache + c * a->chunk_bytes, a->cache, a->chunk_bytes);
}

static bool lanes_make(attention *a) {
    a->lanes = calloc((size_t)threads_of(a), sizeof *a->lanes);
    for (int t = 0; a->lanes && t < threads_of(a); t++) {
        lane *own = &a->lanes[t];
        own->raw = floats(ATTEND_QUERIES * HEAD);
        own->queries = floats(ATTEND_QUERIES * HEAD);
        own->o = floats(ATTEND_QUERIES * HEAD);
        own->scratch = floats(ATTEND_SCRATCH(HEAD));
        if (!own->raw || !own->queries || !own->o || !own->scratch) return false;
    }
    return a->lanes != NULL;
}

static status make(attention *a, error *e) {
    a->value_at = UNITS * a->type->key_bytes(HEAD);
    a->chunk_bytes = a->value_at + UNITS * a->type->value_bytes(HEAD);
    a->chunks = BEYOND_CACHES / a->chunk_bytes;
    a->cache = probe_pages(a->chunks * a->chunk_bytes);
    float *x = floats((size_t)ATTEND_CHUNK * HEAD), *room = floats(HEAD);
    const bool made = a->cache && x && room && lanes_make(a);
    if (made) memset(a->cache, 0, a->chunk_bytes);
    if (made) fill_chunk(a, x, room);
    free(x);
    free(room);
    return made ? OK : fail(e, E_MEMORY, "no memory for %zu MiB of keys and values", a->chunks * a->chunk_bytes >> 20);
}

static void attention_free(attention *a) {
    for (int t = 0; a->lanes && t < threads_of(a); t++) {
        free(a->lanes[t].raw);
        free(a->lanes[t].queries);
        free(a->lanes[t].o);
        free(a->lanes[t].scratch);
    }
    free(a->lanes);
    free(a->cache);
    stopwatch_close(&a->watch);
}

/* ---- rows ---- */

static status show(bench_plan *p, attention *a, error *e) {
    const size_t bytes = a->chunks * a->chunk_bytes, positions = a->chunks * ATTEND_CHUNK;
    const measured m = bench_measure(p, &a->watch, run_attention, a, a->cache, bytes, stopwatch_floating);
    TRY(signals_check(e));
    const probe *limit = probe_of(p->isa);
    char name[32];
    snprintf(name, sizeof name, "attend-%s", a->type->name);
    const kernel_row row = {
        .name = name,
        .bits = (double)bytes * 8 / (double)(2 * positions * HEAD),
        .rows = ATTEND_CHUNK,
        .k = HEAD,
        .tokens = ATTEND_QUERIES,
        .times = a->chunks,
        .bytes = (double)bytes,
        .operations = 4.0 * (double)(positions * HEAD * ATTEND_QUERIES),
        .each = limit ? limit->float_operations : (double)NAN,
    };
    bench_show(p, &row, &m, threads_of(a));
    return agrees(a) ? OK : fail(e, E_FILE, "%s: results of %s differ from those of %s", name, p->isa->name, kernel_tables[0]->name);
}

status bench_attend(bench_plan *p, error *e) {
    status s = OK;
    for (const cache_type *const *type = p->isa->caches; *type && s == OK; type++) {
        attention a = {.set = p->isa, .type = *type};
        s = stopwatch_open(&a.watch, p->threads, e);
        if (s == OK) s = make(&a, e);
        if (s == OK) s = show(p, &a, e);
        attention_free(&a);
    }
    return s;
}

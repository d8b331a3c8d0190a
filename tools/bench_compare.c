#include "tools/bench_compare.h"

#include <math.h>
#include <stdio.h>

#include "evaluate/stats.h"
#include "tools/bench_probe.h"
#include "tools/names.h"

const table_column compare_columns[] = {
    {.title = "model", .key = "model_type", .width = 14},
    {.title = "peer", .key = "peer_type", .width = 20},
    {.title = "size", .key = "size_ratio", .digits = 3, .width = 5},
    {.title = "threads", .key = "n_threads"},
    {.title = "test", .key = "test", .width = 8, .repeats = true},
    {.title = "t/s", .key = "avg_ts", .digits = 2, .width = 8},
    {.title = "peer t/s", .key = "peer_avg_ts", .digits = 2},
    {.title = "ratio", .key = "ratio", .digits = 2, .width = 5},
    {.title = "lowest", .key = "ratio_lowest", .digits = 2},
    {.title = "highest", .key = "ratio_highest", .digits = 2},
    {.title = "best / best", .key = "ratio_best", .digits = 2},
    {.title = "of read", .key = "read_share", .scale = 100, .digits = 1, .unit = " %", .width = 7},
    {.title = "read before", .key = "read_before_gb_s", .digits = 1, .unit = " GB/s"},
    {.title = "after", .key = "read_after_gb_s", .digits = 1, .unit = " GB/s", .width = 10},
    {.title = "peer ran with", .key = "peer_flags"},
    {0},
};

/* Everything that was measured of a test. */
typedef struct rounds {
    samples ours;
    double theirs[COMPARE_SETS][TEST_REPETITIONS]; /* tokens per second */
    peer_answer peer;
    double read_before, read_after; /* bytes per second */
} rounds;

static size_t sets_of(const compare_wish *wish) {
    return wish->flags->n ? wish->flags->n : 1;
}

static const char *set_at(const compare_wish *wish, size_t i) {
    return wish->flags->n ? wish->flags->items[i] : COMPARE_FLAGS;
}

static status median_of(double *out, const double *x, size_t n, error *e) {
    return quantile_of(out, x, n, 0.5, e);
}

static double best_of(const double *x, size_t n) {
    double best = x[0];
    for (size_t i = 1; i < n; i++) best = fmax(best, x[i]);
    return best;
}

/* A run to warm up before each of ours, as the peer makes one before each of its own: what ran in between has taken the caches. */
static status run_round(rounds *r, const compare_wish *wish, timed_test *ours, const char *peer_model, error *e) {
    const size_t i = r->ours.n;
    TRY(timed_test_warm(ours, e));
    TRY(timed_test_run(ours, &r->ours, e));
    for (size_t s = 0; s < sets_of(wish); s++) {
        TRY(peer_run(&r->peer, wish->program, peer_model, ours->test, session_threads(ours->session), set_at(wish, s), e));
        r->theirs[s][i] = r->peer.speed;
    }
    return OK;
}

static status run_rounds(rounds *r, const compare_wish *wish, timed_test *ours, const char *peer_model, error *e) {
    const uint32_t threads = (uint32_t)session_threads(ours->session);
    TRY(probe_bandwidth(&r->read_before, threads, e));
    for (size_t i = 0; i < wish->rounds; i++) TRY(run_round(r, wish, ours, peer_model, e));
    return probe_bandwidth(&r->read_after, threads, e);
}

/* ---- the row ---- */

/* The set of flags with which the peer was fastest. */
static status fastest_set(size_t *out, const rounds *r, size_t sets, error *e) {
    double best = 0;
    *out = 0;
    for (size_t s = 0; s < sets; s++) {
        double median;
        TRY(median_of(&median, r->theirs[s], r->ours.n, e));
        if (median > best) *out = s;
        best = fmax(best, median);
    }
    return OK;
}

/* Bytes of weights that a token reads: all but an embedding that is not the head too. */
static double bytes_per_token(const model *m) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < m->file.n_tensors; i++) bytes += m->file.tensors[i].bytes;
    return (double)(bytes - (m->embed.w == m->head.w ? 0 : m->embed.w->bytes));
}

static status add_ratios(json_t *row, const rounds *r, const compare_wish *wish, error *e) {
    size_t set;
    double ratios[TEST_REPETITIONS], median, lowest = INFINITY;
    TRY(fastest_set(&set, r, sets_of(wish), e));
    const double *theirs = r->theirs[set];
    const size_t n = r->ours.n;
    for (size_t i = 0; i < n; i++) {
        ratios[i] = r->ours.speed[i] / theirs[i];
        lowest = fmin(lowest, ratios[i]);
    }
    TRY(median_of(&median, ratios, n, e));
    row_text(row, "peer_flags", set_at(wish, set));
    row_number(row, "peer_avg_ts", estimate_of(theirs, n).mean);
    row_number(row, "peer_stddev_ts", estimate_of(theirs, n).deviation);
    row_number(row, "ratio", median);
    row_number(row, "ratio_lowest", lowest);
    row_number(row, "ratio_highest", best_of(ratios, n));
    row_number(row, "ratio_best", best_of(r->ours.speed, n) / best_of(theirs, n));
    row_samples(row, "peer_samples_ts", theirs, n, 1);
    return OK;
}

static status show_rounds(table *out, const compare_wish *wish, const char *path, const model *m, const timed_test *ours, const char *peer_model,
                          const rounds *r, error *e) {
    json_t *row = test_row(path, m, wish->session, ours, &r->ours);
    const bool decodes = ours->test->prompt == 0 && ours->test->depth == 0;
    const double read = 0.5 * (r->read_before + r->read_after);
    row_text(row, "peer_filename", peer_model);
    row_text(row, "peer_type", r->peer.type);
    row_text(row, "peer_build_commit", r->peer.build);
    row_count(row, "peer_size", r->peer.size);
    row_number(row, "size_ratio", (double)m->file.map.size / (double)r->peer.size);
    const status s = add_ratios(row, r, wish, e);
    row_number(row, "read_before_gb_s", 1e-9 * r->read_before);
    row_number(row, "read_after_gb_s", 1e-9 * r->read_after);
    row_number(row, "read_share", decodes ? estimate_of(r->ours.speed, r->ours.n).mean * bytes_per_token(m) / read : NAN);
    if (s != OK) {
        json_decref(row);
        return s;
    }
    table_row(out, row);
    return OK;
}

status compare_test(table *out, const compare_wish *wish, const char *path, const model *m, const char *peer_model, const test *t, error *e) {
    char name[TEST_NAME];
    test_name(t, name);
    if (!wish->quiet) fprintf(stderr, "%s beside %s: %s, %zu rounds\n", path, name_of(peer_model), name, wish->rounds);
    timed_test ours;
    rounds r = {0};
    status s = timed_test_open(&ours, m, t, wish->session, NULL, e);
    if (s != OK) s = fail_in(e, path);
    if (s == OK) s = run_rounds(&r, wish, &ours, peer_model, e);
    if (s == OK) s = show_rounds(out, wish, path, m, &ours, peer_model, &r, e);
    timed_test_close(&ours);
    return s;
}

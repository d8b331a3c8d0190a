/* The sampler against a plain reading of its stages in double with libm, and against ids that an independent generator gave. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/sampler.h"

static const sampler_options off = {.temperature = 1, .top_p = 1, .repeat_penalty = 1};

static sampler *open_sampler(sampler_options o, size_t vocab, size_t usable) {
    sampler *s;
    error e;
    cr_assert_eq(sampler_open(&s, &o, vocab, usable, &e), OK, "%s", e.text);
    return s;
}

/* ---- the reference ---- */

typedef struct item {
    double logit, p;
    int32_t id;
} item;

static int better_first(const void *a, const void *b) {
    const item *x = a, *y = b;
    if (x->logit != y->logit) return x->logit > y->logit ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

static void normalize(item *list, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += list[i].p = exp(list[i].logit - list[0].logit);
    for (size_t i = 0; i < n; i++) list[i].p /= sum;
}

/* probability[usable] that the stages leave to each id; returns how many are left. */
static size_t expected(const sampler_options *o, const float *logits, size_t usable, double *probability) {
    item *list = malloc(usable * sizeof *list);
    for (size_t i = 0; i < usable; i++) list[i] = (item){(double)logits[i], 0, (int32_t)i};
    qsort(list, usable, sizeof *list, better_first);
    size_t n = o->top_k && o->top_k < usable ? o->top_k : usable;
    normalize(list, n);
    double sum = 0;
    for (size_t i = 0; i < n && o->top_p < 1; i++) {
        if ((sum += list[i].p) >= (double)o->top_p) n = i + 1;
    }
    size_t kept = 0;
    while (kept < n && list[kept].p >= (double)o->min_p * list[0].p) kept++;
    n = kept;
    for (size_t i = 0; i < n; i++) list[i].logit /= (double)o->temperature;
    normalize(list, n);
    memset(probability, 0, usable * sizeof *probability);
    for (size_t i = 0; i < n; i++) probability[list[i].id] = list[i].p;
    free(list);
    return n;
}

/* A bell of logits, as a language model gives them, from a fixed generator. */
static void fill(float *logits, size_t n, double width, uint64_t seed) {
    for (size_t i = 0; i < n; i++) {
        double sum = -6;
        for (int j = 0; j < 12; j++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            sum += (double)(seed >> 40) * 0x1p-24;
        }
        logits[i] = (float)(width * sum);
    }
}

/* The chi-square of counts against expectations is within 5 deviations of its mean; rare ids are counted together. */
static void check_counts(const size_t *count, const double *p, size_t n, double draws) {
    double chi = 0, freedom = -1, rare = 0, rare_count = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] * draws < 5) {
            rare += p[i] * draws;
            rare_count += (double)count[i];
            continue;
        }
        chi += pow((double)count[i] - p[i] * draws, 2) / (p[i] * draws);
        freedom++;
    }
    if (rare > 5) {
        chi += pow(rare_count - rare, 2) / rare;
        freedom++;
    }
    cr_assert(chi <= freedom + 5 * sqrt(2 * freedom + 2), "chi-square %g with %g degrees of freedom", chi, freedom);
}

/* Nothing outside the expected set is drawn, and every id as often as it should be. */
static void check_distribution(sampler_options o, size_t vocab, size_t usable, double width) {
    enum { DRAWS = 20000 };
    float *logits = malloc(vocab * sizeof *logits);
    double *p = malloc(usable * sizeof *p);
    size_t *count = calloc(usable, sizeof *count);
    fill(logits, vocab, width, 7);
    const size_t n = expected(&o, logits, usable, p);
    sampler *s = open_sampler(o, vocab, usable);
    for (int i = 0; i < DRAWS; i++) {
        const int32_t id = sampler_draw(s, logits);
        cr_assert(id >= 0 && (size_t)id < usable && p[id] > 0, "id %d of %zu kept", id, n);
        count[id]++;
    }
    check_counts(count, p, usable, DRAWS);
    sampler_close(&s);
    free(logits);
    free(p);
    free(count);
}

Test(sampler, draws_what_the_stages_leave) {
    const sampler_options cases[] = {
        {.temperature = 1, .top_p = 1, .repeat_penalty = 1},
        {.temperature = 0.7F, .top_p = 1, .repeat_penalty = 1, .seed = 3},
        {.temperature = 1.5F, .top_p = 1, .repeat_penalty = 1, .seed = 4},
        {.temperature = 1, .top_k = 1, .top_p = 1, .repeat_penalty = 1},
        {.temperature = 1, .top_k = 40, .top_p = 1, .repeat_penalty = 1},
        {.temperature = 1, .top_k = 100000, .top_p = 1, .repeat_penalty = 1},
        {.temperature = 1, .top_p = 0.9F, .repeat_penalty = 1, .seed = 5},
        {.temperature = 1, .top_p = 0.999F, .repeat_penalty = 1, .seed = 6},
        {.temperature = 1, .top_p = 0, .repeat_penalty = 1},
        {.temperature = 2, .top_p = 1, .min_p = 0.05F, .repeat_penalty = 1, .seed = 7},
        {.temperature = 0.8F, .top_k = 40, .top_p = 0.95F, .min_p = 0.05F, .repeat_penalty = 1, .seed = 8},
        {.temperature = 0.8F, .top_k = 500, .top_p = 0.99F, .min_p = 0.001F, .repeat_penalty = 1, .seed = 9},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_distribution(cases[i], 1000, 1000, 3);
        check_distribution(cases[i], 3001, 2990, 1);
        check_distribution(cases[i], 16, 5, 2);
        check_distribution(cases[i], 1, 1, 1);
    }
}

/* Equal logits make the id the integer part of n times the random number: these come from another implementation of splitmix64 and xoshiro256++. */
Test(sampler, same_seed_same_ids_on_every_machine) {
    static const struct {
        uint64_t seed;
        int32_t ids[12];
    } known[] = {
        {0, {324, 382, 359, 11, 495, 20, 857, 845, 294, 74, 314, 66}},
        {42, {814, 318, 983, 701, 793, 588, 125, 605, 207, 933, 559, 850}},
        {UINT64_MAX, {339, 900, 890, 273, 655, 402, 883, 486, 634, 854, 341, 643}},
    };
    float logits[1000];
    for (size_t i = 0; i < 1000; i++) logits[i] = 0.25F;
    for (size_t c = 0; c < sizeof known / sizeof *known; c++) {
        sampler_options o = off;
        o.seed = known[c].seed;
        sampler *s = open_sampler(o, 1000, 1000);
        for (int i = 0; i < 12; i++) cr_assert_eq(sampler_draw(s, logits), known[c].ids[i], "seed %zu, draw %d", c, i);
        sampler_close(&s);
    }
}

Test(sampler, greedy_takes_the_lowest_of_the_best) {
    float logits[300];
    fill(logits, 300, 1, 1);
    sampler_options o = off;
    o.temperature = 0;
    sampler *s = open_sampler(o, 300, 200);
    for (size_t at = 0; at < 199; at++) {
        const float before = logits[at], after = logits[199];
        logits[at] = logits[199] = logits[250] = 50;
        cr_assert_eq(sampler_draw(s, logits), (int32_t)at);
        logits[at] = before;
        logits[199] = after;
    }
    sampler_close(&s);
}

Test(sampler, ids_past_the_usable_are_never_drawn) {
    float logits[128];
    for (size_t i = 0; i < 128; i++) logits[i] = i < 100 ? 0 : 1000;
    for (int k = 0; k <= 200; k += 50) {
        sampler_options o = off;
        o.top_k = (uint32_t)k;
        sampler *s = open_sampler(o, 128, 100);
        for (int i = 0; i < 1000; i++) cr_assert_lt(sampler_draw(s, logits), 100);
        sampler_close(&s);
    }
}

Test(sampler, nan_and_infinity_do_no_harm) {
    const float bad[] = {NAN, -NAN, INFINITY, -INFINITY, FLT_MAX, -FLT_MAX, FLT_TRUE_MIN};
    const sampler_options cases[] = {
        {.temperature = 0, .top_p = 1, .repeat_penalty = 1},
        {.temperature = FLT_TRUE_MIN, .top_p = 1, .repeat_penalty = 1},
        {.temperature = FLT_MAX, .top_p = 0.5F, .repeat_penalty = 1},
        {.temperature = 1, .top_k = 70, .top_p = 0.9F, .min_p = 0.1F, .repeat_penalty = 1.5F, .repeat_last = 8},
        {.temperature = 1, .top_p = 0.9F, .min_p = 1, .repeat_penalty = FLT_MAX, .repeat_last = 8},
        {.temperature = 1, .top_p = 1, .repeat_penalty = FLT_TRUE_MIN, .repeat_last = 8},
    };
    float logits[150];
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        sampler *s = open_sampler(cases[c], 150, 150);
        uint32_t state = 1;
        for (int round = 0; round < 2000; round++) {
            for (size_t i = 0; i < 150; i++) {
                state = state * 1664525u + 1013904223u;
                const uint32_t pick = state >> 24;
                logits[i] = pick < (uint32_t)round % 256 ? bad[pick % 7] : (float)pick * 0.01F;
            }
            const int32_t id = sampler_draw(s, logits);
            cr_assert(id >= 0 && id < 150);
        }
        sampler_close(&s);
    }
}

Test(sampler, nan_loses_against_any_number) {
    float logits[100];
    for (size_t i = 0; i < 100; i++) logits[i] = NAN;
    logits[77] = -1e30F;
    for (int greedy = 0; greedy < 2; greedy++) {
        sampler_options o = off;
        o.temperature = greedy ? 0 : 1;
        sampler *s = open_sampler(o, 100, 100);
        for (int i = 0; i < 100; i++) cr_assert_eq(sampler_draw(s, logits), 77);
        sampler_close(&s);
    }
    sampler_options o = off;
    o.temperature = 0;
    sampler *s = open_sampler(o, 100, 100);
    logits[77] = NAN;
    cr_assert_eq(sampler_draw(s, logits), 0);
    logits[50] = logits[60] = INFINITY;
    cr_assert_eq(sampler_draw(s, logits), 50);
    sampler_close(&s);
}

/* Positive logits are divided, others multiplied, once however often the id was seen, and only the last ids count. */
Test(sampler, repeat_penalty) {
    const float logits[6] = {4, 3, 2.5F, -1, -1.5F, -9};
    sampler_options o = {.temperature = 0, .top_p = 1, .repeat_penalty = 1.5F, .repeat_last = 3};
    sampler *s = open_sampler(o, 6, 6);
    sampler_accept(s, 0);
    sampler_accept(s, 0);
    cr_assert_eq(sampler_draw(s, logits), 1); /* 4 / 1.5 = 2.67 < 3 */
    cr_assert_eq(sampler_draw(s, logits), 0); /* seen 0, 0, 1: 2.67, 2, 2.5; penalized twice, 0 would have 1.78 */
    cr_assert_eq(sampler_draw(s, logits), 0); /* seen 0, 1, 0 */
    cr_assert_eq(sampler_draw(s, logits), 0); /* seen 1, 0, 0 */
    cr_assert_eq(sampler_draw(s, logits), 1); /* seen 0, 0, 0: the 1 has left the window */
    sampler_close(&s);

    const float negative[3] = {-1, -1.2F, -1.6F};
    s = open_sampler(o, 3, 3);
    sampler_accept(s, 0);
    sampler_accept(s, 1000000); /* an id of the prompt beyond the usable ones is remembered and ignored */
    sampler_accept(s, -1);
    cr_assert_eq(sampler_draw(s, negative), 1);
    sampler_close(&s);
}

Test(sampler, refuses_options_that_mean_nothing) {
    const sampler_options bad[] = {
        {.temperature = -1, .top_p = 1, .repeat_penalty = 1},       {.temperature = NAN, .top_p = 1, .repeat_penalty = 1},
        {.temperature = INFINITY, .top_p = 1, .repeat_penalty = 1}, {.temperature = 1, .top_p = 1.5F, .repeat_penalty = 1},
        {.temperature = 1, .top_p = NAN, .repeat_penalty = 1},      {.temperature = 1, .top_p = 1, .min_p = -0.1F, .repeat_penalty = 1},
        {.temperature = 1, .top_p = 1, .repeat_penalty = 0},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sampler *s;
        error e = {0};
        cr_assert_eq(sampler_open(&s, &bad[i], 10, 10, &e), E_USAGE, "case %zu", i);
        cr_assert(!s && *e.text);
    }
}

Test(sampler, describes_the_stages_that_are_on) {
    char line[256];
    sampler_options o = {.temperature = 0.7F, .top_k = 40, .top_p = 0.95F, .min_p = 0.05F, .repeat_penalty = 1.1F, .repeat_last = 64};
    sampler *s = open_sampler(o, 100, 100);
    sampler_describe(s, line, sizeof line);
    cr_assert_str_eq(line, "repeat-penalty 1.1 · top-k 40 · top-p 0.95 · min-p 0.05 · temp 0.7");
    char cut[8];
    sampler_describe(s, cut, sizeof cut);
    cr_assert_str_eq(cut, "repeat-");
    sampler_close(&s);
    o = off;
    o.temperature = 0;
    s = open_sampler(o, 100, 100);
    sampler_describe(s, line, sizeof line);
    cr_assert_str_eq(line, "temp 0");
    sampler_close(&s);
}

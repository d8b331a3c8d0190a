#include "engine/sampler.h"

#include <float.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "engine/rank.h"
#include "kernels/kernels.h"

/* The arithmetic is the same on every machine: exp comes from the kernels (the same bits on every instruction set), sums are double in
 * the order of the candidates, ties go to the lower id, and libm is not asked for anything. */

struct sampler {
    sampler_options options;
    const kernels *kernels;
    size_t usable;
    uint64_t random[4];

    const float *view; /* [usable] what the stages see: the caller's logits, or `changed` */
    float *changed;    /* [usable] logits after the repeat penalty; NULL if it is off */
    int32_t *recent;   /* ring of the last ids */
    size_t n_recent, next_recent;

    candidate *list; /* [room] */
    float *weights;  /* [room] exp(logit - best logit) */
    size_t n;        /* of list: how many are left */
    float best;      /* the highest logit of the list */
};

/* ---- random numbers: xoshiro256++ 1.0 (Blackman and Vigna), seeded by splitmix64 ---- */

static uint64_t splitmix(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t rotate(uint64_t x, int by) {
    return x << by | x >> (64 - by);
}

/* In [0, 1), 53 bits. */
static double random_unit(uint64_t s[4]) {
    const uint64_t result = rotate(s[0] + s[3], 23) + s[0];
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return (double)(result >> 11) * 0x1p-53;
}

/* ---- stages, in the order and with the meaning of llama.cpp ---- */

/* weights[i] = exp(logit - best) of `n` candidates from `first` on; their sum, in order. */
static double weigh(sampler *s, size_t first, size_t n) {
    float *w = s->weights;
    for (size_t i = 0; i < n; i++) w[i] = s->list[first + i].logit - s->best;
    s->kernels->exp(w, w, n);
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)w[i];
    return sum;
}

static float penalize(float logit, float penalty) {
    return finite_logit(logit > 0 ? logit / penalty : logit * penalty);
}

/* An id that stands in the window several times is penalized once, because each time the caller's logit is what is changed. */
static void apply_repeat(sampler *s) {
    const float *logits = s->view;
    memcpy(s->changed, logits, s->usable * sizeof *logits);
    for (size_t i = 0; i < s->n_recent; i++) {
        const int32_t id = s->recent[i];
        if (id >= 0 && (size_t)id < s->usable) s->changed[id] = penalize(finite_logit(logits[id]), s->options.repeat_penalty);
    }
    s->view = s->changed;
}

static void collect_best(sampler *s, size_t n) {
    rank_logits(s->list, n, s->view, s->usable);
    s->n = n;
    s->best = s->list[0].logit;
}

static void apply_greedy(sampler *s) {
    collect_best(s, 1);
}

static void apply_top_k(sampler *s) {
    collect_best(s, s->options.top_k < s->usable ? s->options.top_k : s->usable);
}

static void apply_all(sampler *s) {
    s->n = s->usable;
    s->best = -FLT_MAX;
    for (size_t i = 0; i < s->n; i++) {
        const float logit = finite_logit(s->view[i]);
        s->list[i] = (candidate){logit, (int32_t)i};
        s->best = logit > s->best ? logit : s->best;
    }
}

enum { SHELVES = 256, SHELVES_PER_NAT = 16 };

/* Candidates whose logits lie close together share a shelf; the best has shelf 0. */
static size_t shelf_of(const sampler *s, candidate c) {
    const float down = (s->best - c.logit) * SHELVES_PER_NAT;
    return down < SHELVES - 1 ? (size_t)down : SHELVES - 1;
}

/* Moves candidates on shelves above `shelf` to the front of those from `first` on; where they end. */
static size_t move_up(sampler *s, size_t first, size_t shelf) {
    for (size_t i = first; i < s->n; i++) {
        if (shelf_of(s, s->list[i]) >= shelf) continue;
        const candidate c = s->list[i];
        s->list[i] = s->list[first];
        s->list[first++] = c;
    }
    return first;
}

/* The fewest candidates, best first, whose probabilities sum to top_p. Only the shelf on which the sum is reached has to be put in order. */
static void apply_top_p(sampler *s) {
    const double wanted = (double)s->options.top_p * weigh(s, 0, s->n);
    double mass[SHELVES] = {0};
    for (size_t i = 0; i < s->n; i++) mass[shelf_of(s, s->list[i])] += (double)s->weights[i];
    double sum = 0;
    size_t shelf = 0;
    while (shelf < SHELVES - 1 && sum + mass[shelf] < wanted) sum += mass[shelf++];

    const size_t begin = move_up(s, 0, shelf), end = move_up(s, begin, shelf + 1);
    rank_sort(s->list + begin, end - begin);
    weigh(s, begin, end - begin);
    s->n = end;
    for (size_t i = begin; i < s->n; i++) {
        sum += (double)s->weights[i - begin];
        if (sum >= wanted) s->n = i + 1;
    }
}

/* Those at least min_p times as likely as the best. */
static void apply_min_p(sampler *s) {
    weigh(s, 0, s->n);
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (s->weights[i] >= s->options.min_p) s->list[n++] = s->list[i];
    }
    s->n = n;
}

/* From the best logit down, so that no temperature overflows. */
static void apply_temperature(sampler *s) {
    for (size_t i = 0; i < s->n; i++) s->list[i].logit = (s->list[i].logit - s->best) / s->options.temperature;
    s->best = 0;
}

static bool repeat_on(const sampler_options *o) {
    return o->repeat_penalty != 1 && o->repeat_last > 0;
}

static bool greedy_on(const sampler_options *o) {
    return o->temperature == 0;
}

static bool top_k_on(const sampler_options *o) {
    return !greedy_on(o) && o->top_k > 0;
}

static bool all_on(const sampler_options *o) {
    return !greedy_on(o) && o->top_k == 0;
}

static bool top_p_on(const sampler_options *o) {
    return !greedy_on(o) && o->top_p < 1;
}

static bool min_p_on(const sampler_options *o) {
    return !greedy_on(o) && o->min_p > 0;
}

static bool temperature_on(const sampler_options *o) {
    return !greedy_on(o);
}

static double repeat_value(const sampler_options *o) {
    return (double)o->repeat_penalty;
}

static double temperature_value(const sampler_options *o) {
    return (double)o->temperature;
}

static double top_k_value(const sampler_options *o) {
    return o->top_k;
}

static double top_p_value(const sampler_options *o) {
    return (double)o->top_p;
}

static double min_p_value(const sampler_options *o) {
    return (double)o->min_p;
}

typedef struct stage {
    const char *name; /* NULL: not worth telling */
    bool (*on)(const sampler_options *o);
    double (*value)(const sampler_options *o);
    void (*apply)(sampler *s);
} stage;

static const stage stages[] = {
    {"repeat-penalty", repeat_on, repeat_value, apply_repeat},
    {"temp", greedy_on, temperature_value, apply_greedy},
    {"top-k", top_k_on, top_k_value, apply_top_k},
    {NULL, all_on, NULL, apply_all},
    {"top-p", top_p_on, top_p_value, apply_top_p},
    {"min-p", min_p_on, min_p_value, apply_min_p},
    {"temp", temperature_on, temperature_value, apply_temperature},
};
enum { STAGES = sizeof stages / sizeof *stages };

/* ---- the sampler ---- */

static status check_options(const sampler_options *o, size_t vocab, size_t usable, error *e) {
    if (usable == 0 || usable > vocab || usable > INT32_MAX) return fail(e, E_RUN, "sampler: %zu usable ids of a vocabulary of %zu", usable, vocab);
    if (!(o->temperature >= 0 && o->temperature <= FLT_MAX)) return fail(e, E_USAGE, "temperature %g is not a number >= 0", (double)o->temperature);
    if (!(o->top_p >= 0 && o->top_p <= 1)) return fail(e, E_USAGE, "top-p %g is not between 0 and 1", (double)o->top_p);
    if (!(o->min_p >= 0 && o->min_p <= 1)) return fail(e, E_USAGE, "min-p %g is not between 0 and 1", (double)o->min_p);
    if (!(o->repeat_penalty > 0 && o->repeat_penalty <= FLT_MAX)) {
        return fail(e, E_USAGE, "repeat-penalty %g is not a number > 0", (double)o->repeat_penalty);
    }
    return OK;
}

/* `count` items on 64 bytes, rounded up to whole vectors; at least one vector. */
static void *take(size_t count, size_t bytes) {
    return aligned_alloc(64, round_up(count * bytes + 1, 64));
}

status sampler_open(sampler **out, const sampler_options *o, size_t vocab, size_t usable, error *e) {
    *out = NULL;
    TRY(check_options(o, vocab, usable, e));
    const kernels *k;
    TRY(kernels_choose(&k, o->isa, e));
    sampler *s = calloc(1, sizeof *s);
    if (!s) return fail(e, E_MEMORY, "no memory for a sampler");
    s->options = *o;
    s->kernels = k;
    s->usable = usable;
    uint64_t state = o->seed;
    for (int i = 0; i < 4; i++) s->random[i] = splitmix(&state);

    const size_t room = greedy_on(o) ? 1 : o->top_k > 0 && o->top_k < usable ? o->top_k : usable;
    const bool repeat = repeat_on(o);
    s->list = take(room, sizeof *s->list);
    s->weights = take(room, sizeof *s->weights);
    s->changed = repeat ? take(usable, sizeof *s->changed) : NULL;
    s->recent = repeat ? take(o->repeat_last, sizeof *s->recent) : NULL;
    if (!s->list || !s->weights || (repeat && (!s->changed || !s->recent))) {
        sampler_close(&s);
        return fail(e, E_MEMORY, "no memory for a sampler over %zu ids that looks back at %u", usable, o->repeat_last);
    }
    *out = s;
    return OK;
}

void sampler_close(sampler **s) {
    if (!*s) return;
    free((*s)->list);
    free((*s)->weights);
    free((*s)->changed);
    free((*s)->recent);
    free(*s);
    *s = NULL;
}

void sampler_accept(sampler *s, int32_t id) {
    if (!s->recent) return;
    s->recent[s->next_recent] = id;
    s->next_recent = (s->next_recent + 1) % s->options.repeat_last;
    if (s->n_recent < s->options.repeat_last) s->n_recent++;
}

void sampler_forget(sampler *s) {
    s->n_recent = s->next_recent = 0;
}

/* The first candidate at which the running sum of the weights passes a random part of their total; one of weight 0 is never met. */
static int32_t pick(sampler *s) {
    if (s->n == 1) return s->list[0].id;
    const double target = weigh(s, 0, s->n) * random_unit(s->random);
    double sum = 0;
    size_t i = 0;
    for (; i + 1 < s->n; i++) {
        sum += (double)s->weights[i];
        if (sum > target) break;
    }
    return s->list[i].id;
}

int32_t sampler_draw(sampler *s, const float *logits) {
    s->view = logits;
    for (size_t i = 0; i < STAGES; i++) {
        if (stages[i].on(&s->options)) stages[i].apply(s);
    }
    const int32_t id = pick(s);
    sampler_accept(s, id);
    return id;
}

void sampler_describe(const sampler *s, char *line, size_t size) {
    if (size) *line = 0;
    size_t used = 0;
    for (size_t i = 0; i < STAGES && used < size; i++) {
        if (!stages[i].name || !stages[i].on(&s->options)) continue;
        const int n = snprintf(line + used, size - used, "%s%s %g", used ? " · " : "", stages[i].name, stages[i].value(&s->options));
        used += n > 0 ? (size_t)n : 0;
    }
}

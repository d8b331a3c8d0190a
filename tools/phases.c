#include "tools/phases.h"

#include <math.h>
#include <stdio.h>

#include "kernels/kernels.h"
#include "tools/bench_probe.h"

/* ---- the machine ---- */

static void measure(machine_limits *out, stopwatch *w, const probe *p) {
    enum { ROUNDS = 3 };
    double integer = INFINITY, floating = INFINITY;
    const double threads = pool_threads(w->pool);
    *out = (machine_limits){out->bytes, NAN, NAN};
    for (int i = 0; p && i < ROUNDS; i++) {
        integer = stopwatch_integer(w, p, integer);
        floating = stopwatch_floating(w, p, floating);
        out->integer = threads * p->operations / integer;
        out->floating = threads * p->float_operations / floating;
    }
}

status machine_limits_of(machine_limits *out, const char *isa, int threads, error *e) {
    const kernels *table;
    stopwatch w;
    TRY(kernels_choose(&table, isa, e));
    TRY(probe_bandwidth(&out->bytes, (uint32_t)threads, e));
    const status s = stopwatch_open(&w, (uint32_t)threads, e);
    if (s == OK) measure(out, &w, probe_of(table));
    stopwatch_close(&w);
    return s;
}

/* ---- what a step must do ---- */

typedef struct work {
    double bytes;             /* of each call */
    double integer, floating; /* operations for each token */
} work;

/* A matrix; `used`: the part of the tokens that it multiplies, less than 1 of an expert; `read`: the part of the calls that read it. */
static void add_product(work *w, const weight *of, const char *activations, double used, double read) {
    if (!of->w) return;
    format f = of->w->format;
    if (activations) format_set_act(&f, activations);
    const double operations = 2.0 * (double)of->w->rows * (double)of->w->k;
    *(f.act == ACT_F32 ? &w->floating : &w->integer) += operations * used;
    w->bytes += (double)of->w->bytes * read;
}

static void add_mlp(work out[STEPS], const mlp_weights *m, const char *activations, double used, double read) {
    add_product(&out[STEP_GATE_UP], &m->gate, activations, used, read);
    add_product(&out[STEP_GATE_UP], &m->up, activations, used, read);
    add_product(&out[STEP_DOWN], &m->down, activations, used, read);
}

/* Of experts that are chosen as often as each other: one that a token uses with the probability p is read by 1 - (1 - p)^tokens of the calls. */
static void add_experts(work out[STEPS], const spec *s, const expert_weights *x, const char *activations, double tokens) {
    const double used = (double)s->experts_per_token / s->n_experts, read = 1 - pow(1 - used, tokens);
    add_product(&out[STEP_GATE_UP], &x->router, activations, 1, 1);
    for (size_t i = 0; i < s->n_experts; i++) add_mlp(out, &x->of[i], activations, used, read);
    if (s->shared_intermediate) add_mlp(out, &x->of[s->n_experts], activations, 1, 1);
}

/* Of calls with so many tokens each. */
static void work_of(work out[STEPS], const model *m, const char *activations, double tokens) {
    for (size_t i = 0; i < STEPS; i++) out[i] = (work){0};
    for (size_t i = 0; i < model_spec(m)->layers; i++) {
        const layer *l = &m->layers[i];
        const struct {
            profile_step step;
            const weight *of;
        } products[] = {{STEP_QKV, &l->q}, {STEP_QKV, &l->k}, {STEP_QKV, &l->v}, {STEP_O, &l->o}};
        for (size_t p = 0; p < sizeof products / sizeof *products; p++) add_product(&out[products[p].step], products[p].of, activations, 1, 1);
        if (l->experts) {
            add_experts(out, model_spec(m), l->experts, activations, tokens);
        } else {
            add_mlp(out, &l->mlp, activations, 1, 1);
        }
    }
    add_product(&out[STEP_HEAD], &m->head, activations, 1, 1);
}

/* Positions that a layer sees, summed over the tokens of all calls. */
static double positions_seen(const evaluated *what, uint32_t window) {
    double all = 0;
    for (size_t t = 0; t < what->tokens; t++) {
        const size_t seen = what->position + t + 1;
        all += (double)(window && window < seen ? window : seen);
    }
    return all;
}

/* Bytes of keys and values that tokens read which come one by one; of several together only the operations would say more. */
static double cache_bytes_read(const session *s, const model *m, const evaluated *what) {
    const spec *sp = model_spec(m);
    const double each = (double)session_bytes(s).cache / (double)session_context(s) / sp->layers;
    double bytes = 0;
    for (size_t i = 0; i < sp->layers; i++) bytes += each * positions_seen(what, sp->window[i]);
    return bytes;
}

static double seconds_at(double amount, double speed) {
    return amount > 0 && isfinite(speed) ? amount / speed : 0;
}

static void set_limit(step_time *t, const work *w, const evaluated *what, double tokens, const machine_limits *limits) {
    const double read = seconds_at(w->bytes * (double)what->calls, limits->bytes);
    const double made = seconds_at(w->integer * tokens, limits->integer) + seconds_at(w->floating * tokens, limits->floating);
    if (read <= 0 && made <= 0) return;
    t->limit = fmax(read, made);
    t->bound = read >= made ? "read" : "operations";
}

void step_times(step_time out[STEP_TIMES], const char *rest, const double spent[STEPS], const session *s, const model *m, const char *activations,
                const evaluated *what, const machine_limits *limits) {
    work works[STEPS];
    double left = what->seconds;
    work_of(works, m, activations, (double)what->tokens / (double)what->calls);
    if (what->tokens == what->calls) works[STEP_ATTENTION].bytes = cache_bytes_read(s, m, what) / (double)what->calls;
    for (int i = 0; i < STEPS; i++) {
        const double seconds = spent[i] / (double)what->runs;
        out[i] = (step_time){.name = profile_step_names[i], .seconds = seconds, .share = seconds / what->seconds, .limit = NAN};
        set_limit(&out[i], &works[i], what, (double)(i == STEP_HEAD ? what->calls : what->tokens), limits);
        left -= seconds;
    }
    out[STEPS] = (step_time){.name = rest, .seconds = fmax(left, 0), .share = fmax(left, 0) / what->seconds, .limit = NAN};
}

void step_times_print(const char *title, const step_time times[STEP_TIMES]) {
    fprintf(stderr, "%-16s %12s %8s   %s\n", title, "ms", "share", "of its limit");
    for (const step_time *t = times; t < times + STEP_TIMES; t++) {
        fprintf(stderr, "  %-14s %12.3f %6.1f %%", t->name, 1e3 * t->seconds, 100 * t->share);
        if (t->bound) fprintf(stderr, "   %5.1f %% %s", 100 * t->limit / t->seconds, t->bound);
        fputc('\n', stderr);
    }
}

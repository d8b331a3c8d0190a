#include "evaluate/perplexity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "evaluate/score.h"
#include "evaluate/stats.h"

/* ---- subjects ---- */

status subject_open(subject *s, const char *name, const model *m, const session_options *o, const windows *w, bool compared, error *e) {
    *s = (subject){.name = name, .model = m, .room = w->count * windows_scored(w)};
    if (w->context > model_spec(m)->context) {
        return fail(e, E_USAGE, "%s: a window of %zu tokens is longer than the model's context of %u", name, w->context, model_spec(m)->context);
    }
    session_options mine = *o;
    mine.context = (uint32_t)w->context;
    TRY(session_open(&s->session, m, &mine, e));
    TRY(kernels_choose(&s->kernels, session_isa(s->session), e));
    s->nll = malloc(s->room * sizeof *s->nll);
    s->kld = compared ? malloc(s->room * sizeof *s->kld) : NULL;
    s->agrees = compared ? malloc(s->room * sizeof *s->agrees) : NULL;
    if (!s->nll || (compared && (!s->kld || !s->agrees))) return fail(e, E_MEMORY, "no memory for the scores of %zu tokens", s->room);
    return OK;
}

void subject_close(subject *s) {
    session_close(&s->session);
    free(s->nll);
    free(s->kld);
    free(s->agrees);
    *s = (subject){0};
}

double subject_perplexity(const subject *s) {
    return exp(s->nll_sum / (double)s->scored);
}

/* The perplexity by the reference's, from the differences at each position. */
static status compare_nll(verdict *out, const subject *s, const subject *reference, error *e) {
    double *d = malloc((s->scored + 1) * sizeof *d);
    if (!d) return fail(e, E_MEMORY, "no memory for the scores of %zu tokens", s->scored);
    for (size_t i = 0; i < s->scored; i++) d[i] = s->nll[i] - reference->nll[i];
    const estimate difference = estimate_of(d, s->scored);
    out->ratio = exp(difference.mean);
    out->ratio_error = out->ratio * difference.error;
    free(d);
    return OK;
}

status subject_verdict(verdict *out, const subject *s, const subject *reference, error *e) {
    const estimate nll = estimate_of(s->nll, s->scored);
    *out = (verdict){.nll = nll.mean, .ppl = exp(nll.mean), .ppl_error = exp(nll.mean) * nll.error};
    out->tokens_per_s = (double)s->tokens / s->seconds;
    out->ratio = out->ratio_error = out->kld = out->kld_error = out->kld_99 = out->top1 = out->top1_error = NAN;
    if (!s->kld || !reference) return OK;
    TRY(compare_nll(out, s, reference, e));
    const estimate kld = estimate_of(s->kld, s->scored), agrees = estimate_of(s->agrees, s->scored);
    out->kld = kld.mean;
    out->kld_error = kld.error;
    out->top1 = agrees.mean;
    out->top1_error = agrees.error;
    return quantile_of(&out->kld_99, s->kld, s->scored, 0.99, e);
}

/* ---- the reference's predictions for a slice of a window ---- */

typedef struct memory {
    size_t vocab, stride; /* stride: vocab rounded up for aligned rows */
    size_t rows;          /* positions of a slice */
    float *logits;        /* [rows, stride] */
    distribution *rows_of;
} memory;

enum { MEMORY_DEFAULT = 64 << 20 };

static status memory_open(memory *m, const reading *r, error *e) {
    const size_t bytes = r->memory ? r->memory : MEMORY_DEFAULT, scored = windows_scored(r->windows);
    m->vocab = model_spec(r->reference->model)->vocab;
    m->stride = round_up(m->vocab, 16);
    m->rows = bytes / (m->stride * sizeof *m->logits);
    if (m->rows < 1) m->rows = 1;
    if (m->rows > scored) m->rows = scored;
    m->logits = aligned_alloc(64, m->rows * m->stride * sizeof *m->logits);
    m->rows_of = malloc(m->rows * sizeof *m->rows_of);
    if (!m->logits || !m->rows_of) return fail(e, E_MEMORY, "no memory for the reference's logits, %zu x %zu", m->rows, m->vocab);
    return OK;
}

static void memory_close(memory *m) {
    free(m->logits);
    free(m->rows_of);
}

/* ---- one slice of one window ---- */

typedef struct slice {
    const reading *reading;
    subject *subject;
    const int32_t *ids;         /* of the window */
    size_t scores;              /* where the window's scores begin */
    size_t window_first, first; /* the first scored position of the window, of the slice */
    memory *memory;             /* NULL: no reference */
    bool is_reference;          /* fill the memory; else compare with it */
} slice;

static void score_row(void *context, size_t position, const float *logits) {
    const slice *c = context;
    const subject *s = c->subject;
    const size_t vocab = model_spec(s->model)->vocab, at = c->scores + position - c->window_first;
    const distribution d = distribution_of(s->kernels, logits, vocab);
    s->nll[at] = surprise(&d, logits, c->ids[position + 1]);
    if (!c->memory) return;
    distribution *theirs = &c->memory->rows_of[position - c->first];
    float *their_logits = c->memory->logits + (position - c->first) * c->memory->stride;
    if (c->is_reference) {
        *theirs = d;
        memcpy(their_logits, logits, vocab * sizeof *logits);
    } else {
        s->kld[at] = divergence(s->kernels, theirs, their_logits, &d, logits, vocab);
        s->agrees[at] = theirs->best == d.best;
    }
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static size_t tokens_so_far(const reading *r) {
    size_t tokens = r->reference ? r->reference->tokens : 0;
    for (size_t i = 0; i < r->n; i++) tokens += r->subjects[i].tokens;
    return tokens;
}

size_t reading_tokens(const reading *r) {
    return (r->n + (r->reference ? 1 : 0)) * r->windows->count * (r->windows->context - 1);
}

/* Evaluates ids [from, to) of the window; those from `first` on are scored. */
static status run_slice(slice *c, size_t from, size_t to, error *e) {
    const logits_sink sink = {score_row, c, c->first};
    const reading *r = c->reading;
    const double start = now();
    if (from == 0) session_rewind(c->subject->session, 0);
    if (session_eval(c->subject->session, c->ids + from, to - from, &sink, e) != OK) return fail_in(e, c->subject->name);
    c->subject->seconds += now() - start;
    c->subject->tokens += to - from;
    if (r->watch.step) r->watch.step(r->watch.context, tokens_so_far(r));
    return OK;
}

/* ---- all windows ---- */

static status count_window(subject *s, const windows *w, size_t window, error *e) {
    for (size_t p = w->first; p < w->context - 1; p++) {
        const double nll = s->nll[s->scored], kld = s->kld ? s->kld[s->scored] : 0;
        if (!isfinite(nll) || !isfinite(kld)) {
            return fail(e, E_RUN, "%s: window %zu, token %zu: the prediction is not finite (%g nats, divergence %g)", s->name, window, p, nll, kld);
        }
        s->nll_sum += nll;
        s->scored++;
    }
    return OK;
}

/* All models go through a slice before the next, because the memory holds the reference's logits of one slice. */
static status run_window(const reading *r, memory *kept, size_t window, int32_t *ids, error *e) {
    const windows *w = r->windows;
    windows_copy(w, window, ids);
    const size_t end = w->context - 1, rows = kept ? kept->rows : windows_scored(w);
    size_t from = 0;
    for (size_t first = w->first; first < end; first += rows) {
        const size_t to = end - first < rows ? end : first + rows;
        slice c = {.reading = r, .ids = ids, .scores = window * windows_scored(w), .window_first = w->first, .first = first, .memory = kept};
        if (r->reference) {
            c.subject = r->reference;
            c.is_reference = true;
            TRY(run_slice(&c, from, to, e));
            c.is_reference = false;
        }
        for (size_t i = 0; i < r->n; i++) {
            c.subject = &r->subjects[i];
            TRY(run_slice(&c, from, to, e));
        }
        from = to;
    }
    if (r->reference) TRY(count_window(r->reference, w, window, e));
    for (size_t i = 0; i < r->n; i++) TRY(count_window(&r->subjects[i], w, window, e));
    return OK;
}

static status run_windows(const reading *r, memory *kept, error *e) {
    int32_t *ids = malloc(r->windows->context * sizeof *ids);
    if (!ids) return fail(e, E_MEMORY, "no memory for a window of %zu tokens", r->windows->context);
    status s = OK;
    for (size_t i = 0; i < r->windows->count && s == OK; i++) {
        s = run_window(r, kept, i, ids, e);
        if (s == OK && r->watch.window) r->watch.window(r->watch.context, i);
    }
    free(ids);
    return s;
}

status perplexity_run(const reading *r, error *e) {
    memory kept = {0};
    status s = r->reference ? memory_open(&kept, r, e) : OK;
    if (s == OK) s = run_windows(r, r->reference ? &kept : NULL, e);
    memory_close(&kept);
    return s;
}

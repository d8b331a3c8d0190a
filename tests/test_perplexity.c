/* Evaluating windows against the same rows evaluated one window at a time, and slices of any size against whole windows. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evaluate/perplexity.h"
#include "tiny.h"

enum { CONTEXT = 32, TOKENS = 5 * CONTEXT + 3 };

static char paths[2][64];
static model *models[2]; /* the same random weights in f32 and q8 */
static int32_t ids[TOKENS];

static void open_models(void) {
    static const char *const formats[] = {"f32", "q8"};
    for (int i = 0; i < 2; i++) {
        strcpy(paths[i], "/tmp/test_perplexity.XXXXXX");
        const int fd = mkstemp(paths[i]);
        cr_assert_geq(fd, 0);
        close(fd);
        spec s = tiny_spec_aligned();
        tiny_write(paths[i], &s, &(tiny){.format = formats[i], .seed = 5});
        error e = {0};
        cr_assert_eq(model_open(&models[i], paths[i], &e), OK, "%s", e.text);
        tiny_ids(ids, TOKENS, s.vocab, 9);
        spec_free(&s);
    }
}

static void close_models(void) {
    for (int i = 0; i < 2; i++) {
        model_close(&models[i]);
        unlink(paths[i]);
    }
}

static windows plan(const char *name) {
    const convention *how = conventions;
    while (strcmp(how->name, name) != 0) how++;
    windows w;
    error e = {0};
    cr_assert_eq(windows_plan(&w, how, ids, TOKENS, CONTEXT, 0, 3, &e), OK, "%s", e.text);
    return w;
}

static void open_subject(subject *s, const model *m, const windows *w, bool compared, int threads, uint32_t batch) {
    error e = {0};
    cr_assert_eq(subject_open(s, "tiny", m, &(session_options){.threads = threads, .batch = batch}, w, compared, &e), OK, "%s", e.text);
}

static void run(subject *subjects, size_t n, subject *reference, const windows *w, size_t memory) {
    error e = {0};
    const reading r = {.windows = w, .subjects = subjects, .n = n, .reference = reference, .memory = memory};
    cr_assert_eq(perplexity_run(&r, &e), OK, "%s", e.text);
}

/* ---- the plain way: the logits of a window, softmax in double ---- */

typedef struct rows {
    float *data;
    size_t vocab;
} rows;

static void keep(void *context, size_t position, const float *logits) {
    const rows *r = context;
    memcpy(r->data + position * r->vocab, logits, r->vocab * sizeof *logits);
}

static void window_logits(const model *m, const windows *w, size_t window, float *out) {
    int32_t copy[CONTEXT];
    windows_copy(w, window, copy);
    rows r = {out, model_spec(m)->vocab};
    session *s;
    error e = {0};
    cr_assert_eq(session_open(&s, m, &(session_options){.context = CONTEXT}, &e), OK, "%s", e.text);
    cr_assert_eq(session_eval(s, copy, CONTEXT, &(logits_sink){.row = keep, .context = &r}, &e), OK, "%s", e.text);
    session_close(&s);
}

static double log_p(const float *x, size_t n, size_t id) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += exp((double)x[i] - (double)x[id]);
    return -log(sum);
}

static size_t best_of(const float *x, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++) best = x[i] > x[best] ? i : best;
    return best;
}

static void check_plainly(const char *name) {
    const windows w = plan(name);
    subject reference, mine;
    open_subject(&reference, models[0], &w, false, 2, 0);
    open_subject(&mine, models[1], &w, true, 2, 0);
    run(&mine, 1, &reference, &w, 0);
    const size_t vocab = model_spec(models[0])->vocab;
    float *p = malloc(CONTEXT * vocab * sizeof *p), *q = malloc(CONTEXT * vocab * sizeof *q);
    size_t at = 0;
    for (size_t i = 0; i < w.count; i++) {
        window_logits(models[0], &w, i, p);
        window_logits(models[1], &w, i, q);
        for (size_t k = w.first; k < CONTEXT - 1; k++, at++) {
            const float *pk = p + k * vocab, *qk = q + k * vocab;
            const size_t next = (size_t)ids[i * CONTEXT + k + 1];
            double kl = 0;
            for (size_t v = 0; v < vocab; v++) kl += exp(log_p(pk, vocab, v)) * (log_p(pk, vocab, v) - log_p(qk, vocab, v));
            cr_assert_float_eq(reference.nll[at], -log_p(pk, vocab, next), 1e-6);
            cr_assert_float_eq(mine.nll[at], -log_p(qk, vocab, next), 1e-6);
            cr_assert_float_eq(mine.kld[at], kl, 1e-9 + 1e-5 * kl);
            cr_assert_eq(mine.agrees[at] != 0, best_of(pk, vocab) == best_of(qk, vocab));
        }
    }
    cr_assert_eq(at, mine.scored);
    free(p);
    free(q);
    subject_close(&reference);
    subject_close(&mine);
}

Test(perplexity, scores_are_those_of_the_rows, .init = open_models, .fini = close_models) {
    check_plainly("half");
    check_plainly("all");
}

/* A memory for 1, 3, 7 ... rows cuts windows into slices; threads and batches cut them otherwise. */
Test(perplexity, slices_threads_and_batches_change_no_bit, .init = open_models, .fini = close_models) {
    const windows w = plan("all");
    const size_t row = model_spec(models[0])->vocab * sizeof(float);
    subject first[2];
    for (size_t cut = 0; cut < 12; cut++) {
        subject reference, mine[2];
        open_subject(&reference, models[0], &w, false, 1 + (int)cut % 3, 1 + (uint32_t)cut);
        for (int i = 0; i < 2; i++) open_subject(&mine[i], models[i], &w, true, 1 + (int)cut % 3, 1 + (uint32_t)cut);
        run(mine, 2, &reference, &w, cut == 0 ? 0 : cut == 1 ? 1 : row * cut);
        for (int i = 0; i < 2; i++) {
            if (cut == 0) {
                first[i] = mine[i];
                continue;
            }
            cr_assert_eq(mine[i].scored, w.count * (CONTEXT - 1));
            cr_assert_arr_eq(mine[i].nll, first[i].nll, mine[i].scored * sizeof *mine[i].nll);
            cr_assert_arr_eq(mine[i].kld, first[i].kld, mine[i].scored * sizeof *mine[i].kld);
            cr_assert_arr_eq(mine[i].agrees, first[i].agrees, mine[i].scored * sizeof *mine[i].agrees);
            subject_close(&mine[i]);
        }
        for (size_t i = 0; i < first[0].scored; i++) cr_assert_eq(first[0].kld[i], 0.0, "the same weights");
        subject_close(&reference);
    }
    for (int i = 0; i < 2; i++) subject_close(&first[i]);
}

Test(perplexity, ratio_is_that_of_the_perplexities, .init = open_models, .fini = close_models) {
    const windows w = plan("all");
    subject reference, mine;
    open_subject(&reference, models[0], &w, false, 2, 0);
    open_subject(&mine, models[1], &w, true, 2, 0);
    run(&mine, 1, &reference, &w, 0);
    verdict v;
    cr_assert_eq(subject_verdict(&v, &mine, &reference, NULL), OK);
    cr_assert_float_eq(v.ratio, subject_perplexity(&mine) / subject_perplexity(&reference), 1e-9 * v.ratio);
    double squares = 0;
    for (size_t i = 0; i < mine.scored; i++) squares += pow(mine.nll[i] - reference.nll[i] - log(v.ratio), 2);
    const double n = (double)mine.scored;
    cr_assert_float_eq(v.ratio_error, v.ratio * sqrt(squares / (n - 1) / n), 1e-9 * v.ratio);
    subject_close(&reference);
    subject_close(&mine);
}

Test(perplexity, verdict, .init = open_models, .fini = close_models) {
    const windows w = plan("half");
    subject s;
    open_subject(&s, models[0], &w, false, 1, 0);
    run(&s, 1, NULL, &w, 0);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < s.scored; i++) sum += s.nll[i];
    const double n = (double)s.scored, mean = sum / n;
    for (size_t i = 0; i < s.scored; i++) squares += pow(s.nll[i] - mean, 2);
    verdict v;
    cr_assert_eq(subject_verdict(&v, &s, NULL, NULL), OK);
    cr_assert_float_eq(v.ppl, exp(mean), 1e-9 * v.ppl);
    cr_assert_float_eq(v.ppl_error, exp(mean) * sqrt(squares / (n - 1) / n), 1e-9 * v.ppl_error);
    cr_assert_float_eq(subject_perplexity(&s), v.ppl, 1e-9 * v.ppl);
    cr_assert(isnan(v.kld) && isnan(v.kld_99) && isnan(v.top1));
    cr_assert_eq(s.tokens, w.count * (CONTEXT - 1));
    subject_close(&s);
}

Test(perplexity, a_window_longer_than_the_context_is_refused, .init = open_models, .fini = close_models) {
    windows w = plan("half");
    w.context = model_spec(models[0])->context + 1u;
    subject s;
    error e = {0};
    cr_assert_eq(subject_open(&s, "tiny", models[0], &(session_options){0}, &w, false, &e), E_USAGE);
    cr_assert(strstr(e.text, "longer than the model's context"), "%s", e.text);
    subject_close(&s);
}

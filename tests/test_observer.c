/* What an observer is promised: every input of every product, each value once, in order, and the same whatever the threads and batches; and that a session can
 * be stopped. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "engine/session.h"
#include "file/input.h"
#include "files.h"
#include "tiny.h"

enum { N = 70, WIDEST = 512 };

typedef struct record { /* all that was seen */
    const spec *spec;
    float *values;      /* [inputs][N][WIDEST] */
    atomic_uchar *seen; /* likewise: how often */
    size_t *next;       /* [inputs][WIDEST]: the position that a channel's next value must have */
    atomic_size_t out_of_order;
} record;

static void take(void *context, int thread, const observation *o) {
    record *r = context;
    (void)thread;
    for (size_t i = 0; i < o->channels; i++) {
        size_t *next = &r->next[o->input * WIDEST + o->channel + i];
        if (*next != o->position) atomic_fetch_add(&r->out_of_order, 1);
        *next = o->position + o->n;
        for (size_t t = 0; t < o->n; t++) {
            const size_t at = (o->input * N + o->position + t) * WIDEST + o->channel + i;
            r->values[at] = o->x[t * o->ld + i];
            atomic_fetch_add(&r->seen[at], 1);
        }
    }
}

static void record_open(record *r, const spec *s) {
    const size_t n = input_count(s) * N * WIDEST;
    *r = (record){.spec = s, .values = calloc(n, sizeof(float)), .seen = calloc(n, 1), .next = calloc(input_count(s) * WIDEST, sizeof(size_t))};
}

static void record_close(record *r) {
    free(r->values);
    free(r->seen);
    free(r->next);
}

static void check_complete(const record *r, const char *what) {
    cr_assert_eq(atomic_load(&r->out_of_order), 0, "%s", what);
    for (size_t in = 0; in < input_count(r->spec); in++) {
        for (size_t t = 0; t < N; t++) {
            for (size_t c = 0; c < WIDEST; c++) {
                const unsigned times = atomic_load(&r->seen[(in * N + t) * WIDEST + c]);
                cr_assert_eq(times, c < input_width(r->spec, in), "%s: input %zu, token %zu, channel %zu: %u times", what, in, t, c, times);
            }
        }
    }
}

static void watch(record *r, const model *m, session_options o, size_t call) {
    const observer watching = {take, r};
    error e = {0};
    session *s;
    int32_t ids[N];
    record_open(r, model_spec(m));
    tiny_ids(ids, N, model_spec(m)->vocab, 5);
    o.observer = &watching;
    cr_assert_eq(session_open(&s, m, &o, &e), OK, "%s", e.text);
    for (size_t done = 0; done < N; done += call) {
        cr_assert_eq(session_eval(s, ids + done, N - done < call ? N - done : call, NULL, &e), OK, "%s", e.text);
    }
    session_close(&s);
}

static model *open_model(spec s, const tiny *t) {
    model *m;
    error e = {0};
    tiny_write(folder_path("tiny.qbin"), &s, t);
    spec_free(&s);
    cr_assert_eq(model_open(&m, folder_path("tiny.qbin"), &e), OK, "%s", e.text);
    return m;
}

TestSuite(observer, .init = folder_open, .fini = folder_close, .timeout = 300);

static void same_for_all(const model *m) {
    static const struct {
        int threads;
        uint32_t batch;
        size_t call;
        const char *isa;
    } rows[] = {{1, 512, N, "scalar"}, {2, 512, N, NULL}, {3, 33, N, NULL}, {7, 64, 20, NULL}, {2, 1, N, NULL}, {3, 50, 1, NULL}};
    record first = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        record r;
        char what[64];
        snprintf(what, sizeof what, "%d threads, batch %u, calls of %zu", rows[i].threads, rows[i].batch, rows[i].call);
        watch(&r, m, (session_options){.threads = rows[i].threads, .batch = rows[i].batch, .isa = rows[i].isa}, rows[i].call);
        check_complete(&r, what);
        if (i == 0) {
            first = r;
            continue;
        }
        cr_assert(memcmp(r.values, first.values, input_count(r.spec) * N * WIDEST * sizeof(float)) == 0, "%s", what);
        record_close(&r);
    }
    record_close(&first);
}

Test(observer, sees_every_value_once_and_the_same_for_all_threads_and_batches) {
    model *m = open_model(tiny_spec(), &(tiny){.seed = 1});
    same_for_all(m);
    model_close(&m);
    m = open_model(tiny_spec_aligned(), &(tiny){.format = "q4", .other = "q8-b32", .seed = 2});
    same_for_all(m);
    model_close(&m);
}

/* The first input is the norm of the embedding; an output of a product that is an input of nothing else ties the others to each other through the logits. */
Test(observer, sees_the_norm_of_the_embedding_first) {
    model *m = open_model(tiny_spec(), &(tiny){.seed = 3});
    const spec *s = model_spec(m);
    const size_t k = s->hidden;
    record r;
    int32_t ids[N];
    float *x = malloc(k * sizeof *x);
    watch(&r, m, (session_options){.threads = 2}, N);
    tiny_ids(ids, N, s->vocab, 5);
    for (size_t t = 0; t < N; t++) {
        double square = 0;
        format_decode_row(&m->embed.w->format, &m->embed.w->layout, m->embed.w->data, (size_t)ids[t], k, x);
        for (size_t i = 0; i < k; i++) square += (double)x[i] * (double)x[i];
        const double by = 1 / sqrt(square / (double)k + (double)s->norm_eps);
        for (size_t i = 0; i < k; i++) {
            const double wanted = (double)x[i] * by * (double)m->layers[0].attn_norm.gain[i], got = (double)r.values[t * WIDEST + i];
            cr_assert_float_eq(got, wanted, 1e-5 * (1 + fabs(wanted)), "token %zu, channel %zu", t, i);
        }
    }
    free(x);
    record_close(&r);
    model_close(&m);
}

/* logits = head * (what is seen of its input) */
Test(observer, sees_what_the_output_layer_multiplies) {
    model *m = open_model(tiny_spec(), &(tiny){.seed = 4});
    const spec *s = model_spec(m);
    const size_t in = input_count(s) - 1, k = s->hidden;
    record r;
    record_open(&r, s);
    const observer watching = {take, &r};
    session *run;
    int32_t ids[N];
    tiny_ids(ids, N, s->vocab, 5);
    cr_assert_eq(session_open(&run, m, &(session_options){.observer = &watching, .threads = 2, .batch = 30}, NULL), OK);
    cr_assert_eq(session_eval(run, ids, N, NULL, NULL), OK);
    float *w = malloc(k * sizeof *w);
    for (size_t row = 0; row < s->vocab; row++) {
        double sum = 0;
        format_decode_row(&m->head.w->format, &m->head.w->layout, m->head.w->data, row, k, w);
        for (size_t i = 0; i < k; i++) sum += (double)w[i] * (double)r.values[(in * N + N - 1) * WIDEST + i];
        cr_assert_float_eq((double)session_logits(run)[row], sum, 1e-4 * (1 + fabs(sum)));
    }
    free(w);
    session_close(&run);
    record_close(&r);
    model_close(&m);
}

/* ---- stopping ---- */

static int asked, patience;

static bool stop_soon(void) {
    return asked++ >= patience;
}

Test(observer, a_session_stops_between_layers_and_goes_on) {
    model *m = open_model(tiny_spec(), &(tiny){.seed = 5});
    const size_t bytes = model_spec(m)->vocab * sizeof(float);
    session *s, *free_one;
    error e = {0};
    int32_t ids[N];
    tiny_ids(ids, N, model_spec(m)->vocab, 6);
    cr_assert_eq(session_open(&s, m, &(session_options){.threads = 3, .batch = 16, .stopped = stop_soon}, &e), OK, "%s", e.text);
    cr_assert_eq(session_open(&free_one, m, &(session_options){.threads = 2}, &e), OK, "%s", e.text);
    cr_assert_eq(session_eval(free_one, ids, N, NULL, &e), OK);
    for (patience = 0; patience < 9; patience++) {
        asked = 0;
        session_rewind(s, 0);
        cr_assert_eq(session_eval(s, ids, N, NULL, &e), E_INTERRUPT);
        cr_assert_eq(session_position(s), (size_t)patience / 2 * 16); /* three layers, the last of them only for the last token of all */
        asked = -1000;
        const size_t done = session_position(s);
        cr_assert_eq(session_eval(s, ids + done, N - done, NULL, &e), OK);
        cr_assert_arr_eq(session_logits(s), session_logits(free_one), bytes);
    }
    session_close(&s);
    session_close(&free_one);
    model_close(&m);
}

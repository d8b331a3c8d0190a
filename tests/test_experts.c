/* Layers with experts: what they compute, against the transformer in doubles; the same bits whatever the threads, the batch, the calls, the instruction set;
 * and that a token reads the weights of its own experts and no others. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernels/kernels.h"
#include "reference.h"
#include "tiny_run.h"

TestSuite(experts, .init = tiny_make_path, .fini = tiny_remove_path, .timeout = 600);

static void eight_of_which_two(spec *s) {
    s->n_experts = 8;
    s->experts_per_token = 2;
    s->expert_intermediate = 40;
    s->experts_normalized = true;
}
static void all_of_them(spec *s) {
    eight_of_which_two(s);
    s->experts_per_token = 8;
}
static void parts_of_a_softmax(spec *s) {
    eight_of_which_two(s);
    s->experts_per_token = 3;
    s->experts_normalized = false;
}
static void one_of_seventeen(spec *s) { /* more than a row group has */
    eight_of_which_two(s);
    s->n_experts = 17;
    s->experts_per_token = 1;
    s->experts_normalized = false;
}
static void biased_and_limited(spec *s) {
    eight_of_which_two(s);
    s->router_bias = s->expert_bias = true;
    s->activation = ACTIVATION_SWIGLU_SHIFTED;
    s->mlp_limit = 0.5f;
}
static void with_a_shared_one(spec *s) {
    eight_of_which_two(s);
    s->shared_intermediate = 100;
    s->shared_gate = true;
}
static void with_an_ungated_shared_one(spec *s) {
    eight_of_which_two(s);
    s->shared_intermediate = 24;
}
static void beside_dense_layers(spec *s) {
    with_a_shared_one(s);
    s->dense = calloc(s->layers, sizeof *s->dense);
    s->dense[0] = s->dense[2] = 1;
}
static void normalised_after(spec *s) {
    eight_of_which_two(s);
    s->norm_place = NORM_AFTER;
    s->residual_scale = 0.5f;
}
static void in_parallel(spec *s) {
    with_a_shared_one(s);
    s->residual = RESIDUAL_SHARED;
}

static const struct feature {
    const char *name;
    void (*set)(spec *s);
} features[] = {
    {"2 of 8", eight_of_which_two},
    {"8 of 8", all_of_them},
    {"parts of a softmax", parts_of_a_softmax},
    {"1 of 17", one_of_seventeen},
    {"biases and a limit", biased_and_limited},
    {"a shared one", with_a_shared_one},
    {"a shared one without a gate", with_an_ungated_shared_one},
    {"dense layers", beside_dense_layers},
    {"norms after", normalised_after},
    {"parallel", in_parallel},
};

enum { N = 70, LONG = 200 };

Test(experts, compute_what_they_mean) {
    for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
        spec s = tiny_spec();
        int32_t ids[N];
        tiny_ids(ids, N, s.vocab, 5);
        features[i].set(&s);
        model *m = tiny_open(&s, &(tiny){.seed = (uint32_t)i});
        const size_t n = (size_t)N * model_spec(m)->vocab;
        double *wanted = calloc(n, sizeof *wanted);
        reference_logits(m, ids, N, wanted);
        float *got = tiny_logits(m, &(session_options){.threads = 2, .batch = 33, .key_type = "f32", .value_type = "f32"}, ids, N, N);
        const double d = largest_distance(got, wanted, n);
        cr_expect(d <= 2e-5, "%s: differs by %g of the largest logit", features[i].name, d);
        free(got), free(wanted);
        model_close(&m);
    }
}

static void expect_same(const model *m, session_options o, const int32_t *ids, size_t call, const float *wanted, const char *what) {
    float *got = tiny_logits(m, &o, ids, LONG, call);
    cr_expect(memcmp(got, wanted, (size_t)LONG * model_spec(m)->vocab * sizeof *got) == 0, "%s: threads %d, batch %u, calls of %zu, %s", what,
              o.threads, o.batch, call, o.isa ? o.isa : "best");
    free(got);
}

/* Formats of every width, and activations in blocks and by whole tokens. */
Test(experts, same_bits_everywhere) {
    static const char *const formats[] = {"f32", "bf16", "q8", "q4", "km4", "ternary", "q8@token", "q4@b32"};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        spec s = tiny_spec_aligned();
        with_a_shared_one(&s);
        s.expert_intermediate = 192;
        s.shared_intermediate = 128;
        int32_t ids[LONG];
        tiny_ids(ids, LONG, s.vocab, 9);
        model *m = tiny_open(&s, &(tiny){.format = formats[i], .other = i % 2 ? "q6" : NULL, .seed = (uint32_t)i});
        session_options o = {.threads = 1, .batch = 512, .isa = "scalar"};
        float *wanted = tiny_logits(m, &o, ids, LONG, LONG);
        o.isa = NULL;
        expect_same(m, o, ids, 60, wanted, formats[i]);
        o.threads = 3, o.batch = 64;
        expect_same(m, o, ids, LONG, wanted, formats[i]);
        o.batch = 1;
        expect_same(m, o, ids, LONG, wanted, formats[i]);
        o.threads = 2, o.batch = 7;
        for (const kernels *const *k = kernel_tables; *k; k++) {
            const kernels *usable;
            if (kernels_choose(&usable, (*k)->name, NULL) != OK) continue;
            o.isa = (*k)->name;
            expect_same(m, o, ids, LONG, wanted, formats[i]);
        }
        free(wanted);
        model_close(&m);
    }
}

/* Equal scores: the first experts win. A router of zeros makes all of them equal, so that the others may be anything. */
Test(experts, the_first_of_equal_ones) {
    spec s = tiny_spec();
    eight_of_which_two(&s);
    int32_t ids[N];
    tiny_ids(ids, N, s.vocab, 5);
    model *m = tiny_open(&s, &(tiny){.seed = 3});
    for (uint32_t i = 0; i < model_spec(m)->layers; i++) {
        const tensor *t = m->layers[i].experts->router.w;
        uint8_t *data = (uint8_t *)(uintptr_t)t->data;
        const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)data & ~(page - 1);
        const size_t bytes = (uintptr_t)data + t->bytes - start;
        uint8_t *copy = malloc(bytes);
        memcpy(copy, (void *)start, bytes);
        cr_assert_neq(mmap((void *)start, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), MAP_FAILED);
        memcpy((void *)start, copy, bytes);
        memset(data, 0, t->bytes);
        free(copy);
    }
    const size_t n = (size_t)N * model_spec(m)->vocab;
    double *wanted = calloc(n, sizeof *wanted);
    reference_logits(m, ids, N, wanted);
    float *got = tiny_logits(m, &(session_options){.threads = 2}, ids, N, 13);
    cr_expect_leq(largest_distance(got, wanted, n), 2e-5);
    free(got), free(wanted);
    model_close(&m);
}

/* ---- which weights a token reads ---- */

/* The file's pages are closed; the first access to each opens it and is noted. */
static struct {
    uint8_t *start;
    size_t pages, page;
    atomic_uchar *touched; /* several threads may open the same page */
} watched;

static void note_page(int number, siginfo_t *info, void *context) {
    const uintptr_t at = (uintptr_t)info->si_addr, start = (uintptr_t)watched.start;
    (void)context;
    if (at < start || at >= start + watched.pages * watched.page) {
        signal(number, SIG_DFL);
        return;
    }
    const size_t i = (at - start) / watched.page;
    atomic_store_explicit(&watched.touched[i], 1, memory_order_relaxed);
    mprotect(watched.start + i * watched.page, watched.page, PROT_READ);
}

static void watch(const map *file) {
    struct sigaction action = {.sa_sigaction = note_page, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    watched.page = (size_t)sysconf(_SC_PAGESIZE);
    watched.start = (uint8_t *)(uintptr_t)file->data;
    watched.pages = (file->size + watched.page - 1) / watched.page;
    watched.touched = calloc(watched.pages, sizeof *watched.touched);
    cr_assert_eq(mprotect(watched.start, watched.pages * watched.page, PROT_NONE), 0);
}

static size_t unwatch(void) {
    size_t touched = 0;
    mprotect(watched.start, watched.pages * watched.page, PROT_READ);
    signal(SIGSEGV, SIG_DFL);
    for (size_t i = 0; i < watched.pages; i++) touched += watched.touched[i];
    return touched * watched.page;
}

/* Was a page read that belongs to this tensor alone? */
static bool was_read(const tensor *t) {
    const size_t begin = (size_t)(t->data - watched.start), end = begin + t->bytes;
    for (size_t i = (begin + watched.page - 1) / watched.page; (i + 1) * watched.page <= end; i++) {
        if (watched.touched[i]) return true;
    }
    return false;
}

/* Experts of a layer whose weights were read: all three matrices of each, or none. */
static size_t experts_read(const model *m, uint32_t at, uint64_t *bytes) {
    size_t n = 0;
    for (uint32_t i = 0; i < model_spec(m)->n_experts; i++) {
        const mlp_weights *x = &m->layers[at].experts->of[i];
        const bool gate = was_read(x->gate.w), up = was_read(x->up.w), down = was_read(x->down.w);
        cr_assert(gate == up && up == down, "layer %u, expert %u: gate %d, up %d, down %d", at, i, gate, up, down);
        n += gate;
        *bytes += gate ? x->gate.w->bytes + x->up.w->bytes + x->down.w->bytes : 0;
    }
    return n;
}

static void check_reads(const char *name, int threads) {
    spec s = tiny_spec_aligned();
    eight_of_which_two(&s);
    s.hidden = s.expert_intermediate = 256;
    int32_t ids[N];
    tiny_ids(ids, N, s.vocab, 9);
    model *m = tiny_open(&s, &(tiny){.format = name, .seed = 4});
    const spec *sp = model_spec(m);
    session *run;
    cr_assert_eq(session_open(&run, m, &(session_options){.threads = threads}, NULL), OK);
    cr_assert_eq(session_eval(run, ids, 9, NULL, NULL), OK);
    uint64_t experts = 0, others = m->file.map.size;
    for (uint32_t i = 0; i < sp->layers; i++) {
        for (uint32_t j = 0; j < sp->n_experts; j++) {
            const mlp_weights *x = &m->layers[i].experts->of[j];
            others -= x->gate.w->bytes + x->up.w->bytes + x->down.w->bytes;
        }
    }
    watch(&m->file.map);
    cr_assert_eq(session_eval(run, ids + 9, 1, NULL, NULL), OK);
    const size_t read = unwatch();
    for (uint32_t i = 0; i < sp->layers; i++) cr_expect_eq(experts_read(m, i, &experts), 2, "%s, layer %u", name, i);
    const size_t edges = 2 * watched.page * 3 * sp->experts_per_token * sp->layers; /* pages that begin or end with another tensor */
    cr_expect_leq(read, experts + others + edges, "%s: a token read %zu bytes", name, read);
    cr_expect_geq(read + edges, experts, "%s: a token read %zu bytes", name, read);
    free(watched.touched);

    /* Many tokens need more experts: the measure sees it. */
    size_t most = 0;
    watch(&m->file.map);
    cr_assert_eq(session_eval(run, ids + 10, N - 10, NULL, NULL), OK);
    unwatch();
    for (uint32_t i = 0; i < sp->layers; i++) {
        const size_t n = experts_read(m, i, &experts);
        most = n > most ? n : most;
    }
    cr_expect_gt(most, 2, "%s: %zu experts of a layer for %d tokens", name, most, N - 10);
    free(watched.touched);
    session_close(&run);
    model_close(&m);
}

Test(experts, a_token_reads_its_own_experts) {
    check_reads("q8", 1);
    check_reads("q4", 3);
    check_reads("f32", 2);
}

/* ---- what cannot be ---- */

static void no_observer(void *context, int thread, const observation *seen) {
    (void)context, (void)thread, (void)seen;
}

Test(experts, cannot_be_observed) {
    spec s = tiny_spec();
    eight_of_which_two(&s);
    model *m = tiny_open(&s, &(tiny){0});
    session *run;
    error e = {0};
    cr_assert_eq(session_open(&run, m, &(session_options){.threads = 1, .observer = &(observer){.take = no_observer}}, &e), E_RUN);
    cr_assert(strstr(e.text, "experts cannot be measured"), "%s", e.text);
    model_close(&m);
}

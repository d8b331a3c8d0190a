/* The token path allocates nothing: once a session and a sampler are made, evaluating and drawing never call the allocator. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/lookahead.h"
#include "engine/sampler.h"
#include "engine/session.h"
#include "tiny.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { COUNTED = 0 }; /* the sanitizers have an allocator of their own */
static atomic_size_t calls;
#else
enum { COUNTED = 1 };
static atomic_size_t calls;

/* These take the place of the C library's for the whole process. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t bytes);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);

void *malloc(size_t n) {
    atomic_fetch_add(&calls, 1);
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t bytes) {
    atomic_fetch_add(&calls, 1);
    return __libc_calloc(n, bytes);
}

void *realloc(void *p, size_t n) {
    atomic_fetch_add(&calls, 1);
    return __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n) {
    atomic_fetch_add(&calls, 1);
    return __libc_memalign(align, n);
}
#endif

static void ignore_row(void *context, size_t position, const float *logits) {
    (void)context, (void)position, (void)logits;
}

/* ids that repeat themselves, drawn anew where the sampler says so, with guesses. */
static status generate(lookahead *l, sampler *d) {
    status code = OK;
    for (int i = 0; i < 300 && code == OK; i++) {
        const int32_t drawn = sampler_draw(d, lookahead_logits(l));
        code = lookahead_take(l, i % 3 ? i % 20 : drawn, SIZE_MAX, NULL);
    }
    return code;
}

static size_t calls_of_a_generation(const char *path, const char *spelling, sampler_options options) {
    spec sp = tiny_spec_aligned();
    tiny_write(path, &sp, &(tiny){.format = spelling});
    spec_free(&sp);
    model *m;
    session *s;
    sampler *d;
    lookahead *l;
    cr_assert_eq(model_open(&m, path, NULL), OK);
    cr_assert_eq(session_open(&s, m, &(session_options){.threads = 2, .batch = 32}, NULL), OK);
    cr_assert_eq(sampler_open(&d, &options, model_spec(m)->vocab, model_spec(m)->vocab, NULL), OK);
    cr_assert_eq(lookahead_open(&l, s, model_spec(m)->vocab, true, NULL), OK);
    int32_t ids[100];
    tiny_ids(ids, 100, model_spec(m)->vocab, 1);
    const logits_sink sink = {.row = ignore_row};

    const size_t before = atomic_load(&calls);
    status code = session_eval(s, ids, 100, &sink, NULL);
    session_rewind(s, 0);
    if (code == OK) code = lookahead_prompt(l, ids, 100, NULL);
    if (code == OK) code = generate(l, d);
    const size_t after = atomic_load(&calls);

    cr_assert_eq(code, OK);
    cr_assert_gt(lookahead_count(l).guessed, 0);
    lookahead_close(&l);
    sampler_close(&d);
    session_close(&s);
    model_close(&m);
    return after - before;
}

Test(allocation, none_for_a_token) {
    if (!COUNTED) cr_skip_test("the sanitizers replace the allocator");
    char path[] = "/tmp/test_allocation.XXXXXX";
    const int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    cr_assert_gt(atomic_load(&calls), 0, "the count does not work");
    const sampler_options greedy = {.top_p = 1, .repeat_penalty = 1};
    const sampler_options all = {.temperature = 1, .top_k = 40, .top_p = 0.9f, .min_p = 0.05f, .repeat_penalty = 1.1f, .repeat_last = 64, .seed = 1};
    const size_t a = calls_of_a_generation(path, "q4", greedy), b = calls_of_a_generation(path, "f32", all);
    unlink(path);
    cr_assert(a == 0 && b == 0, "%zu and %zu calls", a, b);
}

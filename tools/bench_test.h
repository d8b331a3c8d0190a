/* bench_test.h: one test of a model's speed, under the names and keys of llama-bench: its session, its timed runs and its row. */
#ifndef QBIN_TOOLS_BENCH_TEST_H
#define QBIN_TOOLS_BENCH_TEST_H

#include "engine/session.h"
#include "tools/session_flags.h"
#include "tools/table.h"

typedef struct test { /* after `depth` tokens: `prompt` tokens at once, then `generate` tokens one by one */
    uint32_t prompt, generate, depth, threads;
} test;

enum { TEST_NAME = 80, TEST_REPETITIONS = 100 };

/* "pp512", "tg128 @ d4096", "pp512+tg128" */
void test_name(const test *t, char name[TEST_NAME]);

typedef struct samples {
    size_t n;
    double seconds[TEST_REPETITIONS], speed[TEST_REPETITIONS]; /* tokens per second */
} samples;

typedef struct timed_test {
    const test *test;
    session *session;
    int32_t *ids; /* any */
} timed_test;

/* The session stands at the test's depth then. `steps` counts its time, or is NULL. Close it in any case. */
status timed_test_open(timed_test *t, const model *m, const test *what, const session_flags *flags, profile *steps, error *e);
void timed_test_close(timed_test *t);

/* What llama-bench runs before it looks at the clock: the prompt, and one token if there are any to generate. */
status timed_test_warm(timed_test *t, error *e);

/* Adds a sample. */
status timed_test_run(timed_test *t, samples *out, error *e);

/* Keys and values of llama-bench for a test that was run. */
json_t *test_row(const char *path, const model *m, const session_flags *flags, const timed_test *t, const samples *got);
void row_samples(json_t *row, const char *key, const double *x, size_t n, double scale);

#endif

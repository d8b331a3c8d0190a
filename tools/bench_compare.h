/* bench_compare.h: tests of our models beside llama-bench with a model of its own: both run in turn, round by round, and what counts is the ratio of the
 * speeds of each round. A machine that others use too is as slow for one as for the other. */
#ifndef QBIN_TOOLS_BENCH_COMPARE_H
#define QBIN_TOOLS_BENCH_COMPARE_H

#include "tools/bench_test.h"
#include "tools/peer.h"

typedef struct compare_wish {
    char program[PEER_PATH];
    const text_list *flags; /* sets of more options of the peer; for each test the fastest one by its median counts; none: COMPARE_FLAGS */
    size_t rounds;          /* <= TEST_REPETITIONS */
    bool quiet;
    const session_flags *session;
} compare_wish;

enum { COMPARE_SETS = 8 }; /* of flags, at most */
#define COMPARE_FLAGS "-fa 1"

extern const table_column compare_columns[];

/* Prints the row of one test of one pair: the median of the ratios, the lowest, the highest; for tests that only generate also the share of the read
 * bandwidth, which is measured before and after. */
status compare_test(table *out, const compare_wish *wish, const char *path, const model *m, const char *peer_model, const test *t, error *e);

#endif

/* bench_profile.h: where the time of each test of a model goes, as rows. */
#ifndef QBIN_TOOLS_BENCH_PROFILE_H
#define QBIN_TOOLS_BENCH_PROFILE_H

#include "tools/bench_test.h"

extern const table_column profile_columns[];

/* A row for each step, means of the repetitions. */
status profile_test(table *out, const char *path, const model *m, const test *what, const session_flags *flags, size_t repetitions, error *e);

#endif

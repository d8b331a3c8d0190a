/* peer.h: llama-bench, run as a program of its own. Owns starting it, waiting for it and reading its answer; how it measures is its business. */
#ifndef QBIN_TOOLS_PEER_H
#define QBIN_TOOLS_PEER_H

#include <stdint.h>

#include "tools/bench_test.h"

enum { PEER_PATH = 1024 };

typedef struct peer_answer {
    double speed;  /* tokens per second */
    uint64_t size; /* bytes of the model */
    char type[96], build[48];
} peer_answer;

/* FOLDER/llama-bench or FOLDER/bin/llama-bench; E_FILE if neither is a program. */
status peer_find(char program[PEER_PATH], const char *folder, error *e);

/* Runs one test once. `flags` are more options of the peer, separated by spaces. E_RUN in one line if it cannot be started, fails (with the last line that
 * it says) or answers what is no result of this test; E_INTERRUPT, and the peer is ended, if a signal has come. */
status peer_run(peer_answer *out, const char *program, const char *file, const test *t, int threads, const char *flags, error *e);

#endif

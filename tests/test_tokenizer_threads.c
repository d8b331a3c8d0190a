/* One tokenizer, many threads: each gets what it would get alone. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "load_tokenizer.h"

enum { THREADS = 4, ROUNDS = 300 };

static const char *const texts[] = {"The river follows.", "int node_read(int i)", "1234 \xe4\xb8\xad\xe6\x96\x87  x", "a  b\n\n c", "Don't!"};
enum { TEXTS = sizeof texts / sizeof texts[0] };

static loaded l;
static id_list expected[TEXTS];

static void *work(void *argument) {
    size_t wrong = 0;
    for (size_t i = 0; i < ROUNDS; i++) {
        const size_t k = (i + *(const size_t *)argument) % TEXTS;
        id_list ids = {0};
        const status s = tokenizer_encode(l.t, texts[k], strlen(texts[k]), 0, &ids, NULL);
        wrong += s != OK || ids.n != expected[k].n || memcmp(ids.ids, expected[k].ids, ids.n * sizeof *ids.ids) != 0;
        free(ids.ids);
    }
    return (void *)wrong;
}

Test(tokenizer_threads, encode_together, .timeout = 60) {
    static const char *const folders[] = {"tests/data/tokenizers/deepseek-style", "tests/data/tokenizers/gemma-style"};
    for (size_t f = 0; f < 2; f++) {
        pthread_t threads[THREADS];
        size_t first[THREADS];
        cr_assert(load_tokenizer(&l, folders[f]));
        for (size_t i = 0; i < TEXTS; i++) expected[i] = encode_text(l.t, texts[i], strlen(texts[i]), 0);
        for (size_t i = 0; i < THREADS; i++) {
            first[i] = i;
            cr_assert_eq(pthread_create(&threads[i], NULL, work, &first[i]), 0);
        }
        for (size_t i = 0; i < THREADS; i++) {
            void *wrong;
            pthread_join(threads[i], &wrong);
            cr_expect_null(wrong);
        }
        for (size_t i = 0; i < TEXTS; i++) free(expected[i].ids);
        unload_tokenizer(&l);
    }
}

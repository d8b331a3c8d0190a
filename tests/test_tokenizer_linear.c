/* What four times the text costs, counted in instructions of the processor where the system lets a program count its own, else in processor time. A text
 * without a boundary is one word to some tokenizers. */
#include <criterion/criterion.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "load_tokenizer.h"

/* Twice the text may cost 2.2 times as much (n log n of the heap makes 2.05 of it), so four times 4.84. Anything quadratic makes 16. In time a large text that
 * leaves the caches costs more. */
enum { SMALL = 1 << 16, LARGE = 4 * SMALL };
#define COUNTED_MOST 4.84
#define TIMED_MOST   9.0

static int open_counter(void) {
    struct perf_event_attr what = {
        .type = PERF_TYPE_HARDWARE, .size = sizeof what, .config = PERF_COUNT_HW_INSTRUCTIONS, .exclude_kernel = 1, .exclude_hv = 1};
    return (int)syscall(SYS_perf_event_open, &what, 0, -1, -1, 0);
}

/* Instructions so far, or nanoseconds without a counter. */
static double spent(int counter) {
    uint64_t n = 0;
    struct timespec t;
    if (counter >= 0) return read(counter, &n, sizeof n) == (ssize_t)sizeof n ? (double)n : 0;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* The least of several encodings: the first also makes room. */
static double cost(const tokenizer *t, const char *text, size_t n, int counter) {
    double least = 0;
    for (int i = 0; i < 3; i++) {
        const double before = spent(counter);
        id_list ids = encode_text(t, text, n, 0);
        const double took = spent(counter) - before;
        free(ids.ids);
        if (i == 0 || took < least) least = took;
    }
    return least;
}

/* Time is disturbed by what else runs, never made better by it: one try of several within the limit shows it. */
static void expect_linear(const tokenizer *t, const char *name, const char *what, const char *text) {
    const int counter = open_counter();
    const double most = counter >= 0 ? COUNTED_MOST : TIMED_MOST;
    double ratio = 0;
    for (int i = 0; i < 5 && (i == 0 || ratio > most); i++) ratio = cost(t, text, LARGE, counter) / cost(t, text, SMALL, counter);
    cr_expect_leq(ratio, most, "%s, %s: four times the text costs %.2f times as much", name, what, ratio);
    if (counter >= 0) close(counter);
}

/* Text in the order of a generator, of letters that the caller names, so that words are cut in no regular way. */
static char *shuffled(const char *const *parts, size_t n_parts) {
    char *text = malloc(LARGE + 64);
    uint64_t state = 7;
    for (size_t n = 0; n < LARGE;) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const char *part = parts[(state >> 40) % n_parts];
        memcpy(text + n, part, strlen(part));
        n += strlen(part);
    }
    return text;
}

static void check_folder(const char *folder) {
    static const char *const words[] = {"the", "river", "follows", "garden", "ing", "er", "a", "s", "qu", "don't"};
    static const char *const sentence[] = {"The ", "river ", "follows ", "the ", "old ", "garden. ", "12 ", "caf\xc3\xa9 ", "\n"};
    static const char *const same[] = {"a"}, *const spaces[] = {" "};
    static const struct {
        const char *name;
        const char *const *parts;
        size_t n;
    } texts[] = {{"one word", words, 10}, {"sentences", sentence, 9}, {"one letter", same, 1}, {"spaces", spaces, 1}};
    loaded l;
    if (getenv("QUICK")) cr_skip_test("a sanitizer's memmem checks all that follows, each time");
    if (!load_tokenizer(&l, folder)) cr_skip_test("%s is not there", folder);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char *text = shuffled(texts[i].parts, texts[i].n);
        expect_linear(l.t, folder, texts[i].name, text);
        free(text);
    }
    unload_tokenizer(&l);
}

Test(tokenizer_linear, small, .timeout = 120) {
    static const char *const names[] = {"gemma-style", "sentencepiece-bpe", "metaspace-first", "bytelevel-llama3",
                                        "unigram",     "unigram-charsmap",  "wordpiece-bert"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char folder[256];
        snprintf(folder, sizeof folder, "tests/data/tokenizers/%s", names[i]);
        check_folder(folder);
    }
}

/* The vocabulary in which a whole text is one word. */
Test(tokenizer_linear, gemma3, .timeout = 120) {
    const char *folder = shared_path("tokenizers/gemma3");
    if (!folder) cr_skip_test("tokenizers/gemma3 is not there");
    char copy[256];
    snprintf(copy, sizeof copy, "%s", folder);
    check_folder(copy);
}

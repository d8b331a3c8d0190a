/* Whole models against logits that an independent implementation recorded (float32 transformers): converted by the real program, evaluated by the engine.
 * The models are third-party data beside the repository. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/session.h"
#include "kernels/kernels.h"

static char file[64];

static void make_file(void) {
    strcpy(file, "/tmp/test_fixtures.XXXXXX");
    const int fd = mkstemp(file);
    cr_assert_geq(fd, 0);
    close(fd);
}

static void remove_file(void) {
    unlink(file);
}

TestSuite(fixtures, .init = make_file, .fini = remove_file, .timeout = 600);

static model *convert_and_open(const char *folder, const char *spelling) {
    const char *bin = getenv("BIN");
    char command[512];
    snprintf(command, sizeof command, "%s/qbin convert '%s' %s --no-tokenizer --force --quiet -o %s", bin ? bin : "build/bin", folder, spelling,
             file);
    cr_assert_eq(system(command), 0, "%s", command);
    model *m;
    error e = {0};
    cr_assert_eq(model_open(&m, file, &e), OK, "%s", e.text);
    return m;
}

typedef struct expected {
    json_t *json;
    float *logits; /* of both prompts */
    size_t bytes;
} expected;

static expected load_expected(const char *folder) {
    char path[256];
    expected x;
    snprintf(path, sizeof path, "%s/expected.json", folder);
    x.json = json_load_file(path, 0, NULL);
    cr_assert_not_null(x.json, "%s", path);
    snprintf(path, sizeof path, "%s/logits.f32", folder);
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "%s", path);
    fseek(f, 0, SEEK_END);
    x.bytes = (size_t)ftell(f);
    rewind(f);
    x.logits = malloc(x.bytes);
    cr_assert_eq(fread(x.logits, 1, x.bytes, f), x.bytes);
    fclose(f);
    return x;
}

static void free_expected(expected *x) {
    json_decref(x->json);
    free(x->logits);
}

static size_t read_ids(const json_t *list, int32_t *ids, size_t room) {
    const size_t n = json_array_size(list);
    cr_assert_leq(n, room);
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return n;
}

typedef struct comparison {
    const float *wanted;
    size_t vocab;
    double worst;
    float *got; /* as wanted */
} comparison;

static void compare_row(void *context, size_t position, const float *logits) {
    comparison *c = context;
    memcpy(c->got + position * c->vocab, logits, c->vocab * sizeof *logits);
}

static size_t best_of(const float *logits, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++) best = logits[i] > logits[best] ? i : best;
    return best;
}

enum { IDS = 256 };

/* Logits of both prompts, then the greedy continuation of the second. */
static void check_model(const model *m, const expected *x, const session_options *o, double tolerance, const char *name) {
    const size_t vocab = model_spec(m)->vocab;
    const double most = json_number_value(json_object_get(x->json, "max_abs_logit"));
    const json_t *prompts = json_object_get(x->json, "ids");
    const float *wanted = x->logits;
    int32_t ids[IDS], greedy[IDS];
    session *s = NULL;
    for (size_t p = 0; p < json_array_size(prompts); p++) {
        session_close(&s);
        error e = {0};
        cr_assert_eq(session_open(&s, m, o, &e), OK, "%s: %s", name, e.text);
        const size_t n = read_ids(json_array_get(prompts, p), ids, IDS);
        comparison c = {.wanted = wanted, .vocab = vocab, .got = calloc(n * vocab, sizeof(float))};
        cr_assert_eq(session_eval(s, ids, n, &(logits_sink){.row = compare_row, .context = &c}, &e), OK, "%s: %s", name, e.text);
        for (size_t i = 0; i < n * vocab; i++) {
            const double d = fabs((double)c.got[i] - (double)wanted[i]) / most;
            cr_assert(d <= tolerance, "%s: prompt %zu, position %zu, id %zu: %g for %g", name, p, i / vocab, i % vocab, (double)c.got[i],
                      (double)wanted[i]);
        }
        wanted += n * vocab;
        free(c.got);
    }
    const size_t n = read_ids(json_object_get(x->json, "greedy"), greedy, IDS);
    for (size_t i = 0; i < n; i++) {
        const int32_t id = (int32_t)best_of(session_logits(s), vocab);
        cr_assert_eq(id, greedy[i], "%s: greedy id %zu is %d, not %d", name, i, id, greedy[i]);
        cr_assert_eq(session_eval(s, &id, 1, NULL, NULL), OK);
    }
    session_close(&s);
}

/* The reference itself is within 1e-5 of float64. */
static void check_folder(const char *folder) {
    if (access(folder, R_OK) != 0) cr_skip_test("%s is not there", folder);
    expected x = load_expected(folder);
    model *m = convert_and_open(folder, "f32");
    for (const kernels *const *k = kernel_tables; *k; k++) {
        const kernels *usable;
        if (kernels_choose(&usable, (*k)->name, NULL) != OK) continue;
        check_model(m, &x, &(session_options){.threads = 2, .isa = (*k)->name}, 5e-5, folder);
    }
    check_model(m, &x, &(session_options){.threads = 1, .key_type = "f16", .value_type = "f16"}, 5e-3, folder);
    model_close(&m);
    free_expected(&x);
}

#define FIXTURE(test, name)                              \
    Test(fixtures, test) {                               \
        check_folder("../shared/fixtures/models/" name); \
    }

FIXTURE(llama2, "llama2")
FIXTURE(llama3, "llama3")
FIXTURE(llama_bias, "llama-bias")
FIXTURE(llama_sharded, "llama-sharded")
FIXTURE(llama_linear, "llama-linear")
FIXTURE(llama_yarn, "llama-yarn")
FIXTURE(llama_extra, "llama-extra")
FIXTURE(mistral, "mistral")

#define STORIES "../shared/models/stories260K"

Test(fixtures, stories260K) {
    check_folder(STORIES);
}

/* K = 172 and 64: nothing falls back to another format. */
Test(fixtures, stories260K_runs_in_every_format) {
    if (access(STORIES, R_OK) != 0) cr_skip_test(STORIES " is not there");
    expected x = load_expected(STORIES);
    int32_t ids[IDS];
    const size_t n = read_ids(json_array_get(json_object_get(x.json, "ids"), 0), ids, IDS);
    static const double least[] = {[1] = 0.1, [2] = 0.3, [3] = 0.85, [4] = 0.95, [5] = 0.98, [6] = 0.98, [8] = 0.99, [16] = 0.999, [32] = 0.999};
    for (const format_entry *f = format_list; f->name; f++) {
        format descriptor;
        cr_assert_eq(format_parse(&descriptor, f->name, NULL), OK);
        model *m = convert_and_open(STORIES, f->name);
        session *s;
        cr_assert_eq(session_open(&s, m, &(session_options){.threads = 2}, NULL), OK);
        cr_assert_eq(session_eval(s, ids, n, NULL, NULL), OK);
        const float *logits = session_logits(s), *wanted = x.logits + (n - 1) * model_spec(m)->vocab;
        double dot = 0, a = 0, b = 0;
        for (size_t i = 0; i < model_spec(m)->vocab; i++) {
            dot += (double)logits[i] * (double)wanted[i];
            a += (double)logits[i] * (double)logits[i];
            b += (double)wanted[i] * (double)wanted[i];
        }
        cr_expect_gt(dot / sqrt(a * b), least[descriptor.bits], "%s: the cosine of the logits is %g", f->name, dot / sqrt(a * b));
        session_close(&s);
        model_close(&m);
    }
    free_expected(&x);
}

/* Whole models against logits that an independent implementation recorded (float32 transformers): converted by the real program, evaluated by the engine.
 * The models are third-party data beside the repository. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/session.h"
#include "files.h"
#include "kernels/kernels.h"
#include "models/arch.h"

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

typedef struct kept_rows {
    float *got;
    size_t vocab;
} kept_rows;

static void keep_row(void *context, size_t position, const float *logits) {
    const kept_rows *r = context;
    memcpy(r->got + position * r->vocab, logits, r->vocab * sizeof *logits);
}

static size_t best_of(const float *logits, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++) best = logits[i] > logits[best] ? i : best;
    return best;
}

enum { IDS = 256 };

/* The reference chooses between tables for short and for long texts by the length of each; a session by its context. */
static session *session_for(const model *m, const session_options *o, size_t length, const char *name) {
    session_options mine = *o;
    session *s;
    error e = {0};
    if (length <= model_spec(m)->rope_original) mine.context = model_spec(m)->rope_original;
    cr_assert_eq(session_open(&s, m, &mine, &e), OK, "%s: %s", name, e.text);
    return s;
}

/* The logits of both prompts, one after the other; *last is the session after the second, if it is wanted. To be freed. */
static float *logits_of(const model *m, const expected *x, const session_options *o, session **last, const char *name) {
    const size_t vocab = model_spec(m)->vocab, more = json_array_size(json_object_get(x->json, "greedy"));
    const json_t *prompts = json_object_get(x->json, "ids");
    float *all = malloc(x->bytes), *at = all;
    int32_t ids[IDS];
    for (size_t p = 0; p < json_array_size(prompts); p++) {
        const bool ends = p + 1 == json_array_size(prompts);
        const size_t n = read_ids(json_array_get(prompts, p), ids, IDS);
        error e = {0};
        session *s = session_for(m, o, ends ? n + more : n, name);
        cr_assert_leq((size_t)(at - all) + n * vocab, x->bytes / sizeof *all, "%s", name);
        cr_assert_eq(session_eval(s, ids, n, &(logits_sink){.row = keep_row, .context = &(kept_rows){at, vocab}}, &e), OK, "%s: %s", name, e.text);
        at += n * vocab;
        if (ends && last) *last = s;
        if (!ends || !last) session_close(&s);
    }
    return all;
}

/* max|a - b| of the logits by max|b| */
static double difference(const expected *x, const float *got) {
    const double most = json_number_value(json_object_get(x->json, "max_abs_logit"));
    double worst = 0;
    for (size_t i = 0; i < x->bytes / sizeof *got; i++) {
        const double d = fabs((double)got[i] - (double)x->logits[i]) / most;
        worst = isnan(d) ? INFINITY : fmax(worst, d);
    }
    return worst;
}

/* Logits of both prompts, then the greedy continuation of the second. */
static double check_model(const model *m, const expected *x, const session_options *o, double tolerance, const char *name) {
    int32_t greedy[IDS];
    session *s;
    float *got = logits_of(m, x, o, &s, name);
    const double d = difference(x, got);
    cr_expect(d <= tolerance, "%s: logits differ by %g of the largest", name, d);
    const size_t n = read_ids(json_object_get(x->json, "greedy"), greedy, IDS);
    for (size_t i = 0; i < n; i++) {
        const int32_t id = (int32_t)best_of(session_logits(s), model_spec(m)->vocab);
        cr_expect_eq(id, greedy[i], "%s: greedy id %zu is %d, not %d", name, i, id, greedy[i]);
        if (id != greedy[i] || session_eval(s, &id, 1, NULL, NULL) != OK) break;
    }
    session_close(&s);
    free(got);
    return d;
}

/* Of one position, each row's mean taken off; `all` sums over positions. */
typedef struct angle {
    double dot, a2, b2;
} angle;

static double row_cosine(const float *a, const float *b, size_t n, angle *all) {
    double mean_a = 0, mean_b = 0;
    angle row = {0};
    for (size_t i = 0; i < n; i++) mean_a += (double)a[i] / (double)n, mean_b += (double)b[i] / (double)n;
    for (size_t i = 0; i < n; i++) {
        const double p = (double)a[i] - mean_a, q = (double)b[i] - mean_b;
        row.dot += p * q, row.a2 += p * p, row.b2 += q * q;
    }
    all->dot += row.dot, all->a2 += row.a2, all->b2 += row.b2;
    return row.dot / sqrt(row.a2 * row.b2);
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of all positions together; *middle is the middle one of them. */
static double cosine(const expected *x, const float *got, size_t vocab, double *middle) {
    const size_t rows = x->bytes / sizeof *got / vocab;
    double *each = calloc(rows, sizeof *each);
    angle all = {0};
    for (size_t r = 0; r < rows; r++) each[r] = row_cosine(x->logits + r * vocab, got + r * vocab, vocab, &all);
    qsort(each, rows, sizeof *each, by_value);
    *middle = each[rows / 2];
    free(each);
    return all.dot / sqrt(all.a2 * all.b2);
}

/* ---- every model ---- */

/* What coded weights may cost the random models beside the repository; logits that had nothing to do with the reference would have a cosine below 0.05. */
static const struct coding {
    const char *name;
    double least; /* cosine of the logits */
} codings[] = {{"q8", 0.993}, {"q4", 0.75}, {"km4", 0.75}, {"ternary", 0.2}};
enum { CODINGS = sizeof codings / sizeof *codings };

typedef struct outcome {
    double exact, half, coded[CODINGS];
} outcome;

static void check_codings(const char *folder, const expected *x, bool bounded, outcome *out) {
    for (size_t i = 0; i < CODINGS; i++) {
        model *m = convert_and_open(folder, codings[i].name);
        float *got = logits_of(m, x, &(session_options){.threads = 2}, NULL, folder);
        double middle;
        out->coded[i] = cosine(x, got, model_spec(m)->vocab, &middle);
        /* Where a token has got another expert than it should, its logits are others; that must be rare. */
        const double met = model_spec(m)->n_experts ? middle : out->coded[i];
        cr_expect(!bounded || met >= codings[i].least, "%s in %s: a cosine of %g", folder, codings[i].name, met);
        for (size_t t = 0; t < m->file.n_tensors; t++) {
            const tensor *w = &m->file.tensors[t];
            const bool router = strstr(w->name, ".router"); /* it only chooses, and stays f32 */
            cr_expect(w->ndim == 1 || router || !w->format.family->plain, "%s in %s: %s is not coded", folder, codings[i].name, w->name);
        }
        free(got);
        model_close(&m);
    }
}

/* The reference itself is within 1e-5 of float64. */
static outcome check_folder(const char *folder, bool coded, bool bounded) {
    outcome out = {0};
    if (access(folder, R_OK) != 0) cr_skip_test("%s is not there", folder);
    expected x = load_expected(folder);
    model *m = convert_and_open(folder, "f32");
    for (const kernels *const *k = kernel_tables; *k; k++) {
        const kernels *usable;
        if (kernels_choose(&usable, (*k)->name, NULL) != OK) continue;
        out.exact = fmax(out.exact, check_model(m, &x, &(session_options){.threads = 2, .isa = (*k)->name}, 1e-5, folder));
    }
    out.half = check_model(m, &x, &(session_options){.threads = 1, .key_type = "f16", .value_type = "f16"}, 5e-3, folder);
    model_close(&m);
    if (coded) check_codings(folder, &x, bounded, &out);
    free_expected(&x);
    return out;
}

static const arch *arch_of(const char *folder) {
    char path[600];
    snprintf(path, sizeof path, "%s/config.json", folder);
    json_t *root = json_load_file(path, 0, NULL);
    const char *type = json_string_value(json_object_get(root, "model_type"));
    const arch *found = NULL;
    for (size_t i = 0; type && archs[i]; i++) found = strcmp(archs[i]->model_type, type) == 0 ? archs[i] : found;
    json_decref(root);
    return found;
}

static const char table_head[] =
    "# Models\n\n"
    "Written by `make models-table` from the tests. Each row is a small random model of the architecture, made by an independent implementation\n"
    "(transformers, in float32), which also gave its logits: 55 positions of two prompts, and 16 greedy tokens, which are equal.\n\n"
    "- **f32**: the largest difference of a logit, as a part of the largest logit, of the file converted to `f32`. The greatest of all instruction "
    "sets, which\n"
    "  give the same bits. **f16 cache**: the same with keys and values in 16 bits.\n"
    "- **q8 ... ternary**: the cosine between the logits of the file converted to that format and the reference, 1 if they are alike. Weights of "
    "these "
    "models are random,\n"
    "  so that few bits cost far more than they do with trained ones: it shows that every matrix runs in every format, not what a format costs.\n\n";

static void write_table_head(FILE *out) {
    fprintf(out, "%s| architecture | models | compared with | f32 | f16 cache |", table_head);
    for (size_t i = 0; i < CODINGS; i++) fprintf(out, " %s |", codings[i].name);
    fprintf(out, "\n|---|---|---|---|---|");
    for (size_t i = 0; i < CODINGS; i++) fprintf(out, "---|");
    fprintf(out, "\n");
}

static void write_table_row(FILE *out, const arch *a, const char *name, const outcome *o) {
    fprintf(out, "| %s | %s | %s | %.1e | %.1e |", a->model_type, a->summary, name, o->exact, o->half);
    for (size_t i = 0; i < CODINGS; i++) fprintf(out, " %.4f |", o->coded[i]);
    fprintf(out, "\n");
}

/* The models of a folder whose architecture is in the list; how many they are. */
static size_t check_models(const char *models, FILE *table, bool bounded) {
    struct dirent **entries;
    size_t checked = 0;
    const int n = scandir(models, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char folder[512];
        snprintf(folder, sizeof folder, "%s/%s", models, entries[i]->d_name);
        const arch *a = entries[i]->d_name[0] == '.' ? NULL : arch_of(folder);
        if (a) {
            const outcome o = check_folder(folder, true, bounded);
            if (table) write_table_row(table, a, entries[i]->d_name, &o);
            checked++;
        }
        free(entries[i]);
    }
    if (n >= 0) free(entries);
    return checked;
}

/* Those in the repository and beside it, or those of the folder MODELS. MODELS_TABLE=FILE writes what docs/models.md is. */
Test(fixtures, every_model) {
    const char *other = getenv("MODELS"), *beside = "../shared/fixtures/models", *file_name = getenv("MODELS_TABLE");
    FILE *table = file_name ? fopen(file_name, "w") : NULL;
    if (table) write_table_head(table);
    if (other) {
        cr_assert_geq(check_models(other, table, false), 1);
    } else {
        const size_t wanted_beside = access(beside, R_OK) == 0 ? 20 : 0;
        cr_assert_geq(check_models(beside, table, true), wanted_beside);
        cr_assert_geq(check_models("tests/data/models", table, true), 6);
    }
    if (table) fclose(table);
}

/* The page knows all of the list. */
Test(fixtures, the_page_names_every_architecture) {
    size_t bytes;
    char *page = (char *)file_read("docs/models.md", &bytes);
    for (size_t i = 0; archs[i]; i++) {
        char row[64];
        snprintf(row, sizeof row, "\n| %s |", archs[i]->model_type);
        cr_expect(memmem(page, bytes, row, strlen(row)), "docs/models.md does not name %s: make models-table", archs[i]->model_type);
    }
    free(page);
}

#define STORIES "../shared/models/stories260K"

Test(fixtures, stories260K) {
    check_folder(STORIES, false, false);
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
        const float *logits = session_logits(s), *reference = x.logits + (n - 1) * model_spec(m)->vocab;
        double dot = 0, a = 0, b = 0;
        for (size_t i = 0; i < model_spec(m)->vocab; i++) {
            dot += (double)logits[i] * (double)reference[i];
            a += (double)logits[i] * (double)logits[i];
            b += (double)reference[i] * (double)reference[i];
        }
        cr_expect_gt(dot / sqrt(a * b), least[descriptor.bits], "%s: the cosine of the logits is %g", f->name, dot / sqrt(a * b));
        session_close(&s);
        model_close(&m);
    }
    free_expected(&x);
}

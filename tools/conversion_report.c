#include "tools/conversion_report.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/version.h"

enum { WORST = 10 };

static uint64_t weights_of(const qbin_entry *t) {
    return t->rows * t->k;
}

/* ---- totals ---- */

typedef struct totals {
    char format[FORMAT_NAME]; /* of all of them */
    bool vectors;
    uint64_t n, weights, in, out;
    double missed, weighted, clipped, seconds; /* the first three: sums of shares * weights */
} totals;

static void add(totals *t, const conversion *c, size_t i) {
    const quantize_result *r = &c->todo[i].result;
    const double weights = (double)weights_of(&c->entries[i]);
    t->n++;
    t->weights += weights_of(&c->entries[i]);
    t->in += c->todo[i].from.read ? c->todo[i].from.bytes : 0;
    t->out += c->entries[i].bytes;
    t->missed += r->error * weights;
    t->weighted += r->weighted * weights;
    t->clipped += r->clipped * weights;
    t->seconds += r->seconds;
}

static totals total(const conversion *c) {
    totals all = {.format = "all"};
    for (size_t i = 0; i < c->n; i++) add(&all, c, i);
    return all;
}

/* One row for each format in the order of its first tensor; NULL without memory. Free it. */
static totals *by_format(const conversion *c, size_t *n) {
    totals *rows = calloc(c->n + 1, sizeof *rows);
    *n = 0;
    for (size_t i = 0; rows && i < c->n; i++) {
        char name[FORMAT_NAME];
        const bool vectors = c->entries[i].ndim == 1;
        size_t row = 0;
        format_name(&c->entries[i].format, name);
        while (row < *n && (strcmp(rows[row].format, name) || rows[row].vectors != vectors)) row++;
        if (row == *n) {
            strcpy(rows[(*n)++].format, name);
            rows[row].vectors = vectors;
        }
        add(&rows[row], c, i);
    }
    return rows;
}

static double mean(double sum, const totals *t) {
    return t->weights ? sum / (double)t->weights : 0;
}

static double bits(uint64_t bytes, uint64_t weights) {
    return weights ? 8 * (double)bytes / (double)weights : 0;
}

/* The tensors that miss most, the worst first; how many. By the weighted error, which is the plain one where nothing is known of the inputs. */
static size_t find_worst(const conversion *c, size_t worst[WORST]) {
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (!(c->todo[i].result.weighted > 0)) continue;
        size_t at = n < WORST ? n++ : WORST;
        for (; at > 0 && c->todo[worst[at - 1]].result.weighted < c->todo[i].result.weighted; at--) {
            if (at < WORST) worst[at] = worst[at - 1];
        }
        if (at < WORST) worst[at] = i;
    }
    return n;
}

/* ---- on the terminal ---- */

static void shape_of(const qbin_entry *t, char text[48]) {
    snprintf(text, 48, t->ndim == 1 ? "%" PRIu64 : "%" PRIu64 " x %" PRIu64, t->rows, t->k);
}

void report_plan(FILE *out, const conversion *c) {
    for (size_t i = 0; i < c->n; i++) {
        const qbin_entry *t = &c->entries[i];
        char spelling[FORMAT_NAME], shape[48];
        format_name(&t->format, spelling);
        shape_of(t, shape);
        fprintf(out, "%-28s %-10s %18s %14" PRIu64 " bytes\n", t->name, spelling, shape, t->bytes);
    }
    const totals all = total(c);
    fprintf(out, "%-28s %-10s %18s %14zu bytes\n", "metadata", "json", "", c->meta_bytes);
    fprintf(out, "%-28s %-10s %18s %14zu bytes\n", "tokenizer", "tables", "", c->tokens_bytes);
    fprintf(out, "%s: %" PRIu64 " bytes, %.3f bits per weight (%" PRIu64 " weights)\n", c->output, c->file_bytes, bits(c->file_bytes, all.weights),
            all.weights);
}

static void print_worst(FILE *out, const conversion *c) {
    size_t worst[WORST];
    const size_t n = find_worst(c, worst);
    if (n) fprintf(out, "  worst first:%33s %10s %8s\n", "error", "weighted", "clipped");
    for (size_t i = 0; i < n; i++) {
        const quantize_result *r = &c->todo[worst[i]].result;
        char spelling[FORMAT_NAME];
        format_name(&c->entries[worst[i]].format, spelling);
        fprintf(out, "    %-20s %-10s %10.3g %10.3g %7.3f%%\n", c->entries[worst[i]].name, spelling, r->error, r->weighted, 100 * r->clipped);
    }
}

void report_result(FILE *out, const conversion *c) {
    const totals all = total(c);
    size_t n;
    totals *rows = by_format(c, &n);
    fprintf(out, "%s: %.2f MB of %.2f MB, %.3f bits per weight, %.2f s (%.0f MB/s)\n", c->output, 1e-6 * (double)c->file_bytes, 1e-6 * (double)all.in,
            bits(c->file_bytes, all.weights), c->seconds, 1e-6 * (double)all.in / c->seconds);
    for (size_t i = 0; rows && i < n; i++) {
        fprintf(out, "  %-8s %5" PRIu64 " %-8s %9.2f M weights %9.2f MB  error %.3g\n", rows[i].format, rows[i].n,
                rows[i].vectors ? "vectors" : "matrices", 1e-6 * (double)rows[i].weights, 1e-6 * (double)rows[i].out, mean(rows[i].missed, &rows[i]));
    }
    free(rows);
    print_worst(out, c);
}

/* ---- in a file ---- */

static json_t *tensor_json(const conversion *c, size_t i) {
    const qbin_entry *t = &c->entries[i];
    const quantize_result *r = &c->todo[i].result;
    char spelling[FORMAT_NAME];
    format_name(&t->format, spelling);
    json_t *shape = t->ndim == 1 ? json_pack("[I]", (json_int_t)t->rows) : json_pack("[I, I]", (json_int_t)t->rows, (json_int_t)t->k);
    return json_pack("{s:s, s:s, s:o, s:I, s:f, s:f, s:f, s:f, s:f}", "name", t->name, "format", spelling, "shape", shape, "bytes",
                     (json_int_t)t->bytes, "bits_per_weight", bits(t->bytes, weights_of(t)), "error", r->error, "weighted_error", r->weighted,
                     "clipped_share", r->clipped, "seconds", r->seconds);
}

static json_t *totals_json(const totals *t) {
    return json_pack("{s:s, s:b, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f}", "format", t->format, "vectors", t->vectors, "tensors", (json_int_t)t->n,
                     "weights", (json_int_t)t->weights, "bytes", (json_int_t)t->out, "bits_per_weight", bits(t->out, t->weights), "error",
                     mean(t->missed, t), "weighted_error", mean(t->weighted, t), "clipped_share", mean(t->clipped, t), "seconds", t->seconds);
}

static bool write_json(FILE *out, const conversion *c, const totals *rows, size_t n) {
    json_t *tensors = json_array(), *formats = json_array();
    const totals all = total(c);
    for (size_t i = 0; i < c->n; i++) json_array_append_new(tensors, tensor_json(c, i));
    for (size_t i = 0; i < n; i++) json_array_append_new(formats, totals_json(&rows[i]));
    json_t *report = json_pack("{s:s, s:s*, s:I, s:f, s:f, s:o, s:o, s:o}", "producer", "qbin " QBIN_VERSION, "file", c->output, "file_bytes",
                               (json_int_t)c->file_bytes, "file_bits_per_weight", bits(c->file_bytes, all.weights), "seconds", c->seconds, "total",
                               totals_json(&all), "formats", formats, "tensors", tensors);
    const bool good = report && !json_dumpf(report, out, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) && fputc('\n', out) != EOF;
    json_decref(report);
    return good;
}

static void write_totals(FILE *out, const totals *t) {
    fprintf(out, "| %s | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " | %.4f | %.4g | %.4g | %.3f %% | %.2f |\n", t->vectors ? "vectors" : t->format, t->n,
            t->weights, t->out, bits(t->out, t->weights), mean(t->missed, t), mean(t->weighted, t), 100 * mean(t->clipped, t), t->seconds);
}

static bool write_md(FILE *out, const conversion *c, const totals *rows, size_t n) {
    const totals all = total(c);
    fprintf(out,
            "# %s\n\n%" PRIu64 " bytes, %.4f bits per weight, %.2f s. Errors are relative: squared misses over squares, plain and weighted by the\n",
            c->output, c->file_bytes, bits(c->file_bytes, all.weights), c->seconds);
    fprintf(out, "inputs of calibration (equal without one). Clipped: the share of weights outside of what their scale reaches.\n\n");
    fprintf(out, "| format | tensors | weights | bytes | bits | error | weighted | clipped | s |\n|---|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < n; i++) write_totals(out, &rows[i]);
    write_totals(out, &all);
    fprintf(out, "\n| tensor | format | shape | bytes | error | weighted | clipped | s |\n|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < c->n; i++) {
        const qbin_entry *t = &c->entries[i];
        const quantize_result *r = &c->todo[i].result;
        char spelling[FORMAT_NAME], shape[48];
        format_name(&t->format, spelling);
        shape_of(t, shape);
        fprintf(out, "| %s | %s | %s | %" PRIu64 " | %.4g | %.4g | %.3f %% | %.2f |\n", t->name, spelling, shape, t->bytes, r->error, r->weighted,
                100 * r->clipped, r->seconds);
    }
    return true;
}

static const struct style {
    const char *ending;
    bool (*write)(FILE *out, const conversion *c, const totals *rows, size_t n);
} styles[] = {{".json", write_json}, {".md", write_md}, {NULL, NULL}};

static const struct style *style_of(const char *path) {
    const struct style *s = styles;
    const size_t length = strlen(path);
    while (s->ending && (length <= strlen(s->ending) || strcmp(path + length - strlen(s->ending), s->ending))) s++;
    return s;
}

status report_check(const char *path, error *e) {
    if (!style_of(path)->ending) return fail(e, E_USAGE, "--report %s: the name of the file ends with .json or .md", path);
    char *copy = strdup(path);
    if (!copy) return fail(e, E_MEMORY, "no memory");
    const bool there = !access(path, F_OK), good = !access(there ? path : dirname(copy), W_OK);
    free(copy);
    return good ? OK : fail(e, E_RUN, "%s: the report cannot be written: %s", path, strerror(errno));
}

status report_write(const conversion *c, const char *path, error *e) {
    size_t n;
    totals *rows = by_format(c, &n);
    if (!rows) return fail(e, E_MEMORY, "no memory for the report");
    FILE *out = fopen(path, "we");
    bool good = out && style_of(path)->write(out, c, rows, n) && !ferror(out);
    if (out && fclose(out)) good = false;
    free(rows);
    return good ? OK : fail(e, errno == ENOSPC ? E_MEMORY : E_RUN, "%s: the report cannot be written: %s", path, strerror(errno));
}

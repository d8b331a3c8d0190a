#include "tools/convert_report.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

enum { WORST = 3 };

static uint64_t weights_of(const qbin_entry *t) {
    return t->rows * t->k;
}

typedef struct totals {
    uint64_t n, weights, in, out;
    double missed; /* sum of error * weights */
} totals;

static void add(totals *t, const conversion_plan *p, size_t i) {
    t->n++;
    t->weights += weights_of(&p->entries[i]);
    t->in += p->sources[i]->bytes;
    t->out += p->entries[i].bytes;
    t->missed += (double)p->entries[i].error * (double)weights_of(&p->entries[i]);
}

static totals total(const conversion_plan *p) {
    totals all = {0};
    for (size_t i = 0; i < p->n; i++) add(&all, p, i);
    return all;
}

static double bits_per_weight(const conversion_plan *p, const totals *all) {
    return 8 * (double)p->file_bytes / (double)all->weights;
}

void report_plan(FILE *out, const conversion_plan *p) {
    for (size_t i = 0; i < p->n; i++) {
        const qbin_entry *t = &p->entries[i];
        char spelling[FORMAT_NAME], shape[48];
        format_name(&t->format, spelling);
        snprintf(shape, sizeof shape, t->ndim == 1 ? "%" PRIu64 : "%" PRIu64 " x %" PRIu64, t->rows, t->k);
        fprintf(out, "%-28s %-10s %18s %14" PRIu64 " bytes\n", t->name, spelling, shape, t->bytes);
    }
    const totals all = total(p);
    fprintf(out, "%-28s %-10s %18s %14" PRIu64 " bytes\n", "metadata", "json", "", p->meta_bytes);
    fprintf(out, "%-28s %-10s %18s %14" PRIu64 " bytes\n", "tokenizer", "tables", "", p->tokens_bytes);
    fprintf(out, "%s: %" PRIu64 " bytes, %.3f bits per weight (%" PRIu64 " weights)\n", p->output, p->file_bytes, bits_per_weight(p, &all),
            all.weights);
}

/* One line for each format, at its first tensor. */
static void report_formats(FILE *out, const conversion_plan *p) {
    for (size_t i = 0; i < p->n; i++) {
        const qbin_entry *t = &p->entries[i];
        totals same = {0};
        bool first = true;
        for (size_t j = 0; j < p->n; j++) {
            if (p->entries[j].ndim != t->ndim || !format_equal(&p->entries[j].format, &t->format)) continue;
            first = first && j >= i;
            add(&same, p, j);
        }
        if (!first) continue;
        char spelling[FORMAT_NAME];
        format_name(&t->format, spelling);
        fprintf(out, "  %-8s %5" PRIu64 " %-8s %9.2f M weights %9.2f MB  error %.3g\n", spelling, same.n, t->ndim == 1 ? "vectors" : "matrices",
                1e-6 * (double)same.weights, 1e-6 * (double)same.out, same.missed / (double)same.weights);
    }
}

static void report_worst(FILE *out, const conversion_plan *p) {
    size_t worst[WORST] = {0}, n = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (!(p->entries[i].error > 0)) continue;
        size_t at = n < WORST ? n++ : WORST;
        for (; at > 0 && p->entries[worst[at - 1]].error < p->entries[i].error; at--) {
            if (at < WORST) worst[at] = worst[at - 1];
        }
        if (at < WORST) worst[at] = i;
    }
    if (n) fprintf(out, "  largest errors:");
    for (size_t i = 0; i < n; i++) fprintf(out, "%s %s %.3g", i ? "," : "", p->entries[worst[i]].name, (double)p->entries[worst[i]].error);
    if (n) fprintf(out, "\n");
}

void report_result(FILE *out, const conversion_plan *p, double seconds) {
    const totals all = total(p);
    fprintf(out, "%s: %.2f MB of %.2f MB, %.3f bits per weight, %.2f s (%.0f MB/s)\n", p->output, 1e-6 * (double)p->file_bytes, 1e-6 * (double)all.in,
            bits_per_weight(p, &all), seconds, 1e-6 * (double)all.in / seconds);
    report_formats(out, p);
    report_worst(out, p);
}

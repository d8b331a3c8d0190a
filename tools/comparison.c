#include "tools/comparison.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/front.h"
#include "tools/plot.h"
#include "tools/table.h"

/* ---- order ---- */

static int compare(double a, double b) {
    return (a > b) - (a < b);
}

/* The reference does not diverge from itself. */
static double divergence_of(const result *r) {
    return r->reference ? 0 : r->verdict.kld;
}

typedef struct order {
    const char *name;
    int (*compare)(const result *a, const result *b);
} order;

static int by_size(const result *a, const result *b) {
    return compare((double)b->facts.bytes, (double)a->facts.bytes);
}

static int by_perplexity(const result *a, const result *b) {
    return compare(a->verdict.ppl, b->verdict.ppl);
}

static int by_divergence(const result *a, const result *b) {
    return compare(divergence_of(a), divergence_of(b));
}

static int by_name(const result *a, const result *b) {
    return strcmp(a->name, b->name);
}

static const order orders[] = {{"size", by_size}, {"ppl", by_perplexity}, {"kld", by_divergence}, {"name", by_name}};

static bool goes_before(const order *o, const result *a, const result *b) {
    const int first = o->compare(a, b);
    return first < 0 || (first == 0 && a->order < b->order);
}

static void sort(result *results, size_t n, const order *o) {
    for (size_t i = 1; i < n; i++) {
        const result moved = results[i];
        size_t at = i;
        for (; at > 0 && goes_before(o, &moved, &results[at - 1]); at--) results[at] = results[at - 1];
        results[at] = moved;
    }
}

static void mark_front(comparison *c) {
    choice *choices = calloc(c->n + 1, sizeof *choices);
    bool *on = calloc(c->n + 1, sizeof *on);
    for (size_t i = 0; choices && i < c->n; i++) {
        const result *r = &c->results[i];
        choices[i] = (choice){(double)r->facts.bytes, c->reference ? divergence_of(r) : r->verdict.ppl};
    }
    if (choices && on) front_mark(choices, c->n, on);
    for (size_t i = 0; on && i < c->n; i++) c->results[i].front = on[i];
    free(choices);
    free(on);
}

void comparison_arrange(comparison *c, const char *name) {
    const order *o = orders;
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        if (!strcmp(orders[i].name, name)) o = &orders[i];
    }
    if (!c->mixed) mark_front(c);
    sort(c->results, c->n, o);
}

/* ---- rows ---- */

typedef enum need { ALWAYS, SEVERAL, ALONE, COMPARED } need; /* when a column says something */

static const struct {
    need need;
    table_column column;
} columns[] = {
    {SEVERAL, {.title = "best", .key = "pareto"}},
    {ALWAYS, {.title = "model", .key = "model"}},
    {ALWAYS, {.title = "formats", .key = "formats"}},
    {ALWAYS, {.title = "MB", .key = "bytes", .scale = 1e-6, .digits = 2}},
    {ALWAYS, {.title = "bits/weight", .key = "bits_per_weight", .digits = 3}},
    {ALWAYS, {.title = "PPL", .key = "ppl", .error = "ppl_error", .digits = 3}},
    {COMPARED, {.title = "PPL / reference's", .key = "ppl_ratio", .error = "ppl_ratio_error", .digits = 4}},
    {COMPARED, {.title = "mean KLD", .key = "kld", .error = "kld_error", .digits = 6}},
    {COMPARED, {.title = "99 % KLD", .key = "kld_99", .digits = 5}},
    {COMPARED, {.title = "same top-1", .key = "top1", .error = "top1_error", .scale = 100, .digits = 1, .unit = " %"}},
    {ALONE, {.title = "tokens/s", .key = "tokens_per_s", .digits = 1}},
};
enum { COLUMNS = sizeof columns / sizeof *columns };

static size_t windows_read(const result *r) {
    return r->tokens / windows_scored(r->windows);
}

static json_t *row_of(const comparison *c, const result *r) {
    const verdict *v = &r->verdict;
    json_t *row = json_object();
    row_truth(row, "pareto", r->front);
    row_text(row, "model", r->name);
    row_text(row, "formats", r->facts.shares);
    row_count(row, "bytes", r->facts.bytes);
    row_count(row, "weights", r->facts.weights);
    row_number(row, "bits_per_weight", r->facts.bits);
    row_number(row, "tensor_bits_per_weight", r->facts.tensor_bits);
    row_text(row, "text", c->text);
    row_text(row, "stride", r->windows->how->name);
    row_count(row, "context", r->windows->context);
    row_count(row, "windows", windows_read(r));
    row_count(row, "tokens", r->tokens);
    row_number(row, "nll", v->nll);
    row_number(row, "ppl", v->ppl);
    row_number(row, "ppl_error", v->ppl_error);
    row_text(row, "reference", r->reference ? NULL : c->reference);
    row_number(row, "ppl_ratio", v->ratio);
    row_number(row, "ppl_ratio_error", v->ratio_error);
    row_number(row, "kld", v->kld);
    row_number(row, "kld_error", v->kld_error);
    row_number(row, "kld_99", v->kld_99);
    row_number(row, "top1", v->top1);
    row_number(row, "top1_error", v->top1_error);
    row_count(row, "threads", (uint64_t)r->threads);
    row_text(row, "isa", r->isa);
    row_number(row, "tokens_per_s", v->tokens_per_s);
    return row;
}

static void show_caption(const comparison *c, const table *t) {
    char line[768];
    const result *first = c->results;
    const windows *w = first->windows;
    const char *loss = c->reference ? "KLD" : "PPL", *note = "";
    if (c->n > 1) note = "\nMarked *: no other file has both no more bytes and no higher ";
    if (c->mixed) note = "\nThe tokenizers differ: these perplexities cannot be compared.";
    const bool marked = c->n > 1 && !c->mixed;
    snprintf(line, sizeof line, "Perplexity of %s, %zu windows of %zu tokens; scored (%s): %s.%s%s%s", c->text, windows_read(first), w->context,
             w->how->name, w->how->summary, note, marked ? loss : "", marked ? "." : "");
    table_caption(t, line);
}

void comparison_show(const comparison *c, const char *style) {
    table_column shown[COLUMNS + 1] = {0};
    size_t n = 0;
    for (size_t i = 0; i < COLUMNS; i++) {
        const bool wanted[] = {[ALWAYS] = true, [SEVERAL] = c->n > 1, [ALONE] = !c->reference, [COMPARED] = c->reference};
        if (wanted[columns[i].need]) shown[n++] = columns[i].column;
    }
    table t;
    table_open(&t, style, "comparison", shown);
    json_t **rows = calloc(c->n + 1, sizeof *rows);
    for (size_t i = 0; rows && i < c->n; i++) rows[i] = row_of(c, &c->results[i]);
    if (rows) table_measure(&t, rows, c->n);
    if (c->n) show_caption(c, &t);
    for (size_t i = 0; rows && i < c->n; i++) table_row(&t, rows[i]);
    table_close(&t);
    free(rows);
}

/* ---- the plot ---- */

enum { LABEL = 64 };

static void label_of(char label[LABEL], const char *name) {
    static const char ending[] = ".qbin";
    const size_t n = strlen(name), end = sizeof ending - 1;
    const bool ours = n > end && !strcmp(name + n - end, ending);
    snprintf(label, LABEL, "%.*s", (int)(ours ? n - end : n), name);
}

status comparison_plot(const comparison *c, const char *path, error *e) {
    char title[256];
    const windows *w = c->results->windows;
    snprintf(title, sizeof title, "%s, %zu windows of %zu tokens (%s)%s%s", c->text, windows_read(c->results), w->context, w->how->name,
             c->reference ? ", reference " : "", c->reference ? c->reference : "");
    plot_point *points = calloc(c->n, sizeof *points);
    char(*labels)[LABEL] = calloc(c->n, sizeof *labels);
    status s = points && labels ? OK : fail(e, E_MEMORY, "no memory for a plot of %zu points", c->n);
    for (size_t i = 0; s == OK && i < c->n; i++) {
        const result *r = &c->results[i];
        label_of(labels[i], r->name);
        points[i] = (plot_point){.label = labels[i], .bits = r->facts.bits, .ppl = r->verdict.ppl, .kld = r->verdict.kld, .reference = r->reference};
    }
    const plot p = {.title = title, .points = points, .n = c->n, .compared = c->reference};
    if (s == OK) s = plot_write(&p, path, e);
    free(points);
    free(labels);
    return s;
}

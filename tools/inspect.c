/* inspect: what a .qbin holds, for people and as JSON. Text from the file is shown without its control characters. */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file/qbin.h"
#include "tools/command.h"
#include "tools/inspect_calibration.h"
#include "tools/inspect_recipe.h"
#include "tools/progress.h"

enum { MIX_MAX = 32, LABEL = 16, SOURCE = 36, LONG = 100 }; /* SOURCE: a column of file names; LONG: JSON that is not shown */

typedef struct inspect_settings {
    bool json, verify, recipe;
} inspect_settings;

static const option options[] = {
    {.name = "json", .kind = OPTION_FLAG, .offset = offsetof(inspect_settings, json), .help = "Print one JSON object."},
    {.name = "verify",
     .kind = OPTION_FLAG,
     .offset = offsetof(inspect_settings, verify),
     .help = "Read the whole file, check every checksum and all padding, and print OK; a file that fails ends with exit code 3."},
    {.name = "recipe",
     .excludes = "json",
     .kind = OPTION_FLAG,
     .offset = offsetof(inspect_settings, recipe),
     .help = "Print only the formats, as a recipe that convert --recipe takes."},
    {0},
};

/* ---- totals ---- */

typedef struct mix_row { /* all tensors of one format */
    char name[FORMAT_NAME];
    size_t tensors;
    uint64_t weights, bytes;
} mix_row;

typedef struct mix {
    mix_row rows[MIX_MAX]; /* in the order of their first tensor; formats beyond the last row are counted in it */
    size_t n;
    mix_row all;
} mix;

static void count(mix_row *row, const tensor *t) {
    row->tensors++;
    row->weights += t->rows * t->k;
    row->bytes += t->bytes;
}

static mix mix_of(const qbin *q) {
    mix m = {.all = {.name = "all"}};
    for (size_t i = 0; i < q->n_tensors; i++) {
        char name[FORMAT_NAME];
        format_name(&q->tensors[i].format, name);
        size_t row = 0;
        while (row < m.n && strcmp(m.rows[row].name, name) != 0) row++;
        if (row == m.n && m.n < MIX_MAX) strcpy(m.rows[m.n++].name, name);
        count(&m.rows[row < m.n ? row : m.n - 1], &q->tensors[i]);
        count(&m.all, &q->tensors[i]);
    }
    return m;
}

static double bits_per_weight(uint64_t bytes, uint64_t weights) {
    return weights ? 8 * (double)bytes / (double)weights : 0;
}

/* ---- text ---- */

static void print_clean(const char *text) {
    for (; *text; text++) putchar(iscntrl((unsigned char)*text) ? '?' : *text);
}

static void print_entry(int width, const char *key, const char *value) {
    const int padding = width - (int)strlen(key);
    printf("  ");
    print_clean(key);
    printf("%*s ", padding > 0 ? padding : 0, "");
    print_clean(value);
    putchar('\n');
}

static void print_line(void *context, const char *key, const char *value) {
    (void)context;
    print_entry(LABEL, key, value);
}

/* A line for each entry of an object: text as it is, numbers and short lists as JSON, long ones by their size. */
static void print_object(const char *title, const json_t *object) {
    const char *key;
    json_t *value;
    if (!json_object_size(object)) return;
    printf("\n%s\n", title);
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        char *dumped = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9)), entries[64];
        const size_t n = json_object_size(value) + json_array_size(value);
        snprintf(entries, sizeof entries, "%zu entries (see --json)", n);
        const bool is_long = n && dumped && strlen(dumped) > LONG;
        print_line(NULL, key, json_is_string(value) ? json_string_value(value) : is_long ? entries : dumped ? dumped : "");
        free(dumped);
    }
}

/* Templates besides the default one. */
static void print_templates(const json_t *templates) {
    const char *name;
    json_t *text;
    json_object_foreach((json_t *)(uintptr_t)templates, name, text) {
        char bytes[32];
        snprintf(bytes, sizeof bytes, "%zu bytes", json_string_length(text));
        print_entry(LABEL, name, bytes);
    }
}

static void print_sources(const json_t *sources) {
    size_t i;
    json_t *source;
    if (!json_array_size(sources)) return;
    printf("\nsources\n");
    json_array_foreach(sources, i, source) {
        const char *file = json_string_value(json_object_get(source, "file")), *hash = json_string_value(json_object_get(source, "xxh3"));
        char text[64];
        snprintf(text, sizeof text, "%14" JSON_INTEGER_FORMAT " bytes  xxh3 %.16s", json_integer_value(json_object_get(source, "bytes")),
                 hash ? hash : "-");
        print_entry(SOURCE, file ? file : "-", text);
    }
}

static void print_shape(const tensor *t, char text[64]) {
    snprintf(text, 64, t->ndim == 1 ? "%" PRIu64 : "%" PRIu64 " x %" PRIu64, t->rows, t->k);
}

static void print_tensors(const qbin *q) {
    int width = 8;
    for (size_t i = 0; i < q->n_tensors; i++) {
        const int length = (int)strlen(q->tensors[i].name);
        if (length > width) width = length;
    }
    printf("\n%-*s  %-10s %18s %14s %12s\n", width + 2, "tensors", "format", "shape", "bytes", "error");
    for (size_t i = 0; i < q->n_tensors; i++) {
        const tensor *t = &q->tensors[i];
        char format_text[FORMAT_NAME], shape[64], error_text[32] = "-";
        format_name(&t->format, format_text);
        print_shape(t, shape);
        if (!isnan(t->error)) snprintf(error_text, sizeof error_text, "%.4g", (double)t->error);
        printf("  %-*s  %-10s %18s %14" PRIu64 " %12s\n", width, t->name, format_text, shape, t->bytes, error_text);
    }
}

static void print_mix_row(const mix_row *row) {
    printf("  %-*s %7zu %16" PRIu64 " %16" PRIu64 " %10.4f\n", LABEL, row->name, row->tensors, row->weights, row->bytes,
           bits_per_weight(row->bytes, row->weights));
}

static void print_text(const qbin *q) {
    const mix m = mix_of(q);
    const json_t *producer = json_object_get(q->meta, "producer");
    const char *template = json_string_value(json_object_get(q->meta, "chat_template"));
    print_clean(q->map.path);
    printf(": .qbin version 1, %zu bytes, written by ", q->map.size);
    print_clean(json_is_string(producer) ? json_string_value(producer) : "an unknown program");
    printf("\n  tokenizer        %zu bytes\n  chat template    %zu bytes\n", q->tokens_size, template ? strlen(template) : 0);
    print_templates(json_object_get(q->meta, "chat_templates"));
    printf("\nspec\n");
    spec_describe(&q->spec, print_line, NULL);
    print_object("generation", json_object_get(q->meta, "generation"));
    print_object("special tokens", json_object_get(q->meta, "special_tokens"));
    print_object("recipe", json_object_get(q->meta, "recipe"));
    print_sources(json_object_get(q->meta, "sources"));
    print_tensors(q);
    printf("\n%-*s   %7s %16s %16s %10s\n", LABEL, "totals", "tensors", "weights", "bytes", "bits");
    for (size_t i = 0; i < m.n; i++) print_mix_row(&m.rows[i]);
    print_mix_row(&m.all);
    printf("\nbits per weight of the whole file: %.4f\n", bits_per_weight(q->map.size, m.all.weights));
}

/* ---- JSON ---- */

static json_t *tensor_json(const tensor *t) {
    char format_text[FORMAT_NAME], hash[17];
    format_name(&t->format, format_text);
    snprintf(hash, sizeof hash, "%016" PRIx64, t->hash);
    json_t *shape = t->ndim == 1 ? json_pack("[I]", (json_int_t)t->rows) : json_pack("[I, I]", (json_int_t)t->rows, (json_int_t)t->k);
    json_t *error_json = isfinite(t->error) ? json_real((double)t->error) : json_null();
    return json_pack("{s:s, s:s, s:o, s:I, s:I, s:s, s:o}", "name", t->name, "format", format_text, "shape", shape, "offset", (json_int_t)t->offset,
                     "bytes", (json_int_t)t->bytes, "xxh3", hash, "error", error_json);
}

static json_t *mix_json(const mix_row *row) {
    return json_pack("{s:I, s:I, s:I, s:f}", "tensors", (json_int_t)row->tensors, "weights", (json_int_t)row->weights, "bytes",
                     (json_int_t)row->bytes, "bits_per_weight", bits_per_weight(row->bytes, row->weights));
}

static status print_json(const qbin *q, bool verified, error *e) {
    const mix m = mix_of(q);
    json_t *tensors = json_array(), *formats = json_object(), *all = json_object();
    json_t *path = json_string(q->map.path); /* NULL if it is not UTF-8 */
    for (size_t i = 0; i < q->n_tensors; i++) json_array_append_new(tensors, tensor_json(&q->tensors[i]));
    for (size_t i = 0; i < m.n; i++) json_object_set_new(formats, m.rows[i].name, mix_json(&m.rows[i]));
    json_object_set_new(all, "file", path ? path : json_null());
    json_object_set_new(all, "version", json_integer(1));
    json_object_set_new(all, "file_bytes", json_integer((json_int_t)q->map.size));
    json_object_set_new(all, "verified", json_boolean(verified));
    json_object_set_new(all, "tokenizer_bytes", json_integer((json_int_t)q->tokens_size));
    json_object_set(all, "metadata", q->meta);
    json_object_set_new(all, "tensors", tensors);
    json_object_set_new(all, "formats", formats);
    json_object_set_new(all, "total", mix_json(&m.all));
    json_object_set_new(all, "file_bits_per_weight", json_real(bits_per_weight(q->map.size, m.all.weights)));
    const int failed = json_dumpf(all, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(all);
    return failed ? fail(e, E_RUN, "%s: the JSON could not be written", q->map.path) : OK;
}

/* ---- the command ---- */

static status verify(const qbin *q, error *e) {
    progress_line line;
    const progress p = progress_open(&line, "B", false);
    const status s = qbin_verify(q, &p, e);
    progress_close(&line);
    return s;
}

static status inspect(const qbin *q, const inspect_settings *s, error *e) {
    if (s->verify) TRY(verify(q, e));
    if (s->json) return print_json(q, s->verify, e);
    if (s->recipe) {
        TRY(qbin_expect(q, &qbin_model, e));
        return print_recipe(stdout, q, e);
    }
    if (s->verify) {
        print_clean(q->map.path);
        printf(": OK\n");
    } else if (q->kind == &qbin_calibration) {
        return inspect_calibration(q->map.path, e);
    } else {
        print_text(q);
    }
    return OK;
}

static status run(const args *a, error *e) {
    qbin q;
    TRY(qbin_open(&q, a->operands[0], e));
    const status s = inspect(&q, a->settings, e);
    qbin_close(&q);
    return s;
}

const command command_inspect = {
    .name = "inspect",
    .summary = "Show what a .qbin file holds, or check it.",
    .usage = "FILE",
    .details =
        "Shows the transformer spec, generation defaults, the recipe and sources of the conversion, and every tensor with its format, shape, bytes "
        "and\n"
        "relative squared error; then weights, bytes and bits per weight of each format and of the whole.\n\n"
        "  inspect model.qbin\n"
        "  inspect --verify model.qbin\n"
        "  inspect --json model.qbin | jq '.total.bits_per_weight'",
    .options = options,
    .settings_bytes = sizeof(inspect_settings),
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};

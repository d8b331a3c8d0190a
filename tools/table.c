#include "tools/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/names.h"

enum { CELL = 640 }; /* bytes of a cell in markdown: a name, with its bars escaped */

struct table_style {
    const char *name;
    void (*caption)(const char *line);
    void (*row)(const table *t, const json_t *row);
    void (*close)(const table *t);
};

void row_text(json_t *row, const char *key, const char *text) {
    char shown[CELL / 2];
    name_printable(shown, sizeof shown, text ? text : "");
    json_object_set_new(row, key, text ? json_string(shown) : json_null());
}

void row_count(json_t *row, const char *key, uint64_t n) {
    json_object_set_new(row, key, json_integer((json_int_t)n));
}

void row_number(json_t *row, const char *key, double x) {
    json_object_set_new(row, key, isfinite(x) ? json_real(x) : json_null());
}

void row_truth(json_t *row, const char *key, bool yes) {
    json_object_set_new(row, key, json_boolean(yes));
}

/* ---- markdown ---- */

static int characters(const char *text) {
    int n = 0;
    for (; *text; text++) n += (*text & 0xc0) != 0x80;
    return n;
}

/* A bar would end the cell. */
static void bar_text(const char *value, char *text, size_t size) {
    size_t n = 0;
    for (; *value && n + 2 < size; value++) {
        if (*value == '|') text[n++] = '\\';
        text[n++] = *value;
    }
    text[n] = 0;
}

/* A value as people read it; numbers go to the right. */
static bool cell_text(const table_column *c, const json_t *row, char *text, size_t size) {
    const json_t *value = json_object_get(row, c->key), *error = c->error ? json_object_get(row, c->error) : NULL;
    if (!json_is_number(value)) {
        const char *mark = json_is_true(value) ? "*" : json_is_false(value) ? "" : "–";
        bar_text(json_is_string(value) ? json_string_value(value) : mark, text, size);
        return json_is_null(value) || !value;
    }
    const double scale = c->scale == 0 ? 1 : c->scale;
    int n = snprintf(text, size, "%.*f", c->digits, scale * json_number_value(value));
    if (json_is_number(error)) n += snprintf(text + n, size - (size_t)n, " ± %.*f", c->digits, scale * json_number_value(error));
    snprintf(text + n, size - (size_t)n, "%s", c->unit ? c->unit : "");
    return true;
}

static void md_caption(const char *line) {
    printf("%s\n\n", line);
}

static void md_cell(const char *text, int width, bool right) {
    const int pad = width > characters(text) ? width - characters(text) : 0;
    printf("| %*s%s%*s ", right ? pad : 0, "", text, right ? 0 : pad, "");
}

static void md_line(int width, bool right) {
    printf(right ? "| " : "| :");
    for (int i = 1; i < width; i++) putchar('-');
    printf(right ? ": " : " ");
}

static void md_head(const table *t, const json_t *row) {
    char text[CELL];
    const int *width = t->widths;
    for (const table_column *c = t->columns; c->title; c++) md_cell(c->title, *width++, cell_text(c, row, text, sizeof text));
    printf("|\n");
    width = t->widths;
    for (const table_column *c = t->columns; c->title; c++) md_line(*width++, cell_text(c, row, text, sizeof text));
    printf("|\n");
}

static void md_row(const table *t, const json_t *row) {
    if (!t->rows) md_head(t, row);
    char text[CELL];
    const int *width = t->widths;
    for (const table_column *c = t->columns; c->title; c++) {
        const bool right = cell_text(c, row, text, sizeof text);
        md_cell(text, *width++, right);
    }
    printf("|\n");
}

/* ---- CSV, RFC 4180 ---- */

static void csv_text(const char *text) {
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, stdout);
        return;
    }
    putchar('"');
    for (; *text; text++) printf(*text == '"' ? "\"\"" : "%c", *text);
    putchar('"');
}

static bool csv_has(const json_t *value) {
    return !json_is_array(value) && !json_is_object(value);
}

static void csv_value(const json_t *value) {
    char *text = json_is_string(value) || json_is_null(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
    csv_text(text ? text : json_is_string(value) ? json_string_value(value) : "");
    free(text);
}

static void csv_head(const json_t *row) {
    const char *key, *comma = "";
    json_t *value;
    json_object_foreach((json_t *)row, key, value) {
        if (!csv_has(value)) continue;
        printf("%s", comma);
        csv_text(key);
        comma = ",";
    }
    putchar('\n');
}

static void csv_row(const table *t, const json_t *row) {
    if (!t->rows) csv_head(row);
    const char *key, *comma = "";
    json_t *value;
    json_object_foreach((json_t *)row, key, value) {
        if (!csv_has(value)) continue;
        printf("%s", comma);
        csv_value(value);
        comma = ",";
    }
    putchar('\n');
}

static void no_caption(const char *line) {
    (void)line;
}

static void no_end(const table *t) {
    (void)t;
}

/* ---- JSON: an array of the rows ---- */

static void json_row(const table *t, const json_t *row) {
    printf(t->rows ? ",\n  " : "[\n  ");
    json_dumpf(row, stdout, JSON_REAL_PRECISION(12));
}

static void json_close(const table *t) {
    printf(t->rows ? "\n]\n" : "[]\n");
}

/* ---- JSON lines ---- */

static void jsonl_row(const table *t, const json_t *row) {
    (void)t;
    json_dumpf(row, stdout, JSON_REAL_PRECISION(12));
    putchar('\n');
}

/* ---- SQL: a table of the simple values, as llama-bench writes it: rows of both can be read into one ---- */

static bool sql_has(const table *t, const char *key, const json_t *value) {
    const table_column *c = t->columns;
    while (c->title && strcmp(c->key, key)) c++;
    return csv_has(value) && !(c->title && c->repeats);
}

static const char *sql_type(const json_t *value) {
    return json_is_integer(value) || json_is_boolean(value) ? "INTEGER" : json_is_real(value) ? "REAL" : "TEXT";
}

static void sql_value(const json_t *value) {
    if (!json_is_string(value)) {
        char *text = json_is_boolean(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
        fputs(json_is_null(value) ? "NULL" : text ? text : json_is_true(value) ? "1" : "0", stdout);
        free(text);
        return;
    }
    putchar('\'');
    for (const char *text = json_string_value(value); *text; text++) printf(*text == '\'' ? "''" : "%c", *text);
    putchar('\'');
}

static void sql_head(const table *t, const json_t *row) {
    const char *key, *comma = "";
    json_t *value;
    printf("CREATE TABLE IF NOT EXISTS %s (", t->name);
    json_object_foreach((json_t *)row, key, value) {
        if (!sql_has(t, key, value)) continue;
        printf("%s\n  %s %s", comma, key, sql_type(value));
        comma = ",";
    }
    printf("\n);\n\n");
}

static void sql_row(const table *t, const json_t *row) {
    if (!t->rows) sql_head(t, row);
    const char *key, *comma = "";
    json_t *value;
    printf("INSERT INTO %s (", t->name);
    json_object_foreach((json_t *)row, key, value) {
        if (!sql_has(t, key, value)) continue;
        printf("%s%s", comma, key);
        comma = ", ";
    }
    printf(") VALUES (");
    comma = "";
    json_object_foreach((json_t *)row, key, value) {
        if (!sql_has(t, key, value)) continue;
        printf("%s", comma);
        sql_value(value);
        comma = ", ";
    }
    printf(");\n");
}

/* ---- all ---- */

static const table_style styles[] = {
    {"md", md_caption, md_row, no_end},       {"csv", no_caption, csv_row, no_end}, {"json", no_caption, json_row, json_close},
    {"jsonl", no_caption, jsonl_row, no_end}, {"sql", no_caption, sql_row, no_end},
};

static int wider(int a, int b) {
    return a > b ? a : b;
}

void table_open(table *t, const char *style, const char *name, const table_column *columns) {
    *t = (table){.style = styles, .name = name, .columns = columns};
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++) {
        if (!strcmp(styles[i].name, style)) t->style = &styles[i];
    }
    for (size_t i = 0; columns[i].title; i++) t->widths[i] = wider(columns[i].width, characters(columns[i].title));
}

void table_caption(const table *t, const char *line) {
    t->style->caption(line);
}

void table_measure(table *t, json_t *const *rows, size_t n) {
    char text[CELL];
    for (size_t i = 0; t->columns[i].title; i++) {
        const table_column *c = &t->columns[i];
        t->widths[i] = characters(c->title);
        for (size_t k = 0; k < n; k++) {
            cell_text(c, rows[k], text, sizeof text);
            t->widths[i] = wider(t->widths[i], characters(text));
        }
    }
}

void table_row(table *t, json_t *row) {
    t->style->row(t, row);
    t->rows++;
    json_decref(row);
    fflush(stdout);
}

void table_close(table *t) {
    t->style->close(t);
}

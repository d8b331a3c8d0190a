/* table.h: results as rows on stdout, the same rows as a markdown table for people, as CSV, SQL or JSON. A row is a JSON object: JSON shows all of it, CSV and
 * SQL all of its simple values, markdown the columns of a list. Rows appear as they come, or all at once with columns as wide as they need. */
#ifndef QBIN_TOOLS_TABLE_H
#define QBIN_TOOLS_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct table_column { /* of a markdown table; a list ends with title NULL */
    const char *title;
    const char *key;   /* of the value in a row */
    const char *error; /* key of what is shown after " ± ", or NULL */
    const char *unit;  /* after a number; NULL: none */
    double scale;      /* numbers are multiplied by it; 0: by 1 */
    int digits;        /* after the point */
    int width;         /* characters at least, for rows that come one by one */
    bool repeats;      /* says what other values say, for people: SQL leaves it out */
} table_column;

typedef struct table_style table_style;

enum { TABLE_COLUMNS = 16 };

typedef struct table {
    const table_style *style;
    const char *name;            /* in SQL; borrowed */
    const table_column *columns; /* borrowed; TABLE_COLUMNS at most */
    int widths[TABLE_COLUMNS];
    size_t rows;
} table;

#define TABLE_STYLES "md|csv|json|jsonl|sql"

/* `style` is one of TABLE_STYLES; `name` is what SQL calls the table. */
void table_open(table *t, const char *style, const char *name, const table_column *columns);
/* A line above the rows, for people only. */
void table_caption(const table *t, const char *line);
void table_row(table *t, json_t *row); /* takes over the reference; NULL (no memory) is an empty row */
/* Before the first row: makes the columns as wide as these rows need. */
void table_measure(table *t, json_t *const *rows, size_t n);
void table_close(table *t);

/* Fills a row. NULL and what is not finite are null; text is made printable (names.h). */
void row_text(json_t *row, const char *key, const char *text);
void row_count(json_t *row, const char *key, uint64_t n);
void row_number(json_t *row, const char *key, double x);
void row_truth(json_t *row, const char *key, bool yes); /* a mark or nothing in markdown */

#endif

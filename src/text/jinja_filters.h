/* jinja_filters.h: the functions of the rows of filter_routines, and what they share. Internal to text/jinja*.c. */
#ifndef QBIN_TEXT_JINJA_FILTERS_H
#define QBIN_TEXT_JINJA_FILTERS_H

#include "text/jinja_str.h"

/* jinja_filters.c: one value */
routine_run filter_abs, filter_attr, filter_default, filter_escape, filter_float, filter_int, filter_length, filter_round, filter_safe, filter_string,
    filter_tojson, filter_forceescape;

/* jinja_filters_text.c: texts */
routine_run filter_capitalize, filter_center, filter_format, filter_indent, filter_join, filter_lower, filter_replace, filter_title, filter_trim,
    filter_truncate, filter_upper, filter_wordcount;

/* jinja_filters_list.c: lists and dicts, in order */
routine_run filter_batch, filter_dictsort, filter_first, filter_groupby, filter_items, filter_last, filter_list, filter_max, filter_min,
    filter_reverse, filter_slice, filter_sort, filter_sum, filter_unique;

/* jinja_filters_select.c: another filter, or a test, for each item */
routine_run filter_map, filter_reject, filter_rejectattr, filter_select, filter_selectattr;

/* v.path as map(attribute=path) looks it up: a number, or names and numbers with dots. Missing parts give `otherwise` unless it is K_ABSENT. */
status filter_path(run *x, value v, value path, value otherwise, value *out);

/* The items of v, each as its attribute if `path` is given. */
status filter_attributes(run *x, value v, value path, const value **list, size_t *n);

#endif

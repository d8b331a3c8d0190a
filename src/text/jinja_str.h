/* jinja_str.h: what methods and filters both do with texts. Owns Python's rules for cutting, joining and replacing. Internal to text/jinja*.c. */
#ifndef QBIN_TEXT_JINJA_STR_H
#define QBIN_TEXT_JINJA_STR_H

#include "text/jinja_tree.h"

/* Without the characters in `chars` (K_NONE or K_ABSENT: white space) at its ends. */
status str_strip(run *x, value s, value chars, bool left, bool right, value *out);
/* `most` replacements, all if it is negative. */
status str_replace(run *x, value s, value old, value new, wide most, value *out);
/* Lines as splitlines has them, a list; `keep`: with their ends. */
status str_lines(run *x, value s, bool keep, value *out);
status str_join(run *x, value between, const value *items, size_t n, value *out); /* items must be texts */
status str_pad(run *x, value s, wide width, letter with, bool left, bool right, value *out);

/* Does `what` stand at this place? It must fit there. */
bool str_is_at(value s, value what, size_t at);
/* Where arg[0] stands first or last between arg[1] and arg[2]; -1: nowhere. */
status str_search(run *x, call *c, bool last, wide *at);

/* Rows of str_methods. */
routine_run str_strip_both, str_strip_left, str_strip_right, str_find, str_rfind, str_index, str_rindex, str_count, str_startswith, str_endswith,
    str_replace_all, str_join_items, str_split, str_rsplit, str_splitlines, str_partition, str_rpartition, str_removeprefix, str_removesuffix,
    str_format;

/* An argument that may be missing: a text, an int, a truth. TypeError if it is something else. */
status arg_text(run *x, value v, const char *name, value *out);
status arg_int(run *x, value v, wide otherwise, wide *out);
bool arg_given(value v); /* neither missing nor none */

/* Results that grow. */
typedef struct item_list {
    value *p;
    size_t n, room;
} item_list;
status items_add(run *x, item_list *i, value v);

#endif

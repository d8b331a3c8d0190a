/* jinja_tree.h: a compiled template as a tree, and the rows that give names a meaning: statements, filters, tests, methods, globals. Internal to
 * text/jinja*.c. A node is a pointer to the function that evaluates it and what that function needs; there is no list of kinds of nodes. */
#ifndef QBIN_TEXT_JINJA_TREE_H
#define QBIN_TEXT_JINJA_TREE_H

#include "text/jinja_value.h"

typedef struct node node;
typedef struct body { /* nodes in order */
    const node *const *list;
    size_t n;
} body;

typedef struct keyword {
    value name;
    const node *value;
} keyword;

typedef struct written { /* of a call, filter or test, as written */
    body list;
    const keyword *named;
    size_t n_named;
    const node *star, *stars; /* *more, **more; or NULL */
} written;

typedef struct signature { /* of a macro or the body of a call block */
    const uint32_t *names;
    const node *const *defaults; /* of the last n_defaults names */
    size_t n, n_defaults;
    bool caller, varargs, kwargs; /* does the body use them? Then their numbers: */
    uint32_t caller_name, varargs_name, kwargs_name;
} signature;

typedef status node_eval(run *x, const node *n, value *out);
typedef status node_exec(run *x, const node *n);
typedef status node_assign(run *x, const node *n, value v);

struct node {
    node_eval *eval;     /* of an expression, or */
    node_exec *exec;     /* of a statement */
    node_assign *assign; /* of what can stand left of "="; NULL: cannot */
    size_t line;
    const node *a, *b, *c;
    body list, other; /* a body and its else; items */
    value constant;
    uint32_t name; /* number of an identifier */
    bool flag;
    union {
        const void *row; /* operation, comparison, routine */
        const written *arguments;
        const signature *signature;
    };
    const written *more; /* of a filter or test, whose row is above */
};

struct jinja {
    heap heap;
    body body;
    const value *names; /* of the identifiers, by number */
    size_t n_names;
};

/* ---- names in scope ---- */

typedef struct binding {
    uint32_t name;
    value value;
} binding;

typedef struct scope {
    struct scope *up;
    binding *bindings;
    size_t n, room;
} scope;

status scope_open(run *x, scope *up, scope **out);
status scope_set(run *x, scope *s, uint32_t name, value v);
const value *scope_find(const scope *s, uint32_t name); /* NULL: nowhere */

/* The statements of a body one after the other, until one breaks or continues a loop. */
status run_body(run *x, const body *b);
/* The same in scope s, into a text instead of the output. */
status run_capture(run *x, scope *s, const body *b, value *out);

/* ---- calls (jinja_call.c) ---- */

enum { ARGS_MAX = 6 };

typedef struct call {  /* arguments as evaluated */
    value self;        /* what is filtered or tested, or whose method it is */
    const value *list; /* by position */
    size_t n;
    const value_pair *named; /* by name */
    size_t n_named;
    value arg[ARGS_MAX]; /* bound to the parameters of a routine; K_ABSENT if not given */
} call;

typedef status routine_run(run *x, call *c, value *out);

typedef struct routine {
    const char *name; /* ends a table when NULL */
    routine_run *run;
    const char *params; /* "old! new! count": names in order, "!" must be given; NULL: the routine looks at list and named itself */
} routine;

typedef struct kind_row { /* what values of a kind are to Python and to templates */
    const char *type;
    const routine *methods;
    const routine *properties;                                    /* attributes: run with no arguments when they are read */
    status (*attribute)(run *x, value v, value name, value *out); /* any other attribute: K_ABSENT if there is none; or NULL */
    status (*call)(run *x, value v, call *c, value *out);         /* NULL: is not callable */
} kind_row;
extern const kind_row kind_rows[KINDS];

extern const routine global_routines[], filter_routines[], test_routines[];
extern const routine str_methods[], list_methods[], tuple_methods[], dict_methods[], int_methods[], float_methods[], float_properties[];
extern const routine loop_methods[], loop_properties[], macro_properties[], cycler_methods[], cycler_properties[];
status namespace_attribute(run *x, value v, value name, value *out);
status namespace_set(run *x, value v, value name, value item);
status joiner_call(run *x, value v, call *c, value *out);
status loop_call(run *x, value v, call *c, value *out);
status macro_call(run *x, value v, call *c, value *out);
status routine_call(run *x, value v, call *c, value *out);

const routine *routine_find(const routine *table, value name); /* NULL: no such row */
status routine_start(run *x, const routine *r, call *c, value *out);
status routine_value(run *x, const routine *r, value self, value *out);

/* v.name and v[key], with Jinja's way of looking for the other when there is not the one. */
status value_attribute(run *x, value v, value name, value *out);
status value_item(run *x, value v, value key, value *out);
status value_call(run *x, value callee, call *c, value *out);

/* ---- evaluation ---- */

status node_value(run *x, const node *n, value *out);
status node_run(run *x, const node *n);
status call_arguments(run *x, const written *a, call *c);
node_assign assign_name, assign_tuple, assign_attribute;
status print_value(run *x, value v);

node_eval eval_constant, eval_name, eval_list, eval_tuple, eval_dict, eval_attribute, eval_item, eval_slice, eval_call, eval_filter, eval_test,
    eval_operation, eval_compare, eval_and, eval_or, eval_not, eval_negate, eval_plus, eval_if;
node_exec exec_data, exec_print, exec_if, exec_for, exec_set, exec_set_body, exec_macro, exec_call, exec_filter, exec_scope, exec_with, exec_block,
    exec_autoescape, exec_break, exec_continue;

typedef struct comparison {
    const char *sign;
    status (*run)(run *x, value a, value b, bool *truth);
} comparison;
extern const comparison comparisons[]; /* ends with sign NULL; "in" and "not in" are words */

#endif

/* jinja_value.h: values of the template language and what every part of its interpreter does with them: memory, texts, lists, dicts, comparison, printing.
 * Internal to text/jinja*.c. Values are small and passed by value; what they point to lies in the heap of the rendering (or of the compiled template) and is
 * never changed, but for namespaces and iterators. Functions that return a status have said in the run's error what is wrong. */
#ifndef QBIN_TEXT_JINJA_VALUE_H
#define QBIN_TEXT_JINJA_VALUE_H

#include "text/buffer.h"
#include "text/jinja.h"

/* A character: its code point, and where it comes from. So origin goes along whatever is done with a text. */
typedef uint32_t letter;
#define LETTER_DATA  0x80000000u
#define LETTER_POINT 0x1fffffu

/* Python's integers have no bound, these have 127 bits; what does not fit is an error. */
__extension__ typedef __int128 wide;

typedef enum value_kind {
    K_ABSENT, /* an argument that was not given */
    K_UNDEFINED,
    K_NONE,
    K_BOOL,
    K_INT,
    K_FLOAT,
    K_STR,
    K_LIST,
    K_TUPLE,
    K_DICT,
    K_RANGE,
    K_SLICE,
    K_KEYS, /* the views of a dict */
    K_VALUES,
    K_ITEMS,
    K_ITERATOR, /* gives its items once */
    K_NAMESPACE,
    K_LOOP,
    K_MACRO,
    K_ROUTINE, /* a global function, or a method with the value it belongs to */
    K_CYCLER,
    K_JOINER,
    K_SELF,
    KINDS,
} value_kind;

typedef struct value value;
typedef struct value_pair value_pair;
typedef struct triple { /* of a range (n: its length) or a slice */
    wide start, stop, step;
    bool has_start, has_stop;
} triple;

struct value {
    value_kind kind;
    bool data;   /* a number, none, list or dict comes from the variables; texts say it letter by letter */
    bool markup; /* a text that is safe in HTML */
    size_t n;    /* letters, items, pairs */
    union {
        bool truth;
        wide whole;
        double real;
        const letter *text;
        const value *items;
        const value_pair *pairs; /* of dicts and their views, in order of insertion */
        const triple *range;
        const char *why; /* undefined: the message of what fails because of it */
        void *object;
    };
};

struct value_pair {
    value key, value;
};

/* ---- the heap: everything of one rendering or one compiled template; grows up to a limit, ends at once ---- */

typedef struct heap {
    struct heap_chunk *chunks;
    uint8_t *at, *end;
    size_t left; /* bytes that may still be taken from the system */
} heap;

/* NULL when the limit is reached (left is 0 then) or there is no memory. Aligned to 16. */
void *heap_take(heap *h, size_t count, size_t bytes);
void heap_close(heap *h);

/* ---- a rendering ---- */

typedef struct writer { /* letters that grow */
    letter *p;
    size_t n, room;
} writer;

typedef enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE } flow;

typedef struct run {
    heap heap;
    size_t steps, depth, output; /* left */
    size_t line;                 /* of what is being evaluated */
    writer *out;                 /* where statements print */
    writer *page;                /* the whole output: the one that `output` limits */
    struct scope *root, *scope;  /* of the variables; of what is being evaluated */
    status code;                 /* of failures */
    const value *names;          /* identifiers of the template */
    size_t n_names;
    value captured; /* what a filter without an operand filters */
    flow flow;
    bool autoescape;
    const struct tm *now;
    jinja_failure *why;
    error *e;
} run;

/* Fills the failure: type as Jinja calls it, the current line. Returns the run's code. */
status run_fail(run *x, const char *type, const char *format, ...) __attribute__((format(printf, 3, 4)));
#define SYNTAX_ERROR    "TemplateSyntaxError"
#define TYPE_ERROR      "TypeError"
#define VALUE_ERROR     "ValueError"
#define UNDEFINED_ERROR "UndefinedError"
#define SECURITY_ERROR  "SecurityError"
#define RUNTIME_ERROR   "TemplateRuntimeError"
#define OVERFLOW_ERROR  "OverflowError"
#define LIMIT_ERROR     "LimitError"

status run_spend(run *x, size_t steps);
status run_enter(run *x); /* one deeper; every success is undone by run_leave */
void run_leave(run *x);
status run_take(run *x, size_t count, size_t bytes, void *out); /* *out: a pointer of any type */

/* ---- making values ---- */

value value_of_bool(bool truth);
value value_of_int(wide whole, bool data);
value value_of_real(double real, bool data);
value value_of_none(void);
value value_of_letters(const letter *p, size_t n); /* borrowed */
value value_of_items(value_kind kind, const value *items, size_t n, bool data);
status value_of_ascii(run *x, const char *text, value *out);
status value_of_json(run *x, const json_t *json, bool data, value *out);
status value_undefined(run *x, value *out, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* UTF-8, copied; of any origin. */
status value_of_utf8(run *x, const char *p, size_t n, bool data, value *out);
status value_iterator(run *x, const value *items, size_t n, bool data, value *out);

/* ---- texts ---- */

status text_put(run *x, writer *t, const letter *p, size_t n);
status text_put_one(run *x, writer *t, letter c);
status text_put_value(run *x, writer *t, value s); /* a K_STR */
status text_put_ascii(run *x, writer *t, const char *ascii, bool data);
value text_value(const writer *t);
/* A NUL-terminated UTF-8 copy in the heap for messages, cut after 200 characters; "" without memory. */
const char *text_shown(run *x, value s);

/* UTF-8 without a NUL; p has room for 4 * s.n bytes. What is no character becomes U+FFFD. */
size_t text_utf8(value s, uint8_t *p);

bool letters_same(const letter *a, const letter *b, size_t n);
int letters_compare(value a, value b);
bool text_is(value s, const char *ascii);
/* Offset of `what` in s[from, to), or SIZE_MAX. Spends steps. */
status text_find(run *x, value s, value what, size_t from, size_t to, size_t *at);
bool text_has_data(value s);                        /* is any letter from the variables? */
bool letter_space(letter c);                        /* what Python's strip and split take for white space */
value text_part(value s, size_t begin, size_t end); /* shares the letters */
value text_trim(value s, bool left, bool right);    /* white space */

/* ---- questions ---- */

const char *value_type(value v); /* Python's name of its type */
bool value_true(value v);
bool value_is_number(value v); /* int, float or bool */
double value_real(value v);    /* of a number */
wide value_whole(value v);     /* of an int or bool */
status value_same(run *x, value a, value b, bool *same);
/* -1, 0, 1 in *order (2: a NaN). `sign` is for the message. */
status value_compare(run *x, value a, value b, const char *sign, int *order);
/* The numbers of the keys in rising order (or falling), equal ones as they stood. */
status value_order(run *x, const value *keys, size_t n, bool reverse, size_t **order);
status value_contains(run *x, value container, value item, bool *found);
status value_length(run *x, value v, size_t *n);
/* What a for loop visits; an iterator is empty afterwards. */
status value_items(run *x, value v, const value **items, size_t *n);
bool value_iterable(value v);
status value_hashable(run *x, value key);
status dict_find(run *x, value dict, value key, const value **found); /* NULL: not there */
/* Sets or appends; `pairs` has room for one more. */
status dict_set(run *x, value_pair *pairs, size_t *n, value key, value item);
status value_to_index(run *x, value v, wide *out); /* an int or bool, else TypeError */

/* ---- printing (jinja_print.c) ---- */

status value_string(run *x, value v, value *out); /* str(v) */
status value_repr(run *x, writer *t, value v);
void real_repr(double x, char out[40]);
status value_escape(run *x, value v, value *out); /* HTML; markup stays */

typedef struct json_style {
    bool ascii, sort;
    value indent;       /* K_STR, or K_NONE: on one line */
    value comma, colon; /* K_STR */
} json_style;
status value_json(run *x, writer *t, value v, const json_style *style);

/* ---- numbers (jinja_number.c) ---- */

typedef struct operation { /* of two values */
    const char *sign;
    int level; /* a higher one binds more tightly */
    status (*run)(run *x, value a, value b, value *out);
} operation;
enum { OPERATION_LEVELS = 4 };
extern const operation operations[]; /* ends with sign NULL */
status number_negate(run *x, value a, value *out);
bool number_parse_int(value s, int base, wide *out); /* as Python's int(text, base) */
bool number_parse_real(value s, double *out);        /* as Python's float(text) */
bool number_of_real(double real, wide *out);         /* towards zero; false if it does not fit */

/* ---- formats (jinja_format.c) ---- */

status text_percent(run *x, value format, value arguments, value *out); /* format % arguments, a tuple or one value */

/* ---- case (jinja_case.c): the result has as many letters as it needs, origin kept ---- */

typedef enum letter_case { CASE_UPPER, CASE_LOWER, CASE_TITLE, CASE_SWAP, CASE_FOLD, CASE_CAPITAL } letter_case;
status text_case(run *x, value s, letter_case to, value *out);
bool letter_is_cased(letter c);
bool letter_is_upper(letter c);
bool letter_is_lower(letter c);

#endif

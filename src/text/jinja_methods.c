/* The methods of values: tables, and those that are short. A method without a function would change the value: the sandbox knows its name and refuses it. */
#include <math.h>

#include "text/jinja_str.h"
#include "text/unicode.h"

/* ---- texts: case ---- */

static status str_upper(run *x, call *c, value *out) {
    return text_case(x, c->self, CASE_UPPER, out);
}

static status str_lower(run *x, call *c, value *out) {
    return text_case(x, c->self, CASE_LOWER, out);
}

static status str_title(run *x, call *c, value *out) {
    return text_case(x, c->self, CASE_TITLE, out);
}

static status str_capitalize(run *x, call *c, value *out) {
    return text_case(x, c->self, CASE_CAPITAL, out);
}

static status str_swapcase(run *x, call *c, value *out) {
    return text_case(x, c->self, CASE_SWAP, out);
}

static status str_casefold(run *x, call *c, value *out) {
    return text_case(x, c->self, CASE_FOLD, out);
}

/* ---- texts: what they consist of ---- */

static bool category_is(letter l, char first, const char *second) {
    const char *k = unicode_category(l & LETTER_POINT);
    return k[0] == first && strchr(second, k[1]);
}

static bool is_alpha(letter l) {
    return category_is(l, 'L', "ultmo");
}

static bool is_decimal(letter l) {
    return category_is(l, 'N', "d");
}

/* Digits that are not decimal: superscripts, subscripts, circled ones. */
static bool is_digit(letter l) {
    const uint32_t c = l & LETTER_POINT;
    return is_decimal(l) || c == 0xb2 || c == 0xb3 || c == 0xb9 || c == 0x2070 || (c >= 0x2074 && c <= 0x2079) || (c >= 0x2080 && c <= 0x2089) ||
           (c >= 0x2460 && c <= 0x2468) || (c >= 0x2474 && c <= 0x247c) || (c >= 0x2488 && c <= 0x2490) || (c >= 0x24f5 && c <= 0x24fd) ||
           (c >= 0x2776 && c <= 0x277e) || (c >= 0x2780 && c <= 0x2788) || (c >= 0x278a && c <= 0x2792);
}

static bool is_numeric(letter l) {
    return category_is(l, 'N', "dlo");
}

static bool is_alnum(letter l) {
    return is_alpha(l) || is_numeric(l);
}

static bool is_ascii(letter l) {
    return (l & LETTER_POINT) < 0x80;
}

static status all_letters(run *x, call *c, bool (*is)(letter), bool empty, value *out) {
    bool all = c->self.n > 0 || empty;
    TRY(run_spend(x, c->self.n / 8));
    for (size_t i = 0; all && i < c->self.n; i++) all = is(c->self.text[i]);
    *out = value_of_bool(all);
    return OK;
}

static status str_isalpha(run *x, call *c, value *out) {
    return all_letters(x, c, is_alpha, false, out);
}

static status str_isdecimal(run *x, call *c, value *out) {
    return all_letters(x, c, is_decimal, false, out);
}

static status str_isdigit(run *x, call *c, value *out) {
    return all_letters(x, c, is_digit, false, out);
}

static status str_isnumeric(run *x, call *c, value *out) {
    return all_letters(x, c, is_numeric, false, out);
}

static status str_isalnum(run *x, call *c, value *out) {
    return all_letters(x, c, is_alnum, false, out);
}

static status str_isascii(run *x, call *c, value *out) {
    return all_letters(x, c, is_ascii, true, out);
}

static status str_isspace(run *x, call *c, value *out) {
    return all_letters(x, c, letter_space, false, out);
}

/* Some letters have a case, and none has the other one. */
static status one_case(run *x, call *c, bool (*other)(letter), value *out) {
    bool any = false, good = true;
    TRY(run_spend(x, c->self.n / 8));
    for (size_t i = 0; i < c->self.n; i++) {
        any |= letter_is_cased(c->self.text[i]);
        good &= !other(c->self.text[i]);
    }
    *out = value_of_bool(any && good);
    return OK;
}

static status str_islower(run *x, call *c, value *out) {
    return one_case(x, c, letter_is_upper, out);
}

static status str_isupper(run *x, call *c, value *out) {
    return one_case(x, c, letter_is_lower, out);
}

/* ---- texts: padding ---- */

status str_pad(run *x, value s, wide width, letter with, bool left, bool right, value *out) {
    writer t = {0};
    const wide most = (wide)1 << 40;
    const size_t fill = width > most ? (size_t)most : width > (wide)s.n ? (size_t)width - s.n : 0;
    /* Python's center puts the odd one on the left where the width is odd. */
    const size_t before = !left ? 0 : right ? fill / 2 + (fill & (size_t)width & 1) : fill;
    if (fill > x->heap.left / sizeof(letter)) return run_fail(x, LIMIT_ERROR, "the template takes too much memory");
    for (size_t i = 0; i < before; i++) TRY(text_put_one(x, &t, with));
    TRY(text_put_value(x, &t, s));
    for (size_t i = before; i < fill; i++) TRY(text_put_one(x, &t, with));
    *out = text_value(&t);
    return OK;
}

static status pad(run *x, call *c, bool left, bool right, value *out) {
    wide width;
    value with;
    letter fill = ' ';
    TRY(arg_int(x, c->arg[0], 0, &width));
    if (arg_given(c->arg[1])) {
        TRY(arg_text(x, c->arg[1], "The fill character", &with));
        if (with.n != 1) return run_fail(x, TYPE_ERROR, "The fill character must be exactly one character long");
        fill = with.text[0];
    }
    return str_pad(x, c->self, width, fill, left, right, out);
}

static status str_center(run *x, call *c, value *out) {
    return pad(x, c, true, true, out);
}

static status str_ljust(run *x, call *c, value *out) {
    return pad(x, c, false, true, out);
}

static status str_rjust(run *x, call *c, value *out) {
    return pad(x, c, true, false, out);
}

static status str_zfill(run *x, call *c, value *out) {
    const value s = c->self;
    const letter first = s.n ? s.text[0] & LETTER_POINT : 0;
    const bool sign = first == '-' || first == '+';
    writer t = {0};
    wide width;
    TRY(arg_int(x, c->arg[0], 0, &width));
    TRY(str_pad(x, text_part(s, sign, s.n), width - sign, '0', true, false, out));
    if (!sign) return OK;
    TRY(text_put_one(x, &t, s.text[0]));
    TRY(text_put_value(x, &t, *out));
    *out = text_value(&t);
    return OK;
}

const routine str_methods[] = {
    {"upper", str_upper, ""},
    {"lower", str_lower, ""},
    {"title", str_title, ""},
    {"capitalize", str_capitalize, ""},
    {"swapcase", str_swapcase, ""},
    {"casefold", str_casefold, ""},
    {"strip", str_strip_both, "chars"},
    {"lstrip", str_strip_left, "chars"},
    {"rstrip", str_strip_right, "chars"},
    {"split", str_split, "sep maxsplit"},
    {"rsplit", str_rsplit, "sep maxsplit"},
    {"splitlines", str_splitlines, "keepends"},
    {"partition", str_partition, "sep!"},
    {"rpartition", str_rpartition, "sep!"},
    {"removeprefix", str_removeprefix, "prefix!"},
    {"removesuffix", str_removesuffix, "suffix!"},
    {"join", str_join_items, "iterable!"},
    {"replace", str_replace_all, "old! new! count"},
    {"startswith", str_startswith, "prefix! start end"},
    {"endswith", str_endswith, "suffix! start end"},
    {"find", str_find, "sub! start end"},
    {"rfind", str_rfind, "sub! start end"},
    {"index", str_index, "sub! start end"},
    {"rindex", str_rindex, "sub! start end"},
    {"count", str_count, "sub! start end"},
    {"center", str_center, "width! fillchar"},
    {"ljust", str_ljust, "width! fillchar"},
    {"rjust", str_rjust, "width! fillchar"},
    {"zfill", str_zfill, "width!"},
    {"isalpha", str_isalpha, ""},
    {"isdecimal", str_isdecimal, ""},
    {"isdigit", str_isdigit, ""},
    {"isnumeric", str_isnumeric, ""},
    {"isalnum", str_isalnum, ""},
    {"isascii", str_isascii, ""},
    {"isspace", str_isspace, ""},
    {"islower", str_islower, ""},
    {"isupper", str_isupper, ""},
    {"format", str_format, NULL},
    {0},
};

/* ---- lists, tuples ---- */

static status list_index(run *x, call *c, value *out) {
    for (size_t i = 0; i < c->self.n; i++) {
        bool same;
        TRY(value_same(x, c->self.items[i], c->arg[0], &same));
        if (same) return *out = value_of_int((wide)i, false), OK;
    }
    return run_fail(x, VALUE_ERROR, "the value is not in the list");
}

static status list_count(run *x, call *c, value *out) {
    *out = value_of_int(0, false);
    for (size_t i = 0; i < c->self.n; i++) {
        bool same;
        TRY(value_same(x, c->self.items[i], c->arg[0], &same));
        out->whole += same;
    }
    return OK;
}

static status give_self(run *x, call *c, value *out) {
    (void)x;
    *out = c->self;
    return OK;
}

const routine list_methods[] = {
    {"index", list_index, "value!"},
    {"count", list_count, "value!"},
    {"copy", give_self, ""},
    {"append", NULL, NULL},
    {"extend", NULL, NULL},
    {"insert", NULL, NULL},
    {"pop", NULL, NULL},
    {"remove", NULL, NULL},
    {"reverse", NULL, NULL},
    {"sort", NULL, NULL},
    {"clear", NULL, NULL},
    {0},
};
const routine tuple_methods[] = {{"index", list_index, "value!"}, {"count", list_count, "value!"}, {0}};

/* ---- dicts ---- */

static status dict_get(run *x, call *c, value *out) {
    const value *found;
    TRY(dict_find(x, c->self, c->arg[0], &found));
    *out = found ? *found : c->arg[1].kind != K_ABSENT ? c->arg[1] : value_of_none();
    return OK;
}

static status view(call *c, value_kind kind, value *out) {
    *out = c->self;
    out->kind = kind;
    return OK;
}

static status dict_items(run *x, call *c, value *out) {
    (void)x;
    return view(c, K_ITEMS, out);
}

static status dict_keys(run *x, call *c, value *out) {
    (void)x;
    return view(c, K_KEYS, out);
}

static status dict_values(run *x, call *c, value *out) {
    (void)x;
    return view(c, K_VALUES, out);
}

const routine dict_methods[] = {
    {"get", dict_get, "key! default"},
    {"items", dict_items, ""},
    {"keys", dict_keys, ""},
    {"values", dict_values, ""},
    {"copy", give_self, ""},
    {"clear", NULL, NULL},
    {"pop", NULL, NULL},
    {"popitem", NULL, NULL},
    {"setdefault", NULL, NULL},
    {"update", NULL, NULL},
    {0},
};

/* ---- numbers ---- */

static status int_bit_length(run *x, call *c, value *out) {
    (void)x;
    wide v = value_whole(c->self);
    *out = value_of_int(0, false);
    for (; v; v /= 2) out->whole++;
    return OK;
}

static status float_is_integer(run *x, call *c, value *out) {
    (void)x;
    *out = value_of_bool(isfinite(c->self.real) && floor(c->self.real) == c->self.real);
    return OK;
}

const routine int_methods[] = {{"bit_length", int_bit_length, ""}, {0}};
const routine float_methods[] = {{"is_integer", float_is_integer, ""}, {0}};
const routine float_properties[] = {{"real", give_self, ""}, {0}};

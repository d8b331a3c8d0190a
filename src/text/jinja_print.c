/* Values as texts: str(), repr(), JSON, HTML. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "text/jinja_tree.h"
#include "text/unicode.h"

bool text_has_data(value s) {
    for (size_t i = 0; i < s.n; i++) {
        if (s.text[i] & LETTER_DATA) return true;
    }
    return false;
}

/* ---- numbers ---- */

/* The shortest digits that are read back as the same number, laid out as Python does. */
void real_repr(double x, char out[40]) {
    char e[40];
    if (!isfinite(x)) {
        strcpy(out, isnan(x) ? "nan" : x < 0 ? "-inf" : "inf");
        return;
    }
    int digits = 1;
    for (; digits < 17; digits++) {
        snprintf(e, sizeof e, "%.*e", digits - 1, x);
        if (strtod(e, NULL) == x) break;
    }
    snprintf(e, sizeof e, "%.*e", digits - 1, x);
    const int power = atoi(strchr(e, 'e') + 1);
    if (power >= -4 && power < 16) {
        snprintf(out, 40, "%.*f", digits - 1 > power ? digits - 1 - power : 1, x);
    } else {
        snprintf(out, 40, "%s", e);
    }
}

static void whole_repr(wide x, char out[48]) {
    char back[48];
    int n = 0, at = 0;
    __extension__ unsigned __int128 rest = x < 0 ? -(unsigned __int128)x : (unsigned __int128)x;
    do back[n++] = (char)('0' + (int)(rest % 10));
    while (rest /= 10);
    if (x < 0) out[at++] = '-';
    while (n) out[at++] = back[--n];
    out[at] = 0;
}

static status put_number(run *x, writer *t, value v) {
    char s[48];
    if (v.kind == K_FLOAT) {
        real_repr(v.real, s);
    } else {
        whole_repr(v.whole, s);
    }
    return text_put_ascii(x, t, s, v.data);
}

/* ---- repr ---- */

static bool printable(uint32_t c) {
    if (c < 0x7f) return c >= ' ';
    const char *k = unicode_category(c);
    return k[0] != 'C' && k[0] != 'Z';
}

static status put_escaped(run *x, writer *t, uint32_t c, bool data) {
    char s[16];
    snprintf(s, sizeof s, c < 0x100 ? "\\x%02" PRIx32 : c < 0x10000 ? "\\u%04" PRIx32 : "\\U%08" PRIx32, c);
    return text_put_ascii(x, t, s, data);
}

static status repr_text(run *x, writer *t, value v) {
    static const char escaped[] = "\\\n\r\t", letters[] = "\\nrt";
    bool single = false, twofold = false;
    for (size_t i = 0; i < v.n; i++) {
        single |= (v.text[i] & LETTER_POINT) == '\'';
        twofold |= (v.text[i] & LETTER_POINT) == '"';
    }
    const letter quote = single && !twofold ? '"' : '\'', origin = text_has_data(v) ? LETTER_DATA : 0;
    TRY(text_put_one(x, t, quote | origin));
    for (size_t i = 0; i < v.n; i++) {
        const letter c = v.text[i] & LETTER_POINT, from = v.text[i] & LETTER_DATA;
        const char *known = c && c < 0x80 ? strchr(escaped, (int)c) : NULL;
        if (known || c == quote) {
            TRY(text_put_one(x, t, '\\' | from));
            TRY(text_put_one(x, t, (known ? (letter)letters[known - escaped] : c) | from));
        } else if (printable(c)) {
            TRY(text_put_one(x, t, v.text[i]));
        } else {
            TRY(put_escaped(x, t, c, from != 0));
        }
    }
    return text_put_one(x, t, quote | origin);
}

static status put_between(run *x, writer *t, value v, const char *open, const char *close) {
    TRY(text_put_ascii(x, t, open, v.data));
    for (size_t i = 0; i < v.n; i++) {
        if (i) TRY(text_put_ascii(x, t, ", ", v.data));
        TRY(value_repr(x, t, v.items[i]));
    }
    return text_put_ascii(x, t, close, v.data);
}

static status repr_undefined(run *x, writer *t, value v) {
    return text_put_ascii(x, t, "Undefined", v.data);
}

static status repr_none(run *x, writer *t, value v) {
    return text_put_ascii(x, t, "None", v.data);
}

static status repr_bool(run *x, writer *t, value v) {
    return text_put_ascii(x, t, v.truth ? "True" : "False", v.data);
}

static status repr_list(run *x, writer *t, value v) {
    return put_between(x, t, v, "[", "]");
}

static status repr_tuple(run *x, writer *t, value v) {
    return put_between(x, t, v, "(", v.n == 1 ? ",)" : ")");
}

static status repr_dict(run *x, writer *t, value v) {
    TRY(text_put_ascii(x, t, "{", v.data));
    for (size_t i = 0; i < v.n; i++) {
        if (i) TRY(text_put_ascii(x, t, ", ", v.data));
        TRY(value_repr(x, t, v.pairs[i].key));
        TRY(text_put_ascii(x, t, ": ", v.data));
        TRY(value_repr(x, t, v.pairs[i].value));
    }
    return text_put_ascii(x, t, "}", v.data);
}

static status repr_range(run *x, writer *t, value v) {
    char s[160], start[48], stop[48], step[48];
    whole_repr(v.range->start, start);
    whole_repr(v.range->stop, stop);
    whole_repr(v.range->step, step);
    snprintf(s, sizeof s, v.range->step == 1 ? "range(%s, %s)" : "range(%s, %s, %s)", start, stop, step);
    return text_put_ascii(x, t, s, v.data);
}

static status repr_view(run *x, writer *t, value v) {
    const value *items;
    size_t n;
    TRY(value_items(x, v, &items, &n));
    TRY(text_put_ascii(x, t, value_type(v), v.data));
    return put_between(x, t, value_of_items(K_LIST, items, n, v.data), "([", "])");
}

static status repr_namespace(run *x, writer *t, value v) {
    TRY(text_put_ascii(x, t, "<Namespace ", false));
    TRY(repr_dict(x, t, *(const value *)v.object));
    return text_put_ascii(x, t, ">", false);
}

static status (*const repr_of[KINDS])(run *, writer *, value) = {
    [K_UNDEFINED] = repr_undefined, [K_NONE] = repr_none,           [K_BOOL] = repr_bool,
    [K_INT] = put_number,           [K_FLOAT] = put_number,         [K_STR] = repr_text,
    [K_LIST] = repr_list,           [K_TUPLE] = repr_tuple,         [K_DICT] = repr_dict,
    [K_RANGE] = repr_range,         [K_KEYS] = repr_view,           [K_VALUES] = repr_view,
    [K_ITEMS] = repr_view,          [K_NAMESPACE] = repr_namespace,
};

status value_repr(run *x, writer *t, value v) {
    if (!repr_of[v.kind]) return run_fail(x, TYPE_ERROR, "printing a %s is not supported", value_type(v));
    TRY(run_spend(x, 1));
    TRY(run_enter(x));
    TRY(repr_of[v.kind](x, t, v));
    run_leave(x);
    return OK;
}

status value_string(run *x, value v, value *out) {
    writer t = {0};
    *out = v;
    if (v.kind == K_STR) return OK;
    if (v.kind != K_UNDEFINED) TRY(value_repr(x, &t, v));
    *out = text_value(&t);
    return OK;
}

/* ---- HTML ---- */

status value_escape(run *x, value v, value *out) {
    static const struct {
        char c;
        const char *as;
    } escapes[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'\'', "&#39;"}, {'"', "&#34;"}};
    writer t = {0};
    TRY(value_string(x, v, out));
    for (size_t i = 0; !v.markup && i < out->n; i++) {
        const char *as = NULL;
        for (size_t k = 0; k < sizeof escapes / sizeof *escapes; k++) {
            if ((out->text[i] & LETTER_POINT) == (letter)escapes[k].c) as = escapes[k].as;
        }
        TRY(as ? text_put_ascii(x, &t, as, out->text[i] & LETTER_DATA) : text_put_one(x, &t, out->text[i]));
    }
    if (!v.markup) *out = text_value(&t);
    out->markup = true;
    return OK;
}

/* ---- JSON ---- */

typedef struct json_writer {
    run *x;
    writer *t;
    const json_style *style;
    size_t depth;
} json_writer;

static status json_value(json_writer *w, value v);

static status json_unit(json_writer *w, uint32_t unit, bool data) {
    char s[16];
    snprintf(s, sizeof s, "\\u%04" PRIx32, unit);
    return text_put_ascii(w->x, w->t, s, data);
}

static status json_letter(json_writer *w, letter l) {
    static const char escaped[] = "\"\\\n\r\t\b\f", letters[] = "\"\\nrtbf";
    const uint32_t c = l & LETTER_POINT;
    const char *known = c && c < 0x80 ? strchr(escaped, (int)c) : NULL;
    const bool data = l & LETTER_DATA;
    if (known) {
        TRY(text_put_one(w->x, w->t, '\\' | (l & LETTER_DATA)));
        return text_put_one(w->x, w->t, (letter)letters[known - escaped] | (l & LETTER_DATA));
    }
    if (c >= ' ' && (c < 0x7f || !w->style->ascii)) return text_put_one(w->x, w->t, l);
    if (c < 0x10000) return json_unit(w, c, data);
    TRY(json_unit(w, 0xd800 + ((c - 0x10000) >> 10), data));
    return json_unit(w, 0xdc00 + ((c - 0x10000) & 0x3ff), data);
}

static status json_text(json_writer *w, value v) {
    const letter quote = '"' | (text_has_data(v) ? LETTER_DATA : 0);
    TRY(text_put_one(w->x, w->t, quote));
    for (size_t i = 0; i < v.n; i++) TRY(json_letter(w, v.text[i]));
    return text_put_one(w->x, w->t, quote);
}

static status put_origin(json_writer *w, value s, bool data) {
    for (size_t i = 0; i < s.n; i++) TRY(text_put_one(w->x, w->t, s.text[i] | (data ? LETTER_DATA : 0)));
    return OK;
}

static status json_line(json_writer *w, bool data) {
    if (w->style->indent.kind != K_STR) return OK;
    TRY(text_put_one(w->x, w->t, '\n' | (data ? LETTER_DATA : 0)));
    for (size_t i = 0; i < w->depth; i++) TRY(put_origin(w, w->style->indent, data));
    return OK;
}

static status json_list(json_writer *w, value v) {
    if (v.n == 0) return text_put_ascii(w->x, w->t, "[]", v.data);
    TRY(text_put_ascii(w->x, w->t, "[", v.data));
    w->depth++;
    for (size_t i = 0; i < v.n; i++) {
        if (i) TRY(put_origin(w, w->style->comma, v.data));
        TRY(json_line(w, v.data));
        TRY(json_value(w, v.items[i]));
    }
    w->depth--;
    TRY(json_line(w, v.data));
    return text_put_ascii(w->x, w->t, "]", v.data);
}

static status json_scalar(json_writer *w, value v) {
    char s[48];
    if (v.kind == K_NONE) return text_put_ascii(w->x, w->t, "null", v.data);
    if (v.kind == K_BOOL) return text_put_ascii(w->x, w->t, v.truth ? "true" : "false", v.data);
    if (v.kind == K_INT || isfinite(v.real)) return put_number(w->x, w->t, v);
    snprintf(s, sizeof s, "%s", isnan(v.real) ? "NaN" : v.real < 0 ? "-Infinity" : "Infinity");
    return text_put_ascii(w->x, w->t, s, v.data);
}

static bool is_scalar(value v) {
    return v.kind == K_NONE || value_is_number(v);
}

static status json_key(json_writer *w, value v) {
    if (v.kind == K_STR) return json_text(w, v);
    if (!is_scalar(v)) return run_fail(w->x, TYPE_ERROR, "keys must be str, int, float, bool or None, not %s", value_type(v));
    TRY(text_put_ascii(w->x, w->t, "\"", v.data));
    TRY(json_scalar(w, v));
    return text_put_ascii(w->x, w->t, "\"", v.data);
}

static status json_dict(json_writer *w, value v) {
    const value *keys;
    size_t n, *order = NULL;
    if (v.n == 0) return text_put_ascii(w->x, w->t, "{}", v.data);
    TRY(value_items(w->x, v, &keys, &n));
    if (w->style->sort) TRY(value_order(w->x, keys, n, false, &order));
    TRY(text_put_ascii(w->x, w->t, "{", v.data));
    w->depth++;
    for (size_t i = 0; i < n; i++) {
        const value_pair *p = &v.pairs[order ? order[i] : i];
        if (i) TRY(put_origin(w, w->style->comma, v.data));
        TRY(json_line(w, v.data));
        TRY(json_key(w, p->key));
        TRY(put_origin(w, w->style->colon, v.data));
        TRY(json_value(w, p->value));
    }
    w->depth--;
    TRY(json_line(w, v.data));
    return text_put_ascii(w->x, w->t, "}", v.data);
}

static status json_value(json_writer *w, value v) {
    TRY(run_spend(w->x, 1));
    TRY(run_enter(w->x));
    if (v.kind == K_STR) {
        TRY(json_text(w, v));
    } else if (v.kind == K_LIST || v.kind == K_TUPLE) {
        TRY(json_list(w, v));
    } else if (v.kind == K_DICT) {
        TRY(json_dict(w, v));
    } else if (is_scalar(v)) {
        TRY(json_scalar(w, v));
    } else {
        return run_fail(w->x, TYPE_ERROR, "Object of type %s is not JSON serializable", value_type(v));
    }
    run_leave(w->x);
    return OK;
}

status value_json(run *x, writer *t, value v, const json_style *style) {
    json_writer w = {x, t, style, 0};
    return json_value(&w, v);
}

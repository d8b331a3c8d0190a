/* Filters of texts. What is no text is printed first, as Jinja does. */
#include "text/jinja_filters.h"
#include "text/unicode.h"

static status case_of(run *x, call *c, letter_case to, value *out) {
    value s;
    TRY(value_string(x, c->self, &s));
    return text_case(x, s, to, out);
}

status filter_upper(run *x, call *c, value *out) {
    return case_of(x, c, CASE_UPPER, out);
}

status filter_lower(run *x, call *c, value *out) {
    return case_of(x, c, CASE_LOWER, out);
}

status filter_capitalize(run *x, call *c, value *out) {
    return case_of(x, c, CASE_CAPITAL, out);
}

/* Words begin after white space, "-" and opening brackets. */
status filter_title(run *x, call *c, value *out) {
    writer t = {0};
    value s, word;
    TRY(value_string(x, c->self, &s));
    for (size_t i = 0; i < s.n;) {
        size_t end = i;
        bool gap = true;
        for (; end < s.n; end++) {
            const letter l = s.text[end] & LETTER_POINT;
            const bool between = letter_space(l) || (l < 0x80 && l && strchr("-({[<", (int)l));
            if (end > i && between != gap) break;
            gap = between;
        }
        if (gap) {
            TRY(text_put_value(x, &t, text_part(s, i, end)));
        } else {
            TRY(text_case(x, text_part(s, i, i + 1), CASE_UPPER, &word));
            TRY(text_put_value(x, &t, word));
            TRY(text_case(x, text_part(s, i + 1, end), CASE_LOWER, &word));
            TRY(text_put_value(x, &t, word));
        }
        i = end;
    }
    *out = text_value(&t);
    return OK;
}

status filter_trim(run *x, call *c, value *out) {
    value s;
    TRY(value_string(x, c->self, &s));
    return str_strip(x, s, c->arg[0], true, true, out);
}

status filter_replace(run *x, call *c, value *out) {
    value s, old, new;
    wide most;
    TRY(value_string(x, c->self, &s));
    TRY(value_string(x, c->arg[0], &old));
    TRY(value_string(x, c->arg[1], &new));
    TRY(arg_int(x, c->arg[2], -1, &most));
    return str_replace(x, s, old, new, most, out);
}

status filter_center(run *x, call *c, value *out) {
    value s;
    wide width;
    TRY(value_string(x, c->self, &s));
    TRY(arg_int(x, c->arg[0], 80, &width));
    return str_pad(x, s, width, ' ', true, true, out);
}

status filter_join(run *x, call *c, value *out) {
    const value *list;
    value *texts, between = c->arg[0];
    size_t n;
    TRY(between.kind == K_ABSENT ? value_of_ascii(x, "", &between) : value_string(x, between, &between));
    TRY(filter_attributes(x, c->self, c->arg[1], &list, &n));
    TRY(run_take(x, n, sizeof *texts, &texts));
    for (size_t i = 0; i < n; i++) TRY(value_string(x, list[i], &texts[i]));
    return str_join(x, between, texts, n, out);
}

status filter_indent(run *x, call *c, value *out) {
    const bool first = c->arg[1].kind != K_ABSENT && value_true(c->arg[1]), blank = c->arg[2].kind != K_ABSENT && value_true(c->arg[2]);
    value s, lines, margin = c->arg[0];
    writer t = {0};
    wide width;
    TRY(value_string(x, c->self, &s));
    if (margin.kind != K_STR) {
        TRY(arg_int(x, margin, 4, &width));
        TRY(str_pad(x, value_of_letters(NULL, 0), width, ' ', true, false, &margin));
    }
    TRY(text_put_value(x, &t, s));
    TRY(text_put_one(x, &t, '\n')); /* so that an empty last line counts */
    TRY(str_lines(x, text_value(&t), false, &lines));
    t = (writer){0};
    for (size_t i = 0; i < lines.n; i++) {
        if (i) TRY(text_put_one(x, &t, '\n'));
        if (i ? blank || lines.items[i].n : first) TRY(text_put_value(x, &t, margin));
        TRY(text_put_value(x, &t, lines.items[i]));
    }
    *out = text_value(&t);
    return OK;
}

status filter_wordcount(run *x, call *c, value *out) {
    value s;
    bool inside = false;
    *out = value_of_int(0, false);
    TRY(value_string(x, c->self, &s));
    TRY(run_spend(x, s.n / 8));
    for (size_t i = 0; i < s.n; i++) {
        const bool word = unicode_word(s.text[i] & LETTER_POINT);
        out->whole += word && !inside;
        inside = word;
    }
    return OK;
}

/* To `length` letters with the end mark, at a word's end unless killwords; as it is where only `leeway` letters would go. */
status filter_truncate(run *x, call *c, value *out) {
    wide length, leeway;
    value s, end = c->arg[2];
    writer t = {0};
    TRY(value_string(x, c->self, &s));
    TRY(arg_int(x, c->arg[0], 255, &length));
    TRY(arg_int(x, c->arg[3], 5, &leeway));
    TRY(end.kind == K_ABSENT ? value_of_ascii(x, "...", &end) : value_string(x, end, &end));
    if (length < (wide)end.n || leeway < 0)
        return run_fail(x, "AssertionError", "truncate is asked for %s", leeway < 0 ? "a leeway below 0" : "less than its end mark");
    if ((wide)s.n <= length + leeway) return *out = s, OK;
    value kept = text_part(s, 0, (size_t)(length - (wide)end.n));
    if (c->arg[1].kind == K_ABSENT || !value_true(c->arg[1])) {
        size_t cut = kept.n;
        while (cut > 0 && (kept.text[cut - 1] & LETTER_POINT) != ' ') cut--;
        if (cut) kept.n = cut - 1;
    }
    TRY(text_put_value(x, &t, kept));
    TRY(text_put_value(x, &t, end));
    *out = text_value(&t);
    return OK;
}

#include "quantize/selector.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LAYERS "layers"

enum { NUMBER_MAX = 1000000 };

/* ---- depths ---- */

/* How many layers a count or a part is; a part is rounded up, so that it is never none. */
static uint64_t share(const depth *d, uint32_t layers) {
    return d->b ? ((uint64_t)layers * d->a + d->b - 1) / d->b : d->a;
}

static bool in_first(const depth *d, uint32_t layer, uint32_t layers) {
    return layer < share(d, layers);
}

static bool in_last(const depth *d, uint32_t layer, uint32_t layers) {
    return layer + share(d, layers) >= layers;
}

static bool at_step(const depth *d, uint32_t layer, uint32_t layers) {
    (void)layers;
    return layer % d->a == 0;
}

static bool in_range(const depth *d, uint32_t layer, uint32_t layers) {
    (void)layers;
    return layer >= d->a && layer <= d->b;
}

static const struct depth_word {
    const char *word;
    bool (*has)(const depth *d, uint32_t layer, uint32_t layers);
    bool part; /* may its number be a part? */
} depth_words[] = {{"first", in_first, true}, {"last", in_last, true}, {"every", at_step, false}, {NULL, in_range, false}};

typedef struct cursor {
    const char *text;
    size_t n, at;
} cursor;

static char peek(const cursor *c) {
    return c->at < c->n ? c->text[c->at] : 0;
}

static void skip_spaces(cursor *c) {
    while (isspace((unsigned char)peek(c))) c->at++;
}

static bool take(cursor *c, char wanted) {
    skip_spaces(c);
    if (peek(c) != wanted) return false;
    c->at++;
    return true;
}

static status read_number(cursor *c, uint32_t least, uint32_t *out, error *e) {
    uint32_t number = 0;
    skip_spaces(c);
    const size_t from = c->at;
    for (; isdigit((unsigned char)peek(c)) && number <= NUMBER_MAX; c->at++) number = 10 * number + (uint32_t)(peek(c) - '0');
    const size_t digits = c->at - from;
    c->at = from;
    if (!digits) return fail(e, E_USAGE, "a number is missing: layers[first 2, last 1/8, 5, 7-9, every 3]");
    if (number < least || number > NUMBER_MAX) return fail(e, E_USAGE, "the number is not in %u .. %d", least, NUMBER_MAX);
    c->at += digits;
    *out = number;
    return OK;
}

static const struct depth_word *read_word(cursor *c) {
    skip_spaces(c);
    size_t n = 0;
    while (c->at + n < c->n && isalpha((unsigned char)c->text[c->at + n])) n++;
    const struct depth_word *w = depth_words;
    while (w->word && (strlen(w->word) != n || memcmp(w->word, c->text + c->at, n))) w++;
    if (w->word) c->at += n;
    return !w->word && n ? NULL : w;
}

static status read_depth(cursor *c, depth *d, error *e) {
    const struct depth_word *w = read_word(c);
    if (!w) return fail(e, E_USAGE, "unknown word; layers are chosen as in layers[first 2, last 1/8, 5, 7-9, every 3]");
    *d = (depth){.has = w->has};
    TRY(read_number(c, w->word ? 1 : 0, &d->a, e));
    if (!w->word) d->b = d->a;
    if (!w->word && take(c, '-')) {
        const size_t at = c->at;
        TRY(read_number(c, 0, &d->b, e));
        if (d->b >= d->a) return OK;
        c->at = at;
        return fail(e, E_USAGE, "the range ends before it begins");
    }
    return w->part && take(c, '/') ? read_number(c, 1, &d->b, e) : OK;
}

static status read_depths(selector *p, cursor *c, error *e) {
    do {
        if (p->n_depths == SELECTOR_DEPTHS) return fail(e, E_USAGE, "more than %d choices of layers", SELECTOR_DEPTHS);
        TRY(read_depth(c, &p->depths[p->n_depths], e));
        p->n_depths++;
    } while (take(c, ','));
    return take(c, ']') ? OK : fail(e, E_USAGE, "',' or ']' is missing after a choice of layers");
}

/* ---- names ---- */

static bool glob_matches(const char *glob, const char *text) {
    const char *star = NULL, *retry = NULL;
    while (*text) {
        if (*glob == '*') {
            star = ++glob;
            retry = text;
        } else if (*glob == '?' || *glob == *text) {
            glob++;
            text++;
        } else if (star) {
            glob = star;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*glob == '*') glob++;
    return !*glob;
}

static bool depths_match(const selector *p, const named *t) {
    char *end;
    if (strncmp(t->name, LAYERS ".", strlen(LAYERS ".")) || !isdigit((unsigned char)t->name[strlen(LAYERS ".")])) return false;
    const unsigned long layer = strtoul(t->name + strlen(LAYERS "."), &end, 10);
    if (layer >= t->layers || !glob_matches(p->text + p->glob, end)) return false;
    for (size_t i = 0; i < p->n_depths; i++) {
        if (p->depths[i].has(&p->depths[i], (uint32_t)layer, t->layers)) return true;
    }
    return false;
}

bool selector_matches(const selector *p, const named *t) {
    const char *glob = p->text + p->glob;
    if (p->is_regex) return regexec(&p->regex, t->name, 0, NULL, 0) == 0 || regexec(&p->regex, t->source, 0, NULL, 0) == 0;
    if (p->n_depths) return depths_match(p, t);
    return glob_matches(glob, t->name) || glob_matches(glob, t->source);
}

/* ---- reading ---- */

static status keep_text(selector *p, const char *text, size_t n, error *e) {
    *p = (selector){0};
    if (!n) return fail(e, E_USAGE, "the pattern is empty");
    if (n >= sizeof p->text) return fail(e, E_USAGE, "the pattern has %zu characters, more than %zu", n, sizeof p->text - 1);
    memcpy(p->text, text, n);
    return OK;
}

static status compile(selector *p, const char *regex, error *e) {
    char why[128];
    const int wrong = regcomp(&p->regex, regex, REG_EXTENDED | REG_NOSUB);
    p->is_regex = !wrong;
    if (!wrong) return OK;
    regerror(wrong, &p->regex, why, sizeof why);
    return fail(e, E_USAGE, "'%.100s' is not a regular expression: %s", regex, why);
}

status selector_open_regex(selector *p, const char *regex, size_t n, error *e) {
    TRY(keep_text(p, regex, n, e));
    return compile(p, p->text, e);
}

/* Counted repetitions and back references can take any time and memory: a recipe from elsewhere may not have them. */
static status check_regex(const selector *p, size_t n, size_t *at, error *e) {
    for (*at = 1; *at + 1 < n; ++*at) {
        const char c = p->text[*at], next = p->text[*at + 1];
        if (c == '{') return fail(e, E_USAGE, "'{' is not allowed in the regular expression of a recipe");
        if (c == '\\' && isdigit((unsigned char)next))
            return fail(e, E_USAGE, "back references are not allowed in the regular expression of a recipe");
    }
    return OK;
}

static status open_slashes(selector *p, size_t n, size_t *at, error *e) {
    char regex[SELECTOR_TEXT];
    *at = n - 1;
    if (n < 2 || p->text[n - 1] != '/') return fail(e, E_USAGE, "a regular expression ends with '/' and a space");
    *at = 1;
    if (n == 2) return fail(e, E_USAGE, "the regular expression is empty");
    TRY(check_regex(p, n, at, e));
    *at = 1;
    snprintf(regex, sizeof regex, "%.*s", (int)n - 2, p->text + 1);
    return compile(p, regex, e);
}

static status open_names(selector *p, size_t n, size_t *at, error *e) {
    cursor c = {p->text, n, 0};
    const size_t length = strlen(LAYERS);
    if (!strncmp(p->text, LAYERS "[", length + 1)) {
        c.at = length + 1;
        const status s = read_depths(p, &c, e);
        *at = c.at;
        TRY(s);
        if (peek(&c) != '.') return fail(e, E_USAGE, "'.' and a name are missing after ']'");
    }
    p->glob = c.at;
    for (; c.at < n; c.at++) {
        *at = c.at;
        if (strchr("[]", p->text[c.at])) return fail(e, E_USAGE, "brackets stand only after 'layers' at the beginning");
        if (isspace((unsigned char)p->text[c.at])) return fail(e, E_USAGE, "a space inside of a name");
    }
    return OK;
}

status selector_open(selector *p, const char *text, size_t n, size_t *at, error *e) {
    *at = 0;
    TRY(keep_text(p, text, n, e));
    return *text == '/' ? open_slashes(p, n, at, e) : open_names(p, n, at, e);
}

void selector_close(selector *p) {
    if (p->is_regex) regfree(&p->regex);
    *p = (selector){0};
}

static size_t regex_length(const char *line, size_t n) {
    for (size_t i = 1; i < n; i++) {
        if (line[i] == '/' && (i + 1 == n || isspace((unsigned char)line[i + 1]))) return i + 1;
    }
    return n;
}

size_t selector_length(const char *line, size_t n) {
    bool bracket = false;
    size_t i = 0;
    if (n && *line == '/') return regex_length(line, n);
    for (; i < n && (bracket || !isspace((unsigned char)line[i])); i++) {
        if (line[i] == '[') bracket = true;
        if (line[i] == ']') bracket = false;
    }
    return i;
}

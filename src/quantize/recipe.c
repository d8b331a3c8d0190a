#include "quantize/recipe.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/map.h"
#include "base/nearest.h"

enum { RECIPE_BYTES = 1 << 20, RECIPE_RULES = 10000, WORD = 64 };

/* ---- rules ---- */

/* A rule behind the last one, that counts when r->n is raised; NULL without memory. */
static recipe_rule *new_rule(recipe *r) {
    if (r->n == r->room) {
        const size_t room = r->room ? 2 * r->room : 16;
        recipe_rule *rules = reallocarray(r->rules, room, sizeof *rules);
        if (!rules) return NULL;
        r->rules = rules;
        r->room = room;
    }
    r->rules[r->n] = (recipe_rule){0};
    return &r->rules[r->n];
}

static status add_name(recipe *r, const char *name, const format *f, const char *from, error *e) {
    recipe_rule *rule = new_rule(r);
    size_t at;
    if (!rule) return fail(e, E_MEMORY, "no memory");
    TRY(selector_open(&rule->pattern, name, strlen(name), &at, e));
    rule->format = *f;
    rule->from = from;
    r->n++;
    return OK;
}

/* ---- text ---- */

typedef struct line { /* of a recipe */
    const char *text, *from;
    size_t n, number;
} line;

static status fail_at(const line *l, size_t at, const char *why, error *e) {
    return fail(e, E_FILE, "%s: line %zu, column %zu: %s", l->from, l->number, at + 1, why);
}

static size_t skip_spaces(const line *l, size_t at) {
    while (at < l->n && isspace((unsigned char)l->text[at])) at++;
    return at;
}

static size_t skip_word(const line *l, size_t at) {
    while (at < l->n && !isspace((unsigned char)l->text[at])) at++;
    return at;
}

static bool ends(const line *l, size_t at) {
    return at == l->n || l->text[at] == '#';
}

static status check_bytes(const line *l, error *e) {
    char why[64];
    for (size_t i = 0; i < l->n; i++) {
        const unsigned char byte = (unsigned char)l->text[i];
        if (byte == '#' && (!i || isspace((unsigned char)l->text[i - 1]))) return OK; /* comments may say anything */
        if (byte == '\t' || byte == '\r' || (byte >= ' ' && byte <= '~')) continue;
        snprintf(why, sizeof why, "the byte 0x%02x has no place in a recipe", byte);
        return fail_at(l, i, why, e);
    }
    return OK;
}

static status read_format(const line *l, size_t at, size_t end, format *out, error *e) {
    char word[WORD];
    error why;
    if (end - at >= sizeof word) return fail_at(l, at, "is not the name of a format", e);
    snprintf(word, sizeof word, "%.*s", (int)(end - at), l->text + at);
    return format_parse(out, word, &why) == OK ? OK : fail_at(l, at, why.text, e);
}

static status read_line(recipe *r, const line *l, error *e) {
    error why;
    const size_t from = skip_spaces(l, 0);
    TRY(check_bytes(l, e));
    if (ends(l, from)) return OK;
    const size_t n = selector_length(l->text + from, l->n - from), at = skip_spaces(l, from + n), end = skip_word(l, at), rest = skip_spaces(l, end);
    recipe_rule *rule = new_rule(r);
    size_t wrong;
    if (!rule) return fail(e, E_MEMORY, "no memory");
    if (selector_open(&rule->pattern, l->text + from, n, &wrong, &why) != OK) return fail_at(l, from + wrong, why.text, e);
    rule->from = l->from;
    rule->line = l->number;
    r->n++;
    if (ends(l, at)) return fail_at(l, at, "a format is missing: a line is a pattern and a format", e);
    TRY(read_format(l, at, end, &rule->format, e));
    return ends(l, rest) ? OK : fail_at(l, rest, "more than a pattern and a format", e);
}

status recipe_read(recipe *r, const char *text, size_t n, const char *from, error *e) {
    const char mark[] = "\xef\xbb\xbf";
    size_t at = n >= strlen(mark) && !memcmp(text, mark, strlen(mark)) ? strlen(mark) : 0;
    for (size_t number = 1; at < n; number++) {
        const char *newline = memchr(text + at, '\n', n - at);
        const line l = {text + at, from, newline ? (size_t)(newline - text) - at : n - at, number};
        if (r->n > RECIPE_RULES) return fail_at(&l, 0, "too many rules", e);
        TRY(read_line(r, &l, e));
        at += l.n + 1;
    }
    return OK;
}

static status read_file(recipe *r, const char *path, error *e) {
    map m;
    TRY(map_open(&m, path, e));
    const status s = m.size > RECIPE_BYTES ? fail(e, E_FILE, "%s: %zu bytes are too many for a recipe", path, m.size)
                                           : recipe_read(r, (const char *)m.data, m.size, path, e);
    map_close(&m);
    return s;
}

/* ---- wishes ---- */

const builtin_recipe *recipe_builtin(const char *name) {
    for (const builtin_recipe *b = builtin_recipes; b->name; b++) {
        if (!strcasecmp(b->name, name)) return b;
    }
    return NULL;
}

/* What the default gives to embedding, learned positions and head whose base format has fewer bits than 8: about one more, since a bit of theirs changes the
 * divergence five times as much as one of another matrix does (measured on the demo model, per weight and at 4 bits). What they multiply stays what base
 * says. */
static status careful_format(format *out, const format *base, error *e) {
    static const char *const careful[] = {[1] = "q3", [2] = "q3", [3] = "q5", [4] = "q5", [5] = "q6", [6] = "q6"};
    *out = *base;
    const size_t known = sizeof careful / sizeof *careful;
    if (base->bits >= known || !careful[base->bits]) return OK;
    TRY(format_parse(out, careful[base->bits], e));
    char name[FORMAT_NAME];
    format_name(base, name);
    const char *act = strchr(name, '@');
    if (act) format_set_act(out, act + 1);
    return OK;
}

/* Neither a format nor a recipe: which was meant? */
static status unknown_word(const char *word, error *e) {
    nearest near = {.word = word};
    format f;
    for (const format_entry *known = format_list; known->name; known++) nearest_offer(&near, known->name);
    for (const builtin_recipe *b = builtin_recipes; b->name; b++) nearest_offer(&near, b->name);
    nearest_offer(&near, RECIPE_KEEP);
    if (near.best && (recipe_builtin(near.best) || !strcmp(near.best, RECIPE_KEEP)))
        return fail(e, E_USAGE, "unknown format '%s'; did you mean '%s'?", word, near.best);
    return format_parse(&f, word, e);
}

static status wish_format(recipe *r, const char *word, error *e) {
    format base, careful;
    const builtin_recipe *built = recipe_builtin(word);
    if (built) return recipe_read(r, built->text, strlen(built->text), built->name, e);
    r->keeps = !strcasecmp(word, RECIPE_KEEP);
    if (r->keeps) return OK;
    if (format_parse(&base, word, NULL) != OK) return unknown_word(word, e);
    TRY(careful_format(&careful, &base, e));
    TRY(add_name(r, "*", &base, NULL, e));
    TRY(add_name(r, "embed", &careful, NULL, e));
    TRY(add_name(r, "positions", &careful, NULL, e));
    return add_name(r, "head", &careful, NULL, e);
}

static status wish_recipe(recipe *r, const char *name, error *e) {
    const builtin_recipe *built = recipe_builtin(name);
    if (built) return recipe_read(r, built->text, strlen(built->text), built->name, e);
    nearest near = {.word = name};
    for (const builtin_recipe *b = builtin_recipes; b->name; b++) nearest_offer(&near, b->name);
    if (!near.best || !access(name, F_OK)) return read_file(r, name, e);
    return fail(e, E_USAGE, "%s: there is no such file; did you mean the recipe '%s'?", name, near.best);
}

static status wish_name(recipe *r, const char *name, const char *word, const char *from, error *e) {
    format f;
    TRY(format_parse(&f, word, e));
    return add_name(r, name, &f, from, e);
}

static status wish_rule(recipe *r, const char *text, error *e) {
    const char *equals = strrchr(text, '=');
    recipe_rule *rule = new_rule(r);
    if (!rule) return fail(e, E_MEMORY, "no memory");
    if (!equals || equals == text) return fail(e, E_USAGE, "'%s' is not REGEX=FORMAT", text);
    TRY(format_parse(&rule->format, equals + 1, e));
    TRY(selector_open_regex(&rule->pattern, text, (size_t)(equals - text), e));
    rule->from = text;
    r->n++;
    return OK;
}

status recipe_open(recipe *r, const recipe_wish *wish, error *e) {
    *r = (recipe){.wish = *wish};
    if (!wish->format && !wish->recipe) return fail(e, E_USAGE, "neither a format nor a recipe is given");
    if (wish->format) TRY(wish_format(r, wish->format, e));
    if (wish->recipe) TRY(wish_recipe(r, wish->recipe, e));
    if (wish->embedding) TRY(wish_name(r, "embed", wish->embedding, "--embedding-type", e));
    if (wish->output) TRY(wish_name(r, "head", wish->output, "--output-type", e));
    for (size_t i = 0; i < wish->n_rules; i++) TRY(wish_rule(r, wish->rules[i], e));
    return OK;
}

void recipe_close(recipe *r) {
    for (size_t i = 0; i < r->n; i++) selector_close(&r->rules[i].pattern);
    free(r->rules);
    *r = (recipe){0};
}

/* ---- what follows from them ---- */

/* A router only chooses: it is small, and another choice is another model. */
static bool is_router(const char *name) {
    const char *last = strrchr(name, '.');
    return last && !strcmp(last, ".router");
}

status recipe_choose(recipe *r, const named *t, format *out, error *e) {
    bool chosen = false;
    if (is_router(t->name)) return format_parse(out, "f32", e);
    for (size_t i = 0; i < r->n; i++) {
        recipe_rule *rule = &r->rules[i];
        if (!selector_matches(&rule->pattern, t)) continue;
        rule->used = chosen = true;
        *out = rule->format;
    }
    if (!chosen && r->keeps) *out = (format){0};
    if (chosen || r->keeps) return OK;
    return fail(e, E_USAGE, "%s: no line is about '%s'; a first line '* q4' would be about every matrix",
                r->wish.recipe ? r->wish.recipe : "the recipe", t->name);
}

status recipe_check(const recipe *r, bool has_head, error *e) {
    for (size_t i = 0; i < r->n; i++) {
        const recipe_rule *rule = &r->rules[i];
        if (rule->used || rule->line || !rule->from) continue;
        if (!strcmp(rule->pattern.text, "head") && !has_head)
            return fail(e, E_USAGE, "the output layer of this model is its embedding: choose its format with --embedding-type");
        return fail(e, E_USAGE, "'%s' matches the name of no matrix (vectors are always f32)", rule->from);
    }
    return OK;
}

const recipe_rule *recipe_unused(const recipe *r, size_t *i) {
    while (*i < r->n) {
        const recipe_rule *rule = &r->rules[(*i)++];
        if (!rule->used && rule->line && !recipe_builtin(rule->from)) return rule;
    }
    return NULL;
}

json_t *recipe_rules(const recipe *r) {
    json_t *list = json_array();
    for (size_t i = 0; i < r->n; i++) {
        char name[FORMAT_NAME], text[SELECTOR_TEXT + FORMAT_NAME + 1];
        if (!r->rules[i].line) continue;
        format_name(&r->rules[i].format, name);
        snprintf(text, sizeof text, "%s %s", r->rules[i].pattern.text, name);
        json_array_append_new(list, json_string(text));
    }
    return list;
}

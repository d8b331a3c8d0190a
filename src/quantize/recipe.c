#include "quantize/recipe.h"

#include <stdlib.h>
#include <string.h>

/* What the defaults give to tensors whose base format has fewer bits than 8. */
static status careful_format(format *out, const format *base, error *e) {
    *out = *base;
    if (base->bits >= 8) return OK;
    return format_parse(out, base->block == 32 ? "q8-b32" : "q8", e);
}

static status named_format(format *out, const char *name, const format *base, error *e) {
    return name ? format_parse(out, name, e) : careful_format(out, base, e);
}

static status open_rule(recipe_rule *rule, const char *text, error *e) {
    const char *equals = strrchr(text, '=');
    if (!equals || equals == text) return fail(e, E_USAGE, "'%s' is not REGEX=FORMAT", text);
    TRY(format_parse(&rule->format, equals + 1, e));
    char *pattern = strndup(text, (size_t)(equals - text));
    if (!pattern) return fail(e, E_MEMORY, "no memory");
    const int wrong = regcomp(&rule->regex, pattern, REG_EXTENDED | REG_NOSUB);
    char why[128] = "";
    if (wrong) regerror(wrong, &rule->regex, why, sizeof why);
    if (wrong) fail(e, E_USAGE, "'%s' is not a regular expression: %s", pattern, why);
    free(pattern);
    return wrong ? E_USAGE : OK;
}

status recipe_open(recipe *r, const recipe_wish *wish, error *e) {
    *r = (recipe){.wish = *wish};
    TRY(format_parse(&r->base, wish->format, e));
    TRY(named_format(&r->embedding, wish->embedding, &r->base, e));
    TRY(named_format(&r->output, wish->output, &r->base, e));
    r->rules = calloc(wish->n_rules + 1, sizeof *r->rules);
    if (!r->rules) return fail(e, E_MEMORY, "no memory");
    for (size_t i = 0; i < wish->n_rules; i++, r->n_rules++) TRY(open_rule(&r->rules[i], wish->rules[i], e));
    return OK;
}

void recipe_close(recipe *r) {
    for (size_t i = 0; i < r->n_rules; i++) regfree(&r->rules[i].regex);
    free(r->rules);
    *r = (recipe){0};
}

format recipe_choose(recipe *r, const char *name, const char *source) {
    const struct {
        const char *name;
        const format *format;
    } roles[] = {{"embed", &r->embedding}, {"head", &r->output}};
    format chosen = r->base;
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        if (!strcmp(roles[i].name, name)) chosen = *roles[i].format;
    }
    for (size_t i = 0; i < r->n_rules; i++) {
        recipe_rule *rule = &r->rules[i];
        if (regexec(&rule->regex, name, 0, NULL, 0) && regexec(&rule->regex, source, 0, NULL, 0)) continue;
        rule->used = true;
        chosen = rule->format;
    }
    return chosen;
}

status recipe_check(const recipe *r, bool has_head, error *e) {
    for (size_t i = 0; i < r->n_rules; i++) {
        if (!r->rules[i].used) return fail(e, E_USAGE, "'%s' matches the name of no matrix (vectors are always f32)", r->wish.rules[i]);
    }
    if (r->wish.output && !has_head)
        return fail(e, E_USAGE, "the output layer of this model is its embedding: choose its format with --embedding-type");
    return OK;
}

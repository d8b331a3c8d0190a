#include "tools/constrain.h"

#include <stdlib.h>

#include "text/schema.h"
#include "tools/text_file.h"
#include "tools/timings.h"

typedef struct notation {
    size_t offset; /* of the flag */
    status (*open)(grammar **out, const char *text, size_t bytes, error *e);
} notation;

static const notation notations[] = {
    {offsetof(constrain_flags, grammar), grammar_open},
    {offsetof(constrain_flags, schema), schema_open},
};

static status read_grammar(grammar **out, const notation *n, const char *path, error *e) {
    text_file file;
    status s = text_file_open(&file, path, e);
    if (s == OK) {
        s = n->open(out, file.text, file.bytes, e);
        if (s != OK) fail_in(e, path);
    }
    text_file_close(&file);
    return s;
}

static status prepare(constrained *c, const notation *n, const char *path, const model *m, error *e) {
    const spec *s = model_spec(m);
    TRY(read_grammar(&c->grammar, n, path, e));
    if (!m->tokenizer) return fail(e, E_USAGE, "%s has no tokenizer, so its texts cannot be constrained", m->file.map.path);
    TRY(token_texts_open(&c->texts, m->tokenizer, e));
    c->logits = malloc(s->vocab * sizeof *c->logits);
    if (!c->logits) return fail(e, E_MEMORY, "no memory for logits");
    return constraint_open(&c->constraint, c->grammar, &c->texts, s->eos, s->n_eos, s->vocab, e);
}

status constrained_open(constrained **out, const constrain_flags *f, const model *m, error *e) {
    *out = NULL;
    for (size_t i = 0; i < sizeof notations / sizeof *notations; i++) {
        const char *path = *(const char *const *)(const void *)((const char *)f + notations[i].offset);
        if (!path) continue;
        const double start = clock_seconds();
        *out = calloc(1, sizeof **out);
        const status s = *out ? prepare(*out, &notations[i], path, m, e) : fail(e, E_MEMORY, "no memory for a grammar");
        if (s != OK) constrained_close(out);
        if (*out) (*out)->load = clock_seconds() - start;
        return s;
    }
    return OK;
}

void constrained_close(constrained **c) {
    if (!*c) return;
    constraint_close(&(*c)->constraint);
    token_texts_close(&(*c)->texts);
    grammar_close(&(*c)->grammar);
    free((*c)->logits);
    free(*c);
    *c = NULL;
}

status constrained_restart(constrained *c, error *e) {
    return c ? constraint_restart(c->constraint, e) : OK;
}

status constrained_logits(constrained *c, const float **logits, error *e) {
    if (!c) return OK;
    const double start = clock_seconds();
    const status s = constraint_apply(c->constraint, *logits, c->logits, e);
    c->seconds += clock_seconds() - start;
    *logits = c->logits;
    return s;
}

status constrained_take(constrained *c, int32_t id, error *e) {
    if (!c) return OK;
    const double start = clock_seconds();
    const status s = constraint_take(c->constraint, id, e);
    c->seconds += clock_seconds() - start;
    return s;
}

bool constrained_is_over(const constrained *c) {
    return c && constraint_must_end(c->constraint);
}

bool constrained_is_cut(const constrained *c) {
    return c && !constraint_may_end(c->constraint);
}

#include "text/grammar.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "text/grammar_states.h"

void grammar_close(grammar **g) {
    if (!*g) return;
    free((*g)->states);
    free((*g)->calls);
    free((*g)->next);
    free((*g)->family);
    free(*g);
    *g = NULL;
}

grammar_counts grammar_count(const grammar *g) {
    return (grammar_counts){g->n_rules, g->n_states - 1};
}

/* ---- families: states that no text of FAMILY_BYTES tells apart, by rounds of refinement (Moore 1956), so that a counter far from its end is like any other.
 * A state that calls is like no other. ---- */

typedef struct refinement {
    const grammar *g;
    uint32_t *family, *refined; /* [n_states] the first state of each state's family, before and after a round */
    XXH128_hash_t *signs;       /* [n_states] a state's family and those of what follows it */
    uint32_t *slots, *row;
    size_t n_slots;
} refinement;

static size_t begin_families(refinement *r) {
    const grammar *g = r->g;
    uint32_t first[2] = {0};
    size_t n = 1;
    r->family[0] = 0;
    for (uint32_t i = 1; i < g->n_states; i++) {
        uint32_t *kind = &first[g->states[i].accepts];
        const bool alone = g->states[i].n_calls > 0;
        if (!alone && !*kind) *kind = i;
        r->family[i] = alone ? i : *kind;
        n += r->family[i] == i;
    }
    return n;
}

static void sign(refinement *r, uint32_t state) {
    const uint32_t *next = r->g->next + state * r->g->n_classes;
    const size_t n = r->g->n_classes;
    for (size_t c = 0; c < n; c++) r->row[c] = r->family[next[c]];
    r->row[n] = r->family[state];
    r->signs[state] = XXH3_128bits(r->row, (n + 1) * sizeof *r->row);
}

/* One more byte; how many families there are now. */
static size_t refine(refinement *r) {
    size_t n = 1;
    memset(r->slots, 0, r->n_slots * sizeof *r->slots);
    r->refined[0] = 0;
    for (uint32_t i = 1; i < r->g->n_states; i++) {
        sign(r, i);
        size_t at = r->signs[i].low64 & (r->n_slots - 1);
        while (r->slots[at] && !XXH128_isEqual(r->signs[r->slots[at]], r->signs[i])) at = (at + 1) & (r->n_slots - 1);
        if (!r->slots[at]) r->slots[at] = i;
        r->refined[i] = r->slots[at];
        n += r->refined[i] == i;
    }
    uint32_t *refined = r->refined;
    r->refined = r->family;
    r->family = refined;
    return n;
}

static status find_families(grammar *g, error *e) {
    refinement r = {.g = g, .n_slots = 1024};
    while (r.n_slots < 2 * g->n_states) r.n_slots *= 2;
    r.family = malloc(g->n_states * sizeof *r.family);
    r.refined = malloc(g->n_states * sizeof *r.refined);
    r.signs = malloc(g->n_states * sizeof *r.signs);
    r.slots = malloc(r.n_slots * sizeof *r.slots);
    r.row = malloc((g->n_classes + 1) * sizeof *r.row);
    const bool room = r.family && r.refined && r.signs && r.slots && r.row;
    size_t n = room ? begin_families(&r) : 0;
    for (unsigned i = 0; room && i < FAMILY_BYTES; i++) {
        const size_t before = n;
        n = refine(&r);
        if (n == before) break;
    }
    g->family = r.family;
    free(r.refined);
    free(r.signs);
    free(r.slots);
    free(r.row);
    return room ? OK : fail(e, E_MEMORY, "no memory for a grammar");
}

/* ---- all steps ---- */

static status make(const free_states *s, uint32_t root, const char *what, grammar **out, error *e) {
    bool *ends = malloc(s->n), *rules = malloc(s->b->n_rules);
    status code = ends && rules ? free_states_reach(s, true, ends, rules, e) : fail(e, E_MEMORY, "no memory for a grammar");
    if (code == OK && !rules[root])
        code = fail(e, E_FILE, "nothing matches: every text that %s '%s' begins would go on for ever", what, (const char *)s->b->rules[root].name.p);
    if (code == OK) code = grammar_from_states(out, s, ends, rules, root, e);
    if (code == OK) code = find_families(*out, e);
    free(ends);
    free(rules);
    if (code != OK) grammar_close(out);
    return code;
}

status builder_finish(builder *b, uint32_t root, const char *what, grammar **out) {
    *out = NULL;
    free_states s = {0};
    if (b->code == OK) b->code = free_states_open(&s, b, root, what, b->e);
    if (b->code == OK) b->code = free_states_check(&s, what, b->e);
    if (b->code == OK) b->code = make(&s, root, what, out, b->e);
    free_states_close(&s);
    return b->code;
}

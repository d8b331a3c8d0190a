/* grammar_check.c: what a grammar must be: without left recursion, and such that it can always end. */
#include <stdio.h>
#include <stdlib.h>

#include "text/grammar_states.h"

/* ---- from where can an end be reached: backwards from the ends, each edge once ---- */

typedef struct reaching {
    const free_states *s;
    bool bytes;
    bool *states, *rules;
    uint32_t *into_first, *into_next;   /* edges by their target */
    uint32_t *calls_first, *calls_next; /* edges by the rule that they call */
    uint32_t *begins;                   /* rules by where they begin: rules of one state are linked */
    uint32_t *begins_next;
    uint32_t *todo;
    size_t n_todo;
} reaching;

static void reach_state(reaching *r, uint32_t state) {
    if (r->states[state]) return;
    r->states[state] = true;
    r->todo[r->n_todo++] = state;
}

static void reach_edge(reaching *r, const free_edge *edge) {
    if (edge->sort == EDGE_BYTE && !r->bytes) return;
    if (edge->sort == EDGE_CALL && !r->rules[edge->rule]) return;
    reach_state(r, edge->source);
}

static void reach_rule(reaching *r, uint32_t rule) {
    if (r->rules[rule]) return;
    r->rules[rule] = true;
    for (uint32_t i = r->calls_first[rule]; i != NO_EDGE; i = r->calls_next[i]) {
        if (r->states[r->s->edges[i].target]) reach_state(r, r->s->edges[i].source);
    }
}

static void run(reaching *r) {
    const free_states *s = r->s;
    for (size_t i = 0; i < s->n_order; i++) reach_state(r, s->end[s->order[i]]);
    while (r->n_todo) {
        const uint32_t state = r->todo[--r->n_todo];
        for (uint32_t i = r->into_first[state]; i != NO_EDGE; i = r->into_next[i]) reach_edge(r, &s->edges[i]);
        for (uint32_t rule = r->begins[state]; rule != NO_STATE; rule = r->begins_next[rule]) reach_rule(r, rule);
    }
}

static void link_edges(reaching *r) {
    const free_states *s = r->s;
    memset(r->into_first, 0xff, s->n * sizeof *r->into_first);
    memset(r->begins, 0xff, s->n * sizeof *r->begins);
    memset(r->calls_first, 0xff, s->b->n_rules * sizeof *r->calls_first);
    for (uint32_t i = 0; i < s->n_edges; i++) {
        const free_edge *edge = &s->edges[i];
        r->into_next[i] = r->into_first[edge->target];
        r->into_first[edge->target] = i;
        if (edge->sort != EDGE_CALL) continue;
        r->calls_next[i] = r->calls_first[edge->rule];
        r->calls_first[edge->rule] = i;
    }
    for (size_t i = 0; i < s->n_order; i++) {
        const uint32_t rule = s->order[i], begin = s->begin[rule];
        r->begins_next[rule] = r->begins[begin];
        r->begins[begin] = rule;
    }
}

static uint32_t *numbers(size_t n) {
    return malloc((n + 1) * sizeof(uint32_t));
}

status free_states_reach(const free_states *s, bool bytes, bool *states, bool *rules, error *e) {
    const size_t n_rules = s->b->n_rules;
    reaching r = {.s = s,
                  .bytes = bytes,
                  .states = states,
                  .rules = rules,
                  .into_first = numbers(s->n),
                  .into_next = numbers(s->n_edges),
                  .calls_first = numbers(n_rules),
                  .calls_next = numbers(s->n_edges),
                  .begins = numbers(s->n),
                  .begins_next = numbers(n_rules),
                  .todo = numbers(s->n)};
    const bool room = r.into_first && r.into_next && r.calls_first && r.calls_next && r.begins && r.begins_next && r.todo;
    memset(states, 0, s->n * sizeof *states);
    memset(rules, 0, n_rules * sizeof *rules);
    if (room) {
        link_edges(&r);
        run(&r);
    }
    free(r.into_first);
    free(r.into_next);
    free(r.calls_first);
    free(r.calls_next);
    free(r.begins);
    free(r.begins_next);
    free(r.todo);
    return room ? OK : fail(e, E_MEMORY, "no memory for a grammar");
}

/* ---- left recursion: a circle of rules, each of which can begin with the next ---- */

typedef struct circle {
    const free_states *s;
    bool *seen;             /* states looked at, each by the one rule that it belongs to */
    const bool *skipped;    /* rules that can be empty */
    uint32_t *first, *next; /* the rules that a rule can begin with, as a list of links */
    uint32_t *rule;
    size_t n;
    uint32_t *todo;
    uint32_t *above; /* the rule from which a rule was reached; itself: not reached */
    uint8_t *color;  /* 0 new, 1 on the way, 2 done */
} circle;

/* The rules that `rule` can begin with. */
static void find_beginnings(circle *c, uint32_t rule) {
    size_t n = 0;
    c->todo[n++] = c->s->begin[rule];
    c->seen[c->s->begin[rule]] = true;
    while (n) {
        const uint32_t state = c->todo[--n];
        for (uint32_t i = c->s->first[state]; i != NO_EDGE; i = c->s->edges[i].next) {
            const free_edge *edge = &c->s->edges[i];
            if (edge->sort == EDGE_BYTE) continue;
            if (edge->sort == EDGE_CALL) {
                c->rule[c->n] = edge->rule;
                c->next[c->n] = c->first[rule];
                c->first[rule] = (uint32_t)c->n++;
            }
            if (edge->sort == EDGE_CALL && !c->skipped[edge->rule]) continue;
            if (c->seen[edge->target]) continue;
            c->seen[edge->target] = true;
            c->todo[n++] = edge->target;
        }
    }
}

static status say_circle(const circle *c, uint32_t last, uint32_t again, const char *what, error *e) {
    const build_rule *rules = c->s->b->rules, *r = &rules[again];
    char way[240] = "";
    uint32_t chain[8];
    size_t n = 0, used = 0;
    uint32_t at = last;
    for (; at != again && n < sizeof chain / sizeof *chain; at = c->above[at]) chain[n++] = at;
    if (at != again) used = (size_t)snprintf(way, sizeof way, " → …");
    while (n-- && used < sizeof way - 48) used += (size_t)snprintf(way + used, sizeof way - used, " → %.40s", (const char *)rules[chain[n]].name.p);
    const char *name = (const char *)r->name.p;
    if (!r->line) return fail(e, E_FILE, "%s '%.80s' refers to itself before anything else (%.80s%s → %.80s)", what, name, name, way, name);
    return fail(e, E_FILE, "line %zu: %s '%.80s' is left-recursive (%.80s%s → %.80s); write it with * or with the recursion at its end", r->line,
                what, name, name, way, name);
}

/* Depth first, without recursion of our own: `first` of a rule is consumed. */
static status find_circle(circle *c, uint32_t root, const char *what, error *e) {
    if (c->color[root]) return OK;
    uint32_t at = root;
    c->above[root] = root;
    c->color[root] = 1;
    for (;;) {
        const uint32_t link = c->first[at];
        if (link == NO_EDGE) {
            c->color[at] = 2;
            if (at == root) return OK;
            at = c->above[at];
            continue;
        }
        const uint32_t to = c->rule[link];
        c->first[at] = c->next[link];
        if (c->color[to] == 1) return say_circle(c, at, to, what, e);
        if (c->color[to] == 2) continue;
        c->color[to] = 1;
        c->above[to] = at;
        at = to;
    }
}

static status check_circles(circle *c, const char *what, error *e) {
    const free_states *s = c->s;
    if (!c->seen || !c->first || !c->next || !c->rule || !c->todo || !c->above || !c->color) return fail(e, E_MEMORY, "no memory for a grammar");
    memset(c->first, 0xff, s->b->n_rules * sizeof *c->first);
    for (size_t i = 0; i < s->n_order; i++) find_beginnings(c, s->order[i]);
    for (size_t i = 0; i < s->n_order; i++) TRY(find_circle(c, s->order[i], what, e));
    return OK;
}

status free_states_check(const free_states *s, const char *what, error *e) {
    const size_t n_rules = s->b->n_rules;
    bool *empty_states = malloc(s->n), *empty_rules = malloc(n_rules);
    circle c = {.s = s,
                .skipped = empty_rules,
                .seen = calloc(s->n, 1),
                .first = numbers(n_rules),
                .next = numbers(s->n_edges),
                .rule = numbers(s->n_edges),
                .todo = numbers(s->n),
                .above = numbers(n_rules),
                .color = calloc(n_rules, 1)};
    status code =
        empty_states && empty_rules ? free_states_reach(s, false, empty_states, empty_rules, e) : fail(e, E_MEMORY, "no memory for a grammar");
    if (code == OK) code = check_circles(&c, what, e);
    free(empty_states);
    free(empty_rules);
    free(c.seen);
    free(c.first);
    free(c.next);
    free(c.rule);
    free(c.todo);
    free(c.above);
    free(c.color);
    return code;
}

/* grammar_subsets.c: makes the bytes of the automaton deterministic (subset construction; Rabin and Scott 1959). A call is a symbol like a byte here: which of
 * several calls, or a call and a byte, remains a choice that constraint.c follows. */
#include <stdlib.h>
#include <xxhash.h>

#include "text/grammar_states.h"

enum { MEMBERS_MAX = 1 << 22 }; /* of all sets together */

typedef struct members { /* states before they are made deterministic, in order */
    uint32_t first, n;
} members;

typedef struct byte_choice {
    uint32_t target;
    uint16_t low, high; /* classes */
} byte_choice;

typedef struct call_choice {
    uint32_t rule, target;
} call_choice;

typedef struct subsets {
    const free_states *s;
    const bool *ends, *rules; /* what can end */
    error *e;
    grammar *g;
    members *sets; /* [n_states] */
    uint32_t *pool;
    size_t n_pool, room_pool, room_states, room_calls;
    uint32_t *slots; /* states by their sets; 0: free */
    size_t n_slots;
    uint32_t *mark, generation; /* [s->n] states in the closure that is being made */
    uint32_t *found, *todo;     /* [s->n] */
    uint32_t *start;            /* of each rule: its state, 0 */
    byte_choice *choices;       /* [edges] */
    call_choice *calls;         /* [edges] */
    uint32_t *targets, *last;   /* [edges] */
} subsets;

static status no_memory(subsets *x) {
    return fail(x->e, E_MEMORY, "no memory for a grammar");
}

static int by_value(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int by_rule(const void *a, const void *b) {
    const call_choice *x = a, *y = b;
    if (x->rule != y->rule) return (x->rule > y->rule) - (x->rule < y->rule);
    return (x->target > y->target) - (x->target < y->target);
}

/* ---- sets ---- */

static bool is_live(const subsets *x, const free_edge *edge) {
    return x->ends[edge->target] && (edge->sort != EDGE_CALL || x->rules[edge->rule]);
}

/* found[]: what is reached from targets[n] by free choices and matters: it reads, calls or ends a rule. An end has no edges. */
static size_t close_set(subsets *x, const uint32_t *targets, size_t n) {
    size_t n_todo = 0, n_found = 0;
    x->generation++;
    for (size_t i = 0; i < n; i++) {
        if (x->mark[targets[i]] == x->generation || !x->ends[targets[i]]) continue;
        x->mark[targets[i]] = x->generation;
        x->todo[n_todo++] = targets[i];
    }
    while (n_todo) {
        const uint32_t state = x->todo[--n_todo];
        bool matters = x->s->first[state] == NO_EDGE;
        for (uint32_t i = x->s->first[state]; i != NO_EDGE; i = x->s->edges[i].next) {
            const free_edge *edge = &x->s->edges[i];
            if (!is_live(x, edge)) continue;
            if (edge->sort != EDGE_FREE) matters = true;
            if (edge->sort != EDGE_FREE || x->mark[edge->target] == x->generation) continue;
            x->mark[edge->target] = x->generation;
            x->todo[n_todo++] = edge->target;
        }
        if (matters) x->found[n_found++] = state;
    }
    qsort(x->found, n_found, sizeof *x->found, by_value);
    return n_found;
}

static bool grow_slots(subsets *x) {
    const size_t n = x->n_slots ? 2 * x->n_slots : 1024;
    uint32_t *slots = calloc(n, sizeof *slots);
    if (!slots) return false;
    for (uint32_t i = 1; i < x->g->n_states; i++) {
        size_t at = XXH3_64bits(x->pool + x->sets[i].first, x->sets[i].n * sizeof *x->pool) & (n - 1);
        while (slots[at]) at = (at + 1) & (n - 1);
        slots[at] = i;
    }
    free(x->slots);
    x->slots = slots;
    x->n_slots = n;
    return true;
}

/* Room for one more state and n more members. */
static status reserve(subsets *x, size_t n) {
    grammar *g = x->g;
    if (g->n_states == GRAMMAR_STATES_MAX || (g->n_states + 1) * g->n_classes > GRAMMAR_TRANSITIONS_MAX || x->n_pool + n > MEMBERS_MAX) {
        return fail(x->e, E_FILE, "too many states: what follows depends on too much of what was before");
    }
    if (x->n_pool + n > x->room_pool) {
        const size_t room = 2 * (x->n_pool + n);
        uint32_t *pool = realloc(x->pool, room * sizeof *pool);
        if (!pool) return no_memory(x);
        x->pool = pool;
        x->room_pool = room;
    }
    if (2 * g->n_states >= x->n_slots && !grow_slots(x)) return no_memory(x);
    if (g->n_states < x->room_states) return OK;
    const size_t room = x->room_states ? 2 * x->room_states : 256;
    members *sets = realloc(x->sets, room * sizeof *sets);
    if (sets) x->sets = sets;
    grammar_state *states = realloc(g->states, room * sizeof *states);
    if (states) g->states = states;
    uint32_t *next = realloc(g->next, room * g->n_classes * sizeof *next);
    if (next) g->next = next;
    if (!sets || !states || !next) return no_memory(x);
    x->room_states = room;
    return OK;
}

/* The state of the closure of targets[n]; 0 if nothing is in it. */
static status state_of(subsets *x, const uint32_t *targets, size_t n, uint32_t *state) {
    grammar *g = x->g;
    const size_t n_found = close_set(x, targets, n);
    *state = 0;
    if (n_found == 0) return OK;
    TRY(reserve(x, n_found));
    size_t at = XXH3_64bits(x->found, n_found * sizeof *x->found) & (x->n_slots - 1);
    for (; x->slots[at]; at = (at + 1) & (x->n_slots - 1)) {
        const members *m = &x->sets[x->slots[at]];
        *state = x->slots[at];
        if (m->n == n_found && memcmp(x->pool + m->first, x->found, n_found * sizeof *x->found) == 0) return OK;
    }
    *state = (uint32_t)g->n_states++;
    x->slots[at] = *state;
    x->sets[*state] = (members){(uint32_t)x->n_pool, (uint32_t)n_found};
    memcpy(x->pool + x->n_pool, x->found, n_found * sizeof *x->found);
    x->n_pool += n_found;
    g->states[*state] = (grammar_state){0};
    memset(g->next + *state * g->n_classes, 0, g->n_classes * sizeof *g->next);
    return OK;
}

/* ---- what leads on from a set ---- */

static status follow_bytes(subsets *x, uint32_t state, size_t n_choices) {
    size_t n_last = 0;
    uint32_t before = 0;
    for (size_t c = 0; c < x->g->n_classes; c++) {
        size_t n = 0;
        for (size_t i = 0; i < n_choices; i++) {
            if (x->choices[i].low <= c && c <= x->choices[i].high) x->targets[n++] = x->choices[i].target;
        }
        if (n != n_last || memcmp(x->targets, x->last, n * sizeof *x->targets) != 0) {
            TRY(state_of(x, x->targets, n, &before));
            memcpy(x->last, x->targets, n * sizeof *x->targets);
            n_last = n;
        }
        x->g->next[state * x->g->n_classes + c] = n ? before : 0;
    }
    x->g->states[state].reads = n_choices > 0;
    return OK;
}

static status add_call(subsets *x, grammar_call call) {
    grammar *g = x->g;
    if (g->n_calls == x->room_calls) {
        const size_t room = x->room_calls ? 2 * x->room_calls : 64;
        grammar_call *calls = realloc(g->calls, room * sizeof *calls);
        if (!calls) return no_memory(x);
        g->calls = calls;
        x->room_calls = room;
    }
    g->calls[g->n_calls++] = call;
    return OK;
}

static status follow_calls(subsets *x, uint32_t state, size_t n_calls) {
    const size_t first = x->g->n_calls;
    qsort(x->calls, n_calls, sizeof *x->calls, by_rule);
    for (size_t i = 0; i < n_calls;) {
        const uint32_t rule = x->calls[i].rule;
        uint32_t after;
        size_t n = 0;
        for (; i < n_calls && x->calls[i].rule == rule; i++) x->targets[n++] = x->calls[i].target;
        TRY(state_of(x, x->targets, n, &after));
        TRY(add_call(x, (grammar_call){x->start[rule], after}));
    }
    if (x->g->n_calls - first > UINT16_MAX) return fail(x->e, E_FILE, "more than %d rules to choose from in one place", UINT16_MAX);
    x->g->states[state].first_call = (uint32_t)first;
    x->g->states[state].n_calls = (uint16_t)(x->g->n_calls - first);
    return OK;
}

static status follow(subsets *x, uint32_t state) {
    const members m = x->sets[state];
    size_t n_choices = 0, n_calls = 0;
    bool accepts = false;
    for (size_t k = 0; k < m.n; k++) {
        const uint32_t member = x->pool[m.first + k];
        accepts |= x->s->first[member] == NO_EDGE;
        for (uint32_t i = x->s->first[member]; i != NO_EDGE; i = x->s->edges[i].next) {
            const free_edge *edge = &x->s->edges[i];
            if (!is_live(x, edge)) continue;
            if (edge->sort == EDGE_BYTE) {
                x->choices[n_choices++] = (byte_choice){edge->target, x->g->class_of[edge->low], x->g->class_of[edge->high]};
            } else if (edge->sort == EDGE_CALL) {
                x->calls[n_calls++] = (call_choice){edge->rule, edge->target};
            }
        }
    }
    x->g->states[state].accepts = accepts;
    TRY(follow_bytes(x, state, n_choices));
    return follow_calls(x, state, n_calls);
}

/* ---- all ---- */

static void find_classes(grammar *g, const free_states *s) {
    bool cut[257] = {0};
    uint32_t class = 0;
    for (size_t i = 0; i < s->n_edges; i++) {
        if (s->edges[i].sort == EDGE_BYTE) cut[s->edges[i].low] = cut[s->edges[i].high + 1] = true;
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        class += byte && cut[byte];
        g->class_of[byte] = (uint8_t) class;
    }
    g->n_classes = class + 1;
}

static status determine(subsets *x, uint32_t root) {
    const free_states *s = x->s;
    if (!x->mark || !x->found || !x->todo || !x->start || !x->choices || !x->calls || !x->targets || !x->last) return no_memory(x);
    find_classes(x->g, s);
    TRY(reserve(x, 0));
    x->sets[0] = (members){0};
    x->g->states[0] = (grammar_state){0};
    memset(x->g->next, 0, x->g->n_classes * sizeof *x->g->next);
    x->g->n_states = 1;
    for (size_t i = 0; i < s->n_order; i++) {
        const uint32_t rule = s->order[i];
        if (x->rules[rule]) TRY(state_of(x, &s->begin[rule], 1, &x->start[rule]));
        x->g->n_rules += x->rules[rule];
    }
    x->g->start = x->start[root];
    for (uint32_t state = 1; state < x->g->n_states; state++) TRY(follow(x, state));
    return OK;
}

status grammar_from_states(grammar **out, const free_states *s, const bool *ends, const bool *rules, uint32_t root, error *e) {
    subsets x = {.s = s,
                 .ends = ends,
                 .rules = rules,
                 .e = e,
                 .g = calloc(1, sizeof *x.g),
                 .mark = calloc(s->n + 1, sizeof *x.mark),
                 .found = malloc((s->n + 1) * sizeof *x.found),
                 .todo = malloc((s->n + 1) * sizeof *x.todo),
                 .start = calloc(s->b->n_rules + 1, sizeof *x.start),
                 .choices = malloc((s->n_edges + 1) * sizeof *x.choices),
                 .calls = malloc((s->n_edges + 1) * sizeof *x.calls),
                 .targets = malloc((s->n_edges + 1) * sizeof *x.targets),
                 .last = malloc((s->n_edges + 1) * sizeof *x.last)};
    *out = x.g;
    const status code = x.g ? determine(&x, root) : no_memory(&x);
    free(x.sets);
    free(x.pool);
    free(x.slots);
    free(x.mark);
    free(x.found);
    free(x.todo);
    free(x.start);
    free(x.choices);
    free(x.calls);
    free(x.targets);
    free(x.last);
    if (code != OK) grammar_close(out);
    return code;
}

/* grammar_states.c: from expressions to states. An expression is put in front of a state that is there already, so nothing has to be joined afterwards and
 * an expression that several others end with is built once. */
#include "text/grammar_states.h"

#include <stdlib.h>

#include "text/unicode.h"

enum { INLINE_STATES = 64, INLINE_DEPTH = 16 };

/* ---- states and edges ---- */

static uint32_t new_state(free_states *s) {
    if (s->b->code != OK) return 0;
    if (s->n == GRAMMAR_STATES_MAX) {
        builder_fail(s->b, E_FILE, "more than %d states: repetitions of large parts, or of repetitions, take too many", GRAMMAR_STATES_MAX);
        return 0;
    }
    if (s->n == s->room) {
        const size_t room = s->room ? 2 * s->room : 256;
        uint32_t *first = realloc(s->first, room * sizeof *first);
        if (!first) {
            builder_fail(s->b, E_MEMORY, "no memory for a grammar");
            return 0;
        }
        s->first = first;
        s->room = room;
    }
    s->first[s->n] = NO_EDGE;
    return (uint32_t)s->n++;
}

static void new_edge(free_states *s, uint32_t source, free_edge edge) {
    if (s->b->code != OK) return;
    if (s->n_edges == s->room_edges) {
        const size_t room = s->room_edges ? 2 * s->room_edges : 256;
        free_edge *edges = realloc(s->edges, room * sizeof *edges);
        if (!edges) {
            builder_fail(s->b, E_MEMORY, "no memory for a grammar");
            return;
        }
        s->edges = edges;
        s->room_edges = room;
    }
    edge.source = source;
    edge.next = s->first[source];
    s->first[source] = (uint32_t)s->n_edges;
    s->edges[s->n_edges++] = edge;
}

static void free_choice(free_states *s, uint32_t source, uint32_t target) {
    new_edge(s, source, (free_edge){.sort = EDGE_FREE, .target = target});
}

static void byte_edge(free_states *s, uint32_t source, uint8_t low, uint8_t high, uint32_t target) {
    new_edge(s, source, (free_edge){.sort = EDGE_BYTE, .low = low, .high = high, .target = target});
}

/* ---- characters as bytes: ranges of code points become ranges of each byte (Thompson 1992; split as in RE2) ---- */

enum { TAILS = 64 };

typedef struct tail { /* a byte in front of a state */
    uint32_t next, state;
    uint8_t low, high;
} tail;

typedef struct chars_place {
    free_states *s;
    uint32_t entry, next;
    tail tails[TAILS]; /* made for this class: many of its characters end alike */
    size_t n_tails;
} chars_place;

static uint32_t place_tail(chars_place *p, uint8_t low, uint8_t high, uint32_t next) {
    const size_t known = p->n_tails < TAILS ? p->n_tails : TAILS;
    for (size_t i = 0; i < known; i++) {
        const tail *t = &p->tails[i];
        if (t->low == low && t->high == high && t->next == next) return t->state;
    }
    const uint32_t state = new_state(p->s);
    byte_edge(p->s, state, low, high, next);
    p->tails[p->n_tails++ % TAILS] = (tail){next, state, low, high};
    return state;
}

/* Characters of the same length that differ in no byte but in ranges that do not depend on each other. */
static void place_block(chars_place *p, uint32_t first, uint32_t last) {
    uint8_t low[4], high[4];
    const size_t n = utf8_put(low, first);
    utf8_put(high, last);
    uint32_t state = p->next;
    for (size_t i = n; i-- > 1;) state = place_tail(p, low[i], high[i], state);
    byte_edge(p->s, p->entry, low[0], high[0], state);
}

static void place_range(chars_place *p, uint32_t first, uint32_t last) {
    static const uint32_t ends[] = {0x7f, 0x7ff, 0xffff};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (first > ends[i] || last <= ends[i]) continue;
        place_range(p, first, ends[i]);
        place_range(p, ends[i] + 1, last);
        return;
    }
    for (unsigned bits = 6; last > 0x7f && bits <= 18; bits += 6) {
        const uint32_t low = (1u << bits) - 1;
        if ((first & ~low) == (last & ~low)) break;
        uint32_t cut = 0; /* where the second part begins */
        if (first & low) {
            cut = (first | low) + 1;
        } else if ((last & low) != low) {
            cut = last & ~low;
        }
        if (cut == 0) continue;
        place_range(p, first, cut - 1);
        place_range(p, cut, last);
        return;
    }
    place_block(p, first, last);
}

/* ---- expressions ---- */

static uint32_t place(free_states *s, expr x, uint32_t next);

static uint32_t place_never(free_states *s, const expr_node *x, uint32_t next) {
    (void)x, (void)next;
    return new_state(s);
}

static uint32_t place_empty(free_states *s, const expr_node *x, uint32_t next) {
    (void)s, (void)x;
    return next;
}

static uint32_t place_bytes(free_states *s, const expr_node *x, uint32_t next) {
    for (size_t i = x->b; i-- > 0;) {
        const uint8_t byte = s->b->bytes.p[x->a + i];
        const uint32_t state = new_state(s);
        byte_edge(s, state, byte, byte, next);
        next = state;
    }
    return next;
}

static uint32_t place_chars(free_states *s, const expr_node *x, uint32_t next) {
    chars_place p = {.s = s, .entry = new_state(s), .next = next};
    for (size_t i = 0; i < x->b && s->b->code == OK; i++) place_range(&p, s->b->ranges[x->a + i].first, s->b->ranges[x->a + i].last);
    return p.entry;
}

/* A sequence of many parts is nested to the left, and so is a choice. */
static uint32_t place_then(free_states *s, const expr_node *x, uint32_t next) {
    next = place(s, x->b, next);
    while (s->b->nodes[x->a].kind == KIND_THEN) {
        x = &s->b->nodes[x->a];
        next = place(s, x->b, next);
    }
    return place(s, x->a, next);
}

static uint32_t place_or(free_states *s, const expr_node *x, uint32_t next) {
    const uint32_t state = new_state(s);
    free_choice(s, state, place(s, x->b, next));
    while (s->b->nodes[x->a].kind == KIND_OR) {
        x = &s->b->nodes[x->a];
        free_choice(s, state, place(s, x->b, next));
    }
    free_choice(s, state, place(s, x->a, next));
    return state;
}

static uint32_t place_repeat(free_states *s, const expr_node *x, uint32_t next) {
    uint32_t entry = next;
    if (x->max == REPEAT_ENDLESS) {
        entry = new_state(s);
        free_choice(s, entry, next);
        free_choice(s, entry, place(s, x->a, entry));
    }
    for (uint32_t i = x->min; x->max != REPEAT_ENDLESS && i < x->max && s->b->code == OK; i++) {
        const uint32_t state = new_state(s);
        free_choice(s, state, next);
        free_choice(s, state, place(s, x->a, entry));
        entry = state;
    }
    for (uint32_t i = 0; i < x->min && s->b->code == OK; i++) entry = place(s, x->a, entry);
    return entry;
}

/* ---- rules: a small one without calls and without loops stands where it is called, so that what is around it becomes deterministic with it; any other is
 * called, so that all its callers share its states ---- */

static bool is_inlined(free_states *s, uint32_t rule, unsigned depth, size_t *cost);

static bool is_small(free_states *s, expr x, unsigned depth, size_t *cost) {
    for (;;) {
        const expr_node *n = &s->b->nodes[x];
        if (n->kind == KIND_REPEAT) {
            size_t once = 0;
            if (n->max == REPEAT_ENDLESS || n->max > INLINE_STATES || !is_small(s, n->a, depth, &once)) return false;
            *cost += once * n->max;
        } else if (n->kind == KIND_RULE) {
            return is_inlined(s, n->a, depth, cost);
        } else if (n->kind == KIND_THEN || n->kind == KIND_OR) {
            if (!is_small(s, n->b, depth, cost)) return false;
        } else {
            *cost += n->kind == KIND_CHARS ? 4 * (size_t)n->b : n->b;
        }
        if (*cost > INLINE_STATES) return false;
        if (n->kind != KIND_THEN && n->kind != KIND_OR) return true;
        x = n->a;
    }
}

static bool is_inlined(free_states *s, uint32_t rule, unsigned depth, size_t *cost) {
    size_t own = 1; /* a rule that is empty is not free of charge */
    if (depth == INLINE_DEPTH || s->inlined[rule] == 0 || s->b->rules[rule].apart) return false;
    s->inlined[rule] = 0; /* it does not contain itself */
    const bool small = is_small(s, s->b->rules[rule].body, depth + 1, &own);
    s->inlined[rule] = small ? 1 : 0;
    *cost += own;
    return small && *cost <= INLINE_STATES;
}

static uint32_t place_rule(free_states *s, const expr_node *x, uint32_t next) {
    const uint32_t rule = x->a;
    size_t cost = 0;
    if (is_inlined(s, rule, 0, &cost)) return place(s, s->b->rules[rule].body, next);
    const uint32_t state = new_state(s);
    new_edge(s, state, (free_edge){.sort = EDGE_CALL, .rule = rule, .target = next});
    if (s->begin[rule] == NO_STATE && s->b->code == OK) {
        s->begin[rule] = 0; /* on its way */
        s->order[s->n_order++] = rule;
    }
    return state;
}

static uint32_t (*const places[])(free_states *s, const expr_node *x, uint32_t next) = {
    [KIND_NEVER] = place_never, [KIND_EMPTY] = place_empty, [KIND_BYTES] = place_bytes,   [KIND_CHARS] = place_chars,
    [KIND_THEN] = place_then,   [KIND_OR] = place_or,       [KIND_REPEAT] = place_repeat, [KIND_RULE] = place_rule,
};

/* Where an expression begins that goes on in state `next`. */
static uint32_t place(free_states *s, expr x, uint32_t next) {
    expr_node *n = &s->b->nodes[x]; /* nodes do not move any more */
    if (s->b->code != OK) return 0;
    if (n->next == next) return n->entry;
    const uint32_t entry = places[n->kind](s, n, next);
    n->next = next;
    n->entry = entry;
    return entry;
}

/* ---- all ---- */

static status check_defined(const builder *b, const char *what, error *e) {
    for (size_t i = 0; i < b->n_rules; i++) {
        const build_rule *r = &b->rules[i];
        if (r->defined) continue;
        return fail(e, E_FILE, "line %zu, column %zu: %s '%.100s' is not defined", r->line, r->column, what, (const char *)r->name.p);
    }
    return OK;
}

status free_states_open(free_states *s, builder *b, uint32_t root, const char *what, error *e) {
    const size_t n = b->n_rules;
    *s = (free_states){.b = b};
    TRY(check_defined(b, what, e));
    s->begin = malloc(n * sizeof *s->begin);
    s->end = malloc(n * sizeof *s->end);
    s->order = malloc(n * sizeof *s->order);
    s->inlined = malloc(n);
    if (!s->begin || !s->end || !s->order || !s->inlined) return fail(e, E_MEMORY, "no memory for a grammar");
    for (size_t i = 0; i < n; i++) s->begin[i] = s->end[i] = NO_STATE;
    memset(s->inlined, -1, n);
    s->begin[root] = 0;
    s->order[s->n_order++] = root;
    for (size_t i = 0; i < s->n_order && b->code == OK; i++) {
        const uint32_t rule = s->order[i];
        s->end[rule] = new_state(s);
        s->begin[rule] = place(s, b->rules[rule].body, s->end[rule]);
    }
    return b->code;
}

void free_states_close(free_states *s) {
    free(s->first);
    free(s->edges);
    free(s->begin);
    free(s->end);
    free(s->order);
    free(s->inlined);
    *s = (free_states){0};
}

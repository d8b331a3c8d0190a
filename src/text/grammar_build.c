#include "text/grammar_build.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "text/block.h"

enum { NODES_MAX = 1 << 21, FIRST_LETTER = 0xd800, LAST_SURROGATE = 0xdfff, LAST_CHARACTER = 0x10ffff };

void builder_fail(builder *b, status code, const char *format, ...) {
    char text[400];
    va_list values;
    if (b->code != OK) return;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    b->code = fail(b->e, code, "%s", text);
}

/* Room for one more item of an array that grows; NULL after a failure. */
static void *grown(builder *b, void *items, size_t n, size_t *room, size_t bytes) {
    if (n < *room) return items;
    const size_t wanted = *room ? 2 * *room : 64;
    void *p = realloc(items, wanted * bytes);
    if (!p) {
        builder_fail(b, E_MEMORY, "no memory for a grammar");
        return NULL;
    }
    *room = wanted;
    return p;
}

static expr add_node(builder *b, expr_node node) {
    if (b->code != OK) return EXPR_NEVER;
    if (b->n_nodes == NODES_MAX) {
        builder_fail(b, E_FILE, "a grammar of more than %d parts", NODES_MAX);
        return EXPR_NEVER;
    }
    expr_node *nodes = grown(b, b->nodes, b->n_nodes, &b->room_nodes, sizeof *nodes);
    if (!nodes) return EXPR_NEVER;
    b->nodes = nodes;
    node.next = UINT32_MAX;
    nodes[b->n_nodes] = node;
    return (expr)b->n_nodes++;
}

void builder_open(builder *b, error *e) {
    *b = (builder){.e = e};
    add_node(b, (expr_node){.kind = KIND_NEVER});
    add_node(b, (expr_node){.kind = KIND_EMPTY});
}

void builder_close(builder *b) {
    for (size_t i = 0; i < b->n_rules; i++) buffer_free(&b->rules[i].name);
    free(b->nodes);
    free(b->ranges);
    free(b->rules);
    free(b->slots);
    buffer_free(&b->bytes);
    *b = (builder){0};
}

/* ---- rules ---- */

static uint32_t *find_slot(const builder *b, slice name) {
    size_t at = hash_bytes(name) & (b->n_slots - 1);
    for (;; at = (at + 1) & (b->n_slots - 1)) {
        const uint32_t rule = b->slots[at];
        if (rule == UINT32_MAX) return &b->slots[at];
        const buffer *known = &b->rules[rule].name;
        if (slice_same(name, (slice){known->p, known->n - 1})) return &b->slots[at];
    }
}

static bool open_slots(builder *b) {
    if (b->slots) return true;
    b->n_slots = 4 * GRAMMAR_RULES_MAX;
    b->slots = malloc(b->n_slots * sizeof *b->slots);
    if (!b->slots) builder_fail(b, E_MEMORY, "no memory for a grammar");
    for (size_t i = 0; b->slots && i < b->n_slots; i++) b->slots[i] = UINT32_MAX;
    return b->slots;
}

uint32_t builder_rule(builder *b, slice name) {
    if (b->code != OK || !open_slots(b)) return 0;
    uint32_t *slot = find_slot(b, name);
    if (*slot != UINT32_MAX) return *slot;
    if (b->n_rules == GRAMMAR_RULES_MAX) {
        builder_fail(b, E_FILE, "more than %d rules", GRAMMAR_RULES_MAX);
        return 0;
    }
    build_rule *rules = grown(b, b->rules, b->n_rules, &b->room_rules, sizeof *rules);
    if (!rules) return 0;
    b->rules = rules;
    build_rule *r = &rules[b->n_rules];
    *r = (build_rule){0};
    b->code = buffer_add(&r->name, name.p, name.n, b->e);
    if (b->code == OK) b->code = buffer_add(&r->name, "", 1, b->e);
    if (b->code != OK) {
        buffer_free(&r->name);
        return 0;
    }
    *slot = (uint32_t)b->n_rules;
    return (uint32_t)b->n_rules++;
}

/* ---- expressions ---- */

expr expr_bytes(builder *b, slice text) {
    if (text.n == 0) return EXPR_EMPTY;
    const size_t at = b->bytes.n;
    if (b->code == OK) b->code = buffer_add(&b->bytes, text.p, text.n, b->e);
    return add_node(b, (expr_node){.kind = KIND_BYTES, .a = (uint32_t)at, .b = (uint32_t)text.n});
}

expr expr_text(builder *b, const char *text) {
    return expr_bytes(b, slice_of(text));
}

static int by_first(const void *a, const void *b) {
    const char_range *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

/* Without surrogates a range that spans them is two: the caller has room for one more than n, since joined ranges span them once. */
size_t ranges_normalize(char_range *ranges, size_t n) {
    size_t kept = 0;
    if (n) qsort(ranges, n, sizeof *ranges, by_first);
    for (size_t i = 0; i < n; i++) {
        if (kept && ranges[i].first <= ranges[kept - 1].last + 1) {
            if (ranges[i].last > ranges[kept - 1].last) ranges[kept - 1].last = ranges[i].last;
        } else {
            ranges[kept++] = ranges[i];
        }
    }
    const size_t joined = kept;
    char_range above = {1, 0};
    kept = 0;
    for (size_t i = 0; i < joined; i++) {
        char_range r = ranges[i];
        if (r.first < FIRST_LETTER && r.last > LAST_SURROGATE) above = (char_range){LAST_SURROGATE + 1, r.last};
        if (r.first < FIRST_LETTER && r.last >= FIRST_LETTER) r.last = FIRST_LETTER - 1;
        if (r.first >= FIRST_LETTER && r.first <= LAST_SURROGATE) r.first = LAST_SURROGATE + 1;
        if (r.first <= r.last) ranges[kept++] = r;
    }
    if (above.first > above.last) return kept;
    ranges[kept++] = above;
    qsort(ranges, kept, sizeof *ranges, by_first);
    return kept;
}

size_t ranges_complement(char_range *out, const char_range *ranges, size_t n) {
    size_t kept = 0;
    uint32_t from = 0;
    for (size_t i = 0; i < n; i++) {
        if (ranges[i].first > from) out[kept++] = (char_range){from, ranges[i].first - 1};
        from = ranges[i].last + 1;
    }
    if (from <= LAST_CHARACTER) out[kept++] = (char_range){from, LAST_CHARACTER};
    return kept;
}

expr expr_chars(builder *b, const char_range *ranges, size_t n) {
    char_range sorted[RANGES_MAX + 1];
    if (n > RANGES_MAX) {
        builder_fail(b, E_FILE, "a class of more than %d ranges", RANGES_MAX);
        return EXPR_NEVER;
    }
    memcpy(sorted, ranges, n * sizeof *ranges);
    n = ranges_normalize(sorted, n);
    if (n == 0) return EXPR_NEVER;
    const size_t first = b->n_ranges;
    for (size_t i = 0; i < n && b->code == OK; i++) {
        char_range *all = grown(b, b->ranges, b->n_ranges, &b->room_ranges, sizeof *all);
        if (!all) break;
        b->ranges = all;
        all[b->n_ranges++] = sorted[i];
    }
    return add_node(b, (expr_node){.kind = KIND_CHARS, .a = (uint32_t)first, .b = (uint32_t)n});
}

expr expr_then(builder *b, expr first, expr second) {
    if (first == EXPR_EMPTY) return second;
    if (second == EXPR_EMPTY) return first;
    if (first == EXPR_NEVER || second == EXPR_NEVER) return EXPR_NEVER;
    return add_node(b, (expr_node){.kind = KIND_THEN, .a = first, .b = second});
}

expr expr_or(builder *b, expr one, expr other) {
    if (one == EXPR_NEVER || one == other) return other;
    if (other == EXPR_NEVER) return one;
    return add_node(b, (expr_node){.kind = KIND_OR, .a = one, .b = other});
}

expr expr_repeat(builder *b, expr x, uint32_t min, uint32_t max) {
    if (max == 0 || x == EXPR_EMPTY || (x == EXPR_NEVER && min == 0)) return EXPR_EMPTY;
    if (x == EXPR_NEVER || min > max) return EXPR_NEVER;
    if (min == 1 && max == 1) return x;
    return add_node(b, (expr_node){.kind = KIND_REPEAT, .a = x, .min = min, .max = max});
}

expr expr_rule(builder *b, uint32_t rule) {
    return add_node(b, (expr_node){.kind = KIND_RULE, .a = rule});
}

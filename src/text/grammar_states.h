/* grammar_states.h: the two automata between a builder's expressions and a grammar: first one with free choices, in which each rule is a piece of its
 * own and a call of a rule is an edge (a recursive transition network; Woods 1970), then the same with its bytes made deterministic, rule by rule.
 * Private to grammar_*.c. */
#ifndef QBIN_TEXT_GRAMMAR_STATES_H
#define QBIN_TEXT_GRAMMAR_STATES_H

#include "text/grammar_build.h"

/* ---- free choices ---- */

enum { NO_EDGE = UINT32_MAX, NO_STATE = UINT32_MAX };

typedef enum edge_sort { EDGE_FREE, EDGE_BYTE, EDGE_CALL } edge_sort;

typedef struct free_edge {
    uint32_t source, target, next; /* next: the source's other edges */
    uint32_t rule;                 /* EDGE_CALL */
    uint8_t sort, low, high;       /* EDGE_BYTE: which bytes */
} free_edge;

typedef struct free_states {
    builder *b;
    uint32_t *first; /* [n] of each state: its edges */
    free_edge *edges;
    size_t n, room, n_edges, room_edges;
    uint32_t *begin, *end; /* of each rule; NO_STATE: the root does not use it */
    int8_t *inlined;       /* of each rule: 1 its body stands where it is called, 0 not, -1 not asked yet */
    uint32_t *order;       /* the rules that are used, in the order in which they were met */
    size_t n_order;
} free_states;

/* Builds the pieces of all rules that the root uses. States are freed by free_states_close, also after a failure; {0} too. */
status free_states_open(free_states *s, builder *b, uint32_t root, const char *what, error *e);
void free_states_close(free_states *s);

/* ---- what is true of them (grammar_check.c) ---- */

/* states[n]: can the end of the rule be reached from here, over bytes too (`bytes`) or without any? rules[]: can it from where the rule begins? E_MEMORY. */
status free_states_reach(const free_states *s, bool bytes, bool *states, bool *rules, error *e);

/* E_FILE names the rules of a left recursion: a rule that can come to itself before any byte. */
status free_states_check(const free_states *s, const char *what, error *e);

/* ---- deterministic ---- */

typedef struct grammar_call {
    uint32_t start, after; /* states: of the rule that is called, and where it goes on then */
} grammar_call;

typedef struct grammar_state {
    uint32_t first_call;
    uint16_t n_calls;
    bool accepts; /* the rule may end here */
    bool reads;   /* some byte leads on */
} grammar_state;

struct grammar {
    grammar_state *states; /* state 0: nowhere */
    grammar_call *calls;
    uint32_t *next;   /* [n_states][n_classes]: 0 nowhere */
    uint32_t *family; /* [n_states]: the first of the states that agree with this one about every text of at most FAMILY_BYTES */
    size_t n_states, n_calls, n_rules;
    uint32_t start, n_classes;
    uint8_t class_of[256]; /* of bytes that no state tells apart */
};

enum { FAMILY_BYTES = 16 };

/* Keeps what can end: `ends` and `rules` are those of free_states_reach over bytes. E_FILE: too many states. */
status grammar_from_states(grammar **out, const free_states *s, const bool *ends, const bool *rules, uint32_t root, error *e);

#endif

#include "text/constraint.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "text/grammar_run.h"

enum { MASKS_FULL = 64 << 20 }; /* bytes of masks that are kept, of each sort */

typedef struct state_mask { /* what a state allows, whatever called it */
    uint64_t *bits;         /* [words], or NULL: */
    int32_t *ids;           /* [n_ids] */
    uint32_t *exits;        /* [n_exits] nodes of the tree where its rule has ended and tokens go on: those are for the caller to say */
    size_t n_ids, n_exits;
} state_mask;

struct constraint {
    const grammar *g;
    const token_texts *texts;
    grammar_run run;
    uint32_t at; /* position */
    int32_t *ends;
    size_t n_ends, vocab, words;
    state_mask **states; /* [g->n_states] of the first state of a family; NULL: not asked for yet */
    uint64_t **wholes;   /* [room_wholes] of positions */
    size_t room_wholes, state_bytes, whole_bytes;
    uint32_t *path;  /* [longest token + 1] scratch: positions before each byte */
    uint64_t *bits;  /* [words] scratch */
    uint32_t *exits; /* [nodes of the tree] scratch */
    size_t n_exits;
    constraint_counts counts;
};

static status no_memory(error *e) {
    return fail(e, E_MEMORY, "no memory for masks of tokens");
}

/* ---- walking the tree of texts and the grammar together ---- */

typedef struct walk {
    const token_tree *tree;
    uint32_t begin, end; /* nodes: all that goes on from one, or all */
    uint32_t from;       /* the position before them */
    uint64_t *bits;      /* is added to */
} walk;

static void add_ids(const constraint *c, const token_tree *t, uint32_t first, uint32_t end, uint64_t *bits) {
    for (uint32_t i = first; i < end; i++) {
        const size_t id = (size_t)t->ids[i];
        if (id < c->vocab) bits[id / 64] |= (uint64_t)1 << id % 64;
    }
}

static status walk_tree(constraint *c, const walk *w, error *e) {
    const token_node *nodes = w->tree->nodes;
    if (w->begin >= w->end) return OK;
    const size_t base = nodes[w->begin].depth;
    c->path[base] = w->from;
    for (uint32_t i = w->begin; i < w->end;) {
        uint32_t next;
        TRY(run_step(&c->run, c->path[nodes[i].depth], nodes[i].byte, &next, e));
        if (next == POSITION_NOWHERE) {
            i = nodes[i].end;
            continue;
        }
        add_ids(c, w->tree, nodes[i].tokens, nodes[i + 1].tokens, w->bits);
        if (c->run.positions[next].leaves && nodes[i].end > i + 1) c->exits[c->n_exits++] = i;
        c->path[nodes[i].depth + 1] = next;
        i++;
    }
    return OK;
}

/* ---- masks of states ---- */

static void state_mask_free(state_mask *m) {
    if (!m) return;
    free(m->bits);
    free(m->ids);
    free(m->exits);
    free(m);
}

static void forget_states(constraint *c) {
    for (size_t i = 0; c->states && i < c->g->n_states; i++) {
        state_mask_free(c->states[i]);
        c->states[i] = NULL;
    }
    c->state_bytes = 0;
}

/* What was found, as bits if these are shorter than the list. */
static bool keep_found(const constraint *c, state_mask *m) {
    for (size_t i = 0; i < c->words; i++) m->n_ids += (size_t)__builtin_popcountll(c->bits[i]);
    const bool list = m->n_ids < 2 * c->words;
    m->exits = malloc((c->n_exits + 1) * sizeof *m->exits);
    m->ids = list ? malloc((m->n_ids + 1) * sizeof *m->ids) : NULL;
    m->bits = list ? NULL : malloc(c->words * sizeof *m->bits);
    if (!m->exits || (list ? !m->ids : !m->bits)) return false;
    memcpy(m->exits, c->exits, c->n_exits * sizeof *m->exits);
    m->n_exits = c->n_exits;
    if (!list) memcpy(m->bits, c->bits, c->words * sizeof *m->bits);
    size_t n = 0;
    for (size_t i = 0; list && i < c->words; i++) {
        for (uint64_t word = c->bits[i]; word; word &= word - 1) m->ids[n++] = (int32_t)(64 * i + (size_t)__builtin_ctzll(word));
    }
    return true;
}

/* Of texts of the tree `brief`: for longer ones states of a family may differ. */
static status make_state_mask(constraint *c, uint32_t state, state_mask **out, error *e) {
    walk w = {.tree = &c->texts->brief, .end = (uint32_t)c->texts->brief.n, .bits = c->bits};
    memset(c->bits, 0, c->words * sizeof *c->bits);
    c->n_exits = 0;
    TRY(run_alone(&c->run, state, &w.from, e));
    TRY(walk_tree(c, &w, e));
    state_mask *m = *out = calloc(1, sizeof *m);
    if (m && keep_found(c, m)) return OK;
    state_mask_free(m);
    *out = NULL;
    return no_memory(e);
}

static status state_mask_of(constraint *c, uint32_t state, const state_mask **out, error *e) {
    state_mask **m = &c->states[c->g->family[state]];
    if (!*m) {
        if (c->state_bytes > MASKS_FULL) forget_states(c);
        TRY(make_state_mask(c, c->g->family[state], m, e));
        c->state_bytes += ((*m)->bits ? 8 * c->words : 4 * (*m)->n_ids) + 4 * (*m)->n_exits + sizeof **m;
        c->counts.states++;
    }
    *out = *m;
    return OK;
}

/* ---- masks of positions ---- */

/* What tokens do that end the rule of the state inside and go on: the same as others do where the rule was called. */
static status add_exits(constraint *c, const state_mask *m, uint32_t below, uint64_t *bits, error *e) {
    walk w = {.tree = &c->texts->brief, .bits = bits};
    if (m->n_exits == 0 || below == FRAME_ROOT) return OK;
    TRY(run_return(&c->run, below, &w.from, e));
    for (size_t i = 0; i < m->n_exits; i++) {
        w.begin = m->exits[i] + 1;
        w.end = w.tree->nodes[m->exits[i]].end;
        TRY(walk_tree(c, &w, e));
    }
    return OK;
}

static status add_place(constraint *c, place p, uint64_t *bits, error *e) {
    const state_mask *m;
    TRY(state_mask_of(c, p.state, &m, e));
    for (size_t i = 0; m->bits && i < c->words; i++) bits[i] |= m->bits[i];
    for (size_t i = 0; m->ids && i < m->n_ids; i++) bits[m->ids[i] / 64] |= (uint64_t)1 << m->ids[i] % 64;
    return add_exits(c, m, p.frame, bits, e);
}

static status fill_mask(constraint *c, uint64_t *bits, error *e) {
    const position here = c->run.positions[c->at];
    const walk wordy = {.tree = &c->texts->wordy, .end = (uint32_t)c->texts->wordy.n, .from = c->at, .bits = bits};
    for (size_t i = 0; i < here.n; i++) TRY(add_place(c, c->run.places[here.first + i], bits, e));
    TRY(walk_tree(c, &wordy, e));
    for (size_t i = 0; i < c->n_ends; i++) {
        const size_t id = (size_t)c->ends[i];
        bits[id / 64] &= ~((uint64_t)1 << id % 64);
        bits[id / 64] |= (uint64_t)here.ends << id % 64;
    }
    return OK;
}

static void forget_wholes(constraint *c) {
    for (size_t i = 0; i < c->room_wholes; i++) {
        free(c->wholes[i]);
        c->wholes[i] = NULL;
    }
    c->whole_bytes = 0;
}

/* Room for the mask of the position, and for it among the others. */
static status reserve_whole(constraint *c, error *e) {
    if (run_is_full(&c->run)) {
        forget_wholes(c);
        TRY(run_forget(&c->run, &c->at, e));
    }
    if (c->whole_bytes > MASKS_FULL) forget_wholes(c);
    if (c->at < c->room_wholes) return OK;
    const size_t room = 2 * (size_t)c->at + 64;
    uint64_t **wholes = realloc(c->wholes, room * sizeof *wholes);
    if (!wholes) return no_memory(e);
    memset(wholes + c->room_wholes, 0, (room - c->room_wholes) * sizeof *wholes);
    c->wholes = wholes;
    c->room_wholes = room;
    return OK;
}

static bool any_bit(const uint64_t *bits, size_t words) {
    uint64_t any = 0;
    for (size_t i = 0; i < words; i++) any |= bits[i];
    return any;
}

status constraint_mask(constraint *c, const uint64_t **mask, error *e) {
    TRY(reserve_whole(c, e));
    uint64_t **whole = &c->wholes[c->at];
    c->counts.asked++;
    if (!*whole) {
        uint64_t *bits = calloc(c->words, sizeof *bits);
        if (!bits) return no_memory(e);
        const status s = fill_mask(c, bits, e);
        if (s != OK) {
            free(bits);
            return s;
        }
        *whole = bits;
        c->whole_bytes += c->words * sizeof *bits;
        c->counts.made++;
    }
    *mask = *whole;
    return any_bit(*whole, c->words) ? OK : fail(e, E_RUN, "no token of the vocabulary can go on as the grammar wants");
}

/* The lowest allowed logit is far above those of tokens that are not allowed, whatever stages of sampling make of it. */
static float allowed_logit(float x) {
    const float low = x >= -1e30f ? x : -1e30f;
    return low <= FLT_MAX ? low : FLT_MAX;
}

status constraint_apply(constraint *c, const float *logits, float *masked, error *e) {
    const uint64_t *mask;
    TRY(constraint_mask(c, &mask, e));
    for (size_t first = 0; first < c->vocab; first += 64) {
        const size_t end = c->vocab - first < 64 ? c->vocab : first + 64;
        uint64_t word = mask[first / 64];
        for (size_t i = first; i < end; i++) masked[i] = -INFINITY;
        for (; word; word &= word - 1) {
            const size_t i = first + (size_t)__builtin_ctzll(word);
            masked[i] = allowed_logit(logits[i]);
        }
    }
    return OK;
}

/* ---- the text ---- */

static bool is_end_token(const constraint *c, int32_t id) {
    for (size_t i = 0; i < c->n_ends; i++) {
        if (c->ends[i] == id) return true;
    }
    return false;
}

status constraint_take(constraint *c, int32_t id, error *e) {
    const slice text = token_text(c->texts, id);
    uint32_t at = c->at;
    if (is_end_token(c, id)) return OK;
    for (size_t i = 0; i < text.n && at != POSITION_NOWHERE; i++) TRY(run_step(&c->run, at, text.p[i], &at, e));
    if (text.n == 0 || at == POSITION_NOWHERE) return fail(e, E_RUN, "token %" PRId32 " is not one that the grammar allows here", id);
    c->at = at;
    return OK;
}

bool constraint_may_end(const constraint *c) {
    return c->run.positions[c->at].ends;
}

bool constraint_must_end(const constraint *c) {
    const position *p = &c->run.positions[c->at];
    return p->ends && p->n == 0;
}

constraint_counts constraint_count(const constraint *c) {
    return c->counts;
}

status constraint_restart(constraint *c, error *e) {
    return run_begin(&c->run, &c->at, e);
}

/* ---- all ---- */

static status start(constraint *c, const int32_t *ends, size_t n_ends, error *e) {
    const token_texts *t = c->texts;
    const size_t longest = t->brief.depth > t->wordy.depth ? t->brief.depth : t->wordy.depth;
    c->ends = malloc((n_ends + 1) * sizeof *c->ends);
    c->states = calloc(c->g->n_states, sizeof *c->states);
    c->path = malloc((longest + 2) * sizeof *c->path);
    c->bits = malloc(c->words * sizeof *c->bits);
    c->exits = malloc((t->brief.n + 1) * sizeof *c->exits);
    if (!c->ends || !c->states || !c->path || !c->bits || !c->exits) return no_memory(e);
    for (size_t i = 0; i < n_ends; i++) {
        if (ends[i] >= 0 && (size_t)ends[i] < c->vocab) c->ends[c->n_ends++] = ends[i];
    }
    TRY(run_open(&c->run, c->g, e));
    return constraint_restart(c, e);
}

status constraint_open(constraint **out, const grammar *g, const token_texts *t, const int32_t *ends, size_t n_ends, size_t vocab, error *e) {
    constraint *c = *out = calloc(1, sizeof *c);
    if (!c) return no_memory(e);
    *c = (constraint){.g = g, .texts = t, .vocab = vocab, .words = (vocab + 63) / 64};
    const status s = start(c, ends, n_ends, e);
    if (s != OK) constraint_close(out);
    return s;
}

void constraint_close(constraint **out) {
    constraint *c = *out;
    if (!c) return;
    forget_wholes(c);
    forget_states(c);
    run_close(&c->run);
    free(c->ends);
    free(c->states);
    free(c->wholes);
    free(c->path);
    free(c->bits);
    free(c->exits);
    free(c);
    *out = NULL;
}

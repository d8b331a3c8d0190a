#include "engine/lookahead.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "engine/lookup.h"

enum { RECENT = 4, FORGOTTEN = 256 };   /* times that an average is made of; tokens alone after which a cost is the usual one again */
static const double usual_slope = 0.15; /* what each guess of a batch costs, in tokens alone */

struct lookahead {
    session *session;
    lookup *lookup; /* NULL: no guesses */
    size_t vocab, position;
    float *rows;                    /* [1 + LOOKUP_MOST][vocab]: logits after each id of the batch */
    int32_t batch[1 + LOOKUP_MOST]; /* the id that was taken and the guesses behind it */
    size_t guesses, right;          /* of this batch: how many there are, how many of them have been taken */
    double single;                  /* seconds of a token alone */
    double cost[1 + LOOKUP_MOST];   /* of a batch with so many guesses, in those */
    lookahead_counts counts;
};

static double usual_cost(size_t guesses) {
    return 1 + usual_slope * (double)guesses;
}

status lookahead_open(lookahead **out, session *s, size_t vocab, bool guessing, error *e) {
    uint64_t values, bytes;
    lookahead *l = *out = calloc(1, sizeof *l);
    if (!l) return fail(e, E_MEMORY, "no memory");
    *l = (lookahead){.session = s, .vocab = vocab};
    for (size_t i = 0; i <= LOOKUP_MOST; i++) l->cost[i] = usual_cost(i);
    status code = OK;
    if (guessing) {
        const bool possible = size_mul(vocab, 1 + LOOKUP_MOST, &values) && size_mul(values, sizeof *l->rows, &bytes);
        l->rows = possible ? malloc(bytes) : NULL;
        code = l->rows ? lookup_open(&l->lookup, session_context(s), e) : fail(e, E_MEMORY, "no memory for logits");
    }
    if (code != OK) lookahead_close(out);
    return code;
}

void lookahead_close(lookahead **l) {
    if (!*l) return;
    lookup_close(&(*l)->lookup);
    free((*l)->rows);
    free(*l);
    *l = NULL;
}

status lookahead_prompt(lookahead *l, const int32_t *ids, size_t n, error *e) {
    session_rewind(l->session, l->position);
    l->guesses = l->right = 0;
    for (size_t i = 0; l->lookup && i < n; i++) lookup_add(l->lookup, ids[i]);
    TRY(session_eval(l->session, ids, n, NULL, e));
    l->position = session_position(l->session);
    return OK;
}

void lookahead_rewind(lookahead *l, size_t position) {
    assert(position <= l->position);
    session_rewind(l->session, position);
    if (l->lookup) lookup_rewind(l->lookup, position);
    l->position = position;
    l->guesses = l->right = 0;
}

/* ---- what a batch costs ---- */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A moving average that a hiccup of the machine moves little. */
static void approach(double *average, double seen, double by) {
    *average += (fmin(seen, 1.25 * *average) - *average) / by;
}

/* Times only say how much is guessed: no result depends on them. */
static void learn_time(lookahead *l, double seconds) {
    if (l->single == 0) {
        l->single = l->guesses ? 0 : seconds;
    } else if (l->guesses) {
        approach(&l->cost[l->guesses], seconds / l->single, RECENT);
    } else {
        approach(&l->single, seconds, RECENT);
        for (size_t i = 1; i <= LOOKUP_MOST; i++) approach(&l->cost[i], usual_cost(i), FORGOTTEN);
    }
}

/* ---- tokens ---- */

static void keep_row(void *context, size_t position, const float *logits) {
    lookahead *l = context;
    memcpy(l->rows + (position - l->position) * l->vocab, logits, l->vocab * sizeof *logits);
}

static size_t room_for_guesses(const lookahead *l, size_t more) {
    const size_t left = session_context(l->session) - l->position, most = more < LOOKUP_MOST ? more : LOOKUP_MOST;
    return left <= most ? left - (left > 0) : most;
}

static status evaluate(lookahead *l, size_t more, error *e) {
    const logits_sink sink = {keep_row, l, l->position};
    const double start = now();
    session_rewind(l->session, l->position); /* wrong guesses */
    l->right = 0;
    l->guesses = l->lookup ? lookup_guess(l->lookup, l->batch + 1, room_for_guesses(l, more), l->cost) : 0;
    TRY(session_eval(l->session, l->batch, 1 + l->guesses, l->guesses ? &sink : NULL, e));
    l->counts.guessed += l->guesses;
    learn_time(l, now() - start);
    return OK;
}

status lookahead_take(lookahead *l, int32_t id, size_t more, error *e) {
    if (l->lookup) lookup_add(l->lookup, id);
    if (l->right < l->guesses && l->batch[l->right + 1] == id) {
        l->right++;
        l->counts.right++;
    } else {
        l->batch[0] = id;
        TRY(evaluate(l, more, e));
    }
    l->position++;
    return OK;
}

const float *lookahead_logits(const lookahead *l) {
    return l->guesses ? l->rows + l->right * l->vocab : session_logits(l->session);
}

size_t lookahead_position(const lookahead *l) {
    return l->position;
}

lookahead_counts lookahead_count(const lookahead *l) {
    return l->counts;
}

/* grammar_run.h: where in a grammar a text may be. A position is a set of places, each a state and the calls below it; calls are frames that share what
 * is below them, so that a position is a few numbers however deep it is. Positions, frames and steps are made when first asked for and remembered, and
 * forgotten together when they have become many (a graph-structured stack, Tomita 1987, walked as a lazy automaton). Owns no text and no tokens. */
#ifndef QBIN_TEXT_GRAMMAR_RUN_H
#define QBIN_TEXT_GRAMMAR_RUN_H

#include "text/grammar_states.h"

enum { POSITION_UNKNOWN = 0, POSITION_NOWHERE = 1 };          /* of a step that nobody has asked for; from which nothing leads on and nothing ends */
enum { FRAME_ROOT = 0, FRAME_OUTSIDE = 1, FRAMES_FIXED = 2 }; /* below the root; below a state that is looked at without what called it */

typedef struct place {
    uint32_t state, frame;
} place;

typedef struct frame { /* a call: where it goes on, and what is below */
    uint32_t after, below;
} frame;

typedef struct position {
    uint32_t first, n; /* of run->places: those whose states read */
    uint32_t row;      /* of run->rows; 0: none yet */
    bool ends;         /* the text may end here */
    bool leaves;       /* FRAME_OUTSIDE may be returned to */
} position;

typedef struct grammar_run {
    const grammar *g;
    place *places;
    position *positions;
    frame *frames;
    uint32_t *rows; /* [n_rows][classes]: steps; row 0 is not used */
    size_t n_places, room_places, n_positions, room_positions, n_frames, room_frames, n_rows, room_rows;
    uint32_t *position_slots, *frame_slots; /* 0: free */
    size_t n_position_slots, n_frame_slots;
    place *todo; /* scratch: the places of a position while it is made */
    size_t n_todo;
    uint64_t *seen; /* scratch: which of them are there already: the number of the making, and the place's in todo */
    uint64_t generation;
    bool ends, leaves;
} grammar_run;

/* E_MEMORY. run_close takes {0}, and what a failed run_open leaves. */
status run_open(grammar_run *r, const grammar *g, error *e);
void run_close(grammar_run *r);

/* Positions: where every text begins; one state alone, above FRAME_OUTSIDE; what comes after the call of a frame. E_MEMORY; E_RUN: too many places at once. */
status run_begin(grammar_run *r, uint32_t *at, error *e);
status run_alone(grammar_run *r, uint32_t state, uint32_t *at, error *e);
status run_return(grammar_run *r, uint32_t from, uint32_t *at, error *e);

/* The step by a class of bytes, remembered. */
status run_make_step(grammar_run *r, uint32_t at, uint32_t class, uint32_t *next, error *e);

static inline status run_step(grammar_run *r, uint32_t at, uint8_t byte, uint32_t *next, error *e) {
    const uint32_t class = r->g->class_of[byte], row = r->positions[at].row;
    *next = row ? r->rows[row * (size_t)r->g->n_classes + class] : POSITION_UNKNOWN;
    return *next != POSITION_UNKNOWN ? OK : run_make_step(r, at, class, next, e);
}

/* Is there so much to remember that it is time to forget? */
bool run_is_full(const grammar_run *r);
/* Forgets everything but one position, which gets a new number. */
status run_forget(grammar_run *r, uint32_t *at, error *e);

#endif

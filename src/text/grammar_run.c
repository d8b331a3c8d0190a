#include "text/grammar_run.h"

#include <stdlib.h>
#include <xxhash.h>

enum {
    PLACES_AT_ONCE = 4096, /* that a text may be at: more is a grammar that says the same in very many ways */
    SEEN_SLOTS = 4 * PLACES_AT_ONCE,
    POSITIONS_FULL = 1 << 17,
    ROWS_FULL = 1 << 23, /* numbers in all rows */
    FRAMES_FULL = 1 << 20,
    SLOTS_FIRST = 1024,
};

static status no_memory(error *e) {
    return fail(e, E_MEMORY, "no memory to follow a grammar");
}

static bool grow(void **items, size_t *room, size_t wanted, size_t bytes) {
    if (wanted <= *room) return true;
    const size_t more = 2 * wanted;
    void *p = realloc(*items, more * bytes);
    if (!p) return false;
    *items = p;
    *room = more;
    return true;
}

/* ---- frames ---- */

static size_t frame_hash(frame f) {
    const uint64_t h = ((uint64_t)f.after << 32 | f.below) * 0x9e3779b97f4a7c15u;
    return (size_t)(h ^ h >> 29);
}

static uint32_t *frame_slot(const grammar_run *r, frame f) {
    size_t at = frame_hash(f) & (r->n_frame_slots - 1);
    for (;; at = (at + 1) & (r->n_frame_slots - 1)) {
        const uint32_t i = r->frame_slots[at];
        if (!i || (r->frames[i].after == f.after && r->frames[i].below == f.below)) return &r->frame_slots[at];
    }
}

static bool grow_frame_slots(grammar_run *r) {
    if (2 * (r->n_frames + 1) <= r->n_frame_slots) return true;
    uint32_t *slots = calloc(2 * r->n_frame_slots, sizeof *slots);
    if (!slots) return false;
    free(r->frame_slots);
    r->frame_slots = slots;
    r->n_frame_slots *= 2;
    for (size_t i = FRAMES_FIXED; i < r->n_frames; i++) *frame_slot(r, r->frames[i]) = (uint32_t)i;
    return true;
}

static status frame_of(grammar_run *r, frame f, uint32_t *number, error *e) {
    if (!grow_frame_slots(r) || !grow((void **)&r->frames, &r->room_frames, r->n_frames + 1, sizeof *r->frames)) return no_memory(e);
    uint32_t *slot = frame_slot(r, f);
    if (!*slot) {
        *slot = (uint32_t)r->n_frames;
        r->frames[r->n_frames++] = f;
    }
    *number = *slot;
    return OK;
}

/* ---- making a position: places are added with all that is reached from them without a byte ---- */

static void begin_position(grammar_run *r) {
    r->n_todo = 0;
    r->ends = r->leaves = false;
    r->generation += (uint64_t)1 << 32;
}

static status add_place(grammar_run *r, place p, error *e) {
    size_t at = frame_hash((frame){p.state, p.frame}) & (SEEN_SLOTS - 1);
    for (; r->seen[at] >= r->generation; at = (at + 1) & (SEEN_SLOTS - 1)) {
        const place *known = &r->todo[(uint32_t)r->seen[at]];
        if (known->state == p.state && known->frame == p.frame) return OK;
    }
    if (r->n_todo == PLACES_AT_ONCE) return fail(e, E_RUN, "the grammar can go on in more than %d ways at once", PLACES_AT_ONCE);
    r->seen[at] = r->generation | r->n_todo;
    r->todo[r->n_todo++] = p;
    return OK;
}

static bool is_end(const grammar_state *s) {
    return s->accepts && !s->reads && s->n_calls == 0;
}

/* A call that nothing comes after needs no frame: recursion at the end of a rule stays flat. */
static status add_calls(grammar_run *r, place p, error *e) {
    const grammar_state *s = &r->g->states[p.state];
    for (size_t i = 0; i < s->n_calls; i++) {
        const grammar_call *call = &r->g->calls[s->first_call + i];
        uint32_t above = p.frame;
        if (!is_end(&r->g->states[call->after])) TRY(frame_of(r, (frame){call->after, p.frame}, &above, e));
        TRY(add_place(r, (place){call->start, above}, e));
    }
    return OK;
}

static status add_return(grammar_run *r, uint32_t number, error *e) {
    if (number == FRAME_ROOT) r->ends = true;
    if (number == FRAME_OUTSIDE) r->leaves = true;
    if (number < FRAMES_FIXED) return OK;
    const frame f = r->frames[number];
    return add_place(r, (place){f.after, f.below}, e);
}

static status close_position(grammar_run *r, error *e) {
    for (size_t i = 0; i < r->n_todo; i++) {
        const place p = r->todo[i];
        TRY(add_calls(r, p, e));
        if (r->g->states[p.state].accepts) TRY(add_return(r, p.frame, e));
    }
    return OK;
}

static int by_place(const void *a, const void *b) {
    const place *x = a, *y = b;
    if (x->state != y->state) return (x->state > y->state) - (x->state < y->state);
    return (x->frame > y->frame) - (x->frame < y->frame);
}

static uint32_t *position_slot(const grammar_run *r, const place *places, size_t n, bool ends, bool leaves) {
    size_t at = XXH3_64bits_withSeed(places, n * sizeof *places, (XXH64_hash_t)(ends + 2 * leaves)) & (r->n_position_slots - 1);
    for (;; at = (at + 1) & (r->n_position_slots - 1)) {
        const uint32_t i = r->position_slots[at];
        const position *p = &r->positions[i];
        if (!i) return &r->position_slots[at];
        if (p->n == n && p->ends == ends && p->leaves == leaves && memcmp(r->places + p->first, places, n * sizeof *places) == 0)
            return &r->position_slots[at];
    }
}

static bool grow_position_slots(grammar_run *r) {
    if (2 * (r->n_positions + 1) <= r->n_position_slots) return true;
    uint32_t *slots = calloc(2 * r->n_position_slots, sizeof *slots);
    if (!slots) return false;
    free(r->position_slots);
    r->position_slots = slots;
    r->n_position_slots *= 2;
    for (size_t i = 1; i < r->n_positions; i++) {
        const position *p = &r->positions[i];
        *position_slot(r, r->places + p->first, p->n, p->ends, p->leaves) = (uint32_t)i;
    }
    return true;
}

/* The position of the places in todo[] that read. */
static status intern_position(grammar_run *r, uint32_t *number, error *e) {
    size_t n = 0;
    for (size_t i = 0; i < r->n_todo; i++) {
        if (r->g->states[r->todo[i].state].reads) r->todo[n++] = r->todo[i];
    }
    qsort(r->todo, n, sizeof *r->todo, by_place);
    if (!grow_position_slots(r) || !grow((void **)&r->positions, &r->room_positions, r->n_positions + 1, sizeof *r->positions) ||
        !grow((void **)&r->places, &r->room_places, r->n_places + n + 1, sizeof *r->places)) {
        return no_memory(e);
    }
    uint32_t *slot = position_slot(r, r->todo, n, r->ends, r->leaves);
    if (!*slot) {
        *slot = (uint32_t)r->n_positions;
        r->positions[r->n_positions++] = (position){.first = (uint32_t)r->n_places, .n = (uint32_t)n, .ends = r->ends, .leaves = r->leaves};
        memcpy(r->places + r->n_places, r->todo, n * sizeof *r->todo);
        r->n_places += n;
    }
    *number = *slot;
    return OK;
}

static status finish_position(grammar_run *r, uint32_t *number, error *e) {
    TRY(close_position(r, e));
    return intern_position(r, number, e);
}

status run_begin(grammar_run *r, uint32_t *number, error *e) {
    begin_position(r);
    TRY(add_place(r, (place){r->g->start, FRAME_ROOT}, e));
    return finish_position(r, number, e);
}

status run_alone(grammar_run *r, uint32_t state, uint32_t *number, error *e) {
    begin_position(r);
    TRY(add_place(r, (place){state, FRAME_OUTSIDE}, e));
    return intern_position(r, number, e);
}

status run_return(grammar_run *r, uint32_t from, uint32_t *number, error *e) {
    begin_position(r);
    TRY(add_return(r, from, e));
    return finish_position(r, number, e);
}

/* ---- steps ---- */

static status row_of(grammar_run *r, uint32_t number, uint32_t *row, error *e) {
    const size_t classes = r->g->n_classes;
    *row = r->positions[number].row;
    if (*row) return OK;
    if (!grow((void **)&r->rows, &r->room_rows, (r->n_rows + 1) * classes, sizeof *r->rows)) return no_memory(e);
    memset(r->rows + r->n_rows * classes, 0, classes * sizeof *r->rows);
    *row = r->positions[number].row = (uint32_t)r->n_rows++;
    return OK;
}

status run_make_step(grammar_run *r, uint32_t number, uint32_t class, uint32_t *next, error *e) {
    const size_t classes = r->g->n_classes;
    const position from = r->positions[number];
    uint32_t row;
    TRY(row_of(r, number, &row, e));
    begin_position(r);
    for (size_t i = 0; i < from.n; i++) {
        const place p = r->places[from.first + i];
        const uint32_t state = r->g->next[p.state * classes + class];
        if (state) TRY(add_place(r, (place){state, p.frame}, e));
    }
    TRY(finish_position(r, next, e));
    r->rows[row * classes + class] = *next;
    return OK;
}

/* ---- all ---- */

/* Position 1 has no places and no end: nowhere. */
static status begin_run(grammar_run *r, error *e) {
    uint32_t nowhere;
    r->n_places = 0;
    r->n_positions = POSITION_NOWHERE;
    r->n_rows = 1;
    memset(r->position_slots, 0, r->n_position_slots * sizeof *r->position_slots);
    begin_position(r);
    return intern_position(r, &nowhere, e);
}

status run_open(grammar_run *r, const grammar *g, error *e) {
    *r = (grammar_run){.g = g, .n_frames = FRAMES_FIXED, .n_position_slots = SLOTS_FIRST, .n_frame_slots = SLOTS_FIRST};
    r->position_slots = calloc(SLOTS_FIRST, sizeof *r->position_slots);
    r->frame_slots = calloc(SLOTS_FIRST, sizeof *r->frame_slots);
    r->todo = malloc(PLACES_AT_ONCE * sizeof *r->todo);
    r->seen = calloc(SEEN_SLOTS, sizeof *r->seen);
    if (!r->position_slots || !r->frame_slots || !r->todo || !r->seen) return no_memory(e);
    return begin_run(r, e);
}

void run_close(grammar_run *r) {
    free(r->places);
    free(r->positions);
    free(r->frames);
    free(r->rows);
    free(r->position_slots);
    free(r->frame_slots);
    free(r->todo);
    free(r->seen);
    *r = (grammar_run){0};
}

bool run_is_full(const grammar_run *r) {
    return r->n_positions > POSITIONS_FULL || r->n_rows * r->g->n_classes > ROWS_FULL || r->n_frames > FRAMES_FULL;
}

/* A frame is newer than what is below it, so one pass backwards finds all that is needed, and one forwards moves them. */
static void keep_frames(grammar_run *r, place *kept, size_t n, uint32_t *moved) {
    size_t to = FRAMES_FIXED;
    memset(moved, 0, r->n_frames * sizeof *moved);
    for (size_t i = 0; i < n; i++) moved[kept[i].frame] = 1;
    for (size_t i = r->n_frames; i-- > FRAMES_FIXED;) {
        if (moved[i]) moved[r->frames[i].below] = 1;
    }
    moved[FRAME_OUTSIDE] = FRAME_OUTSIDE;
    moved[FRAME_ROOT] = FRAME_ROOT;
    for (size_t i = FRAMES_FIXED; i < r->n_frames; i++) {
        if (!moved[i]) continue;
        r->frames[to] = (frame){r->frames[i].after, moved[r->frames[i].below]};
        moved[i] = (uint32_t)to++;
    }
    r->n_frames = to;
    memset(r->frame_slots, 0, r->n_frame_slots * sizeof *r->frame_slots);
    for (size_t i = FRAMES_FIXED; i < to; i++) *frame_slot(r, r->frames[i]) = (uint32_t)i;
    for (size_t i = 0; i < n; i++) kept[i].frame = moved[kept[i].frame];
}

status run_forget(grammar_run *r, uint32_t *number, error *e) {
    const position p = r->positions[*number];
    place *kept = malloc((p.n + 1) * sizeof *kept);
    uint32_t *moved = malloc((r->n_frames + FRAMES_FIXED) * sizeof *moved);
    status code = kept && moved ? OK : no_memory(e);
    if (code == OK) {
        memcpy(kept, r->places + p.first, p.n * sizeof *kept);
        keep_frames(r, kept, p.n, moved);
        code = begin_run(r, e);
    }
    if (code == OK) {
        memcpy(r->todo, kept, p.n * sizeof *kept);
        r->n_todo = p.n;
        r->ends = p.ends;
        r->leaves = p.leaves;
        code = intern_position(r, number, e);
    }
    free(kept);
    free(moved);
    return code;
}

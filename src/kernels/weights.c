#include "kernels/weights.h"

#include <string.h>

/* One scale for the tensor: every group and tile finds the same sixteen copies. */
static void spread_side(const matrix *m, weights *w, weights_room *room) {
    const uint8_t *side = m->data + m->layout->side;
    for (size_t r = 0; r < TILE_ROWS; r++) {
        memcpy(&room->side[r], side, sizeof(float));
        if (m->format->has_min) memcpy(&room->side[TILE_ROWS + r], side + sizeof(float), sizeof(float));
    }
    w->side = (const uint8_t *)room->side;
    w->group_side = 0;
}

static void place_side(const matrix *m, size_t group, weights *w, weights_room *room) {
    enum { ALL_TILES = 63 }; /* as a shift */
    const layout *l = m->layout;
    w->side = m->data + l->side + group * l->group_side;
    w->group_side = l->group_side;
    w->floats = m->format->grain != GRAIN_BLOCK;
    if (w->floats) {
        w->side_shift = ALL_TILES;
        w->min_at = m->format->has_min ? TILE_ROWS * sizeof(float) : 0;
        if (m->format->grain == GRAIN_TENSOR) spread_side(m, w, room);
    } else {
        w->tile_side = l->tile_side;
        w->half_side = m->format->block < TILE_K ? TILE_ROWS * sizeof(uint16_t) : 0;
        w->side_shift = m->format->block > TILE_K;
        w->min_at = m->format->has_min ? l->tile_side / 2 : 0;
    }
}

static void place_book(const matrix *m, size_t group, weights *w, weights_room *room) {
    const code_view codes = format_codes(m->format);
    if (codes.book == BOOK_NONE) return;
    w->books = (const uint8_t *)format_book(m->format, m->data, group * TILE_ROWS);
    w->group_books = m->layout->group_head;
    if (!codes.levels) return;
    memcpy(room->book, codes.levels, (size_t)1 << codes.bits); /* vectors read sixteen bytes */
    w->books = room->book;
}

weights weights_of(const matrix *m, size_t group, weights_room *room) {
    const layout *l = m->layout;
    weights w = {.group_codes = l->tiles * l->tile_codes, .tile_codes = l->tile_codes, .tiles = l->tiles};
    w.codes = m->data + l->codes + group * w.group_codes;
    place_side(m, group, &w, room);
    place_book(m, group, &w, room);
    return w;
}

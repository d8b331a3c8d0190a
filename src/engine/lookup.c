#include "engine/lookup.h"

#include <stdbool.h>
#include <stdlib.h>

enum {
    SHORTEST = 2, /* ids of a common past that count */
    LENGTHS = 17, /* of common pasts that are told apart; the last is all from there on */
    ENOUGH = 16,  /* a past of so many ids is not compared with others */
    LONGEST = 32, /* ids that are compared */
    PROBES = 16,  /* earlier places that are looked at */
    WEIGHT = 2,   /* guesses that what is thought of a length before counts as much as */
    MEMORY = 32,  /* guesses after which a share has mostly forgotten */
};
static const double worthwhile = 1.08; /* times the speed of single tokens */

struct lookup {
    size_t room, n, mask;
    int32_t *ids; /* [room] */
    uint32_t *
        before; /* [room + 1]: the place before this one whose last SHORTEST ids have the same hash; 0: none. A place is how many ids stand before it */
    uint32_t *last;        /* [mask + 1]: the last place of a hash */
    size_t place, length;  /* the earlier place that is followed, and the ids of the common past; 0: none */
    double share[LENGTHS]; /* of right guesses, by the length of the common past; and of how many that is known */
    double seen[LENGTHS];
};

status lookup_open(lookup **out, size_t room, error *e) {
    size_t hashes = 16;
    while (hashes < 2 * room && hashes <= SIZE_MAX / 4) hashes *= 2;
    lookup *l = calloc(1, sizeof *l);
    *out = l;
    if (l) {
        l->room = room;
        l->mask = hashes - 1;
        l->ids = calloc(room + 1, sizeof *l->ids);
        l->before = calloc(room + 1, sizeof *l->before);
        l->last = calloc(hashes, sizeof *l->last);
    }
    if (l && l->ids && l->before && l->last) return OK;
    lookup_close(out);
    return fail(e, E_MEMORY, "no memory to look up %zu ids", room);
}

void lookup_close(lookup **l) {
    if (!*l) return;
    free((*l)->ids);
    free((*l)->before);
    free((*l)->last);
    free(*l);
    *l = NULL;
}

/* Of the last SHORTEST ids. */
static size_t hash_of(const lookup *l) {
    uint64_t h = 0;
    for (size_t i = l->n - SHORTEST; i < l->n; i++) h = (h ^ (uint32_t)l->ids[i]) * 0x9e3779b97f4a7c15u;
    return (size_t)(h >> 32) & l->mask;
}

static size_t common_past(const lookup *l, size_t place) {
    size_t length = 0;
    while (length < place && length < LONGEST && l->ids[place - 1 - length] == l->ids[l->n - 1 - length]) length++;
    return length;
}

static void find_place(lookup *l, size_t place) {
    for (size_t i = 0; i < PROBES && place; i++, place = l->before[place]) {
        const size_t length = common_past(l, place);
        if (length < SHORTEST || length <= l->length) continue;
        l->place = place;
        l->length = length;
    }
}

static size_t shelf_of(size_t length) {
    return length < LENGTHS ? length : LENGTHS - 1;
}

void lookup_add(lookup *l, int32_t id) {
    if (l->n == l->room) return;
    const bool right = l->length && l->ids[l->place] == id;
    if (l->length) {
        const size_t shelf = shelf_of(l->length);
        l->seen[shelf] += l->seen[shelf] < MEMORY;
        l->share[shelf] += ((right ? 1 : 0) - l->share[shelf]) / l->seen[shelf];
    }
    l->ids[l->n++] = id;
    l->place = right ? l->place + 1 : 0;
    l->length = right ? l->length + 1 : 0;
    if (l->n < SHORTEST) return;
    uint32_t *last = &l->last[hash_of(l)];
    if (l->length < ENOUGH) find_place(l, *last);
    l->before[l->n] = *last;
    *last = (uint32_t)l->n;
}

/* A place is the last one of its hash when all behind it are gone. */
void lookup_rewind(lookup *l, size_t n) {
    for (; l->n > n; l->n--) {
        if (l->n >= SHORTEST) l->last[hash_of(l)] = l->before[l->n];
    }
    l->place = l->length = 0;
}

/* The chance of a guess behind a common past of each length: what has been seen of it, with what is thought of it before. A longer past is a better one, but in
 * a text where shorter ones mislead it will be worse than usual. */
static void estimate(const lookup *l, double chance[LENGTHS]) {
    chance[SHORTEST - 1] = 0;
    for (size_t i = SHORTEST; i < LENGTHS; i++) {
        const double usual = 1 - 1.4 / (double)i, before = i == SHORTEST ? usual : (usual + chance[i - 1]) / 2;
        chance[i] = (before * WEIGHT + l->share[i] * l->seen[i]) / (WEIGHT + l->seen[i]);
    }
}

size_t lookup_guess(const lookup *l, int32_t *guess, size_t most, const double cost[1 + LOOKUP_MOST]) {
    double chances[LENGTHS], chance = 1, tokens = 1, best = worthwhile;
    size_t n = 0;
    if (!l->length) return 0;
    estimate(l, chances);
    for (size_t i = 0; i < most; i++) {
        const size_t at = l->place + i;
        guess[i] = at < l->n ? l->ids[at] : guess[at - l->n]; /* what repeats may go on repeating */
        chance *= chances[shelf_of(l->length + i)];
        tokens += chance;
        if (tokens / cost[i + 1] <= best) continue;
        best = tokens / cost[i + 1];
        n = i + 1;
    }
    return n;
}

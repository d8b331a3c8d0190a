/* arena.h: one block of zeroed memory that is measured before it is taken.
 *
 * A layout function runs twice over the same code: first on an arena without a base, where arena_take only counts, then on one
 * that arena_open has made of that size. So a session allocates once, and nothing allocates after it. */
#ifndef QBIN_BASE_ARENA_H
#define QBIN_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct arena {
    uint8_t *base; /* NULL while measuring */
    size_t size;   /* bytes that base has */
    size_t used;   /* bytes handed out or counted; SIZE_MAX after an overflow */
} arena;

/* Maps `size` zeroed bytes (touched only when used). E_MEMORY names the size. arena_close takes {0} too. */
status arena_open(arena *a, size_t size, error *e);
void arena_close(arena *a);

/* `count` items of `bytes` each, aligned to 64 bytes; NULL while measuring. Never fails after a measure of the same layout. */
void *arena_take(arena *a, size_t count, size_t bytes);

#endif

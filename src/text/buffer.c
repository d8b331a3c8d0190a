#include "text/buffer.h"

#include <stdlib.h>

/* The next room for `more` items after n: doubles, so that appending is linear. 0 on overflow. */
static size_t next_room(size_t n, size_t room, size_t more, size_t item) {
    size_t want;
    if (__builtin_add_overflow(n, more, &want)) return 0;
    const size_t twice = room < SIZE_MAX / 2 ? room * 2 : room;
    if (want < twice) want = twice;
    if (want < 64) want = 64;
    return want > SIZE_MAX / 2 / item ? 0 : want;
}

status buffer_reserve(buffer *b, size_t more, error *e) {
    if (b->room - b->n >= more) return OK;
    const size_t room = next_room(b->n, b->room, more, 1);
    uint8_t *p = room ? realloc(b->p, room) : NULL;
    if (!p) return fail(e, E_MEMORY, "no memory for %zu bytes of text", b->n + more);
    b->p = p;
    b->room = room;
    return OK;
}

status buffer_add(buffer *b, const void *bytes, size_t n, error *e) {
    if (n == 0) return OK;
    TRY(buffer_reserve(b, n, e));
    memcpy(b->p + b->n, bytes, n);
    b->n += n;
    return OK;
}

void buffer_free(buffer *b) {
    free(b->p);
    *b = (buffer){0};
}

status ids_grow(id_list *list, size_t more, error *e) {
    const size_t room = next_room(list->n, list->room, more, sizeof *list->ids);
    int32_t *ids = room ? realloc(list->ids, room * sizeof *ids) : NULL;
    if (!ids) return fail(e, E_MEMORY, "no memory for %zu tokens", list->n + more);
    list->ids = ids;
    list->room = room;
    return OK;
}

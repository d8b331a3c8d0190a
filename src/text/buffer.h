/* buffer.h: bytes and ids that grow, and a borrowed run of bytes. Owns no policy: every function that can fail says so and leaves what was there. */
#ifndef QBIN_TEXT_BUFFER_H
#define QBIN_TEXT_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "text/tokenizer.h"

typedef struct slice { /* borrowed, not NUL-terminated; p may be NULL when n is 0 */
    const uint8_t *p;
    size_t n;
} slice;

static inline bool slice_same(slice a, slice b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline slice slice_of(const char *text) {
    return (slice){(const uint8_t *)text, strlen(text)};
}

static inline slice slice_part(slice s, size_t begin, size_t end) {
    return (slice){s.n ? s.p + begin : s.p, end - begin};
}

/* A slice as the arguments of "%.*s" in a message: its beginning. */
#define QUOTED(s) ((s).n < 160 ? (int)(s).n : 160), (const char *)(s).p

typedef struct buffer { /* starts as {0}; p is freed by buffer_free */
    uint8_t *p;
    size_t n, room;
} buffer;

/* Makes room for `more` bytes after n. E_MEMORY. */
status buffer_reserve(buffer *b, size_t more, error *e);
status buffer_add(buffer *b, const void *bytes, size_t n, error *e);
void buffer_free(buffer *b);

static inline slice buffer_slice(const buffer *b) {
    return (slice){b->p, b->n};
}

/* Makes room for `more` ids after n. E_MEMORY. */
status ids_grow(id_list *list, size_t more, error *e);

static inline status ids_reserve(id_list *list, size_t more, error *e) {
    return list->room - list->n >= more ? OK : ids_grow(list, more, e);
}

#endif

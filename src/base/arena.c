#include "base/arena.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"

enum { ARENA_ALIGN = 64 };

status arena_open(arena *a, size_t size, error *e) {
    *a = (arena){0};
    const size_t mapped = size ? size : ARENA_ALIGN; /* a base that is not NULL tells "open" from "measuring" */
    void *base = size == SIZE_MAX ? MAP_FAILED : mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return fail(e, E_MEMORY, "no memory for %.1f MiB", (double)size / 0x1p20);
    *a = (arena){.base = base, .size = mapped};
    return OK;
}

void arena_close(arena *a) {
    if (a->base) munmap(a->base, a->size);
    *a = (arena){0};
}

void *arena_take(arena *a, size_t count, size_t bytes) {
    uint64_t begin, need, end;
    if (!size_round(a->used, ARENA_ALIGN, &begin) || !size_mul(count, bytes, &need) || !size_add(begin, need, &end)) end = SIZE_MAX;
    a->used = end;
    if (!a->base) return NULL;
    assert(end <= a->size && "the layout differs from the one that was measured");
    return a->base + begin;
}

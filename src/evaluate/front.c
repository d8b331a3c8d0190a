#include "evaluate/front.h"

#include <math.h>

static bool beats(const choice *a, const choice *b) {
    return a->size <= b->size && a->loss <= b->loss && (a->size < b->size || a->loss < b->loss);
}

void front_mark(const choice *choices, size_t n, bool *on) {
    for (size_t i = 0; i < n; i++) {
        on[i] = !isnan(choices[i].loss);
        for (size_t k = 0; k < n && on[i]; k++) on[i] = !beats(&choices[k], &choices[i]);
    }
}

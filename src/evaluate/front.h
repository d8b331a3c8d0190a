/* front.h: which of several choices are worth having when each has two costs, such as the size of a file and how much it loses. */
#ifndef QBIN_EVALUATE_FRONT_H
#define QBIN_EVALUATE_FRONT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct choice {
    double size, loss; /* smaller is better in both; a loss that is not a number is never worth anything */
} choice;

/* on[i]: no other choice is at least as good as choice i in both costs and better in one (the Pareto front). Equals are on it together. */
void front_mark(const choice *choices, size_t n, bool *on);

#endif

/* jinja_loop.h: a running for loop, which its body sees as `loop`. Internal to text/jinja*.c. */
#ifndef QBIN_TEXT_JINJA_LOOP_H
#define QBIN_TEXT_JINJA_LOOP_H

#include "text/jinja_tree.h"

typedef struct loop {
    const node *node;
    scope *up; /* where the loop stands */
    const value *items;
    size_t n, at, depth; /* depth: of calls of a recursive loop */
    value last;          /* what loop.changed was last asked about: a tuple; K_ABSENT before */
} loop;

/* Runs the loop over these items; `up` is the scope around it. */
status loop_run(run *x, const node *n, value over, size_t depth, scope *up);

#endif

/* plot_script.h: the commands that make gnuplot draw a plot. All numbers and places are worked out here, so that what gnuplot gets is a list of facts, and text
 * from outside stands only in quoted strings that nothing in it can end. */
#ifndef QBIN_TOOLS_PLOT_SCRIPT_H
#define QBIN_TOOLS_PLOT_SCRIPT_H

#include <stdio.h>

#include "tools/plot.h"

typedef struct plot_terminal {
    const char *command; /* of gnuplot, without the size */
    double letter;       /* pixels that a letter takes on average */
} plot_terminal;

/* E_RUN if there is nothing to draw, E_MEMORY. The picture goes to gnuplot's standard output. */
status plot_script(FILE *out, const plot *p, const plot_terminal *terminal, error *e);

#endif

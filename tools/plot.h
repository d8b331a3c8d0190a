/* plot.h: draws what files lose against their bits per weight, with gnuplot. gnuplot is started without a shell, gets its commands through standard input, and
 * never sees the name of a file but as a quoted label; the picture is written beside its target and renamed when it is whole. */
#ifndef QBIN_TOOLS_PLOT_H
#define QBIN_TOOLS_PLOT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

typedef struct plot_point {
    const char *label;
    double bits;     /* per weight */
    double ppl, kld; /* kld is not drawn if it is not above 0 */
    bool reference;
} plot_point;

typedef struct plot {
    const char *title;
    const plot_point *points;
    size_t n;
    bool compared; /* a panel for the divergence as well */
} plot;

/* Before hours of work: E_USAGE if the name does not end in .svg or .png, E_RUN if there is no gnuplot or the folder cannot be written to. */
status plot_check(const char *path, error *e);

/* E_RUN with gnuplot's own words if it fails; then the old file is there, or none. */
status plot_write(const plot *p, const char *path, error *e);

#endif

/* plot_labels.h: where the names of points stand, so that they cover neither points nor each other while there is room. Pixels, y upwards. */
#ifndef QBIN_TOOLS_PLOT_LABELS_H
#define QBIN_TOOLS_PLOT_LABELS_H

#include <stddef.h>

typedef struct plot_box {
    double left, bottom, right, top;
} plot_box;

typedef struct plot_label {
    double x, y;          /* of the point */
    double width, height; /* of the text */
    plot_box box;         /* where it stands; filled by labels_place */
} plot_label;

/* In the order given: the first have the best places. */
void labels_place(plot_label *labels, size_t n, const plot_box *area);

#endif

#include "tools/plot_labels.h"

#include <math.h>

enum { POINT = 5 }; /* half the width of a point's mark */

/* Directions to try, the most readable first, and how far: a place farther away is worse, a covered one much worse. */
static const double directions[][2] = {{1, 0}, {-1, 0}, {0, 1}, {0, -1}, {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};
static const double distances[] = {8, 16, 26, 38, 52, 70};
enum { DIRECTIONS = sizeof directions / sizeof *directions, DISTANCES = sizeof distances / sizeof *distances };

static double overlap(const plot_box *a, const plot_box *b) {
    const double width = fmin(a->right, b->right) - fmax(a->left, b->left), height = fmin(a->top, b->top) - fmax(a->bottom, b->bottom);
    return width > 0 && height > 0 ? width * height : 0;
}

static double area_of(const plot_box *b) {
    return (b->right - b->left) * (b->top - b->bottom);
}

/* The text's box when it leaves the point in that direction. */
static plot_box box_at(const plot_label *l, const double direction[2], double distance) {
    const double x = l->x + direction[0] * distance, y = l->y + direction[1] * distance;
    const double left = x - l->width * (1 - direction[0]) / 2, bottom = y - l->height / 2;
    return (plot_box){left, bottom, left + l->width, bottom + l->height};
}

static double covered(const plot_label *labels, size_t n, size_t mine, const plot_box *box, const plot_box *area) {
    double sum = 4 * (area_of(box) - overlap(box, area));
    for (size_t i = 0; i < n; i++) {
        const plot_box point = {labels[i].x - POINT, labels[i].y - POINT, labels[i].x + POINT, labels[i].y + POINT};
        sum += 2 * overlap(box, &point);
        if (i < mine) sum += overlap(box, &labels[i].box);
    }
    return sum;
}

void labels_place(plot_label *labels, size_t n, const plot_box *area) {
    for (size_t i = 0; i < n; i++) {
        double best = INFINITY;
        for (size_t k = 0; k < DISTANCES * DIRECTIONS; k++) {
            const double distance = distances[k / DIRECTIONS];
            const plot_box box = box_at(&labels[i], directions[k % DIRECTIONS], distance);
            const double cost = covered(labels, n, i, &box, area) + distance;
            if (cost < best) labels[i].box = box;
            best = fmin(best, cost);
        }
    }
}

#include "tools/plot_script.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/front.h"
#include "tools/names.h"
#include "tools/plot_labels.h"

enum { WIDTH = 900, PANEL = 430, LEFT = 84, RIGHT = 20, TOP = 34, BOTTOM = 52, TEXT = 14 };

typedef struct panel {
    const char *axis;
    double (*value)(const plot_point *p);
} panel;

static double perplexity_of(const plot_point *p) {
    return p->ppl;
}

static double divergence_of(const plot_point *p) {
    return p->kld;
}

static const panel panels[] = {
    {.axis = "perplexity", .value = perplexity_of},
    {.axis = "mean KL divergence from the reference, nats", .value = divergence_of},
};

/* ---- text: in single quotes gnuplot reads everything as it is, and two of them as one ---- */

static void quoted(FILE *out, const char *text) {
    char shown[160];
    name_printable(shown, sizeof shown, text);
    fputc('\'', out);
    for (const char *c = shown; *c; c++) fprintf(out, *c == '\'' ? "''" : "%c", *c);
    fputc('\'', out);
}

/* ---- axes: logarithmic, with ticks at round numbers ---- */

typedef struct axis {
    double low, high; /* values at the ends */
} axis;

static axis axis_of(double low, double high) {
    const double pad = fmax(0.06 * log(high / low), 0.02);
    return (axis){low * exp(-pad), high * exp(pad)};
}

/* 0 to 1 */
static double place(const axis *a, double value) {
    return log(value / a->low) / log(a->high / a->low);
}

static void tick(FILE *out, bool *any, double value) {
    fprintf(out, *any ? ", '%g' %.9g" : "'%g' %.9g", value, value);
    *any = true;
}

/* Within less than a decade round steps, about six; over more 1, 2 and 5 of each. */
static void ticks(FILE *out, const axis *a) {
    static const double digits[] = {1, 2, 5};
    bool any = false;
    if (a->high / a->low > 8) {
        for (int power = (int)floor(log10(a->low)); power <= (int)ceil(log10(a->high)); power++) {
            for (size_t i = 0; i < sizeof digits / sizeof *digits; i++) {
                const double value = digits[i] * pow(10, power);
                if (value >= a->low && value <= a->high && (i == 0 || a->high / a->low < 1e4)) tick(out, &any, value);
            }
        }
        return;
    }
    const double wanted = (a->high - a->low) / 6, power = pow(10, floor(log10(wanted)));
    const double step = power * (wanted < 2 * power ? 2 : wanted < 5 * power ? 5 : 10);
    for (double k = ceil(a->low / step); k * step <= a->high; k++) tick(out, &any, k * step);
}

static void bit_ticks(FILE *out, const axis *a) {
    static const double bits[] = {1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 10, 12, 16, 20, 24, 32};
    bool any = false;
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
        if (bits[i] >= a->low && bits[i] <= a->high) tick(out, &any, bits[i]);
    }
}

/* ---- what a panel shows ---- */

typedef struct shown {
    const plot_point *point;
    double value;
    bool front;
    plot_label label;
} shown;

static int by_front_and_bits(const void *a, const void *b) {
    const shown *x = a, *y = b;
    if (x->front != y->front) return y->front - x->front;
    return (x->point->bits > y->point->bits) - (x->point->bits < y->point->bits);
}

/* The points that have a place on logarithmic axes, those of the front first; the count. */
static size_t collect(const panel *what, const plot *p, shown *list, choice *choices, bool *on) {
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) {
        const double value = what->value(&p->points[i]);
        if (!isfinite(value) || value <= 0 || !(p->points[i].bits > 0)) continue;
        choices[n] = (choice){p->points[i].bits, value};
        list[n++] = (shown){.point = &p->points[i], .value = value};
    }
    front_mark(choices, n, on);
    for (size_t i = 0; i < n; i++) list[i].front = on[i];
    qsort(list, n, sizeof *list, by_front_and_bits);
    return n;
}

static void points(FILE *out, const char *name, const shown *list, size_t n, bool front) {
    fprintf(out, "$%s << END\n", name);
    for (size_t i = 0; i < n; i++) {
        if (list[i].front == front) fprintf(out, "%.9g %.9g\n", list[i].point->bits, list[i].value);
    }
    fprintf(out, "END\n");
}

typedef struct frame { /* of a panel */
    axis x, y;
    plot_box box;  /* pixels */
    double height; /* of the picture */
} frame;

static void labels(FILE *out, const frame *f, shown *list, size_t n, double letter) {
    plot_label *places = calloc(n + 1, sizeof *places);
    for (size_t i = 0; places && i < n; i++) {
        places[i] = (plot_label){.width = letter * (double)strlen(list[i].point->label), .height = TEXT};
        places[i].x = f->box.left + place(&f->x, list[i].point->bits) * (f->box.right - f->box.left);
        places[i].y = f->box.bottom + place(&f->y, list[i].value) * (f->box.top - f->box.bottom);
    }
    if (places) labels_place(places, n, &f->box);
    for (size_t i = 0; places && i < n; i++) {
        const plot_label *l = &places[i];
        const double x = (l->box.left + l->box.right) / 2, y = (l->box.bottom + l->box.top) / 2;
        const double near_x = fmin(fmax(l->x, l->box.left), l->box.right), near_y = fmin(fmax(l->y, l->box.bottom), l->box.top);
        fprintf(out, "set label ");
        quoted(out, list[i].point->label);
        fprintf(out, " at screen %.5f, screen %.5f center noenhanced textcolor rgb '%s'\n", x / WIDTH, y / f->height,
                list[i].front ? "#1f4e8c" : "#666666");
        if (hypot(near_x - l->x, near_y - l->y) < 12) continue;
        fprintf(out, "set arrow from screen %.5f, screen %.5f to screen %.5f, screen %.5f nohead linecolor rgb '#bbbbbb'\n", l->x / WIDTH,
                l->y / f->height, near_x / WIDTH, near_y / f->height);
    }
    free(places);
}

static void draw_panel(FILE *out, const panel *what, const frame *f, shown *list, size_t n, double letter) {
    fprintf(out, "unset label; unset arrow\n");
    fprintf(out, "set lmargin at screen %.5f; set rmargin at screen %.5f\n", f->box.left / WIDTH, f->box.right / WIDTH);
    fprintf(out, "set bmargin at screen %.5f; set tmargin at screen %.5f\n", f->box.bottom / f->height, f->box.top / f->height);
    fprintf(out, "set xrange [%.9g:%.9g]\nset yrange [%.9g:%.9g]\nset xtics (", f->x.low, f->x.high, f->y.low, f->y.high);
    bit_ticks(out, &f->x);
    fprintf(out, ")\nset ytics (");
    ticks(out, &f->y);
    fprintf(out, ")\nset label '%s' at screen 0.02, screen %.5f center rotate by 90\n", what->axis, (f->box.bottom + f->box.top) / 2 / f->height);
    labels(out, f, list, n, letter);
    for (size_t i = 0; i < n; i++) {
        if (!list[i].point->reference) continue;
        fprintf(out, "set arrow from graph 0, first %.9g to graph 1, first %.9g nohead dashtype 2 linecolor rgb '#aaaaaa'\n", list[i].value,
                list[i].value);
    }
    points(out, "front", list, n, true);
    points(out, "others", list, n, false);
    bool others = false;
    for (size_t i = 0; i < n; i++) others = others || !list[i].front;
    fprintf(out, "plot $front with linespoints linewidth 1.5 pointtype 7 pointsize 0.7 linecolor rgb '#1f77b4' notitle");
    fprintf(out, others ? ", $others with points pointtype 6 pointsize 0.7 linecolor rgb '#888888' notitle\n" : "\n");
}

static status add_panel(FILE *out, const plot *p, const panel *what, frame *f, double letter, error *e) {
    shown *list = calloc(p->n + 1, sizeof *list);
    choice *choices = calloc(p->n + 1, sizeof *choices);
    bool *on = calloc(p->n + 1, sizeof *on);
    status s = list && choices && on ? OK : fail(e, E_MEMORY, "no memory for a plot of %zu points", p->n);
    const size_t n = s == OK ? collect(what, p, list, choices, on) : 0;
    if (s == OK && n == 0) s = fail(e, E_RUN, "there is nothing to plot: no %s is above 0", what->axis);
    if (s == OK) {
        double low = INFINITY, high = 0;
        for (size_t i = 0; i < n; i++) {
            low = fmin(low, list[i].value);
            high = fmax(high, list[i].value);
        }
        f->y = axis_of(low, high);
        draw_panel(out, what, f, list, n, letter);
    }
    free(list);
    free(choices);
    free(on);
    return s;
}

status plot_script(FILE *out, const plot *p, const plot_terminal *terminal, error *e) {
    const size_t n = p->compared ? 2 : 1;
    const double height = (double)n * PANEL;
    double low = INFINITY, high = 0;
    for (size_t i = 0; i < p->n; i++) {
        low = fmin(low, p->points[i].bits);
        high = fmax(high, p->points[i].bits);
    }
    fprintf(out, "set terminal %s size %d,%.0f noenhanced\nset multiplot\nset border 3 linecolor rgb '#444444'\nset grid linecolor rgb '#e6e6e6'\n",
            terminal->command, WIDTH, height);
    fprintf(out, "set tics nomirror out\nset logscale xy\nset xlabel 'bits per weight of the whole file'\nset title ");
    quoted(out, p->title);
    fprintf(out, " noenhanced\n");
    for (size_t i = 0; i < n; i++) {
        const double bottom = height - (double)(i + 1) * PANEL;
        frame f = {.x = axis_of(low, high), .box = {LEFT, bottom + BOTTOM, WIDTH - RIGHT, bottom + PANEL - TOP}, .height = height};
        TRY(add_panel(out, p, &panels[i], &f, terminal->letter, e));
        fprintf(out, "unset title\n");
    }
    fprintf(out, "unset multiplot\n");
    return OK;
}

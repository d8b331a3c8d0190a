#include "tools/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static size_t terminal_width(void) {
    struct winsize size = {0};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return 80;
    return size.ws_col;
}

static void describe(const progress_line *line, char *text, size_t size, const char *what, double done, double total) {
    const double seconds = now() - line->start;
    const double rate = seconds > 0 ? done / seconds : 0;
    const bool bytes = !strcmp(line->unit, "B");
    const double scale = bytes ? 1e-6 : 1;
    const int used = snprintf(text, size, "%3.0f %%  %.1f %s/s", total > 0 ? 100 * done / total : 0, rate * scale, bytes ? "MB" : line->unit);
    const size_t left = rate > 0 && total > done ? (size_t)((total - done) / rate + 0.5) : 0;
    if (used > 0 && (size_t)used < size) snprintf(text + used, size - (size_t)used, "  %zu:%02zu left  %s", left / 60, left % 60, what);
}

static void erase(progress_line *line) {
    if (line->width) fputs("\r\033[K", stderr);
    line->width = 0;
}

/* Ten times a second is smooth; the last step is drawn too. */
static void draw(void *context, const char *what, uint64_t done, uint64_t total) {
    progress_line *line = context;
    const double time = now();
    if (time - line->drawn < 0.1 && done < total) return;
    line->drawn = time;
    char text[256];
    describe(line, text, sizeof text, what, (double)done, (double)total);
    erase(line);
    line->width = strnlen(text, terminal_width() - 1);
    fprintf(stderr, "%.*s", (int)line->width, text);
    fflush(stderr);
}

/* A line that is drawn again and again wants a terminal that can erase. */
static bool can_draw(void) {
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && !(term && !strcmp(term, "dumb"));
}

progress progress_open(progress_line *line, const char *unit, bool quiet) {
    *line = (progress_line){.unit = unit, .start = now(), .quiet = quiet || !can_draw()};
    if (line->quiet) return (progress){0};
    return (progress){.step = draw, .context = line};
}

void progress_close(progress_line *line) {
    erase(line);
    fflush(stderr);
}

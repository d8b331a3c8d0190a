/* progress.h: the progress line of a terminal: what, how far, how fast, how long still. Nothing at all when stderr is not a terminal. */
#ifndef QBIN_TOOLS_PROGRESS_H
#define QBIN_TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/progress.h"

typedef struct progress_line {
    const char *unit; /* of `done`: "B" is shown in MB, all else as it is ("tokens") */
    double start, drawn;
    size_t width; /* characters of the line on the screen */
    bool quiet;
} progress_line;

/* Fills *line and returns the callback over it, which must not outlive it. `quiet` draws nothing. */
progress progress_open(progress_line *line, const char *unit, bool quiet);

/* Removes the line from the screen. Call it before anything else is written to the terminal. */
void progress_close(progress_line *line);

#endif

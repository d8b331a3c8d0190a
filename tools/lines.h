/* lines.h: the lines that a person types or a script pipes in. On a terminal they are edited, kept and completed by libedit; what is not a terminal is read
 * as it is. Shows prompts on the terminal alone, and nothing on standard output. */
#ifndef QBIN_TOOLS_LINES_H
#define QBIN_TOOLS_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

typedef struct lines lines;

typedef struct lines_options {
    const char *history;             /* a file (history.h), or NULL: none */
    const char *(*word)(size_t i);   /* the words with which a line may begin, for completion; ends with NULL. */
    bool (*names_file)(size_t word); /* is what follows it the name of a file? */
} lines_options;

/* Of standard input. */
status lines_open(lines **out, const lines_options *o, error *e);
void lines_close(lines **l);
bool lines_are_typed(const lines *l); /* on a terminal */

/* The next line without its newline: *text (NUL-terminated, may have NULs inside) is borrowed until the next call, NULL at the end. E_INTERRUPT when a caught
 * signal came while waiting; what was typed of the line is gone. E_RUN: it is longer than 64 MiB. */
status lines_read(lines *l, const char *prompt, const char **text, size_t *n, error *e);

#endif

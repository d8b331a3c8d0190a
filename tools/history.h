/* history.h: the file in which lines that a person typed are kept for the next time: plain text, a line each, readable by its owner alone. Several programs may
 * append at once. What is wrong with the file is never an error of the command: then there is no history. */
#ifndef QBIN_TOOLS_HISTORY_H
#define QBIN_TOOLS_HISTORY_H

#include <stdbool.h>

/* "$XDG_STATE_HOME/qbin/NAME", or the same below ~/.local/state; NULL if there is no home or no memory. The caller frees it. */
char *history_path(const char *name);

/* Gives the last lines, the oldest first: at most 1000, none longer than 64 KiB, none with control characters or bytes that are not UTF-8. A file that has
 * become long is shortened. */
void history_read(const char *path, void (*take)(void *owner, const char *line), void *owner);

/* Appends a line; makes the folders and the file. False if it cannot. */
bool history_add(const char *path, const char *line);

#endif

/* names.h: names of files: as they are shown to people, and whether two of them are one file. */
#ifndef QBIN_TOOLS_NAMES_H
#define QBIN_TOOLS_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* The part behind the last slash; borrowed. */
const char *name_of(const char *path);

/* A copy that is valid UTF-8 on one line and does not speak to a terminal: other bytes and control characters become '?'. Cut between characters. */
void name_printable(char *out, size_t size, const char *name);

/* Are both there and the same file or folder? False if one is NULL. */
bool same_file(const char *a, const char *b);

#endif

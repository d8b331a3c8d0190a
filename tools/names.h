/* names.h: names of files as they are shown to people. */
#ifndef QBIN_TOOLS_NAMES_H
#define QBIN_TOOLS_NAMES_H

#include <stddef.h>

/* The part behind the last slash; borrowed. */
const char *name_of(const char *path);

/* A copy that is valid UTF-8 on one line and does not speak to a terminal: other bytes and control characters become '?'. Cut between characters. */
void name_printable(char *out, size_t size, const char *name);

#endif

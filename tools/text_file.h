/* text_file.h: the whole of a text that a command reads, be it a file, a pipe, a FIFO or standard input ("-"). A regular file is mapped, anything else is read
 * to its end, up to a limit. Refuses folders, and does not care what the bytes are. */
#ifndef QBIN_TOOLS_TEXT_FILE_H
#define QBIN_TOOLS_TEXT_FILE_H

#include <stddef.h>
#include <stdio.h>

#include "base/error.h"
#include "base/map.h"

typedef struct text_file {
    const char *text; /* [bytes], never NULL; not terminated */
    size_t bytes;
    const char *name; /* for messages: without folders; borrowed from the path */
    map map;          /* what was mapped, or */
    char *owned;      /* what was read */
} text_file;

/* E_FILE if it cannot be read, E_MEMORY if it does not fit, E_INTERRUPT if a caught signal came while waiting. text_file_close takes {0} and what a
 * failed text_file_open leaves. */
status text_file_open(text_file *t, const char *path, error *e);
void text_file_close(text_file *t);

enum { STREAM_MAX = 256 << 20 }; /* what cannot be mapped must fit in memory */

/* All of a stream, NUL-terminated (the NUL is not counted), at most STREAM_MAX bytes; *text is the caller's to free, also after a failure. */
status stream_read(FILE *in, const char *name, char **text, size_t *bytes, error *e);

#endif

/* chat_read.h: from lines to what is meant by them: a message of one or several lines, or a command. Owns the rules of typing, nothing else. */
#ifndef QBIN_TOOLS_CHAT_READ_H
#define QBIN_TOOLS_CHAT_READ_H

#include "text/buffer.h"
#include "tools/lines.h"

typedef struct chat_typed { /* starts as {0}; the buffer is used again by the next call */
    buffer text;            /* NUL-terminated behind n */
    bool command;           /* it begins with a slash */
    bool end;               /* there is no more */
} chat_typed;

/* A line that ends in a backslash goes on in the next one. Three quotation marks begin a message that goes on to the next three, which end a line; a slash has
 * no meaning in it. Empty lines are passed over. What an end of file cuts off counts. Errors of lines_read. */
status chat_read(lines *l, chat_typed *out, error *e);

#endif

/* prompt.h: where a prompt comes from: the command line, a file, a pipe. Text only; ids are the tokenizer's matter. */
#ifndef QBIN_TOOLS_PROMPT_H
#define QBIN_TOOLS_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

typedef struct prompt {
    char *text; /* owned; NUL-terminated, but may have NULs inside */
    size_t bytes;
} prompt;

/* `text` (-p; "-" is standard input), or else `file` (-f), or else standard input if it is not a terminal. Of a file or a pipe the last newline is
 * not part of the prompt. With `escapes`, \n \r \t \' \" \\ and \xHH are what they stand for in C. E_USAGE: there is no prompt, or two. */
status prompt_read(prompt *p, const char *text, const char *file, bool escapes, error *e);
void prompt_free(prompt *p);

#endif

/* help.h: what the tables of commands and options say to a reader: --help, the markdown reference, shell completion. Each is a walk over the tables. */
#ifndef QBIN_TOOLS_HELP_H
#define QBIN_TOOLS_HELP_H

#include <stdio.h>

#include "tools/command.h"

/* --help of a command; `program` is how it was called: "convert", "qbin convert". */
void help_command(FILE *out, const command *c, const char *program);

/* The list of commands. */
void help_commands(FILE *out);

/* docs/commands.md. */
void help_markdown(FILE *out);

/* A bash script that completes commands, options and choices, of qbin and of the commands under their own names. */
void help_completion(FILE *out);

/* An option's sentence and what the table knows beyond it: choices, other spellings. */
void help_explain(const option *o, char *text, size_t size);

/* The command of that name, or NULL; or as a person typed it, E_USAGE with the nearest name if there is none. */
const command *find_command(const char *name);
status choose_command(const command **out, const char *name, error *e);

#endif

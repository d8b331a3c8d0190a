/* args.h: a command line, read by a command's option table. Knows nothing of any particular option but --help and --version. */
#ifndef QBIN_TOOLS_ARGS_H
#define QBIN_TOOLS_ARGS_H

#include "tools/command.h"

typedef enum args_want { ARGS_RUN, ARGS_HELP, ARGS_VERSION } args_want;

/* Reads argv[argc] (without the name of the program or command), then the environment for options that are not there. Options and operands come in any
 * order; "--" ends the options; a value follows ("-n 4", "--file F") or is joined ("-n4", "--file=F"). E_USAGE says what is wrong, E_MEMORY; args_free
 * takes what either leaves. With *want other than ARGS_RUN nothing was checked. */
status args_parse(args *a, const command *c, int argc, char **argv, args_want *want, error *e);
void args_free(args *a);

/* Sets an option later on, as if it had been typed: `name` without dashes. E_USAGE says what is wrong, and nothing has changed. The value of a text is
 * borrowed. */
status args_set(args *a, const char *name, const char *value, error *e);

/* The environment variable of an option: QBIN_ and its name in capitals with '_' for '-'. */
enum { VARIABLE_NAME = 64 };
void args_variable(const option *o, char name[VARIABLE_NAME]);

#endif

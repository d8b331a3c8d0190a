/* command.h: a command is a const struct in its own file and one line in main.c; its options are data, from which parsing, --help, the man-like page,
 * suggestions for typing errors and QBIN_<OPTION> environment variables are made. */
#ifndef QBIN_TOOLS_COMMAND_H
#define QBIN_TOOLS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

typedef enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_INT, OPTION_FLOAT, OPTION_LIST } option_kind;

typedef struct text_list { /* values of an OPTION_LIST in the order given; borrowed from argv */
    const char **items;
    size_t n, room;
} text_list;

typedef struct option {
    const char *name; /* long name without dashes; ends the table when NULL */
    char letter;      /* 0: none */
    option_kind kind;
    const char *value;    /* what help calls the value: FILE, N, REGEX=FORMAT */
    size_t offset;        /* of the field in the command's settings struct: bool, const char *, int64_t, double or text_list */
    double min, max;      /* of numbers; both 0: any */
    const char *help;     /* one sentence; says the default */
    const char *choices;  /* "md|csv|json" or NULL */
    const char *alias;    /* another long or short spelling that other programs use ("s" for --seed), or NULL */
    const char *needs;    /* "calibrate|calibration": means nothing unless one of these options is given too; or NULL */
    const char *excludes; /* "dry-run": cannot go with one of these; or NULL */
    status (*check)(const char *value, error *e); /* of an OPTION_TEXT: is it a value that the option may have? NULL: any; called as it is read */
} option;

typedef struct args {
    const char **operands; /* what is not an option */
    size_t n_operands;
    void *settings;
    const struct command *command;
    uint64_t typed; /* bit i: option i was on the command line */
    uint64_t given; /* ... or in the environment */
} args;

typedef struct command {
    const char *name, *summary;
    const char *usage;        /* "MODEL FORMAT [-o FILE]" */
    const char *details;      /* paragraphs and examples for --help, or NULL */
    void (*lists)(FILE *out); /* prints the names that operands and values may have, by walking their list; or NULL */
    const option *options;    /* <= 64 */
    size_t settings_bytes;
    const void *defaults; /* a settings struct; NULL: zeros */
    size_t min_operands, max_operands;
    const char *stray; /* said of an operand where none belongs: "a model is given with -m"; or NULL */
    status (*run)(const args *a, error *e);
} command;

extern const command *const commands[]; /* main.c; NULL-terminated */

/* Was the option at this offset of the settings given? For options whose default depends on something else. */
bool args_given(const args *a, size_t offset);

#endif

/* signals.h: what a signal does to a command. A command that holds something worth finishing or removing asks signals_catch and then looks at
 * signals_caught between steps; all others simply end, as they would without this file. */
#ifndef QBIN_TOOLS_SIGNALS_H
#define QBIN_TOOLS_SIGNALS_H

#include <stdbool.h>

#include "base/error.h"

/* For every command, from main: a mapped file that is truncated under us ends in a message and exit code 3, and a limit on file sizes is an
 * error of the write. */
void signals_start(void);

/* From now on SIGINT, SIGTERM and SIGPIPE are noted instead of ending the process; a second SIGINT or SIGTERM ends it. System calls that wait
 * (a read of a terminal) return with EINTR. What the parent has set to be ignored stays ignored. */
void signals_catch(void);

/* Likewise, for a command that goes on after SIGINT: that is noted however often it comes, */
void signals_catch_often(void);
/* and forgotten by this: true if it was what had come. */
bool signals_forget_interrupt(void);

/* The signal noted, or 0. A command that sees one cleans up and returns E_INTERRUPT; main turns that into 128 + signal without a message. */
int signals_caught(void);
bool signals_stopped(void); /* is there one? A callback for long work. */

/* E_INTERRUPT if there is one: a step that may be the last. */
status signals_check(error *e);

#endif

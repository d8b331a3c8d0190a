/* conversion_report.h: what a conversion says about tensors, before (--dry-run), after, and in a file. Reads the conversion, decides nothing. */
#ifndef QBIN_TOOLS_CONVERSION_REPORT_H
#define QBIN_TOOLS_CONVERSION_REPORT_H

#include <stdio.h>

#include "tools/conversion.h"

/* Every tensor with format, shape and exact bytes, then the exact size of the file. */
void report_plan(FILE *out, const conversion *c);

/* Size, bits per weight, time; one line for each format; the ten tensors with the largest errors, the worst first. */
void report_result(FILE *out, const conversion *c);

/* A file of all that is known, by the end of its name: .json or .md. E_RUN if it cannot be written. report_check, to be asked before the
 * work, says so as far as it can be known then; E_USAGE for another name. */
status report_check(const char *path, error *e);
status report_write(const conversion *c, const char *path, error *e);

#endif

/* convert_report.h: what `convert` says about tensors, before (--dry-run) and after. Reads the plan, decides nothing. */
#ifndef QBIN_TOOLS_CONVERT_REPORT_H
#define QBIN_TOOLS_CONVERT_REPORT_H

#include <stdio.h>

#include "file/qbin.h"
#include "file/safetensors.h"

typedef struct conversion_plan {
    const char *output; /* path */
    const qbin_entry *entries;
    const source *const *sources;
    size_t n;
    uint64_t file_bytes, meta_bytes, tokens_bytes;
} conversion_plan;

/* Every tensor with format, shape and exact bytes, then the exact size of the file. */
void report_plan(FILE *out, const conversion_plan *p);

/* A few lines: size, bits per weight, time; one line for each format; the tensors with the largest errors. */
void report_result(FILE *out, const conversion_plan *p, double seconds);

#endif

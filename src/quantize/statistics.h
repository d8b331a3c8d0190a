/* statistics.h: gathers what a calibration file holds, from values as they come or from other calibrations, and writes the file. Values of one channel are
 * summed in double in the order of their tokens, all else is exact: the result does not depend on threads or batches. */
#ifndef QBIN_QUANTIZE_STATISTICS_H
#define QBIN_QUANTIZE_STATISTICS_H

#include "quantize/calibration.h"
#include "quantize/products.h"

typedef struct statistics statistics;

/* Of a model with this spec (borrowed) and identity; values may come from `threads` threads. statistics_close takes a pointer to NULL too. */
status statistics_open(statistics **out, const spec *s, uint64_t identity, int threads, error *e);
void statistics_close(statistics **s);

typedef struct sighting { /* values of some channels of one input: x[t * ld + i] is channel + i of token t */
    size_t input, tokens, channel, channels;
    const float *x;
    size_t ld;
} sighting;

/* Counts values. Calls for one channel must follow each other; for different channels they may come from different threads. */
void statistics_take(statistics *s, int thread, const sighting *seen);

/* After a window of which `tokens` tokens were taken: its ranges enter the moving averages. E_RUN names an input with a value that is not finite. */
status statistics_end_window(statistics *s, uint64_t tokens, error *e);

/* Describes a text that has been taken (the reference is taken over); NULL (no memory) makes writing fail. */
void statistics_add_text(statistics *s, json_t *text);

/* Writes these sums too, made of the same tokens; borrowed. Calibrations that are added after this must have products, and theirs are added to these. */
void statistics_keep_products(statistics *s, products *p);

/* Adds all of a calibration of the same model. E_FILE if it is of another. Moving averages are weighted by their windows. */
status statistics_add(statistics *s, const calibration *c, error *e);

/* Channels without any value but zero; their input's name and count go to say(), in order. */
void statistics_silent(const statistics *s, void (*say)(void *context, const char *input, size_t channels, size_t of), void *context);

/* Writes the calibration file, all of it or nothing. */
status statistics_write(const statistics *s, const char *path, error *e);

#endif

/* perplexity.h: reads windows of a text with one or several models and scores every prediction; with a reference also how far each model's predictions are
 * from the reference's. Models go through the windows together, so that the reference is evaluated once; its logits are kept for as many positions
 * as fit in a given memory. Rows are scored by the threads that made them and summed in order of position: the result does not depend on threads or batches. */
#ifndef QBIN_EVALUATE_PERPLEXITY_H
#define QBIN_EVALUATE_PERPLEXITY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "engine/session.h"
#include "evaluate/windows.h"
#include "kernels/kernels.h"

typedef struct subject { /* a model under evaluation, and what was found so far */
    const char *name;    /* for messages; borrowed */
    const model *model;
    session *session;
    const kernels *kernels;
    double *nll;    /* [room] nats, in the order of the text */
    double *kld;    /* [room] nats from the reference; NULL if it is not compared with one */
    double *agrees; /* [room] 1: the most likely token is the reference's, 0: not */
    size_t room, scored;
    double nll_sum;
    size_t tokens; /* evaluated */
    double seconds;
} subject;

/* Makes a session and room for `w`. E_USAGE if a window is longer than the model's context. subject_close also takes {0} and what
 * a failed subject_open leaves. */
status subject_open(subject *s, const char *name, const model *m, const session_options *o, const windows *w, bool compared, error *e);
void subject_close(subject *s);

typedef struct reading_watch {                    /* told from the calling thread */
    void (*step)(void *context, size_t tokens);   /* after each piece of a window: tokens evaluated so far, of all models together; NULL: not told */
    void (*window)(void *context, size_t window); /* after each window; NULL: not told */
    void *context;
} reading_watch;

typedef struct reading {
    const windows *windows;
    subject *subjects;
    size_t n;
    subject *reference;  /* NULL: none. It must have the subjects' vocabulary and tokenizer (the caller checks). */
    size_t memory;       /* bytes for the reference's logits; 64 MB if 0 */
    reading_watch watch; /* {0}: nobody */
} reading;

/* Evaluates all windows. E_RUN names subject and window if a prediction is not finite. E_INTERRUPT if a session was stopped: what is scored then
 * is the whole windows that all subjects were through. */
status perplexity_run(const reading *r, error *e);

/* What it will evaluate in all. */
size_t reading_tokens(const reading *r);

/* exp of the mean so far. */
double subject_perplexity(const subject *s);

typedef struct verdict {
    double ppl, ppl_error; /* standard error of the mean, times ppl */
    double nll;
    double ratio,
        ratio_error; /* ppl by the reference's: the error is that of the differences, which are far more certain than either; NaN if not compared */
    double kld, kld_error, kld_99, top1, top1_error; /* NaN if not compared; top1 is a share, 0 to 1 */
    double tokens_per_s;
} verdict;
/* `reference` is NULL if it is not compared. */
status subject_verdict(verdict *out, const subject *s, const subject *reference, error *e);

#endif

/* generator.h: what every command that writes text is made of: a model, a session, a text that grows, a sampler. Owns them; what is read, shown and counted is
 * the command's. */
#ifndef QBIN_TOOLS_GENERATOR_H
#define QBIN_TOOLS_GENERATOR_H

#include "engine/lookahead.h"
#include "engine/sampler.h"
#include "engine/session.h"
#include "tools/command.h"

typedef struct generator { /* starts as {0}; generator_close takes whatever a failure leaves */
    model *model;
    session *session;
    lookahead *text;
    sampler *sampler;
    uint64_t seed; /* of the sampler */
} generator;

/* Opens model, session and text. With o->threads 0, as many as cpu_threads says. E_USAGE without a path. */
status generator_open(generator *g, const char *path, const session_options *o, bool lookup, error *e);
void generator_close(generator *g);

/* Opens the sampler, or another one in its place: `a` has sampling_flags at `offset` of its settings. */
status generator_sample(generator *g, const args *a, size_t offset, error *e);

/* Is it one of the tokens with which the model ends? */
bool generator_ends(const generator *g, int32_t id);

/* On stderr: model and context; the sampler. */
void generator_describe_model(const generator *g);
void generator_describe_sampler(const generator *g);

#endif

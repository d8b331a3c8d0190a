#include "tools/generator.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/cpu.h"
#include "tools/sampling.h"

status generator_open(generator *g, const char *path, const session_options *o, bool lookup, error *e) {
    session_options options = *o;
    if (!path) return fail(e, E_USAGE, "no model: give one with -m FILE");
    TRY(model_open(&g->model, path, e));
    if (options.threads == 0) options.threads = cpu_threads(NULL, 0);
    TRY(session_open(&g->session, g->model, &options, e));
    return lookahead_open(&g->text, g->session, model_spec(g->model)->vocab, lookup, e);
}

void generator_close(generator *g) {
    sampler_close(&g->sampler);
    lookahead_close(&g->text);
    session_close(&g->session);
    model_close(&g->model);
}

status generator_sample(generator *g, const args *a, size_t offset, error *e) {
    const spec *s = model_spec(g->model);
    const size_t named = g->model->tokenizer ? tokenizer_vocab(g->model->tokenizer) : s->vocab;
    const json_t *advice = json_object_get(g->model->file.meta, "generation");
    sampler_options o = sampling_options(a, offset, advice, session_context(g->session));
    o.isa = session_isa(g->session);
    sampler *made;
    TRY(sampler_open(&made, &o, s->vocab, named < s->vocab ? named : s->vocab, e));
    sampler_close(&g->sampler);
    g->sampler = made;
    g->seed = o.seed;
    return OK;
}

bool generator_ends(const generator *g, int32_t id) {
    const spec *s = model_spec(g->model);
    for (uint32_t i = 0; i < s->n_eos; i++) {
        if (s->eos[i] == id) return true;
    }
    return false;
}

void generator_describe_model(const generator *g) {
    const spec *s = model_spec(g->model);
    fprintf(stderr, "model: %s, %" PRIu32 " layers, context %zu of %" PRIu32 " · %d threads, %s\n", s->architecture, s->layers,
            session_context(g->session), s->context, session_threads(g->session), session_isa(g->session));
    if (session_context(g->session) > s->context) fprintf(stderr, "warning: the model was made for a context of %" PRIu32 "\n", s->context);
}

void generator_describe_sampler(const generator *g) {
    char line[256];
    sampler_describe(g->sampler, line, sizeof line);
    fprintf(stderr, "sampler: %s · seed %" PRIu64 "\n", line, g->seed);
}

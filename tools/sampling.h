/* sampling.h: the sampler's options of `run`: flags, else what the model's generation_config.json says, else llama.cpp's defaults. */
#ifndef QBIN_TOOLS_SAMPLING_H
#define QBIN_TOOLS_SAMPLING_H

#include <jansson.h>

#include "engine/sampler.h"
#include "tools/command.h"

typedef struct sampling_flags { /* a member `sampling` of a command's settings */
    int64_t seed, top_k, repeat_last;
    double temperature, top_p, min_p, repeat_penalty;
} sampling_flags;

/* Rows of an option table; `settings` is the type of the command's settings. */
#define SAMPLING_OPTION(settings, long_name, field_name, kind_name, what, low, high, text) \
    .name = long_name, .kind = kind_name, .value = what, .offset = offsetof(settings, sampling.field_name), .min = low, .max = high, .help = text
#define SAMPLING_OPTIONS(settings)                                                                                     \
    {.letter = 's',                                                                                                    \
     SAMPLING_OPTION(settings, "seed", seed, OPTION_INT, "N", -1, 9.2e18,                                              \
                     "Seed; the same seed gives the same text everywhere (default: -1, a random one).")},              \
        {SAMPLING_OPTION(settings, "temp", temperature, OPTION_FLOAT, "T", 0, 100,                                     \
                         "Temperature, 0 takes the likeliest token (default: the model's, or 0.8)."),                  \
         .alias = "temperature"},                                                                                      \
        {SAMPLING_OPTION(settings, "top-k", top_k, OPTION_INT, "K", 0, 1e9,                                            \
                         "Keep the K likeliest tokens, 0 keeps all (default: the model's, or 40).")},                  \
        {SAMPLING_OPTION(settings, "top-p", top_p, OPTION_FLOAT, "P", 0, 1,                                            \
                         "Keep the fewest tokens whose probabilities sum to P (default: the model's, or 0.95).")},     \
        {SAMPLING_OPTION(settings, "min-p", min_p, OPTION_FLOAT, "P", 0, 1,                                            \
                         "Keep tokens at least P times as likely as the likeliest (default: the model's, or 0.05).")}, \
        {SAMPLING_OPTION(settings, "repeat-penalty", repeat_penalty, OPTION_FLOAT, "X", 0.01, 100,                     \
                         "Make tokens that were just there less likely, 1 does not (default: the model's, or 1).")},   \
    {                                                                                                                  \
        SAMPLING_OPTION(settings, "repeat-last-n", repeat_last, OPTION_INT, "N", -1, 1 << 24,                          \
                        "How many tokens the penalty looks back at, -1 is the whole context (default: 64).")           \
    }

/* `a` has sampling_flags at `offset` of its settings; `generation` is the object of that name in the file's metadata (NULL: none);
 * `context` is how many tokens there can be. */
sampler_options sampling_options(const args *a, size_t offset, const json_t *generation, size_t context);

#endif

/* session_flags.h: the options that every command which evaluates a model has, and what they become. */
#ifndef QBIN_TOOLS_SESSION_FLAGS_H
#define QBIN_TOOLS_SESSION_FLAGS_H

#include "engine/session.h"
#include "tools/command.h"

typedef struct session_flags { /* a member `session` of a command's settings */
    int64_t threads, batch, context;
    const char *isa, *cache, *cache_keys, *cache_values, *activations;
} session_flags;

#define CACHE_TYPES "f16|q8|q4|f32" /* a test compares it with the list of the kernels */

/* Rows of an option table; `settings` is the type of the command's settings. KERNEL_OPTIONS are SESSION_OPTIONS without the number of threads. */
#define KERNEL_OPTIONS(settings)                                                                                                                  \
    {.name = "batch",                                                                                                                             \
     .letter = 'b',                                                                                                                               \
     .kind = OPTION_INT,                                                                                                                          \
     .value = "N",                                                                                                                                \
     .offset = offsetof(settings, session.batch),                                                                                                 \
     .max = 65536,                                                                                                                                \
     .help = "Tokens evaluated together; results do not depend on it (default: 512).",                                                            \
     .alias = "batch-size"},                                                                                                                      \
        {.name = "isa",                                                                                                                           \
         .kind = OPTION_TEXT,                                                                                                                     \
         .value = "NAME",                                                                                                                         \
         .offset = offsetof(settings, session.isa),                                                                                               \
         .check = session_flags_isa,                                                                                                              \
         .help = "Instruction set of the kernels; results do not depend on it (default: the strongest that this CPU has)."},                      \
        {.name = "activations",                                                                                                                   \
         .kind = OPTION_TEXT,                                                                                                                     \
         .value = "HOW",                                                                                                                          \
         .offset = offsetof(settings, session.activations),                                                                                       \
         .choices = "block|b32|b64|token|f32",                                                                                                    \
         .help =                                                                                                                                  \
             "What coded matrices multiply, whatever the file says: int8 with a scale for each block or for each token, or floats as they are "   \
             "(slow)."},                                                                                                                          \
        {.name = "cache-type",                                                                                                                    \
         .kind = OPTION_TEXT,                                                                                                                     \
         .value = "TYPE",                                                                                                                         \
         .offset = offsetof(settings, session.cache),                                                                                             \
         .choices = CACHE_TYPES,                                                                                                                  \
         .help = "What keys and values of past tokens are stored as (default: f16; f32 if all weights are f32)."},                                \
        {.name = "cache-type-k",                                                                                                                  \
         .kind = OPTION_TEXT,                                                                                                                     \
         .value = "TYPE",                                                                                                                         \
         .offset = offsetof(settings, session.cache_keys),                                                                                        \
         .choices = CACHE_TYPES,                                                                                                                  \
         .help = "The same for keys alone.",                                                                                                      \
         .alias = "ctk"},                                                                                                                         \
    {                                                                                                                                             \
        .name = "cache-type-v", .kind = OPTION_TEXT, .value = "TYPE", .offset = offsetof(settings, session.cache_values), .choices = CACHE_TYPES, \
        .help = "The same for values alone.", .alias = "ctv"                                                                                      \
    }

#define SESSION_OPTIONS(settings)                                                                                                                \
    {.name = "threads",                                                                                                                          \
     .letter = 't',                                                                                                                              \
     .kind = OPTION_INT,                                                                                                                         \
     .value = "N",                                                                                                                               \
     .offset = offsetof(settings, session.threads),                                                                                              \
     .max = 1024,                                                                                                                                \
     .help = "Threads, at most the CPUs that affinity and cgroup allow; results do not depend on it (default: the physical cores among them)."}, \
        KERNEL_OPTIONS(settings)

#define CONTEXT_OPTION(settings)                                                                                                            \
    {                                                                                                                                       \
        .name = "ctx-size", .letter = 'c', .kind = OPTION_INT, .value = "N", .offset = offsetof(settings, session.context), .max = 1 << 24, \
        .help = "Positions of the context (default: the model's, at most 4096).", .alias = "context"                                        \
    }

/* Of a command that reads a text in windows: members `window` (512 by default) and `chunks` (-1) of its settings; `wanted`: as
 * .needs. */
#define WINDOW_OPTIONS(settings, wanted)                                                                                                  \
    {.name = "ctx-size",                                                                                                                  \
     .letter = 'c',                                                                                                                       \
     .kind = OPTION_INT,                                                                                                                  \
     .value = "N",                                                                                                                        \
     .offset = offsetof(settings, window),                                                                                                \
     .min = 3,                                                                                                                            \
     .max = 1 << 24,                                                                                                                      \
     .needs = wanted,                                                                                                                     \
     .help = "Tokens of a window (default: 512).",                                                                                        \
     .alias = "context"},                                                                                                                 \
    {                                                                                                                                     \
        .name = "chunks", .needs = wanted, .kind = OPTION_INT, .value = "N", .offset = offsetof(settings, chunks), .min = -1, .max = 1e9, \
        .help = "Windows at most, -1 is all (default: -1)."                                                                               \
    }

session_options session_flags_options(const session_flags *f);

/* Is it an instruction set that this program and this CPU have? */
status session_flags_isa(const char *name, error *e);

#endif

/* conversion_flags.h: the options of every command that quantizes. */
#ifndef QBIN_TOOLS_CONVERSION_FLAGS_H
#define QBIN_TOOLS_CONVERSION_FLAGS_H

#include "tools/command.h"

typedef struct conversion_flags { /* a member `how` of a command's settings */
    const char *output, *method /* NULL: the best that there is */, *recipe, *embedding_type, *output_type, *report, *only, *calibration, *calibrate,
        *activations, *observer;
    text_list tensor_types;
    int64_t threads, calibrate_chunks;
    double smooth; /* negative: not */
    bool asymmetric, force, dry_run, allow_nonfinite, quiet;
} conversion_flags;

#define CONVERSION_DEFAULTS \
    { .smooth = -1, .calibrate_chunks = 128 }

/* The names that FORMAT may have: formats and built-in recipes. */
void list_formats(FILE *out);

#define RECIPE_HELP                                                                                                     \
    "A recipe has a line for each rule, a pattern and a format; the last line that matches wins; # begins a comment:\n" \
    "\n"                                                                                                                \
    "  *                     q4       every matrix, embed and head too\n"                                               \
    "  *.down                q5       names as inspect shows them, or as in the checkpoint\n"                           \
    "  layers[first 1/8].v   q6       layers by depth: first 2, last 1/4, 5, 7-9, every 3; [0, last 2]\n"               \
    "  /[qk]$/               q6       a regular expression in slashes"

/* Rows of an option table; `settings` is the type of the command's settings. FORMAT_OPTIONS choose formats, WRITE_OPTIONS say what becomes of the file. */
#define FORMAT_OPTIONS(settings)                                                                                                                    \
    {.name = "recipe",                                                                                                                              \
     .kind = OPTION_TEXT,                                                                                                                           \
     .value = "FILE|NAME",                                                                                                                          \
     .offset = offsetof(settings, how.recipe),                                                                                                      \
     .help = "Choose formats by a recipe: a file with a line 'PATTERN FORMAT' for each rule, or a built-in one; FORMAT may then be left out."},     \
        {.name = "method",                                                                                                                          \
         .kind = OPTION_TEXT,                                                                                                                       \
         .value = "NAME",                                                                                                                           \
         .offset = offsetof(settings, how.method),                                                                                                  \
         .choices = "fit|rtn|gptq|polish",                                                                                                          \
         .help =                                                                                                                                    \
             "How weights are rounded: fit searches scales of the least squared error (default), rtn takes the range and rounds, gptq lets each "   \
             "column make up for the errors of those before it (default where the calibration has products), polish then improves every scale "     \
             "and code once more, slowly."},                                                                                                        \
        {.name = "calibration",                                                                                                                     \
         .kind = OPTION_TEXT,                                                                                                                       \
         .value = "FILE",                                                                                                                           \
         .offset = offsetof(settings, how.calibration),                                                                                             \
         .help = "What calibrate has measured of this model: errors count by the mean square of the inputs that they meet."},                       \
        {.name = "calibrate",                                                                                                                       \
         .kind = OPTION_TEXT,                                                                                                                       \
         .value = "TEXT",                                                                                                                           \
         .offset = offsetof(settings, how.calibrate),                                                                                               \
         .help = "Make the calibration first, from this text; it is used and not kept."},                                                           \
        {.name = "calibrate-chunks",                                                                                                                \
         .kind = OPTION_INT,                                                                                                                        \
         .value = "N",                                                                                                                              \
         .needs = "calibrate",                                                                                                                      \
         .offset = offsetof(settings, how.calibrate_chunks),                                                                                        \
         .min = -1,                                                                                                                                 \
         .max = 1e9,                                                                                                                                \
         .help = "Windows of that text at most, -1 is all (default: 128)."},                                                                        \
        {.name = "activations",                                                                                                                     \
         .kind = OPTION_TEXT,                                                                                                                       \
         .value = "KIND",                                                                                                                           \
         .offset = offsetof(settings, how.activations),                                                                                             \
         .choices = "block|b32|b64|token|static|f32",                                                                                               \
         .help = "How matrices take their inputs: int8 with a scale for each block (default), for each token, or fixed by calibration; or f32."},   \
        {.name = "observer",                                                                                                                        \
         .kind = OPTION_TEXT,                                                                                                                       \
         .value = "NAME",                                                                                                                           \
         .offset = offsetof(settings, how.observer),                                                                                                \
         .help = "What chooses the range of static activations from what calibrate has seen (default: mse)."},                                      \
        {.name = "asymmetric-activations",                                                                                                          \
         .kind = OPTION_FLAG,                                                                                                                       \
         .offset = offsetof(settings, how.asymmetric),                                                                                              \
         .help = "Static activations get a centre too."},                                                                                           \
        {.name = "smooth",                                                                                                                          \
         .kind = OPTION_FLOAT,                                                                                                                      \
         .value = "ALPHA",                                                                                                                          \
         .offset = offsetof(settings, how.smooth),                                                                                                  \
         .max = 1,                                                                                                                                  \
         .help = "Divide inputs by factors that their weights are multiplied by (SmoothQuant): 0.5 shares outliers evenly (default: not at all)."}, \
        {.name = "tensor-type",                                                                                                                     \
         .kind = OPTION_LIST,                                                                                                                       \
         .value = "REGEX=FORMAT",                                                                                                                   \
         .offset = offsetof(settings, how.tensor_types),                                                                                            \
         .help = "The format of matrices whose name, here or in the checkpoint, matches; may be repeated, the last match wins."},                   \
        {.name = "embedding-type",                                                                                                                  \
         .kind = OPTION_TEXT,                                                                                                                       \
         .value = "FORMAT",                                                                                                                         \
         .offset = offsetof(settings, how.embedding_type),                                                                                          \
         .help = "The format of the embedding; default: a bit or two more than FORMAT (q3, q5, q6), from 6 bits on FORMAT."},                       \
    {                                                                                                                                               \
        .name = "output-type", .kind = OPTION_TEXT, .value = "FORMAT", .offset = offsetof(settings, how.output_type),                               \
        .help = "The format of the output layer; default as for the embedding."                                                                     \
    }

#define ONLY_OPTION(settings, words) \
    { .name = "only", .kind = OPTION_TEXT, .value = "REGEX", .offset = offsetof(settings, how.only), .help = words }

#define WRITE_OPTIONS(settings)                                                                                                               \
    {.name = "report",                                                                                                                        \
     .excludes = "dry-run",                                                                                                                   \
     .kind = OPTION_TEXT,                                                                                                                     \
     .value = "FILE",                                                                                                                         \
     .offset = offsetof(settings, how.report),                                                                                                \
     .help = "Write what became of every tensor to FILE.json or FILE.md: format, bytes, errors, clipped share, time."},                       \
        {.name = "dry-run",                                                                                                                   \
         .kind = OPTION_FLAG,                                                                                                                 \
         .offset = offsetof(settings, how.dry_run),                                                                                           \
         .help = "Write nothing; print every tensor with its format and bytes, and the exact size of the file."},                             \
        {.name = "allow-nonfinite",                                                                                                           \
         .kind = OPTION_FLAG,                                                                                                                 \
         .offset = offsetof(settings, how.allow_nonfinite),                                                                                   \
         .help =                                                                                                                              \
             "Convert weights that are NaN or infinite: kept in f32, f16 and bf16; else NaN becomes 0 and an infinity the largest magnitude " \
             "of its row."},                                                                                                                  \
        {.name = "force",                                                                                                                     \
         .kind = OPTION_FLAG,                                                                                                                 \
         .offset = offsetof(settings, how.force),                                                                                             \
         .help = "Replace an existing file even if it is not a .qbin."},                                                                      \
        {.name = "threads",                                                                                                                   \
         .letter = 't',                                                                                                                       \
         .kind = OPTION_INT,                                                                                                                  \
         .value = "N",                                                                                                                        \
         .offset = offsetof(settings, how.threads),                                                                                           \
         .min = 0,                                                                                                                            \
         .max = 1024,                                                                                                                         \
         .help = "Threads; default: all cores that this process may use. The file does not depend on it."},                                   \
    {                                                                                                                                         \
        .name = "quiet", .letter = 'q', .kind = OPTION_FLAG, .offset = offsetof(settings, how.quiet), .help = "No progress and no report."    \
    }

#endif

/* requantize: a .qbin in another format. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/calibrate_step.h"
#include "tools/conversion.h"
#include "tools/conversion_calibration.h"

typedef struct settings {
    conversion_flags how;
} settings;

static const option options[] = {
    {.name = "output", .letter = 'o', .kind = OPTION_TEXT, .value = "FILE", .offset = offsetof(settings, how.output), .help = "The file to write."},
    FORMAT_OPTIONS(settings),
    ONLY_OPTION(settings, "Change only matrices whose name matches; all others are copied byte for byte."),
    WRITE_OPTIONS(settings),
    {0},
};

static const settings defaults = {.how = CONVERSION_DEFAULTS};

typedef struct job {
    qbin in;
    conversion out;
    selector only;
    calibrate_step step;
    calibrated calibrated;
    const map *input;
} job;

static void job_close(job *j) {
    conversion_close(&j->out);
    calibrate_step_close(&j->step);
    calibrated_close(&j->calibrated);
    selector_close(&j->only);
    qbin_close(&j->in);
}

static status find(void *context, const tensor *t, reader *from, const char **origin, error *e) {
    const job *j = context;
    (void)origin, (void)e;
    *from = reader_of_tensor(t, &j->in.map);
    return OK;
}

/* What was rounded to few bits cannot become better than it is, only worse. */
static void warn_of_coarse(const job *j) {
    char formats[128] = "", name[FORMAT_NAME];
    size_t n = 0;
    for (size_t i = 0; i < j->out.n; i++) {
        const quantize_tensor *todo = &j->out.todo[i];
        if (j->out.entries[i].ndim == 1 || todo->copy) continue;
        const tensor *t = todo->from.from;
        if (t->format.bits >= 8) continue;
        n++;
        format_name(&t->format, name);
        const size_t length = strlen(formats), room = sizeof formats - length;
        if (!strstr(formats, name)) snprintf(formats + length, room, "%s%s", length ? ", " : "", name);
    }
    if (n) fprintf(stderr, "warning: %s: %zu matrices are in %s already: the errors of both formats add up\n", j->in.map.path, n, formats);
}

/* With --calibrate the file itself reads the text. */
static status measure(job *j, const conversion_flags *set, const char *path, error *e) {
    if (!set->calibrate) return OK;
    TRY(calibrate_step_open(&j->step, set, set->output, e));
    return calibrate_step_run(&j->step, set, path, j->in.spec.context, e);
}

static status requantize(job *j, const conversion_flags *set, const char *path, const char *base, error *e) {
    if (!set->output) return fail(e, E_USAGE, "no file to write: give one with -o");
    if (set->only) TRY(selector_open_regex(&j->only, set->only, strlen(set->only), e));
    TRY(conversion_open(&j->out, set, base, e));
    TRY(qbin_open(&j->in, path, e));
    TRY(qbin_expect(&j->in, &qbin_model, e));
    TRY(conversion_replace(&j->out, &(replacement){&j->in, set->only ? &j->only : NULL, find, j}, e));
    TRY(measure(j, set, path, e));
    TRY(calibrated_open(&j->calibrated, set->calibrate ? j->step.calibration : set->calibration, calibration_identity_of(&j->in), &j->out, e));
    if (!set->quiet) warn_of_coarse(j);
    j->input = &j->in.map;
    j->out.inputs = &j->input;
    j->out.n_inputs = 1;
    j->out.tokens = j->in.tokens;
    j->out.tokens_bytes = j->in.tokens_size;
    j->out.meta = conversion_metadata(&j->out, &j->in);
    calibrated_record(&j->calibrated, set, j->out.meta);
    j->out.output = strdup(set->output);
    return j->out.output ? conversion_run(&j->out, e) : fail(e, E_MEMORY, "no memory");
}

static status run(const args *a, error *e) {
    job j = {0};
    const settings *set = a->settings;
    const status s = requantize(&j, &set->how, a->operands[0], a->n_operands > 1 ? a->operands[1] : NULL, e);
    job_close(&j);
    return s;
}

const command command_requantize = {
    .name = "requantize",
    .summary = "Give a .qbin file another format.",
    .usage = "IN.qbin [FORMAT] -o OUT",
    .details =
        "As convert does it, from a file of f32, f16, bf16 or 8 bits that convert made. Matrices that have their format already are copied byte for "
        "byte;\n"
        "from fewer bits than 8 it works too, with a warning: errors add up.\n"
        "\n"
        "  requantize model-f16.qbin q4 -o model-q4.qbin\n"
        "  requantize model-f16.qbin q4-mix --calibration model.calibration -o model-mix.qbin\n"
        "  requantize model-q8.qbin q4 --only 'gate|up' -o model-part.qbin\n"
        "\n" RECIPE_HELP,
    .lists = list_formats,
    .options = options,
    .settings_bytes = sizeof(settings),
    .defaults = &defaults,
    .min_operands = 1,
    .max_operands = 2,
    .run = run,
};

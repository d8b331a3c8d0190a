#include "tools/calibrate_step.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "file/temporary.h"
#include "quantize/encode.h"
#include "tools/args.h"

enum { WINDOW = 512 };

extern const command command_calibrate;

status calibrate_step_open(calibrate_step *s, const conversion_flags *set, const char *output, error *e) {
    *s = (calibrate_step){0};
    if (set->calibration) return fail(e, E_USAGE, "--calibration and --calibrate: one of them is enough");
    temporary_remove_litter(output);
    s->model = temporary_name(output, "model");
    s->calibration = temporary_name(output, "calibration");
    return s->model && s->calibration ? OK : fail(e, E_MEMORY, "no memory");
}

status calibrate_step_run(const calibrate_step *s, const conversion_flags *set, const char *model, uint32_t context, error *e) {
    char window[16], chunks[24];
    snprintf(window, sizeof window, "%u", context < WINDOW ? context : WINDOW);
    snprintf(chunks, sizeof chunks, "%" PRId64, set->calibrate_chunks);
    const char *words[] = {"-m", model, "-f", set->calibrate, "-o", s->calibration, "-c", window, "--chunks", chunks, "--force", NULL, NULL};
    int n = (int)(sizeof words / sizeof *words) - 2;
    if (!set->method || method_find(set->method)->compensates) words[n++] = "--products";
    if (set->quiet) words[n++] = "-q";
    args a;
    args_want want;
    status done = args_parse(&a, &command_calibrate, n, (char **)words, &want, e);
    if (done == OK) done = command_calibrate.run(&a, e);
    args_free(&a);
    return done;
}

void calibrate_step_close(calibrate_step *s) {
    if (s->model) unlink(s->model);
    if (s->calibration) unlink(s->calibration);
    free(s->model);
    free(s->calibration);
    *s = (calibrate_step){0};
}

#include "tools/inspect_calibration.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "quantize/calibration.h"

static void print_clean(const char *text) {
    for (; *text; text++) putchar(iscntrl((unsigned char)*text) ? '?' : *text);
}

static void print_texts(const json_t *texts) {
    static const char *const numbers[] = {"bytes", "windows", "context", "skip"};
    size_t i;
    json_t *text;
    printf("\ntexts\n");
    json_array_foreach((json_t *)(uintptr_t)texts, i, text) {
        const char *file = json_string_value(json_object_get(text, "file")), *hash = json_string_value(json_object_get(text, "xxh3"));
        printf("  ");
        print_clean(file ? file : "-");
        for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++) {
            printf("  %s %" JSON_INTEGER_FORMAT, numbers[n], json_integer_value(json_object_get(text, numbers[n])));
        }
        printf("  xxh3 %.16s\n", hash ? hash : "-");
    }
}

typedef struct digest { /* of an input, over all its channels */
    double rms, worst;  /* worst: of a channel's largest magnitude and the root mean square of all */
    size_t channel;     /* where */
    float min, max;
} digest;

static digest digest_of(const calibration_input *in) {
    digest d = {.min = in->min[0], .max = in->max[0]};
    double square = 0;
    float top = 0;
    for (size_t i = 0; i < in->k; i++) {
        const float size = fmaxf(fabsf(in->min[i]), fabsf(in->max[i]));
        square += (double)in->square[i];
        d.min = fminf(d.min, in->min[i]);
        d.max = fmaxf(d.max, in->max[i]);
        if (size > top) d.channel = i;
        top = fmaxf(top, size);
    }
    d.rms = sqrt(square / (double)in->k);
    d.worst = d.rms > 0 ? (double)top / d.rms : 0;
    return d;
}

static void print_inputs(const calibration *c) {
    printf("\n%-20s %8s %9s %11s %11s %11s %11s %11s %9s %8s %7s\n", "inputs", "channels", "tokens", "least", "largest", "average low", "high", "rms",
           "outlier", "channel", "silent");
    for (size_t i = 0; i < c->n; i++) {
        const calibration_input *in = &c->inputs[i];
        const digest d = digest_of(in);
        printf("  %-18s %8zu %9" PRIu64 " %11.4g %11.4g %11.4g %11.4g %11.4g %9.1f %8zu %7zu\n", in->name, in->k, in->tokens, (double)d.min,
               (double)d.max, (double)in->low, (double)in->high, d.rms, d.worst, d.channel, in->silent);
    }
    printf(
        "\nleast, largest: of all values; average: the moving average of the windows' ranges; outlier: the largest magnitude over the rms, and its\n"
        "channel; silent: channels that were never anything but zero\n");
}

status inspect_calibration(const char *path, error *e) {
    calibration c;
    TRY(calibration_open(&c, path, e));
    print_clean(path);
    printf(": calibration of the model %016" PRIx64 ", %zu bytes\n", c.model, c.file.map.size);
    print_texts(c.texts);
    print_inputs(&c);
    calibration_close(&c);
    return OK;
}

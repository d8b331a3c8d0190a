/* logits: the logits of every position of a list of ids, for checking the engine from outside. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/session.h"
#include "tools/command.h"
#include "tools/ids.h"
#include "tools/names.h"
#include "tools/session_flags.h"

typedef struct logits_settings {
    const char *model, *ids, *out;
    session_flags session;
} logits_settings;

enum { BATCH_DEFAULT = 64 };

typedef struct rows { /* of the batch being evaluated */
    float *data;      /* [batch][vocab] */
    size_t first, vocab;
} rows;

static void keep_row(void *context, size_t position, const float *logits) {
    const rows *r = context;
    memcpy(r->data + (position - r->first) * r->vocab, logits, r->vocab * sizeof *logits);
}

static status write_all(session *s, const id_list *ids, size_t batch, rows *r, FILE *out, const char *name, error *e) {
    const logits_sink sink = {.row = keep_row, .context = r};
    for (size_t done = 0, n; done < ids->n; done += n) {
        n = ids->n - done < batch ? ids->n - done : batch;
        r->first = done;
        TRY(session_eval(s, ids->ids + done, n, &sink, e));
        if (fwrite(r->data, r->vocab * sizeof *r->data, n, out) != n) return fail(e, E_MEMORY, "%s: %s", name, strerror(errno));
    }
    return OK;
}

static status write_out(session *s, const id_list *ids, size_t vocab, const logits_settings *set, error *e) {
    const size_t batch = set->session.batch ? (size_t)set->session.batch : BATCH_DEFAULT, most = batch < ids->n ? batch : ids->n;
    rows r = {.data = calloc(most, vocab * sizeof(float)), .vocab = vocab};
    if (!r.data) return fail(e, E_MEMORY, "no memory for %zu rows of logits", most);
    FILE *out = set->out ? fopen(set->out, "wbe") : stdout;
    status code = out ? OK : fail(e, E_RUN, "%s: %s", set->out, strerror(errno));
    const char *name = set->out ? set->out : "standard output";
    if (code == OK) code = write_all(s, ids, batch, &r, out, name, e);
    if (set->out && out && fclose(out) != 0 && code == OK) code = fail(e, E_MEMORY, "%s: %s", name, strerror(errno));
    free(r.data);
    return code;
}

/* Opening it for writing would empty the file that the model is read from. */
static status check_output(const logits_settings *set, error *e) {
    if (!set->out) return OK;
    if (!*set->out) return fail(e, E_USAGE, "-o: the name of the file is empty");
    return same_file(set->model, set->out) ? fail(e, E_USAGE, "%s: is the model itself", set->out) : OK;
}

static status evaluate(const model *m, const id_list *ids, const logits_settings *set, error *e) {
    const uint32_t vocab = model_spec(m)->vocab;
    for (size_t i = 0; i < ids->n; i++) { /* before the first row is written */
        if (ids->ids[i] < 0 || (uint32_t)ids->ids[i] >= vocab)
            return fail(e, E_RUN, "token id %d is not below the vocabulary's size %u", ids->ids[i], vocab);
    }
    session_options o = session_flags_options(&set->session);
    if (!o.batch) o.batch = BATCH_DEFAULT;
    if (!o.context) o.context = (uint32_t)ids->n;
    session *s;
    TRY(session_open(&s, m, &o, e));
    const status code = write_out(s, ids, vocab, set, e);
    session_close(&s);
    return code;
}

static status run_logits(const args *a, error *e) {
    const logits_settings *set = a->settings;
    if (!set->model) return fail(e, E_USAGE, "no model: give one with -m FILE");
    if (!set->ids) return fail(e, E_USAGE, "no ids: give some with --ids 1,5,7");
    if (!set->out && isatty(STDOUT_FILENO)) return fail(e, E_USAGE, "logits are binary; give a file with -o FILE or a pipe");
    id_list ids = {0};
    model *m = NULL;
    status code = ids_parse(&ids, set->ids, e);
    if (code == OK && ids.n == 0) code = fail(e, E_USAGE, "the list of ids is empty");
    if (code == OK) code = check_output(set, e);
    if (code == OK) code = model_open(&m, set->model, e);
    if (code == OK) code = evaluate(m, &ids, set, e);
    model_close(&m);
    free(ids.ids);
    return code;
}

#define AT(field) .offset = offsetof(logits_settings, field)

static const option options[] = {
    {.name = "model", .letter = 'm', .kind = OPTION_TEXT, .value = "FILE", AT(model), .help = "The .qbin file to evaluate."},
    {.name = "ids", .kind = OPTION_TEXT, .value = "IDS", AT(ids), .help = "Token ids, like 1,5,7."},
    {.name = "output", .letter = 'o', .kind = OPTION_TEXT, .value = "FILE", AT(out), .help = "Where to write (default: standard output)."},
    CONTEXT_OPTION(logits_settings),
    SESSION_OPTIONS(logits_settings),
    {0},
};

const command command_logits = {
    .name = "logits",
    .summary = "Write the logits of every position of a list of token ids.",
    .usage = "-m FILE --ids IDS [-o FILE]",
    .details =
        "  logits -m model.qbin --ids 1,5,7 -o out.f32\n"
        "\n"
        "Writes float32, little-endian, [ids, vocabulary]. The bits do not depend on threads, batch or instruction set.",
    .options = options,
    .stray = "a model is given with -m",
    .settings_bytes = sizeof(logits_settings),
    .run = run_logits,
};

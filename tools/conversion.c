#include "tools/conversion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cpu.h"
#include "quantize/observers.h"
#include "tools/conversion_report.h"
#include "tools/names.h"
#include "tools/progress.h"
#include "tools/signals.h"
#include "tools/timings.h"

void list_formats(FILE *out) {
    fprintf(out, "formats:\n");
    for (const format_entry *f = format_list; f->name; f++) fprintf(out, "  %-10s %s\n", f->name, f->summary);
    char grammar[FORMAT_GRAMMAR];
    format_grammar(grammar);
    fprintf(out, "\n%s\nobservers:\n", grammar);
    for (const range_observer *const *o = range_observers; *o; o++) fprintf(out, "  %-17s %s\n", (*o)->name, (*o)->summary);
    fprintf(out, "\nrecipes:\n");
    for (const builtin_recipe *b = builtin_recipes; b->name; b++) fprintf(out, "  %-10s %s\n", b->name, b->summary);
}

static status check_flags(const conversion_flags *set, const char *base, error *e) {
    if (set->calibrate_chunks == 0) return fail(e, E_USAGE, "--calibrate-chunks 0 reads nothing; -1 is all");
    if (set->recipe && base && recipe_builtin(base)) return fail(e, E_USAGE, "%s and --recipe are two recipes; one is enough", base);
    return set->report ? report_check(set->report, e) : OK;
}

status conversion_open(conversion *c, const conversion_flags *set, const char *base, error *e) {
    const recipe_wish wish = {base, set->recipe, set->embedding_type, set->output_type, set->tensor_types.items, set->tensor_types.n};
    *c = (conversion){.set = set, .method = set->method ? method_find(set->method) : methods[0]};
    TRY(check_flags(set, base, e));
    return recipe_open(&c->recipe, &wish, e);
}

void conversion_close(conversion *c) {
    qbin_abandon(&c->writer);
    json_decref(c->meta);
    free(c->output);
    free(c->entries);
    free(c->todo);
    recipe_close(&c->recipe);
    *c = (conversion){0};
}

/* ---- tensors ---- */

static status add(conversion *c, const char *name, const reader *from, bool is_vector, error *e) {
    if (c->n == c->room) {
        const size_t room = c->room ? 2 * c->room : 256;
        qbin_entry *entries = reallocarray(c->entries, room, sizeof *entries);
        if (entries) c->entries = entries;
        quantize_tensor *todo = reallocarray(c->todo, room, sizeof *todo);
        if (todo) c->todo = todo;
        if (!entries || !todo) return fail(e, E_MEMORY, "no memory for %zu tensors", room);
        c->room = room;
    }
    qbin_entry *t = &c->entries[c->n];
    *t = (qbin_entry){.ndim = is_vector ? 1 : 2, .rows = is_vector ? from->k : from->rows, .k = is_vector ? 1 : from->k};
    snprintf(t->name, sizeof t->name, "%s", name);
    c->todo[c->n++] = (quantize_tensor){.from = *from};
    return OK;
}

/* The format that a matrix has in its source. */
static status keep_format(conversion *c, const reader *from, format *chosen, error *e) {
    if (!from->keep) {
        return fail(e, E_USAGE, "%s: tensor '%s' is %s, which no format here holds exactly: choose a FORMAT, or one for it with --tensor-type",
                    from->file->path, from->name, from->type ? from->type : "quantized already");
    }
    c->todo[c->n - 1].keep = from->codes;
    return format_parse(chosen, from->keep, e);
}

status conversion_add(conversion *c, const char *name, const char *origin, const reader *from, bool is_vector, uint32_t layers, error *e) {
    TRY(add(c, name, from, is_vector, e));
    format *chosen = &c->entries[c->n - 1].format;
    if (is_vector) return format_parse(chosen, "f32", e);
    TRY(recipe_choose(&c->recipe, &(named){name, origin, layers}, chosen, e));
    if (!chosen->family) TRY(keep_format(c, from, chosen, e));
    if (c->set->activations) format_set_act(chosen, c->set->activations);
    return OK;
}

status conversion_keep(conversion *c, const tensor *t, const map *file, error *e) {
    const reader from = reader_of_tensor(t, file);
    TRY(add(c, t->name, &from, t->ndim == 1, e));
    qbin_entry *entry = &c->entries[c->n - 1];
    entry->format = t->format;
    entry->hash = t->hash;
    entry->error = t->error;
    entry->act_scale = t->act_scale;
    entry->act_center = t->act_center;
    c->todo[c->n - 1].copy = t->data;
    c->todo[c->n - 1].result = (quantize_result){.error = (double)t->error, .weighted = (double)t->error};
    return OK;
}

json_t *conversion_recipe(const conversion *c) {
    const conversion_flags *s = c->set;
    const char *slash = s->recipe ? strrchr(s->recipe, '/') : NULL;
    json_t *rules = json_array(), *tensors = json_object();
    for (size_t i = 0; i < s->tensor_types.n; i++) json_array_append_new(rules, json_string(s->tensor_types.items[i]));
    for (size_t i = 0; i < c->n; i++) {
        char name[FORMAT_NAME];
        format_name(&c->entries[i].format, name);
        if (c->entries[i].ndim == 2) json_object_set_new(tensors, c->entries[i].name, json_string(name));
    }
    return json_pack("{s:s?, s:s, s:s?, s:o, s:s?, s:s?, s:o, s:b, s:s*, s:s*, s:o}", "format", c->recipe.wish.format, "method", c->method->name,
                     "recipe", slash ? slash + 1 : s->recipe, "rules", recipe_rules(&c->recipe), "embedding_type", s->embedding_type, "output_type",
                     s->output_type, "tensor_types", rules, "allow_nonfinite", s->allow_nonfinite, "activations", s->activations, "only", s->only,
                     "tensors", tensors);
}

/* ---- the plan ---- */

static status plan(conversion *c, error *e) {
    bool has_head = false;
    for (size_t i = 0; i < c->n; i++) has_head = has_head || !strcmp(c->entries[i].name, "head");
    TRY(recipe_check(&c->recipe, has_head, e));
    size_t next = 0;
    for (const recipe_rule *rule; !c->set->quiet && (rule = recipe_unused(&c->recipe, &next));) {
        fprintf(stderr, "warning: %s: line %zu: '%s' matches the name of no matrix\n", rule->from, rule->line, rule->pattern.text);
    }
    bool products = false;
    for (size_t i = 0; i < c->n; i++) products = products || c->todo[i].products;
    if (c->method->compensates && !products) {
        return fail(e, E_USAGE, "--method %s needs the products of the inputs: give it a --calibration that was made with calibrate --products",
                    c->method->name);
    }
    if (!*c->output) return fail(e, E_USAGE, "-o: the name of the file is empty");
    c->meta_bytes = c->meta ? json_dumpb(c->meta, NULL, 0, JSON_COMPACT) : 0;
    if (!c->meta_bytes) return fail(e, E_RUN, "the metadata cannot be written: a name or option is not UTF-8");
    return qbin_plan(c->entries, c->n, c->meta_bytes, c->tokens_bytes, &c->file_bytes, e);
}

/* ---- writing ---- */

static status check_output(const conversion *c, error *e) {
    struct stat there;
    if (stat(c->output, &there)) return OK;
    for (size_t i = 0; i < c->n_inputs; i++) {
        if (c->inputs[i]->data && same_file(c->inputs[i]->path, c->output)) return fail(e, E_USAGE, "%s: is the input", c->output);
    }
    if (S_ISDIR(there.st_mode)) return fail(e, E_USAGE, "%s: is a directory, not a file to write", c->output);
    if (c->set->force || qbin_is(c->output)) return OK;
    return fail(e, E_USAGE, "%s: exists and is not a .qbin file; --force replaces it", c->output);
}

static status write_weights(conversion *c, error *e) {
    progress_line line;
    const progress shown = progress_open(&line, "B", c->set->quiet);
    const quantize_job job = {
        .writer = c->writer,
        .entries = c->entries,
        .tensors = c->todo,
        .n = c->n,
        .method = c->method,
        .allow_nonfinite = c->set->allow_nonfinite,
        .threads = c->set->threads ? (int)c->set->threads : cpu_threads(NULL, 0),
        .progress = &shown,
        .stopped = signals_stopped,
    };
    const status s = quantize_run(&job, e);
    progress_close(&line);
    return s;
}

static status commit(conversion *c, error *e) {
    if (c->complete) c->complete(c, c->owner);
    char *text = malloc(c->meta_bytes);
    if (!text || json_dumpb(c->meta, text, c->meta_bytes, JSON_COMPACT) != c->meta_bytes) {
        free(text);
        return fail(e, E_MEMORY, "no memory for the metadata");
    }
    status s = signals_stopped() ? fail(e, E_INTERRUPT, "interrupted") : OK;
    if (s == OK) s = qbin_commit(&c->writer, text, c->tokens, e);
    free(text);
    return s;
}

static status write_file(conversion *c, error *e) {
    TRY(check_output(c, e));
    signals_catch();
    TRY(qbin_create(&c->writer, c->output, c->entries, c->n, c->meta_bytes, c->tokens_bytes, e));
    TRY(write_weights(c, e));
    return commit(c, e);
}

status conversion_run(conversion *c, error *e) {
    const double start = clock_seconds();
    TRY(plan(c, e));
    if (c->set->dry_run) {
        report_plan(stdout, c);
        return OK;
    }
    TRY(write_file(c, e));
    c->seconds = clock_seconds() - start;
    if (!c->set->quiet) report_result(stderr, c);
    return c->set->report ? report_write(c, c->set->report, e) : OK;
}
